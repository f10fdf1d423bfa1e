"""Room for which days lack a price or rate of something held."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portfolio", "0005_lot_tacked_days")]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="complete",
            field=models.BooleanField(
                db_default=True, help_text="Nothing held lacked a price or rate; else the day has no return of its own."
            ),
        ),
    ]
