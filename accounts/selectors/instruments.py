"""Which instruments an account's people hold or watch, and what currency is meant where an entry names none."""

from uuid import UUID

from accounts.models import LedgerEntry, Watchlist
from marketdata.models import Instrument


def currency_meant(instrument: Instrument | None, *, priced: bool, otherwise: str) -> str:
    """Return the currency of an entry that names none: a price is in what the instrument is quoted in, such as pence."""
    if instrument is None:
        return otherwise
    return instrument.currency if priced else instrument.money


def instruments_of(account_id: UUID, *, using: str = "default") -> set[UUID]:
    """Return the instruments that an account ever had an entry of, and those its members watch."""
    entries = LedgerEntry.objects.using(using).filter(account=account_id, instrument__isnull=False)
    watched = Watchlist.objects.using(using).filter(
        user__memberships__account=account_id, user__memberships__accepted_at__isnull=False, instruments__isnull=False
    )
    return set(entries.values_list("instrument_id", flat=True).distinct()) | set(watched.values_list("instruments", flat=True))
