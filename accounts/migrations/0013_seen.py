"""The question of every request, whose plan is kept."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """The function that answers it."""

    dependencies = [("accounts", "0012_strategy_jobs"), ("marketdata", "0012_instruments_quoted_in_small_coins")]

    operations = [
        migrations.RunSQL((SQL / "seen.sql").read_text(), "DROP FUNCTION accounts_seen(uuid, uuid, smallint, text, text)"),
    ]
