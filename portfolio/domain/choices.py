"""Which lots an entry closes, where somebody chose them: on the entry itself (`data.lots`), or afterwards by a note.

A note is an entry of kind NOTE with `data.closes = {"sequence": 9, "lots": [{"sequence": 4, "quantity": "5"}]}`: it chooses the
lots that entry 9 closes. The last note about an entry counts, before what the entry says itself; nonsense says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from accounts.domain.ledger import EntryKind
from portfolio.domain.entry import Entry
from portfolio.domain.exact import units
from portfolio.domain.lots import Choice
from portfolio.domain.numbers import number_in

LOTS, CLOSES = "lots", "closes"


def lots_named(entry: Entry) -> list[Choice]:
    """Return the lots an entry names to be closed: sequences of the entries that opened them, and how much of each."""
    rows = entry.data.get(LOTS, ()) if entry.data else ()
    return [choice for choice in map(_choice, rows if isinstance(rows, list) else ()) if choice is not None]


def with_choices(entries: Iterable[Entry], notes: Collection[Entry]) -> list[Entry]:
    """Return entries with the lots that notes choose for them; a note that chooses none leaves it at what the entry says."""
    chosen = {sequence: lots for sequence, lots in choices_in(notes).items() if lots}
    if not chosen:
        return list(entries)
    return [
        entry._replace(data={**entry.data, LOTS: chosen[entry.sequence]}) if entry.sequence in chosen else entry
        for entry in entries
    ]


def choices_in(notes: Iterable[Entry]) -> dict[int, list[Any]]:
    """Return the lots that notes choose, by the sequence of the entry that closes them."""
    found: dict[int, list[Any]] = {}
    for note in sorted(notes, key=lambda entry: entry.sequence):
        closes = note.data.get(CLOSES) if note.data else None
        if isinstance(closes, Mapping) and isinstance(closes.get("sequence"), int) and isinstance(closes.get(LOTS), list):
            found[closes["sequence"]] = closes[LOTS]
    return found


def chooses_for_others(entries: Collection[Entry]) -> bool:
    """Say whether a note chooses lots for an entry that is not among them."""
    notes = [entry for entry in entries if entry.kind == EntryKind.NOTE]
    return bool(notes) and bool(choices_in(notes).keys() - {entry.sequence for entry in entries})


def _choice(row: Any) -> Choice | None:
    """Return what a row chooses, none if it makes no sense."""
    if not isinstance(row, Mapping) or not isinstance(row.get("sequence"), int):
        return None
    limit, tacked = number_in(row, "quantity"), row.get("tacked_days")
    quantity = None if limit is None else units(limit)
    days = tacked if isinstance(tacked, int) else 0
    return Choice(row["sequence"], quantity, _day(row.get("opened_on")), _time(row.get("opened_at")), days)


def _day(text: Any) -> date | None:
    """Return the day of a text, none if it is none."""
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _time(text: Any) -> datetime | None:
    """Return the time of a text, none if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None
