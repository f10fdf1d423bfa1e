"""What tests do to ledgers that nobody should: open them as the superuser, and tamper with them behind the guards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections

from accounts.models import Account, LedgerEntry, LedgerHead
from accounts.models.tenancy import acting_as
from config.embedded import var
from config.servers import Postgres

TABLES = ("accounts_ledgerentry", "accounts_ledgerhead")
GUARDS = {
    "accounts_ledgerentry": ("entry_one_writer", "entry_fixed", "entry_kept"),
    "accounts_ledgerhead": ("head_one_writer", "head_fixed", "head_kept"),
}


def superuser() -> psycopg.Connection[Any]:
    """Return a connection of the embedded server's superuser to the test database."""
    server = Postgres(var())
    here = connections["default"].settings_dict
    if not server.runs() or server.port != int(here["PORT"]):
        pytest.skip("only the embedded server tells its superuser's password")
    url = server.url("postgres").rsplit("/", 1)[0]
    return psycopg.connect(f"{url}/{here['NAME']}", autocommit=True)


def owner(statement: str, *values: object) -> list[tuple]:
    """Run a statement as the owner of the tables."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def tampered(account: Account, *statements: str) -> Iterator[None]:
    """Change the account's ledger with its guards off; put everything back in the end, for others verify it too."""
    saved = {table: owner(f"select t::text from {table} t where account_id = %s", account.pk) for table in TABLES}
    _unguarded(*statements)
    try:
        yield
    finally:
        rows = [(table, row) for table, found in saved.items() for (row,) in found]
        wipe = [f"delete from {table} where account_id = '{account.pk}'" for table in TABLES]
        _unguarded(*wipe, *(f"insert into {table} select (%s::{table}).*" for table, _ in rows), values=[row for _, row in rows])


def _unguarded(*statements: str, values: list[str] = []) -> None:  # noqa: B006
    """Run statements in one transaction of the owner in which no guard is on."""
    given = iter(values)
    with psycopg.connect(**connections["owner"].get_connection_params() | {"cursor_factory": psycopg.ClientCursor}) as connection:
        connection.execute("set constraints all immediate")
        for table, guards in GUARDS.items():
            for guard in guards:
                connection.execute(f"alter table {table} disable trigger {guard}")
        for statement in statements:
            connection.execute(statement, [next(given)] if "%s" in statement else None)
        for table, guards in GUARDS.items():
            for guard in guards:
                connection.execute(f"alter table {table} enable always trigger {guard}")


def chain_of(account: Account) -> list[LedgerEntry]:
    """Return the entries of an account in their order."""
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))


def head_of(account: Account) -> LedgerHead | None:
    """Return the head of an account's ledger."""
    with acting_as(account.owner_id):
        return LedgerHead.objects.filter(account=account).first()
