"""What each entry did to each holding: the ledger posted once more, one entry after another, with an eye on what moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import NamedTuple

from portfolio.domain.book import Book, rate_on
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ONE, ZERO
from portfolio.domain.explain import Cited, Explanation, Row
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Closure, Lot, Method
from portfolio.domain.positions import post
from portfolio.domain.pricing import NOTHING

CHANGES = ("quantity_change", "cost_change", "realized_change", "income_change", "fees_change", "taxes_change")
State = tuple[Decimal, ...]
_NOTHING: State = (ZERO,) * len(CHANGES)


class Effect(NamedTuple):
    """What one entry changed in one holding, in the currency of the instrument."""

    entry: Entry
    instrument: str
    changes: State
    rate: Cited | None  # from the entry's currency into the instrument's, where they differ
    before: Sequence[Lot]  # the lots before it, where something was closed
    closed: Sequence[Closure]  # what it closed
    cost: Decimal  # of all that was held before it
    average: bool  # all units cost the same

    def row(self) -> Row:
        """Return it as a row of a table of entries."""
        return (
            entry_row(self.entry)
            | {"rate": self.rate.value if self.rate else ONE}
            | dict(zip(CHANGES, self.changes, strict=True))
        )


def entry_row(entry: Entry) -> Row:
    """Return an entry as a row of a table."""
    return {
        "id": entry.id,
        "sequence": entry.sequence,
        "kind": str(entry.kind),
        "day": date.fromordinal(entry.day).isoformat(),
        "quantity": entry.quantity,
        "price": entry.price,
        "cash": entry.cash,
        "currency": entry.currency,
        "fee": entry.fee,
        "tax": entry.tax,
    }


def traced(book: Book, entries: Iterable[Entry], *, wanted: frozenset[int] | None = None) -> Iterator[Effect]:
    """Post entries to an empty book, and yield what each changed in each holding it touched.

    `wanted` are the sequences of closing entries of which the lots before are told, with what was closed; none for no entry.
    """
    states: dict[str, State] = {}
    touched: set[str] = set()
    for entry in entries:
        book.touched.clear()
        looked_at = wanted is not None and entry.sequence in wanted
        held = book.holdings.get(entry.instrument or "") if looked_at else None
        before = {held.key: tuple(held.lots)} if held is not None else {}
        first = len(book.closures)
        with localcontext(EXACT):
            post(book, entry)
        touched |= book.touched
        for key in book.touched:
            state, cost = _state(book.holdings[key]), states.get(key, _NOTHING)[1]
            changes = tuple(now - then for now, then in zip(state, states.get(key, _NOTHING), strict=True))
            states[key] = state
            closed = [one for one in book.closures[first:] if one.instrument == key] if looked_at else []
            rate, average = rate_of(book, entry, book.holdings[key].currency), book.method is Method.AVERAGE
            yield Effect(entry, key, changes, rate, before.get(key, ()), closed, cost, average)
    book.touched |= touched


def rate_of(book: Book, entry: Entry, currency: str) -> Cited | None:
    """Return the rate by which amounts of an entry are read in another currency, none where that is its own."""
    if entry.currency == currency:
        return None
    recorded = rate_on(entry) if currency == book.base else None
    pair = f"{entry.currency}/{currency}"
    if recorded is not None:
        return Cited(pair, entry.day, entry.day, recorded, f"entry #{entry.sequence}")
    points = book.market.rates.get((entry.currency, currency), NOTHING)
    value, seen = points.value_at(entry.day), points.seen_at(entry.day)
    return None if value is None or seen is None else Cited(pair, entry.day, seen, value, "day")


def _state(holding: Holding) -> State:
    """Return the amounts of a holding."""
    return (holding.quantity, holding.cost, holding.realized, holding.income, holding.fees, holding.taxes)


def note(found: Explanation, effect: Effect) -> None:
    """Add an effect to the table of entries of an explanation, and the rate it took."""
    found.tables["entries"].add(effect.row())
    if effect.rate is not None:
        found.cite(rates=[effect.rate])
