"""How an account stands, in one question: what every order is held against."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """The function that answers it."""

    dependencies = [
        ("trading", "0004_backtest_rules"),
        ("portfolio", "0007_checkpoints"),
        ("marketdata", "0012_instruments_quoted_in_small_coins"),
    ]

    operations = [
        migrations.RunSQL((SQL / "standing.sql").read_text(), "DROP FUNCTION trading_standing(uuid, uuid, text[])"),
    ]
