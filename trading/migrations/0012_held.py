"""Risk is asked under the lock of the account, in one trip."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """The question that waits for its turn."""

    dependencies = [("trading", "0011_store")]

    operations = [
        migrations.RunSQL((SQL / "held.sql").read_text(), "DROP FUNCTION trading_standing_held(integer, uuid, uuid, text[])"),
    ]
