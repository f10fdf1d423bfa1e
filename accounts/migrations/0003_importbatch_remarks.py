from django.db import migrations, models


class Migration(migrations.Migration):
    """What an import assumed is kept with it."""

    dependencies = [("accounts", "0002_tenancy_and_ledger")]

    operations = [
        migrations.AddField(
            model_name="importbatch",
            name="remarks",
            field=models.JSONField(default=list, help_text="[{code, detail}] of what was assumed where the file says nothing."),
        ),
    ]
