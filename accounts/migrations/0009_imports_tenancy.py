"""Row-level security on the files that are read in, what they leave open, and what a person has said about their files."""

from django.db import migrations

from accounts.domain.roles import Role
from accounts.models.tenancy import members_of, protect

ALL = "SELECT, INSERT, UPDATE, DELETE"
OWN = "user_id = (SELECT app_user())"
TRADERS = members_of("account_id", Role.TRADER)


def of_a_batch(table: str) -> str:
    """Return the SQL that protects what hangs off an import of the same account."""
    own = f"batch_id IN (SELECT batch.id FROM accounts_importbatch AS batch WHERE batch.account_id = {table}.account_id)"
    return protect(table, read=members_of("account_id"), write=f"{TRADERS} AND {own}", app=ALL)


class Migration(migrations.Migration):
    """Traders read files in; what a person answers, and how their files are read, is their own."""

    dependencies = [("accounts", "0008_imports")]

    operations = [
        migrations.RunSQL(of_a_batch("accounts_importfile")),
        migrations.RunSQL(of_a_batch("accounts_importquestion")),
        migrations.RunSQL(protect("accounts_instrumentanswer", read=OWN, write=OWN, app=ALL)),
        migrations.RunSQL(protect("accounts_importtemplate", read=OWN, write=OWN, app=ALL)),
        # a worker claims files that wait, whoever they belong to, and says what became of them
        migrations.RunSQL("GRANT UPDATE ON accounts_importbatch TO bedrock_system", migrations.RunSQL.noop),
        migrations.RunSQL("GRANT DELETE ON accounts_importbatch TO bedrock_app", migrations.RunSQL.noop),
    ]
