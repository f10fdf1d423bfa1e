"""Whose accounts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import OuterRef, QuerySet, Subquery

from accounts.domain.roles import Role
from accounts.models import Account, LedgerHead, Membership, User


class Columns:
    """The columns of a model whose row is a column itself in what a function answers, and the fields they fill."""

    def __init__(self, model: type[models.Model], column: str) -> None:
        fields = model._meta.concrete_fields
        self.names = [field.attname for field in fields]
        self.asked = ", ".join(f'({column})."{field.column}"' for field in fields)


ACCOUNT, HEAD = Columns(Account, "seen.account"), Columns(LedgerHead, "seen.head")
SEEN = f"""
    SELECT {ACCOUNT.asked}, seen.role, {HEAD.asked} FROM accounts_seen(%s, %s, {int(Role.VIEWER)}::smallint) AS seen
"""  # noqa: S608  # names of columns


def accounts_of(user: User) -> QuerySet[Account]:
    """Return the accounts a user may see, each with the user's `role` and its ledger's head."""
    mine = Membership.objects.filter(account=OuterRef("pk"), user=user, accepted_at__isnull=False)
    return Account.objects.visible_to(user).annotate(role=Subquery(mine.values("role")[:1])).select_related("head")


def account_of(user: User, account_id: UUID) -> Account | None:
    """Return one of the accounts of `accounts_of`, None for a stranger: the question of every request, asked without much ado."""
    with connection.cursor() as cursor:
        cursor.execute(SEEN, [user.pk, account_id])
        row = cursor.fetchone()
    if row is None:
        return None
    account, rest = account_with_role(row)
    head = LedgerHead.from_db(connection.alias, HEAD.names, rest) if rest[0] is not None else None
    Account._meta.get_field("head").set_cached_value(account, head)
    return account


def account_with_role(row: Sequence[Any]) -> tuple[Account, Sequence[Any]]:
    """Return the account that a row begins with, by its columns and the user's role in it, and what follows in the row."""
    width = len(ACCOUNT.names)
    account = Account.from_db(connection.alias, ACCOUNT.names, row[:width])
    account.role = row[width]  # type: ignore[attr-defined]
    return account, row[width + 1 :]


def visible_account_ids(user: User, ids: list[UUID]) -> set[UUID]:
    """Return which of some accounts the user may see."""
    return set(Account.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))


def role_in(account: Account, user: User) -> Role | None:
    """Return the role a user holds in an account, None for a stranger."""
    role = account.memberships.filter(user=user, accepted_at__isnull=False).values_list("role", flat=True).first()
    return Role(role) if role is not None else None
