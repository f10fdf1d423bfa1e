"""Why a lot is what it is: from what each entry made of the units that were opened together, and of their cost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from portfolio.domain.book import Book
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, MONEY_PLACES, ONE, ZERO
from portfolio.domain.explain import Cited, Explanation, Row, Rule
from portfolio.domain.explain_ledger import entry_row, rate_of
from portfolio.domain.explain_positions import AVERAGE, UNIT_PLACES
from portfolio.domain.lots import Lot
from portfolio.domain.positions import post

CHANGES = ("quantity_change", "remaining_change", "cost_change")
SUMMED = {
    "quantity": ("quantity_change", UNIT_PLACES),
    "remaining": ("remaining_change", UNIT_PLACES),
    "cost": ("cost_change", MONEY_PLACES),
}
WAITING = {"size": Rule("abs(remaining)", UNIT_PLACES), "proceeds": Rule("-cost")}
Key = tuple[str, datetime | None, int]  # instrument, when it was opened, and by which entry; none: all that is held
Span = tuple[datetime, datetime]
State = tuple[Decimal, Decimal, Decimal]
NOTHING: State = (ZERO, ZERO, ZERO)
OPENED = attrgetter("opened_at")
OTHERS = "The entry opened {} lots of that time: the entries moved all of them together."
SHARED = "With AVERAGE all units cost the same: a lot has its part of the cost of all, `of_all`."
TACKED = "The units replaced others that were sold at a loss, so {} days of those count as held, too."


class LotLike(Protocol):
    """An open lot, kept or derived anew, in the currency of its instrument."""

    @property
    def number(self) -> int:
        """Its place among the lots of its instrument."""

    @property
    def opened_at(self) -> datetime:
        """When it was opened."""

    @property
    def sequence(self) -> int:
        """The entry that opened it."""

    @property
    def quantity(self) -> Decimal:
        """What was opened, in today's units."""

    @property
    def remaining(self) -> Decimal:
        """What is left of it."""

    @property
    def cost(self) -> Decimal:
        """What that cost."""

    @property
    def tacked_days(self) -> int | None:
        """The days that count as held before."""


class Change(NamedTuple):
    """What an entry made of the lots that were opened together."""

    entry: Entry
    rate: Cited | None  # from the entry's currency into the instrument's, where they differ
    changes: tuple[Decimal, ...]

    def row(self) -> Row:
        """Return it as a row of a table of entries."""
        rate = {"rate": self.rate.value if self.rate else ONE}
        return entry_row(self.entry) | rate | dict(zip(CHANGES, self.changes, strict=True))


def changes_of(book: Book, entries: Iterable[Entry], wanted: Mapping[str, Span]) -> Iterator[tuple[Key, Change]]:
    """Post entries to an empty book, and yield what each made of the lots of instruments that were opened between two times.

    Of all that is held of an instrument, too. Lots opened before or after are passed over, however many there are.
    """
    looked: dict[str, list[Lot]] = {}
    states: dict[str, dict[Key, State]] = {key: {} for key in wanted}
    for entry in entries:
        book.touched.clear()
        with localcontext(EXACT):
            post(book, entry)
        for instrument in book.touched & wanted.keys():
            holding, (first, last) = book.holdings[instrument], wanted[instrument]
            start, end = (place(holding.lots, at, key=OPENED) for place, at in ((bisect_left, first), (bisect_right, last)))
            lots, before = holding.lots[start:end], states[instrument]
            now = {all_of(instrument): (ZERO, holding.quantity, holding.cost)}
            now |= _together(instrument, lots) if lots != looked.get(instrument) else _but_all(before)
            looked[instrument], states[instrument] = lots, now
            for key in {**now, **before}:
                was, is_ = before.get(key, NOTHING), now.get(key, NOTHING)
                if was is not is_ and was != is_:
                    moved = tuple(one - other for one, other in zip(is_, was, strict=True))
                    yield key, Change(entry, rate_of(book, entry, holding.currency), moved)


