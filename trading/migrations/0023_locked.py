"""Orders are locked as rows that are cheap to name, and known executions are found by their keys."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
GONE = "DROP FUNCTION trading_locked(uuid, uuid[], boolean); DROP FUNCTION trading_known(uuid, text, uuid, text[])"
MARK = "-- Orders of an account with their instruments"
BEFORE = MARK + (SQL / "posting_many.sql").read_text().partition(MARK)[2]


class Migration(migrations.Migration):
    """Two questions at less cost."""

    dependencies = [("trading", "0022_halts_that_cancel")]

    operations = [migrations.RunSQL((SQL / "locked.sql").read_text(), [GONE, BEFORE])]
