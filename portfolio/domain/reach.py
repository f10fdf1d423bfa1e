"""How far back new entries reach: from which day on figures may be other than they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from itertools import permutations

from accounts.domain.ledger import CURRENCY, EntryKind
from portfolio.domain.choices import choices_in
from portfolio.domain.entries import Entry, Listing
from portfolio.domain.legs import ROLLED
from portfolio.domain.lots import Closure

# What these do follows from the entry alone, as long as it is in the instrument's currency: no price or rate is looked up.
SELF_CONTAINED = frozenset(
    {
        EntryKind.BUY,
        EntryKind.SELL,
        EntryKind.SHORT,
        EntryKind.COVER,
        EntryKind.DIVIDEND,
        EntryKind.INTEREST,
        EntryKind.FEE,
        EntryKind.TAX,
    }
)

# What these do takes cost from one instrument to another, or from another account: their currencies may differ.
CARRIES_COST = frozenset(
    {
        EntryKind.TRANSFER_IN,
        EntryKind.SPIN_OFF,
        EntryKind.MERGER,
        EntryKind.OPTION_EXERCISE,
        EntryKind.OPTION_ASSIGNMENT,
        ROLLED,
    }
)


def first_reached(entries: Sequence[Entry], read_up_to: int) -> int | None:
    """Return the first day that entries after a sequence act upon, none if they act upon nothing.

    A reversal acts upon the day of what it takes back, a note on that of the entry it chooses lots for, and a leg on the days
    of all legs of its group.
    """
    by_id = {entry.id: entry for entry in entries}
    by_sequence = {entry.sequence: entry for entry in entries}
    found = [entry for entry in entries if entry.sequence > read_up_to]
    found += [by_id[entry.reverses] for entry in found if entry.reverses in by_id]
    notes = [entry for entry in found if entry.kind == EntryKind.NOTE]
    chosen = {sequence for note in notes for sequence in choices_in([note])}
    groups = {entry.group for entry in found if entry.group is not None}
    days = [entry.day for entry in found if entry.kind != EntryKind.NOTE]
    days += [by_sequence[sequence].day for sequence in chosen if sequence in by_sequence]
    days += [entry.day for entry in entries if entry.group in groups] if groups else []
    return min(days, default=None)


def pairs_of(base: str, listings: Mapping[str, Listing], entries: Iterable[Entry]) -> set[tuple[str, str]]:
    """Return the currency pairs a derivation may ask for: into the account's currency, and into those of what was traded."""
    pairs = {(listing.currency, base) for listing in listings.values()}
    traded = {listing.currency for listing in listings.values()}
    for entry in entries:
        pairs.add((entry.currency, base))
        if entry.kind in CARRIES_COST and entry.instrument is not None:
            pairs |= set(permutations(traded | currencies_carried(entry), 2))
        if entry.instrument is not None:
            own = listings[entry.instrument].currency
            pairs |= {(entry.currency, own), (own, entry.currency)}
    return {(own, other) for own, other in pairs if own != other}


def currencies_carried(entry: Entry) -> set[str]:
    """Return the currencies in which an entry tells the cost of lots that it brings."""
    rows = entry.data.get("lots") if entry.kind == EntryKind.TRANSFER_IN and entry.data else None
    named = {str(row.get("currency") or "") for row in rows if isinstance(row, Mapping)} if isinstance(rows, list) else set()
    return {name for name in named if CURRENCY.fullmatch(name)}


def asks_nothing(entry: Entry, listings: Mapping[str, Listing]) -> bool:
    """Say whether posting an entry looks up no price and no rate."""
    if entry.instrument is None:
        return True
    return entry.kind in SELF_CONTAINED and entry.group is None and entry.currency == listings[entry.instrument].currency


def day_of(closure: Closure) -> int:
    """Return the day in UTC of a closure, as an ordinal."""
    return closure.closed_at.astimezone(UTC).toordinal()
