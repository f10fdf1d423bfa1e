"""Room for the days that units sold at a loss hand on to those that replaced them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portfolio", "0004_alerts_tenancy")]

    operations = [
        migrations.AddField(
            model_name="lot",
            name="tacked_days",
            field=models.IntegerField(
                help_text="Days that count as held before: those of units sold at a loss that these replaced.", null=True
            ),
        ),
    ]
