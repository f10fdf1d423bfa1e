"""Fees and taxes that are paid back: the cash of a FEE or a TAX may be above zero as well."""

from pathlib import Path

from django.db import migrations

RULES = (Path(__file__).resolve().parent.parent / "sql" / "rules.sql").read_text()
FUNCTION = RULES.partition("\n\n-- the checks of the number fields")[0]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_corporate_action_jobs")]

    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]
