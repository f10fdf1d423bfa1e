"""How an account stands is told in texts that need no second reading, on the trip that finds the account and the instrument."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = """
DROP FUNCTION trading_ordering(uuid, uuid, smallint, text, text, integer, text[], timestamptz);
DROP FUNCTION trading_stands_held(integer, uuid, uuid, text[], timestamptz);
DROP FUNCTION trading_stands(uuid, uuid, text[], timestamptz);
"""
BEFORE = (SQL / "standing_at.sql").read_text().partition("DROP FUNCTION")[0]  # what it drops itself is gone


class Migration(migrations.Migration):
    """The question, at less cost, takes the place of the one before."""

    dependencies = [("trading", "0017_of_an_order"), ("accounts", "0013_seen")]

    operations = [migrations.RunSQL((SQL / "stands.sql").read_text(), [BACK, BEFORE])]
