"""Whose accounts."""

from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import OuterRef, QuerySet, Subquery

from accounts.domain.roles import Role
from accounts.models import Account, LedgerHead, Membership, User
from marketdata.models import Instrument


class _Columns:
    """The columns of a model as `accounts_seen` answers them, and the fields they fill."""

    def __init__(self, model: type[models.Model], column: str) -> None:
        fields = model._meta.concrete_fields
        self.names = [field.attname for field in fields]
        self.asked = ", ".join(f'(seen.{column})."{field.column}"' for field in fields)


ACCOUNT, HEAD, INSTRUMENT = _Columns(Account, "account"), _Columns(LedgerHead, "head"), _Columns(Instrument, "instrument")
SEEN = f"""
    SELECT {ACCOUNT.asked}, seen.role, {HEAD.asked}, {INSTRUMENT.asked}
    FROM accounts_seen(%s, %s, {int(Role.VIEWER)}::smallint, %s, %s) AS seen
"""  # noqa: S608  # names of columns


def accounts_of(user: User) -> QuerySet[Account]:
    """Return the accounts a user may see, each with the user's `role` and its ledger's head."""
    mine = Membership.objects.filter(account=OuterRef("pk"), user=user, accepted_at__isnull=False)
    return Account.objects.visible_to(user).annotate(role=Subquery(mine.values("role")[:1])).select_related("head")


def account_of(user: User, account_id: UUID) -> Account | None:
    """Return one of the accounts of `accounts_of`, None for a stranger: the question of every request, asked without much ado."""
    return account_and_instrument(user, account_id)[0]


def account_and_instrument(
    user: User, account_id: UUID, symbol: str | None = None, exchange: str | None = None
) -> tuple[Account | None, Instrument | None]:
    """Return the account of `account_of`, and the instrument that has the symbol there: whoever orders asks for both at once."""
    with connection.cursor() as cursor:
        cursor.execute(SEEN, [user.pk, account_id, symbol, exchange])
        row = cursor.fetchone()
    if row is None:
        return None, None
    rest = row[-len(INSTRUMENT.names) :]
    return _account(row), Instrument.from_db(connection.alias, INSTRUMENT.names, rest) if rest[0] is not None else None


def _account(row: tuple[Any, ...]) -> Account:
    """Return the account of a row, with the user's role and the ledger's head."""
    account = Account.from_db(connection.alias, ACCOUNT.names, row[: len(ACCOUNT.names)])
    account.role = row[len(ACCOUNT.names)]  # type: ignore[attr-defined]
    rest = row[len(ACCOUNT.names) + 1 :][: len(HEAD.names)]
    head = LedgerHead.from_db(connection.alias, HEAD.names, rest) if rest[0] is not None else None
    Account._meta.get_field("head").set_cached_value(account, head)
    return account


def visible_account_ids(user: User, ids: list[UUID]) -> set[UUID]:
    """Return which of some accounts the user may see."""
    return set(Account.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))


def role_in(account: Account, user: User) -> Role | None:
    """Return the role a user holds in an account, None for a stranger."""
    role = account.memberships.filter(user=user, accepted_at__isnull=False).values_list("role", flat=True).first()
    return Role(role) if role is not None else None
