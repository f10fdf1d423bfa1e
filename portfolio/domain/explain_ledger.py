"""What each entry did to each holding: the ledger posted once more, one entry after another, with an eye on what moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import NamedTuple

from portfolio.domain.book import Book, rate_on
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ONE, ZERO
from portfolio.domain.explain import Cited, Explanation, Row, Rule, evaluate, rounded
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Closure, Lot, Method
from portfolio.domain.positions import post
from portfolio.domain.pricing import NOTHING
from portfolio.domain.wash import Loss

CHANGES = ("quantity_change", "cost_change", "realized_change", "income_change", "fees_change", "taxes_change")
State = tuple[Decimal, ...]
_NOTHING: State = (ZERO,) * len(CHANGES)


PUT_OFF = Rule("loss_left if quantity_left <= quantity else loss_left * quantity / quantity_left")


class Replaced(NamedTuple):
    """Units that an entry bought again or that were bought before it sold, of a loss of so many units that still counted."""

    sequence: int  # of the entry by which the loss was put off
    quantity: Decimal
    quantity_left: Decimal
    loss_left: Decimal
    put_off: Decimal

    @property
    def holds(self) -> bool:
        """Say whether the rule gives what was put off: of several lots at once each was rounded on its own."""
        return rounded(evaluate(PUT_OFF.formula, self._asdict()), PUT_OFF.places) == self.put_off


class Watch:
    """What losses were put off by, by the number of the closure, in a book that entries are posted to one by one."""

    def __init__(self, book: Book) -> None:
        self.book, self.replaced = book, dict[int, list[Replaced]]()

    def losses(self) -> dict[int, Loss]:
        """Return the losses that a purchase would undo, by the number of the closure."""
        return {loss.number: loss for losses in self.book.losses.values() for loss in losses}

    def after(self, entry: Entry, known: Mapping[int, Loss], first: int) -> None:
        """Note by how much the entry put off losses known before, and those of what it closed itself: from `first` on."""
        left = self.losses()
        fresh = dict(enumerate(self.book.closures[first:], first + 1))
        for number in sorted({*known, *fresh}):
            closure = self.book.closures[number - 1]
            was = known.get(number)
            held, loss, counted = (
                (abs(closure.quantity), -closure.gain, ZERO) if was is None else (was.quantity, was.amount, was.disallowed)
            )
            if closure.disallowed == counted:
                continue
            rest = left[number].quantity if number in left else ZERO
            row = Replaced(entry.sequence, held - rest, held, loss, closure.disallowed - counted)
            self.replaced.setdefault(number, []).append(row)


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


def traced(
    book: Book, entries: Iterable[Entry], *, wanted: frozenset[int] | None = None, watch: Watch | None = None
) -> Iterator[Effect]:
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
        losses = watch.losses() if watch else {}
        with localcontext(EXACT):
            post(book, entry)
        if watch:
            watch.after(entry, losses, first)
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
