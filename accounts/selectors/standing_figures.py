"""What a ledger adds up to: cash by currency and units by instrument, at its end or at the end of a day."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, Sum

from accounts.domain.ledger import EXACT, EntryKind, EntryRefused, ratio_of
from accounts.models import Account, LedgerEntry
from accounts.models.ledger import LedgerQuerySet
from marketdata.domain.money import round_to

UNIT_PLACES = 12


@dataclass(frozen=True, slots=True)
class Standing:
    """Cash by currency and units by instrument."""

    cash: dict[str, Decimal]
    units: dict[UUID, Decimal]


def standing(account: Account) -> Standing:
    """Return what the whole ledger of an account adds up to."""
    return Standing(cash_of(account), units_of(account))


def cash_of(account: Account, *, day: date | None = None) -> dict[str, Decimal]:
    """Return the cash of an account by currency, at the end of a day of UTC or at the end of its ledger."""
    rows = _until(account, day).exclude(cash=0).order_by("currency").values_list("currency").annotate(total=Sum("cash"))
    return dict(rows)


def units_of(
    account: Account, *, day: date | None = None, before: datetime | None = None, only: Collection[UUID] | None = None
) -> dict[UUID, Decimal]:
    """Return the units of each instrument that entries have moved; those split by a ratio are followed entry by entry."""
    entries = _until(account, day).filter(instrument__isnull=False)
    if before is not None:
        entries = entries.filter(occurred_at__lt=before)
    if only is not None:
        entries = entries.filter(instrument__in=only)
    moved = dict(entries.order_by("instrument").values_list("instrument").annotate(total=Sum("quantity")))
    for instrument_id in _by_ratio(entries):
        moved[instrument_id] = _followed(entries.filter(instrument=instrument_id))
    return moved


def split_by_ratio(account: Account, only: Collection[UUID]) -> set[UUID]:
    """Return which of some instruments were split by a ratio: what is held of them hangs on the order of the entries."""
    return set(_by_ratio(LedgerEntry.objects.filter(account=account, instrument__in=only))) if only else set()


def _by_ratio(entries: LedgerQuerySet) -> Iterable[UUID]:
    return entries.filter(kind=EntryKind.SPLIT.value, quantity=0).values_list("instrument", flat=True).distinct()


def _until(account: Account, day: date | None) -> LedgerQuerySet:
    """Return the entries of an account to the end of a day."""
    entries = LedgerEntry.objects.filter(account=account)
    if day is None:
        return entries
    return entries.filter(occurred_at__lt=datetime.combine(day + timedelta(days=1), time(), UTC))


def _followed(entries: LedgerQuerySet) -> Decimal:
    """Return the units that are left of an instrument, split by split; what was taken back counts for nothing."""
    kept = entries.filter(~Q(reversals__isnull=False), reverses__isnull=True).order_by("occurred_at", "sequence")
    held = Decimal(0)
    for kind, quantity, data in kept.values_list("kind", "quantity", "data"):
        if kind == EntryKind.SPLIT and not quantity:
            try:
                held = round_to(EXACT.multiply(held, ratio_of(data)), UNIT_PLACES)
            except EntryRefused:
                continue
        else:
            held += quantity
    return held
