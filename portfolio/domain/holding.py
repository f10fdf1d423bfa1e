"""What is held of one instrument, lot by lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from portfolio.domain.dearest import Dearest
from portfolio.domain.entry import Listing
from portfolio.domain.exact import ZERO
from portfolio.domain.lots import Choice, Lot, Method, Part, insert, leveled, scaled, take


@dataclass(slots=True)
class Holding:
    """What is held of one instrument and what it brought so far, all in the instrument's currency.

    `quantity` and `cost` are the sums over the lots. `income` is before fees and taxes; `fees` and `taxes` count those inside
    the cost and proceeds of trades, too.
    """

    key: str
    listing: Listing
    lots: list[Lot] = field(default_factory=list)
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    income: Decimal = ZERO
    fees: Decimal = ZERO
    taxes: Decimal = ZERO
    since: int | None = None  # the first day on which it moved
    dearest: Dearest[Lot] | None = field(default=None, repr=False, compare=False)  # what HIFO remembers from sale to sale

    @property
    def currency(self) -> str:
        """The currency of all its amounts."""
        return self.listing.currency

    def open(self, lot: Lot) -> None:
        """Add a lot."""
        insert(self.lots, lot)
        self.quantity += lot.quantity
        self.cost += lot.cost

    def take(self, quantity: Decimal, method: Method, named: Sequence[Choice] = ()) -> list[Part]:
        """Take units out, lot by lot; what is taken and what is left add up."""
        if method is Method.HIFO and self.dearest is None:
            self.dearest = Dearest()
        parts, self.lots = take(self.lots, quantity, method, cost=self.cost, named=named, dearest=self.dearest)
        for part in parts:
            self.quantity -= part.quantity
            self.cost -= part.cost
        return parts

    def level(self) -> None:
        """Write into each lot its share of the average cost."""
        self.lots = leveled(self.lots, self.cost)

    def scale(self, quantity: Decimal) -> None:
        """Change the units of all lots to a new total, as a split does."""
        self.lots = scaled(self.lots, quantity)
        self.quantity = quantity
