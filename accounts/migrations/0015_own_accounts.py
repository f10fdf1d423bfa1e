"""Who acts is read once a question, not once a membership."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
NAME, END = "FUNCTION app_accounts(min_role integer)", "$$;"
BEFORE = (SQL / "tenancy.sql").read_text().partition(f"CREATE {NAME}")[2].partition(END)[0]


class Migration(migrations.Migration):
    """The same answer at less cost."""

    dependencies = [("accounts", "0014_seen_alone")]

    operations = [
        migrations.RunSQL((SQL / "own_accounts.sql").read_text(), f"CREATE OR REPLACE {NAME}{BEFORE}{END}"),
    ]
