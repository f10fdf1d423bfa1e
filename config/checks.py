"""System checks of the database: new enough, reached as a role that row-level security holds for, every tenant's table behind it.

They run with `manage.py check --database default --database system`, and before `migrate`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections

OLDEST = 160000
OURS = ("accounts", "marketdata", "portfolio", "trading")
TENANT_COLUMNS = ("account_id", "user_id")
# Django's own tables of people: no tenant's records, and the login has to read them
OPEN = {"accounts_user_groups", "accounts_user_user_permissions"}

OWNED = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND pg_has_role(current_user, tableowner, 'MEMBER')"
UNGUARDED = """
    SELECT c.relname, concat_ws(', ',
        CASE WHEN NOT c.relrowsecurity THEN 'row-level security is off' END,
        CASE WHEN NOT c.relforcerowsecurity THEN 'it is not forced' END,
        CASE WHEN NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) THEN 'there is no policy' END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
    ORDER BY 1
"""


@register(Tags.database)
def check_server(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse a PostgreSQL that is too old for row-level security as it is used here."""
    problems: list[CheckMessage] = []
    for alias in databases or ():
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SHOW server_version_num")
                version = int(cursor.fetchone()[0])
        except DatabaseError as error:
            problems.append(Error(f"The database '{alias}' can't be reached: {error}", id="bedrock.E001"))
            continue
        if version < OLDEST:
            hint = "Move to PostgreSQL 16 or newer; docs/operations.md says how."
            problems.append(Error(f"The database '{alias}' is PostgreSQL {version // 10000}.", hint=hint, id="bedrock.E002"))
    return problems


@register(Tags.database)
def check_roles(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse a runtime role that policies don't hold for: a superuser, one with BYPASSRLS, an owner of tables."""
    problems: list[CheckMessage] = []
    for alias in {"default", "system"}.intersection(databases or ()):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
                role, superuser, bypasses = cursor.fetchone()
                cursor.execute(OWNED)
                owned = sorted({row[0] for row in cursor.fetchall()} & tenant_tables())
        except DatabaseError:
            continue  # check_server says so
        if superuser or bypasses or owned:
            why = "is a superuser" if superuser else "has BYPASSRLS" if bypasses else f"owns {', '.join(owned)}"
            hint = "Give DATABASE_URL a role of its own and DATABASE_OWNER_URL the owner; docs/operations.md says how."
            problems.append(
                Error(f"The role {role} of '{alias}' {why}: row-level security would not hold.", hint=hint, id="bedrock.E003")
            )
    return problems


@register(Tags.database)
def check_policies(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse a table of accounts or people that anybody could read."""
    if "default" not in (databases or ()):
        return []
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(UNGUARDED, [sorted(tenant_tables())])
            return [Error(f"The table {table} is not guarded: {why}.", id="bedrock.E004") for table, why in cursor.fetchall()]
    except DatabaseError:
        return []  # check_server says so


def tenant_tables() -> set[str]:
    """Return the tables whose rows belong to an account or a person."""
    return set(_tenant_tables())


def _tenant_tables() -> Iterator[str]:
    yield "accounts_account"
    for label in OURS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            columns = {field.column for field in model._meta.local_fields}
            if columns.intersection(TENANT_COLUMNS) and model._meta.db_table not in OPEN:
                yield model._meta.db_table
    yield "accounts_watchlist_instruments"
