"""`migrate` as the owner of the tables, with the runtime roles and their rights prepared."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import DatabaseError, connections
from psycopg import sql

GROUPS = ("bedrock_app", "bedrock_system")
# tables of Django's own apps, and the people: they belong to no account
OPEN_TABLES = {
    "bedrock_app": [
        "accounts_user", "accounts_user_groups", "accounts_user_user_permissions", "auth_group", "auth_group_permissions",
        "auth_permission", "django_admin_log", "django_content_type", "django_session",
    ],
    "bedrock_system": ["accounts_user", "django_session"],
}  # fmt: skip


class Command(Migrate):
    """Migrates through the `owner` connection, unless another is named."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take `migrate`'s own arguments, with another default for the database."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare the roles, migrate, and grant what Django's own tables need."""
        prepare_roles(options["database"])
        super().handle(*args, **options)
        grant_open_tables(options["database"])


def prepare_roles(alias: str) -> None:
    """Create the two group roles where they are missing and let the runtime logins be members.

    :raises CommandError: if the owner may not, with the SQL that somebody else has to run
    """
    members = {"bedrock_app": connections["default"], "bedrock_system": connections["system"]}
    owner = connections[alias]
    for group in GROUPS:
        login = members[group].settings_dict["USER"]
        needed = []
        with owner.cursor() as cursor:
            cursor.execute("select 1 from pg_roles where rolname = %s", [group])
            if cursor.fetchone() is None:
                needed.append(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))
            cursor.execute(
                "select pg_has_role(%s, %s, 'member') from pg_roles where rolname = %s and exists "
                "(select from pg_roles where rolname = %s)",
                [login, group, login, group],
            )
            row = cursor.fetchone()
            if login and login != owner.settings_dict["USER"] and not (row and row[0]):
                needed.append(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(login)))
            try:
                for statement in needed:
                    cursor.execute(statement)
            except DatabaseError as error:
                commands = "; ".join(statement.as_string(cursor.connection) for statement in needed)
                raise CommandError(
                    f"The role of DATABASE_OWNER_URL may not prepare {group}. Run as a superuser: {commands};"
                ) from error


def grant_open_tables(alias: str) -> None:
    """Let the runtime roles use the tables that hold no account's records."""
    with connections[alias].cursor() as cursor:
        existing = set(connections[alias].introspection.table_names(cursor))
        for role, tables in OPEN_TABLES.items():
            for table in sorted(existing.intersection(tables)):
                cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
        cursor.execute(f"GRANT SELECT ON django_migrations TO {', '.join(GROUPS)}")
        cursor.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {', '.join(GROUPS)}")
