"""What an account had lost when its owner resumed trading, and what one order closed as one trade."""

from pathlib import Path

from django.db import migrations

import portfolio.models.fields

SQL = Path(__file__).resolve().parent.parent / "sql"
ENDS = """
    DROP TRIGGER pause_ends_once ON trading_tradingpause;
    CREATE TRIGGER pause_ends_once BEFORE UPDATE ON trading_tradingpause
    FOR EACH ROW EXECUTE FUNCTION trading_stop_ends_once({});
"""
ENDED = "'resumed_at', 'resumed_by_id', 'note'"


class Migration(migrations.Migration):
    """Two columns that are written when a pause ends, and the question to the database that reads them."""

    dependencies = [("trading", "0009_order_events_by_id")]

    operations = [
        migrations.AddField(
            "tradingpause",
            "day_gain",
            portfolio.models.fields.AmountField(
                blank=True,
                decimal_places=10,
                help_text="What the day had brought when trading was resumed.",
                max_digits=60,
                null=True,
            ),
        ),
        migrations.AddField(
            "tradingpause",
            "twr_index",
            portfolio.models.fields.IndexField(
                blank=True,
                decimal_places=18,
                help_text="The chained value of a unit then.",
                max_digits=60,
                null=True,
            ),
        ),
        migrations.RunSQL(ENDS.format(f"{ENDED}, 'day_gain', 'twr_index'"), ENDS.format(ENDED)),
        migrations.RunSQL((SQL / "standing.sql").read_text(), migrations.RunSQL.noop),
    ]
