"""Let two writers of a new day make its partition once."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0004_applied_actions"),
    ]

    operations = [
        migrations.RunSQL((SQL / "add_day.sql").read_text(), migrations.RunSQL.noop),
    ]
