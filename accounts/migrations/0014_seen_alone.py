"""The question of every request is about the account alone: who orders asks for the instrument with how the account stands."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """The function without an instrument takes the place of the one with."""

    dependencies = [("accounts", "0013_seen")]

    operations = [
        migrations.RunSQL(
            (SQL / "seen_alone.sql").read_text(),
            ["DROP FUNCTION accounts_seen(uuid, uuid, smallint)", (SQL / "seen.sql").read_text()],
        ),
    ]
