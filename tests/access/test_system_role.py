"""The role that sees everybody's rows: who in the code may use it, and what the database lets it do."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "marketdata", "portfolio", "trading", "config")

# the few modules that speak of the `system` connection, each with what it needs it for
MAY_NAME_IT = {
    "config/settings.py": "defines it",
    "config/embedded.py": "hands out its address",
    "config/checks.py": "checks its role",
    "accounts/management/commands/migrate.py": "grants it its rights",
    "accounts/management/members.py": "finds the owner in whose name a command is given, where nobody is named",
    "accounts/selectors/ledger.py": "walks the chains of all ledgers",
    "accounts/services/bundle_queue.py": "claims the accounts that wait to be brought in",
    "accounts/services/import_posting.py": "claims the imports that wait, and notes those that failed",
    "accounts/services/jobs.py": "claims the due jobs of all accounts",
    "accounts/services/idempotency.py": "forgets old answers of everybody",
    "accounts/services/mails.py": "sends everybody's mail",
    "accounts/services/prices.py": "refreshes what accounts hold, for their jobs",
    "portfolio/selectors/market.py": "names it for the app",
    "portfolio/selectors/lagging.py": "finds what lags, in all accounts",
    "portfolio/selectors/projections.py": "reads how far accounts were derived",
    "portfolio/selectors/checkpoints.py": "reads what the derivation kept of the past",
    "portfolio/services/checks.py": "derives again to compare, and tells the owner",
    "portfolio/services/alerts.py": "notes what is broken, and tells the members",
    "portfolio/services/policies.py": "finds the accounts that have bounds",
    "portfolio/services/corporate_actions.py": "reads what an account's job proposes; its owner posts it",
    "portfolio/services/end_of_day.py": "takes accounts on by the prices of a day",
    "portfolio/services/projections.py": "derives",
    "portfolio/services/runs.py": "plans what to derive",
    "portfolio/services/rebuilding.py": "derives again",
    "portfolio/services/performance.py": "writes what was derived",
    "portfolio/services/store.py": "writes what was derived, in one message",
    "portfolio/services/trade_alerts.py": "notes what bounds the last trades break, and tells the members",
    "trading/services/backtests.py": "claims, counts and ends the runs of all accounts",
    "trading/services/syncing.py": "finds the accounts whose brokers are to be asked",
    "trading/services/sending.py": "claims the orders of all accounts",
    "trading/services/automation.py": "finds the accounts whose automatic sessions have something to do",
    "trading/services/watching.py": "finds the accounts that trade",
    "trading/services/signals.py": "finds the signals whose time is over",
    "trading/services/pauses.py": "stops all trading, and finds the accounts with open orders",
    "trading/services/delivering.py": "tells the webhooks of all accounts",
    "trading/services/telling.py": "tells the members of an account",
}

DERIVED = sorted(model._meta.db_table for model in apps.get_app_config("portfolio").get_models())
PEOPLE = {"accounts_user", "accounts_user_groups", "accounts_user_user_permissions"}  # they belong to no account
TRUTH = sorted(model._meta.db_table for model in apps.get_app_config("accounts").get_models(include_auto_created=True))
SYSTEM_WRITES = {"accounts_job", "accounts_jobrun", "accounts_notification", "accounts_idempotencykey"}
# what jobs over many accounts claim and finish; all else of trading is written as a member of the account
TRADING: dict[str, set[str]] = {model._meta.db_table: set() for model in apps.get_app_config("trading").get_models()}
TRADING |= {
    "trading_backtestrun": {"UPDATE"},
    "trading_delivery": {"UPDATE", "DELETE"},
    "trading_tradinghalt": {"INSERT", "UPDATE"},
}
CLAIMED = {"trading_order": {"claimed_at"}, "trading_brokerconnection": {"claimed_at"}}
CLAIMED |= {"trading_webhook": {"enabled", "failures", "last_error"}}
SYSTEM_CLAIMS = {"accounts_importbatch", "accounts_accountimport"}  # it takes what waits, and nothing else


def speaks_of_it(path: Path) -> bool:
    """Say whether a module holds the name of the connection as a value, or brings it in under its constant's name."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return any(
        (isinstance(node, ast.Constant) and node.value == "system") or (isinstance(node, ast.alias) and node.name == "SYSTEM")
        for node in nodes
    )


def rights(role: str, table: str) -> set[str]:
    """Return which writes a role may do on a table."""
    kinds = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
    with connection.cursor() as cursor:
        cursor.execute(
            "select " + ", ".join(f"has_table_privilege(%s, %s, '{kind}')" for kind in kinds), [role, table] * len(kinds)
        )
        return {kind for kind, may in zip(kinds, cursor.fetchone(), strict=True) if may}


def test_only_the_named_modules_use_it():
    modules = {str(path.relative_to(ROOT)) for app in APPS for path in (ROOT / app).rglob("*.py") if speaks_of_it(path)}
    assert modules == set(MAY_NAME_IT)


def test_no_door_uses_it():
    assert not [name for name in MAY_NAME_IT if {"api", "admin"} & set(Path(name).parts)]


@pytest.mark.parametrize("table", DERIVED)
def test_derived_tables_are_written_by_it_alone(table):
    assert rights("bedrock_app", table) == set()
    assert {"INSERT", "UPDATE", "DELETE"} <= rights("bedrock_system", table)


@pytest.mark.parametrize("table", [table for table in TRUTH if table not in SYSTEM_WRITES | SYSTEM_CLAIMS | PEOPLE])
def test_the_truth_is_not_its_to_write(table):
    assert rights("bedrock_system", table) == set()


@pytest.mark.parametrize("table", TRADING)
def test_of_trading_it_writes_what_jobs_claim_alone(table):
    assert rights("bedrock_system", table) == TRADING[table]
    with connection.cursor() as cursor:
        cursor.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and has_column_privilege('bedrock_system', attrelid, attnum, 'UPDATE')",
            [table],
        )
        columns = {name for (name,) in cursor.fetchall()}
    assert "UPDATE" in TRADING[table] or columns == CLAIMED.get(table, set())


@pytest.mark.parametrize(
    "table", ["trading_order", "trading_orderevent", "trading_fill", "trading_riskevent", "trading_decisionchange"]
)
def test_no_member_deletes_what_was_recorded_of_trading(table):
    assert not rights("bedrock_app", table) & {"DELETE", "TRUNCATE"}
    assert "UPDATE" not in rights("bedrock_app", table) or table == "trading_order"


@pytest.mark.parametrize("table", sorted(SYSTEM_CLAIMS))
def test_what_waits_is_its_to_claim(table):
    assert rights("bedrock_system", table) == {"UPDATE"}


@pytest.mark.parametrize("role", ["bedrock_app", "bedrock_system"])
def test_no_runtime_role_may_more_than_it_is_granted(role):
    with connection.cursor() as cursor:
        cursor.execute(
            "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin "
            "from pg_roles where rolname = %s",
            [role],
        )
        assert cursor.fetchone() == (False, False, False, False, False, False)
        cursor.execute("select has_schema_privilege(%s, 'public', 'CREATE')", [role])
        assert cursor.fetchone() == (False,)
        cursor.execute("select count(*) from pg_class c where pg_has_role(%s, c.relowner, 'MEMBER')", [role])
        assert cursor.fetchone() == (0,)
