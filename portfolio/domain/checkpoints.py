"""The book as it stood before a day: what late entries are posted to, in place of everything since the beginning.

They are kept at distances that grow, counted in entries from the end: so what a late entry costs follows what came after it.
Nothing that acts on both sides of a day may lie around it: legs of one happening, and what acts upon an entry that came later.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from accounts.domain.ledger import EntryKind
from portfolio.domain.book import Book
from portfolio.domain.choices import choices_in
from portfolio.domain.columns import (
    BUY,
    EPOCH,
    FEE,
    INTEREST,
    MICROSECOND,
    OF_ACCOUNT,
    SELL,
    TAX,
    Columns,
    as_decimal,
)
from portfolio.domain.daybook import Day
from portfolio.domain.entry import Entry, Listing
from portfolio.domain.exact import EXACT, MONEY_PLACES, UNIT_PLACES
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Lot
from portfolio.domain.memory import as_json, recall
from portfolio.domain.positions import fold, post_to_account
from portfolio.domain.posting import post_all, sums_of
from portfolio.domain.pricing import Market
from portfolio.domain.reach import pairs_of
from portfolio.domain.swift import Holdings, by_fifo, total

NEAREST, STEP = 128, 3  # entries behind the nearest one, and how many times as many behind the next
MANY = NEAREST * STEP**3  # beyond so many entries, columns from the beginning are posted sooner
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The book before a day, as text; `entries` counts about what came before."""

    day: int
    entries: int
    state: str


def days_to_keep(days: Sequence[int], barred: Collection[Span] = ()) -> list[int]:
    """Return the days before which the book is to be kept, oldest first; `days` are those of the entries, in order.

    >>> days_to_keep(range(2000))
    [1616, 1872]
    """
    found, behind = set[int](), NEAREST
    while behind * STEP < len(days):  # beyond, what the days begin with is as good
        day = days[-behind]
        while across := [start for start, end in barred if start < day <= end]:
            day = min(across)
        if day > days[0]:
            found.add(day)
        behind *= STEP
    return sorted(found)


def thinned(reached: int, kept: Sequence[tuple[int, int]]) -> list[int]:
    """Return the days of checkpoints that are not needed any more; each is its day and the entries before it, oldest first.

    >>> thinned(1000, [(10, 100), (50, 860), (60, 870), (70, 950)])
    [60]
    """
    dropped, behind = [], 0
    for number in range(len(kept) - 1, 0, -1):
        if behind and reached - kept[number - 1][1] <= STEP * behind:
            dropped.append(kept[number][0])
        else:
            behind = reached - kept[number][1]
    return dropped


def spans_of(entries: Sequence[Entry]) -> list[Span]:
    """Return the stretches of days that no book can be kept within, from a day (left out) to another.

    Around them lie the legs of a group, and what takes back, or chooses lots for, an entry that happened later.
    """
    spans: list[Span] = []
    by_id = {entry.id: entry for entry in entries}
    by_sequence = {entry.sequence: entry for entry in entries}
    groups: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.group is not None:
            groups[entry.group].append(entry.day)
        if entry.reverses in by_id:
            spans.append((entry.day, by_id[entry.reverses].day))
        elif entry.kind == EntryKind.NOTE:
            chosen = (by_sequence[sequence] for sequence in choices_in([entry]) if sequence in by_sequence)
            spans += [(entry.day, other.day) for other in chosen]
    spans += [(min(days), max(days)) for days in groups.values()]
    return [span for span in spans if span[0] < span[1]]


def state_of(book: Book, rest: Mapping[str, Any]) -> str:
    """Return a book as text; `rest` is what else belongs to it."""
    holdings = [
        [
            *(one.key, _whole(one.quantity, UNIT_PLACES)),
            *(_whole(sum_, MONEY_PLACES) for sum_ in (one.cost, one.realized, one.income, one.fees, one.taxes)),
            *(one.since, list(map(_lot, one.lots))),
        ]
        for one in book.holdings.values()
    ]
    memory = as_json(book) | {"closures": book.closed + len(book.closures)}
    return json.dumps({**rest, "holdings": holdings, "memory": memory, "awaited": sorted(book.awaited)})


def restore(book: Book, day: int, state: Mapping[str, Any]) -> None:
    """Put the state before a day into an empty book, with a page that says what was held."""
    recall(book, state["memory"])
    book.awaited = set(state["awaited"])
    for key, quantity, *sums, since, lots in state["holdings"]:
        cost, realized, income, fees, taxes = (as_decimal(number, MONEY_PLACES) for number in sums)
        units = as_decimal(quantity, UNIT_PLACES)
        own = [_as_lot(*lot) for lot in lots]
        book.holdings[key] = Holding(key, book.listings[key], own, units, cost, realized, income, fees, taxes, since)
    owed: dict[str, Decimal] = {}
    for currency, amount in book.owed.values():
        owed[currency] = owed.get(currency, Decimal(0)) + amount
    book.days[day - 1] = Day(units={key: one.quantity for key, one in book.holdings.items()}, cash=dict(book.cash), owed=owed)


def post_keeping(book: Book, entries: Sequence[Entry] | Columns, keeping: Keeping | None) -> list[Checkpoint]:
    """Post entries, given in the order of happening, and return the book as it stood before the days that are asked for."""
    if isinstance(entries, Columns):
        post_all(book, entries)
        return kept_of_columns(book, entries, keeping.days) if keeping else []
    if keeping is None:
        fold(book, entries)
        return []
    found, begin, rest = list[Checkpoint](), 0, keeping.rest
    for day in keeping.days:
        end = next((n for n in range(begin, len(entries)) if entries[n].day >= day), len(entries))
        fold(book, entries[begin:end])
        rest.add(entries[begin:end])
        found.append(Checkpoint(day, rest.entries, state_of(book, rest.as_json())))
        begin = end
    fold(book, entries[begin:])
    return found


