"""How an account stands at a time: no price of later is looked at, and the answer is written at less cost."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
BACK = """
DROP FUNCTION trading_standing_held(integer, uuid, uuid, text[], timestamptz);
DROP FUNCTION trading_standing_at(uuid, uuid, text[], timestamptz);
"""


class Migration(migrations.Migration):
    """The question, with its time, takes the place of the one without."""

    dependencies = [("trading", "0015_order_events_put_off")]

    operations = [
        migrations.RunSQL(
            (SQL / "standing_at.sql").read_text(), [BACK, (SQL / "standing.sql").read_text(), (SQL / "held.sql").read_text()]
        ),
    ]
