"""Row-level security on what the members of an account have decided about it."""

from django.db import migrations

from accounts.domain.roles import Role
from accounts.models.tenancy import members_of, protect

ALL = "SELECT, INSERT, UPDATE, DELETE"
TRADERS = members_of("account_id", Role.TRADER)
OWNERS = members_of("account_id", Role.OWNER)


def rows_below(table: str, column: str, above: str) -> str:
    """Return the SQL that protects rows which hang off rows of the same account."""
    own = f"{column} IN (SELECT above.id FROM {above} AS above WHERE above.account_id = {table}.account_id)"
    return protect(table, read=members_of("account_id"), write=f"{TRADERS} AND {own}", app=ALL)


class Migration(migrations.Migration):
    """Put every table behind the gate: traders plan, owners set the limits."""

    dependencies = [("accounts", "0004_plans")]

    operations = [
        migrations.RunSQL(protect("accounts_taxonomy", read=members_of("account_id"), write=TRADERS, app=ALL)),
        migrations.RunSQL(rows_below("accounts_classification", "taxonomy_id", "accounts_taxonomy")),
        migrations.RunSQL(protect("accounts_targetallocation", read=members_of("account_id"), write=TRADERS, app=ALL)),
        migrations.RunSQL(rows_below("accounts_target", "allocation_id", "accounts_targetallocation")),
        migrations.RunSQL(protect("accounts_policy", read=members_of("account_id"), write=OWNERS, app=ALL)),
        migrations.RunSQL(protect("accounts_tradethresholds", read=members_of("account_id"), write=OWNERS, app=ALL)),
    ]
