"""What another program wrote down of an account, beside what follows from its ledger."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException, localcontext
from functools import cached_property

from accounts.domain.ledger import HALF_A_CENT
from accounts.models import Account
from portfolio.domain.book import Book
from portfolio.domain.entries import place_of
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.lots import Method
from portfolio.domain.positions import post
from portfolio.domain.returns import DayFigures
from portfolio.models import Position
from portfolio.selectors import projections as state
from portfolio.selectors.books import Ledger, ledger_of
from portfolio.selectors.figures import FiguresBeyondLimits
from portfolio.selectors.past import PastFigures

MOST_KEPT = 1_000
Held = tuple[Decimal, Decimal]  # units and their cost


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that does not follow from the ledger: of which table and time, of what, what they say and what we do.

    `ours` is none where there is no figure to compare with; `why` says why.
    """

    table: str
    at: datetime
    instrument: str
    figure: str
    theirs: Decimal | None
    ours: Decimal | None
    why: str = ""


@dataclass(slots=True)
class Compared:
    """How many rows and figures were compared, and the first thousand differences; all are counted."""

    rows: int = 0
    figures: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)

    def beside(self, found: Difference, *, off: Decimal = HALF_A_CENT) -> None:
        """Compare a figure, and keep it if it differs by more than rounding explains."""
        self.figures += 1
        if found.ours is not None and found.theirs is not None and abs(found.theirs - found.ours) <= off:
            return
        self.differing += 1
        if len(self.differences) < MOST_KEPT:
            self.differences.append(found)


class Past:
    """What an account held at any instant, and what it came to at the end of each day until the last one asked for."""

    def __init__(self, account: Account, until: date) -> None:
        self.figures = PastFigures(account, as_of=until)
        self.held = _held_over_time(ledger_of(account))

    def held_at(self, at: datetime) -> dict[str, Held]:
        """Return the units of each instrument and their cost at an instant; what is gone is left out."""
        found = {}
        for instrument, (times, states) in self.held.items():
            place = bisect_right(times, at)
            if place and states[place - 1][0]:
                found[instrument] = states[place - 1]
        return found

    def day(self, at: datetime) -> DayFigures | None:
        """Return the figures at the end of a day, none where nothing is known of it."""
        return self.days.get(at.astimezone(UTC).toordinal())

    def positions(self) -> dict[str, Position]:
        """Return the positions at the end of the last day."""
        return {str(one.instrument_id): one for one in self.figures.positions()}

    @cached_property
    def days(self) -> Mapping[int, DayFigures]:
        """The figures at the end of each day."""
        return {one.day: one for one in self.figures.derivation.figures}


def _held_over_time(ledger: Ledger) -> dict[str, tuple[list[datetime], list[Held]]]:
    """Return what was held of each instrument after each of its entries.

    :raises FiguresBeyondLimits: if the entries are too large to be computed with
    """
    account = ledger.account
    method, rules = Method(account.cost_basis_method), state.rules_of(account)
    book = Book(account.base_currency, method, ledger.listings, ledger.market, ledger.named, rules)
    found: dict[str, tuple[list[datetime], list[Held]]] = defaultdict(lambda: ([], []))
    try:
        with localcontext(EXACT):
            for entry in ledger.entries:
                book.touched.clear()
                post(book, entry)
                for instrument in book.touched:
                    times, states = found[instrument]
                    holding = book.holdings[instrument]
                    times.append(place_of(entry).at)
                    states.append((holding.quantity, holding.cost if holding.quantity else ZERO))
    except DecimalException as error:
        raise FiguresBeyondLimits from error
    return found
