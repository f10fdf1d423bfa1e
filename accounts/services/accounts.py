"""Accounts: opened, changed, closed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.module_loading import import_string

from accounts.domain.roles import Role
from accounts.models import Account, LedgerHead, Membership, User
from accounts.services.jobs import open_jobs

TAX_RULES = ("long_term_days", "wash_sales")
CHANGEABLE = frozenset({"name", "kind", "base_currency", "execution_mode", "cost_basis_method", "opened_on", *TAX_RULES})
EARLIEST = date(1900, 1, 1)


class AccountClosed(ValidationError):
    """The account is closed: it is read, not written."""


class CurrencyFixed(ValidationError):
    """The ledger has entries: their figures were understood in the account's currency."""


@transaction.atomic
def open_account(*, owner: User, at: datetime, opened_on: date | None = None, **fields: Any) -> Account:
    """Open an account for a person, who becomes its owner, with its scheduled jobs.

    :raises ValidationError: by field
    """
    account = Account(owner=owner, opened_on=opened_on or at.astimezone(UTC).date(), created_at=at, **fields)
    _check(account, at)
    # the membership first: row-level security takes the account from its owner alone
    Membership.objects.create(
        account_id=account.pk, user=owner, email=owner.email, role=Role.OWNER, invited_at=at, accepted_at=at
    )
    account.save(force_insert=True)
    open_jobs(account=account, at=at)
    return account


@transaction.atomic
def change_account(*, account: Account, changes: Mapping[str, Any], at: datetime) -> Account:
    """Change what an account is called and how it is kept.

    :raises AccountClosed: if it is closed
    :raises CurrencyFixed: if its ledger has entries and another base currency is asked for
    :raises OrdersOpen: if it has open orders, and is to trade on paper no longer, or live no longer
    :raises ValidationError: by field
    """
    if "execution_mode" in changes:  # first, for it waits for whoever trades in the account: they look at its row, too
        import_string(settings.BEFORE_MODE_CHANGES)(account=account, mode=changes["execution_mode"])
    account = lock_open(account)
    currency = account.base_currency
    for name in CHANGEABLE & changes.keys():
        setattr(account, name, changes[name])
    if account.base_currency != currency and LedgerHead.objects.filter(account=account, sequence__gt=0).exists():
        raise CurrencyFixed("The account has entries; its base currency stays.", code="currency_fixed")
    _check(account, at)
    account.save(update_fields=[*CHANGEABLE])
    return account


@transaction.atomic
def close_account(*, account: Account, at: datetime) -> Account:
    """Close an account: from now on it is read, and no longer written.

    :raises AccountClosed: if it was closed before
    :raises OrdersOpen: if it has open orders, naming them
    """
    import_string(settings.BEFORE_CLOSING)(account=account)
    account = lock_open(account)
    account.closed_on = at.astimezone(UTC).date()
    account.save(update_fields=["closed_on"])
    return account


def lock_open(account: Account) -> Account:
    """Return the account's row, locked and as it is now.

    :raises AccountClosed: if it is closed
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    refuse_closed(account)
    return account


def refuse_closed(account: Account) -> None:
    """Refuse to write in an account that is closed.

    :raises AccountClosed: if it is
    """
    if account.closed_on is not None:
        raise AccountClosed(f"The account was closed on {account.closed_on}.", code="account_closed")


def _check(account: Account, at: datetime) -> None:
    """Refuse fields that are wrong, by name."""
    account.clean_fields(exclude={"owner"})
    if not EARLIEST <= account.opened_on <= at.astimezone(UTC).date():
        problem = f"The day must lie between {EARLIEST} and today."
        raise ValidationError({"opened_on": ValidationError(problem, code="out_of_range")})
