"""Who a transaction acts for, and the SQL that shows each person only their own rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

from django.db import connection, models, transaction

from accounts.domain.roles import Role

PATIENCE = "10s"  # for a row that another transaction has locked
# `true`: until the transaction ends, so a pooled connection never carries a person over; who acts already is looked at first
BEFORE = "before as materialized (select coalesce(current_setting('app.user_id', true), '') as person)"
ACTED = """
    before.person, case when before.person in ('', {person}) then
        array[set_config('app.user_id', {person}, true), set_config('app.account_ids', {accounts}, true),
              set_config('lock_timeout', %(patience)s, true)]
    end
"""
QUERY = "with {before} select {acted} from before"
ACT = QUERY.format(before=BEFORE, acted=ACTED.format(person="%(person)s", accounts="%(accounts)s"))
FORGET = "select set_config('app.user_id', '', true), set_config('app.account_ids', '', true)"


class AnotherPerson(PermissionError):
    """The transaction already acts for somebody else; rows of two people never mix in one."""


@contextmanager
def acting_as(user_id: UUID, *, accounts: Sequence[UUID] | None = None) -> Iterator[None]:
    """Open the one transaction in which the database shows this user's rows; `accounts` narrows them further.

    :raises AnotherPerson: if the transaction at hand already acts for another user
    """
    limit = ",".join(map(str, accounts)) or "none" if accounts is not None else ""
    with acting(ACT, {"person": str(user_id), "accounts": limit}):
        yield


@contextmanager
def acting(query: str, values: Mapping[str, Any]) -> Iterator[tuple[Any, ...] | None]:
    """Open the transaction of the person that a query lets act by its first two columns (`ACTED`); lend its further ones.

    It lends None, and nobody acts, where the query finds nobody.

    :raises AnotherPerson: if the transaction at hand already acts for another user
    """
    within = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        with connection.connection.pipeline():  # one trip together with the BEGIN
            cursor.execute(query, {**values, "patience": PATIENCE})
        found: tuple[Any, ...] | None = cursor.fetchone()
        if found is not None and found[1] is None:
            raise AnotherPerson("The transaction already acts for another user.")
        yield None if found is None else found[2:]
        # where the transaction ends here, its settings do
        if within and found is not None and not found[0] and not connection.needs_rollback:
            cursor.execute(FORGET)


class AccountScoped(models.QuerySet):
    """Rows that hang off an account."""

    account_path = "account"

    def visible_to(self, user: models.Model, *, role: Role = Role.VIEWER) -> Self:
        """Keep the rows of accounts where the user holds the role or a higher one."""
        membership = self.model._meta.apps.get_model("accounts", "Membership")
        mine = membership.objects.filter(user=user.pk, role__gte=role, accepted_at__isnull=False)
        return self.filter(**{f"{self.account_path}__in": mine.values("account")})


class OwnedByUser(models.QuerySet):
    """Rows that belong to one user."""

    def visible_to(self, user: models.Model) -> Self:
        """Keep the user's own rows."""
        return self.filter(user=user.pk)


def protect(table: str, *, read: str, write: str | None = None, app: str = "SELECT", system: str = "SELECT") -> str:
    """Return the SQL that puts a table behind row-level security.

    `read` and `write` are SQL conditions on a row for the app role (no `write`: it may not write); `app` and `system`
    are the privileges granted to the two runtime roles. Policies hold for the owner too (FORCE), who sees all.
    """
    statements = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY owner_all ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY system_all ON {table} TO bedrock_system USING (true) WITH CHECK (true)",
        f"CREATE POLICY app_read ON {table} FOR SELECT TO bedrock_app USING ({read})",
        f"GRANT {app} ON {table} TO bedrock_app",
        f"GRANT {system} ON {table} TO bedrock_system",
    ]
    if write:
        statements += [
            f"CREATE POLICY app_insert ON {table} FOR INSERT TO bedrock_app WITH CHECK ({write})",
            f"CREATE POLICY app_update ON {table} FOR UPDATE TO bedrock_app USING ({write}) WITH CHECK ({write})",
            f"CREATE POLICY app_delete ON {table} FOR DELETE TO bedrock_app USING ({write})",
        ]
    return ";\n".join(statements) + ";"


def members_of(column: str, role: Role = Role.VIEWER) -> str:
    """Return the SQL condition that the acting user holds the role, or a higher one, in the account of a row."""
    # the scalar sub-select makes it one read of the memberships per query, not one per row
    return f"{column} = ANY ((SELECT app_accounts({int(role)}))::uuid[])"
