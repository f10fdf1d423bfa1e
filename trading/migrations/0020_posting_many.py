"""Fills are handed over column by column, and orders that are filled are locked by functions whose plans are kept.

When events were recorded is asked by nobody: an index of it was for nothing.
"""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = """
    DROP FUNCTION trading_known(uuid, text, uuid, text[]);
    DROP FUNCTION trading_locked(uuid, uuid[], boolean);
    DROP FUNCTION trading_post(
      uuid, uuid, text, text, timestamptz, jsonb, uuid[], uuid[], uuid[], text[], numeric[], numeric[], numeric[], timestamptz[],
      uuid[], integer[], text[], jsonb, jsonb)
"""
MARK = "-- Fills posted in one trip"
BEFORE = MARK + (SQL / "posting.sql").read_text().partition(MARK)[2]


class Migration(migrations.Migration):
    """What posting takes now."""

    dependencies = [("trading", "0019_stands")]

    operations = [
        migrations.RunSQL((SQL / "posting_many.sql").read_text(), [BACK, BEFORE]),
        migrations.RemoveIndex(model_name="orderevent", name="order_event_by_time"),
    ]
