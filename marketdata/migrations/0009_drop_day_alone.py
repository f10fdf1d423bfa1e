"""Let nobody write to a day's table between the count of its rows and its end."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0008_skipped_and_footers"),
    ]

    operations = [
        migrations.RunSQL((SQL / "drop_day.sql").read_text(), migrations.RunSQL.noop),
    ]
