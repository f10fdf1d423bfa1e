"""Row-level security on every table, keys that hold rows of one account together, and what may never be changed."""

from pathlib import Path

from django.db import migrations

from accounts.domain.roles import Role
from accounts.models.tenancy import members_of, protect

SQL = Path(__file__).resolve().parent.parent / "sql"
ALL = "SELECT, INSERT, UPDATE, DELETE"
ADD = "SELECT, INSERT"
KEEP = "SELECT, INSERT, UPDATE"
MEMBERS = members_of("account_id")
TRADERS = members_of("account_id", Role.TRADER)
OWNERS = members_of("account_id", Role.OWNER)
OWN = "user_id = (SELECT app_user())"
SHOWN = f"{OWN} OR id = ANY ((SELECT app_strategies())::uuid[])"

# table: who writes, what the app may do, what the jobs of all accounts may do besides reading
TABLES = {
    "signal": (TRADERS, ALL, ""),
    "decision": (TRADERS, ALL, ""),
    "decisionchange": (TRADERS, ADD, ""),
    "order": (TRADERS, KEEP, "UPDATE (claimed_at)"),
    "orderevent": (TRADERS, ADD, ""),
    "risklimits": (OWNERS, ALL, ""),
    "restrictedinstrument": (OWNERS, ALL, ""),
    "riskevent": (TRADERS, ADD, ""),
    "brokerconnection": (OWNERS, ALL, "UPDATE (claimed_at)"),
    "break": (TRADERS, KEEP, ""),
    "tradetag": (TRADERS, ALL, ""),
    "tradenote": (TRADERS, ALL, ""),
    "attachment": (TRADERS, ALL, ""),
    "backtestrun": (TRADERS, ALL, "UPDATE"),
    "webhook": (OWNERS, ALL, "UPDATE (enabled, failures, last_error)"),
    "delivery": (TRADERS, ADD, "UPDATE, DELETE"),
}

# table, column, what it names, and what happens to the row when that goes
KEYS = [
    ("signal", "session", "session", ""),
    ("decision", "session", "session", ""),
    ("decision", "signal", "signal", ""),
    ("decisionchange", "decision", "decision", "ON DELETE CASCADE"),
    ("order", "parent", "order", ""),
    ("order", "replaces", "order", ""),
    ("order", "session", "session", ""),
    ("order", "decision", "decision", ""),
    ("orderevent", "order", "order", ""),
    ("fill", "order", "order", ""),
    ("riskevent", "order", "order", ""),
    ("tradingpause", "event", "riskevent", ""),
    ("break", "order", "order", ""),
    ("tradetag", "order", "order", ""),
    ("tradenote", "order", "order", ""),
    ("attachment", "order", "order", ""),
    ("backtestrun", "parent", "backtestrun", "ON DELETE CASCADE"),
    ("delivery", "webhook", "webhook", "ON DELETE CASCADE"),
]


def guarded(name: str, write: str, app: str, system: str) -> str:
    """Return the SQL that puts a table of accounts behind the gate."""
    return protect(f"trading_{name}", read=MEMBERS, write=write, app=app, system=", ".join(filter(None, ("SELECT", system))))


def tied(name: str, column: str, to: str, then: str) -> str:
    """Return the SQL that lets a column name a row of the same account alone."""
    return (
        f"ALTER TABLE trading_{name} ADD CONSTRAINT {name}_{column}_of_the_account FOREIGN KEY (account_id, {column}_id) "
        f"REFERENCES trading_{to} (account_id, id) {then} DEFERRABLE INITIALLY DEFERRED"
    )


class Migration(migrations.Migration):
    """Tenancy and history in the database itself."""

    dependencies = [("trading", "0001_initial"), ("accounts", "0002_tenancy_and_ledger")]

    operations = [
        migrations.RunSQL((SQL / "guards.sql").read_text()),
        *(migrations.RunSQL(guarded(name, *rights)) for name, rights in TABLES.items()),
        *(migrations.RunSQL(tied(*key)) for key in KEYS),
        migrations.RunSQL(protect("trading_strategy", read=SHOWN, write=OWN, app=ALL)),
        # a session runs a strategy that whoever begins it may see, a fill is posted in its own account's ledger
        migrations.RunSQL(
            protect(
                "trading_session",
                read=MEMBERS,
                write=f"{TRADERS} AND (strategy_id IS NULL OR strategy_id IN (SELECT s.id FROM trading_strategy s))",
                app=KEEP,
            )
        ),
        migrations.RunSQL(
            protect(
                "trading_fill",
                read=MEMBERS,
                write=f"{TRADERS} AND entry_id IN (SELECT e.id FROM accounts_ledgerentry e WHERE e.account_id = trading_fill.account_id)",
                app=ADD,
            )
        ),
        # whoever trades may stop trading, an owner alone lets it go on
        migrations.RunSQL(protect("trading_tradingpause", read=MEMBERS, app=KEEP)),
        migrations.RunSQL(
            f"CREATE POLICY app_insert ON trading_tradingpause FOR INSERT TO bedrock_app WITH CHECK ({TRADERS});"
            f"CREATE POLICY app_update ON trading_tradingpause FOR UPDATE TO bedrock_app USING ({OWNERS}) WITH CHECK ({OWNERS});"
        ),
        # of no account: everybody may know of it
        migrations.RunSQL(
            "GRANT SELECT ON trading_tradinghalt TO bedrock_app;"
            "GRANT SELECT, INSERT, UPDATE ON trading_tradinghalt TO bedrock_system;"
        ),
    ]
