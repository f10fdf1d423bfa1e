"""Questions to an account's ledger."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from accounts.models import Account, LedgerEntry
from accounts.models.ledger import LedgerQuerySet


def entries_at(*, account: Account, sequence: int) -> LedgerQuerySet:
    """Return the ledger as it stood when it had so many entries."""
    return LedgerEntry.objects.filter(account=account, sequence__lte=sequence).order_by("sequence")


def entries_known_at(*, account: Account, at: datetime) -> LedgerQuerySet:
    """Return the entries that were recorded by an instant: what was believed then."""
    return LedgerEntry.objects.filter(account=account, recorded_at__lte=at).order_by("sequence")


def cash_balance(*, account: Account, at: datetime) -> dict[str, Decimal]:
    """Return the cash the account's ledger adds up to at an instant, by currency."""
    entries = LedgerEntry.objects.filter(account=account, occurred_at__lte=at).order_by("currency")
    return {row["currency"]: row["total"] for row in entries.values("currency").annotate(total=Sum("cash"))}
