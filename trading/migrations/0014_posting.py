"""Fills are posted in one trip with their entries, their events and how their orders stand."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = """
    DROP FUNCTION trading_post(uuid, uuid, text, text, timestamptz, jsonb, jsonb, jsonb, jsonb);
    DROP FUNCTION trading_wished(uuid, text)
"""


class Migration(migrations.Migration):
    """What posting takes."""

    dependencies = [("trading", "0013_fills_at_less_cost"), ("accounts", "0011_mail")]

    operations = [migrations.RunSQL((SQL / "posting.sql").read_text(), BACK)]
