"""What the fold reads: entries as values, the instruments they name, and the order in which they count."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from accounts.domain.ledger import EntryKind
from portfolio.domain.choices import chooses_for_others, with_choices
from portfolio.domain.entry import Entry, Listing
from portfolio.domain.legs import DUE, ROLLED, joined
from portfolio.domain.minor import in_major

__all__ = ["Entry", "Listing", "Place", "in_order", "place_of", "taken_back", "takes_back_others"]


class Place(NamedTuple):
    """Where an entry stands in the order of happening: time, then kind, then sequence."""

    at: datetime
    rank: int
    sequence: int


FIRST, ARRIVAL, EXCHANGE, DELIVERY, DEPARTURE = range(5)

_RANKS = {
    EntryKind.SPLIT: FIRST,
    ROLLED: EXCHANGE,
    EntryKind.SELL: DEPARTURE,
    EntryKind.COVER: DEPARTURE,
    EntryKind.TRANSFER_OUT: DEPARTURE,
    EntryKind.WITHDRAWAL: DEPARTURE,
    EntryKind.OPTION_EXERCISE: DEPARTURE,
    EntryKind.OPTION_ASSIGNMENT: DEPARTURE,
    EntryKind.OPTION_EXPIRATION: DEPARTURE,
}


def place_of(entry: Entry) -> Place:
    """Return where an entry stands: what arrives comes before what leaves at the same instant.

    A split counts from the start of its day: trades of that day are in new units already. Of a merger, the units that go
    come before those that arrive for them; an option that was exercised comes before the trade it led to, and after its own.
    """
    if entry.kind == EntryKind.SPLIT:
        start = entry.occurred_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return Place(start, FIRST, entry.sequence)
    if entry.group is not None and DUE in entry.data:
        return Place(entry.occurred_at, DELIVERY, entry.sequence)
    if entry.kind == EntryKind.MERGER and entry.quantity > 0:
        return Place(entry.occurred_at, EXCHANGE, entry.sequence)
    return Place(entry.occurred_at, _RANKS.get(entry.kind, ARRIVAL), entry.sequence)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that count, in the order in which they do: notes, reversals and what those took back are left out.

    The lots that notes choose are set into the entries that close them, and legs of one happening are told apart.
    """
    found = in_major(entries)
    gone = taken_back(found)
    standing = [entry for entry in found if entry.reverses is None and entry.id not in gone]
    notes = [entry for entry in standing if entry.kind == EntryKind.NOTE]
    counted = [entry for entry in standing if entry.kind != EntryKind.NOTE] if notes else standing
    counted = joined(with_choices(counted, notes) if notes else counted)
    counted.sort(key=place_of)
    return counted


def taken_back(entries: Collection[Entry]) -> set[str]:
    """Return the ids of entries that a reversal took back; one that was taken back itself takes nothing back."""
    reversals = [entry for entry in entries if entry.reverses is not None]
    gone: set[str] = set()
    for reversal in sorted(reversals, key=lambda entry: entry.sequence, reverse=True):
        if reversal.id not in gone and reversal.reverses is not None:
            gone.add(reversal.reverses)
    return gone


def takes_back_others(entries: Collection[Entry]) -> bool:
    """Say whether one of the entries takes back an entry that is not among them, or chooses the lots of one."""
    known = {entry.id for entry in entries}
    reversing = any(entry.reverses is not None and entry.reverses not in known for entry in entries)
    return reversing or chooses_for_others(entries)
