"""The database's roles: two groups that hold the privileges, and a login for the site, for the jobs and for migrations.

None of them is a superuser or may bypass row-level security; only the last one owns tables. The embedded server gets them by
itself. For a server of your own, `python -m config.roles` makes them and the database, as the superuser of DATABASE_ADMIN_URL
and with the names and passwords of DATABASE_URL, DATABASE_SYSTEM_URL and DATABASE_OWNER_URL; run it again to change a password.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

APP, SYSTEM = "bedrock_app", "bedrock_system"


@dataclass(frozen=True)
class Login:
    """A role that connects."""

    name: str
    password: str

    @classmethod
    def of(cls, variable: str) -> Self:
        """Return the login that an address in the environment names.

        :raises ValueError: if it names none, or no password
        """
        address = urlsplit(os.environ.get(variable, ""))
        if not address.username or not address.password:
            raise ValueError(f"{variable} must be an address with a user and a password.")
        return cls(unquote(address.username), unquote(address.password))


def make_roles(connection: psycopg.Connection[Any], *, web: Login, jobs: Login, owner: Login) -> None:
    """Make the groups and logins that are missing, and set the passwords, in one transaction."""
    with connection.transaction():
        existing = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for name in {APP, SYSTEM, web.name, jobs.name, owner.name} - existing:
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(name)))
        for login in (web, jobs, owner):
            # hashed on this side, so that the password is in no log
            secret = connection.pgconn.encrypt_password(login.password.encode(), login.name.encode(), b"scram-sha-256")
            order = sql.SQL("alter role {} login password {}")
            connection.execute(order.format(sql.Identifier(login.name), sql.Literal(secret.decode())))
        connection.execute(sql.SQL("alter role {} createdb createrole").format(sql.Identifier(owner.name)))
        for group, member in ((APP, web), (SYSTEM, jobs)):
            grant = sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(member.name))
            manage = sql.SQL("grant {} to {} with admin true, inherit false")
            connection.execute(grant)
            connection.execute(manage.format(sql.Identifier(group), sql.Identifier(owner.name)))


def make_database(connection: psycopg.Connection[Any], name: str, owner: Login) -> None:
    """Make the database if it is missing; it belongs to the login that migrates."""
    if not has_database(connection, name):
        connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner.name)))


def has_database(connection: psycopg.Connection[Any], name: str) -> bool:
    """Return whether the server has a database of this name."""
    return connection.execute("select from pg_database where datname = %s", [name]).fetchone() is not None


def main() -> int:
    """Make roles and database on the server that the environment names."""
    try:
        web, jobs, owner = map(Login.of, ("DATABASE_URL", "DATABASE_SYSTEM_URL", "DATABASE_OWNER_URL"))
        with psycopg.connect(os.environ.get("DATABASE_ADMIN_URL", ""), autocommit=True) as connection:
            make_roles(connection, web=web, jobs=jobs, owner=owner)
            make_database(connection, urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/"), owner)
    except (ValueError, psycopg.Error) as error:
        sys.stderr.write(f"bedrock: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
