"""Leave room beside rows that every batch writes over, so that they stay on their pages and out of their indexes."""

from django.db import migrations

TABLES = ("latestquote", "latesttick", "pendingrollup")


class Migration(migrations.Migration):
    """Without it two of three updates went to another page, and the tables grew."""

    dependencies = [("marketdata", "0009_drop_day_alone")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE marketdata_{table} SET (fillfactor = 40)", f"ALTER TABLE marketdata_{table} RESET (fillfactor)"
        )
        for table in TABLES
    ]