@dataclass(slots=True)
class Rest:
    """What a checkpoint remembers beside the book: how many entries there were, and what they asked for."""

    base: str
    listings: Mapping[str, Listing]
    named: Mapping[str, str]
    entries: int = 0
    instruments: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    legs: Sequence[str] = ()

    def add(self, entries: Sequence[Entry]) -> None:
        """Add what more entries ask for."""
        self.entries += len(entries)
        found = {entry.instrument for entry in entries if entry.instrument is not None}
        found |= {self.named[name] for entry in entries if (name := str(entry.data.get("from"))) in self.named}
        self.pairs |= pairs_of(self.base, {key: self.listings[key] for key in found}, entries)
        self.instruments |= found

    def as_json(self) -> dict[str, Any]:
        """Return it in types JSON knows."""
        return {"instruments": sorted(self.instruments), "pairs": sorted(self.pairs), "legs": list(self.legs)}


@dataclass(frozen=True, slots=True)
class Keeping:
    """Before which days a book is to be kept while entries are posted, oldest first, and what goes with it."""

    days: Sequence[int]
    rest: Rest


def kept_of_columns(book: Book, columns: Columns, days: Iterable[int]) -> list[Checkpoint]:
    """Return the books before some days that plain entries make, from their columns; `book` says how lots are closed."""
    ordered = columns.in_order()
    found = []
    for day in days:
        before = ordered.only(ordered.day < day)
        scratch = Book(book.base, book.method, book.listings, Market(), rules=book.rules)
        for entry in before.only((before.what == OF_ACCOUNT) & np.isin(before.kind, (INTEREST, FEE, TAX))).entries():
            scratch.turn_to(entry.day)
            post_to_account(scratch, entry)
        for place, currency in enumerate(before.currencies):
            moved = before.cash.digits[(before.currency == place) & (before.cash.digits != 0).astype(bool)]
            if len(moved):
                scratch.cash[currency] = as_decimal(sum(moved.tolist()), before.cash.places)
        holdings, closures = _holdings(before)
        own = {book.listings[key].currency for key, *_ in holdings}
        # a pair of a currency that is traded in and the account's own; each entry is in the currency of its instrument
        currencies = own | {before.currencies[place] for place in np.unique(before.currency).tolist()}
        state = {
            "instruments": sorted(key for key, *_ in holdings),
            "pairs": sorted((one, book.base) for one in currencies if one != book.base),
            "legs": [],
            "holdings": holdings,
            "memory": as_json(scratch) | {"closures": closures},
            "awaited": [],
        }
        found.append(Checkpoint(day, len(before), json.dumps(state)))
    return found


def _holdings(ordered: Columns) -> tuple[list[list[Any]], int]:
    """Return what plain entries leave of each instrument, as `state_of` tells it, and how many parts were closed."""
    holdings, count = Holdings.of(ordered), len(ordered.instruments)
    matched = by_fifo(holdings)
    units = 10 ** (UNIT_PLACES - ordered.quantity.places)
    lots: dict[int, list[list[Any]]] = defaultdict(list)
    for what, *lot in zip(
        ordered.what[matched.lots].tolist(),
        ordered.at[matched.lots].tolist(),
        ordered.sequence[matched.lots].tolist(),
        matched.left.tolist(),
        matched.left_cost.tolist(),
        ordered.quantity.digits[matched.lots].tolist(),
        strict=True,
    ):
        at, sequence, left, cost, opened = lot
        lots[what].append([at, sequence, left * units, cost, opened * units, False, None])
    begin = int(holdings.starts[0])
    own = ordered.only(np.arange(begin, len(ordered)))
    held = total(matched.left, ordered.what[matched.lots], count).tolist()
    costs = total(matched.left_cost, ordered.what[matched.lots], count).tolist()
    gains = total(matched.proceeds - matched.cost, ordered.what[matched.opening], count).tolist()
    trades = np.flatnonzero((own.kind == BUY) | (own.kind == SELL))
    traded, places = np.unique(own.what[trades], return_index=True)
    since = dict(zip(traded.tolist(), own.day[trades[places]].tolist(), strict=True))
    rows = zip(held, costs, gains, *sums_of(own, count), strict=True)
    return [
        [ordered.instruments[what], quantity * units, *sums, since.get(what), lots.get(what, [])]
        for what, (quantity, *sums) in enumerate(rows)
        if holdings.starts[what] < holdings.starts[what + 1]
    ], len(matched.opening)


def _whole(number: Decimal, places: int) -> int:
    """Return a number in units of its last place; nothing may be lost."""
    return int(EXACT.to_integral_exact(number.scaleb(places, EXACT)))


def _lot(lot: Lot) -> list[Any]:
    """Return the fields of a lot."""
    return [
        *((lot.opened_at - EPOCH) // MICROSECOND, lot.sequence, _whole(lot.quantity, UNIT_PLACES)),
        *(_whole(lot.cost, MONEY_PLACES), _whole(lot.opened, UNIT_PLACES), lot.missing, lot.tacked),
    ]


def _as_lot(at: int, sequence: int, quantity: int, cost: int, opened: int, missing: bool, tacked: int | None) -> Lot:
    """Return the lot of its fields."""
    units, first = as_decimal(quantity, UNIT_PLACES), as_decimal(opened, UNIT_PLACES)
    return Lot(EPOCH + at * MICROSECOND, sequence, units, as_decimal(cost, MONEY_PLACES), first, missing, tacked)
