"""Row-level security on every table of an account or a person, and the ledger's one writer."""

from pathlib import Path

from django.db import migrations

from accounts.domain.roles import Role
from accounts.models.tenancy import members_of, protect

SQL = Path(__file__).resolve().parent.parent / "sql"
ALL = "SELECT, INSERT, UPDATE, DELETE"
OWN = "user_id = (SELECT app_user())"

PROTECTED = [
    protect("accounts_account", read=members_of("id"), write=members_of("id", Role.OWNER), app="SELECT, INSERT, UPDATE"),
    protect(
        "accounts_membership",
        read=f"{members_of('account_id')} OR user_id = (SELECT app_user()) OR (accepted_at IS NULL AND lower(email) = (SELECT app_email()))",
        app=ALL,
    ),
    "CREATE POLICY app_insert ON accounts_membership FOR INSERT TO bedrock_app WITH CHECK ("
    f"{members_of('account_id', Role.OWNER)} OR (user_id = (SELECT app_user()) AND role = 30 AND app_unclaimed(account_id)));",
    f"CREATE POLICY app_update ON accounts_membership FOR UPDATE TO bedrock_app USING ({members_of('account_id', Role.OWNER)});",
    "CREATE POLICY app_delete ON accounts_membership FOR DELETE TO bedrock_app USING ("
    f"{members_of('account_id', Role.OWNER)} OR user_id = (SELECT app_user()) OR (accepted_at IS NULL AND lower(email) = (SELECT app_email())));",
    protect("accounts_ledgerentry", read=members_of("account_id")),
    protect("accounts_ledgerhead", read=members_of("account_id")),
    protect(
        "accounts_importbatch",
        read=members_of("account_id"),
        write=members_of("account_id", Role.TRADER),
        app="SELECT, INSERT, UPDATE",
    ),
    protect("accounts_job", read=members_of("account_id"), write=members_of("account_id", Role.OWNER), app=ALL, system=ALL),
    protect("accounts_jobrun", read=members_of("account_id"), system=ALL),
    protect("accounts_watchlist", read=OWN, write=OWN, app=ALL),
    protect(
        "accounts_watchlist_instruments",
        read="watchlist_id IN (SELECT id FROM accounts_watchlist)",
        write="watchlist_id IN (SELECT id FROM accounts_watchlist)",
        app=ALL,
    ),
    protect("accounts_notification", read=OWN, write=OWN, app=ALL, system="SELECT, INSERT, DELETE"),
    protect("accounts_apitoken", read=OWN, write=OWN, app="SELECT, INSERT, UPDATE"),
    protect("accounts_idempotencykey", read=OWN, write=OWN, app=ALL, system="SELECT, DELETE"),
]


class Migration(migrations.Migration):
    """Tenancy and the ledger in the database itself."""

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL((SQL / "tenancy.sql").read_text()),
        *(migrations.RunSQL(statements) for statements in PROTECTED),
        *(migrations.RunSQL((SQL / f"{name}.sql").read_text()) for name in ("ledger", "rules", "verify")),
    ]