def _together(instrument: str, lots: Iterable[Lot]) -> dict[Key, State]:
    """Return what the lots that were opened together add up to."""
    found: dict[Key, State] = {}
    for lot in lots:
        key = (instrument, lot.opened_at, lot.sequence)
        opened, held, cost = found.get(key, NOTHING)
        found[key] = (opened + lot.opened, held + lot.quantity, cost + lot.cost)
    return found


def _but_all(state: Mapping[Key, State]) -> dict[Key, State]:
    """Return the sums over lots without those over all that is held."""
    return {key: sums for key, sums in state.items() if key[1] is not None}


def all_of(instrument: str) -> Key:
    """Return the key of all that is held of an instrument."""
    return (instrument, None, 0)


def explain_lot(lot: LotLike, changes: Iterable[Change], held: Sequence[LotLike], whole: Iterable[Change] = ()) -> Explanation:
    """Return why a lot is what it is; `held` are all lots of the instrument, in their order.

    Where all units cost the same, `whole` is what entries made of all that is held.
    """
    found = Explanation()
    _note(found, "entries", changes)
    _note(found, "of_all", whole)
    together = [one for one in held if (one.opened_at, one.sequence) == (lot.opened_at, lot.sequence)]
    others = [one for one in together if one.number != lot.number]
    if others:
        found.notes.append(OTHERS.format(len(others) + 1))
    for figure, (column, places) in SUMMED.items():
        if figure == "cost" and "of_all" in found.tables:
            _share(found, lot, held)
        elif others:
            rest = sum((getattr(one, figure) for one in others), ZERO)
            found.tell(figure, f"sum(entries.{column}) - others", getattr(lot, figure), places, others=rest)
        else:
            found.tell(figure, f"sum(entries.{column})", getattr(lot, figure), places)
    if lot.tacked_days is not None:
        days = Decimal(lot.tacked_days)
        found.tell("tacked_days", "days_of_replaced", days, 0, days_of_replaced=days)
        found.notes += [TACKED.format(lot.tacked_days)] if lot.tacked_days else []
    return found


def explain_missing(row: Mapping[str, Any], lots: Iterable[Any], closures: Iterable[Any]) -> Explanation:
    """Return why so much is missing: `lots` still wait for their acquisition, `closures` have got it since."""
    found = Explanation()
    waiting = found.table("lots", summed=("size", "proceeds"), rules=WAITING)
    for lot in lots:
        cells = {"sequence": lot.sequence, "opened_at": lot.opened_at.isoformat(), "remaining": lot.remaining, "cost": lot.cost}
        waiting.add(cells | {"size": abs(lot.remaining), "proceeds": -lot.cost})
    made_up = found.table("closures", summed=("size",), rules={"size": Rule("abs(quantity)", UNIT_PLACES)})
    for one in closures:
        made_up.add({"opening": one.opening, "closing": one.closing, "quantity": one.quantity, "size": abs(one.quantity)})
    found.tell("open", "sum(lots.size)", row["open"], UNIT_PLACES)
    found.tell("made_up", "sum(closures.size)", row["made_up"], UNIT_PLACES)
    found.tell("proceeds", "sum(lots.proceeds)", row["proceeds"])
    return found


def _note(found: Explanation, name: str, changes: Iterable[Change]) -> None:
    """Fill in a table of what entries made, if they made anything."""
    for change in changes:
        table = found.tables.get(name) or found.table(name, summed=CHANGES)
        table.add(change.row())
        found.cite(rates=[change.rate] if change.rate else [])


def _share(found: Explanation, lot: LotLike, held: Sequence[LotLike]) -> None:
    """Add the step to the part of a lot in the cost of all that is held."""
    before = sum((one.remaining for one in held if one.number < lot.number), ZERO)
    numbers = {
        "cost_of_all": found.find("cost_of_all", "sum(of_all.cost_change)"),
        "held": sum((one.remaining for one in held), ZERO),
        "reached": before + lot.remaining,
        "reached_before": before,
    }
    found.notes.append(SHARED)
    found.tell("cost", AVERAGE, lot.cost, **numbers)
