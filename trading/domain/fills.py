"""What has been filled of an order: how much and for how much, exactly, and never more than the order is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce

from portfolio.domain.exact import EXACT, ZERO, money
from trading.domain.problems import Problem, Refused, refuse_if


class FillRefused(Refused):
    """A fill that cannot have been: of nothing, or for no price."""


class Overfilled(Refused):
    """More was filled than the order is for: a broker's mistake or ours, and a person has to look at it."""

    by_state = True


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution: the broker's id of it, and quantity, price and fee as magnitudes."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    at: datetime
    fee: Decimal = ZERO

    def check(self) -> None:
        """Refuse a fill that cannot have been.

        :raises FillRefused: by field
        """
        quantity, price = self.quantity, self.price
        if not (self.execution_id and quantity.is_finite() and price.is_finite() and self.fee.is_finite()) or not (
            quantity > ZERO and price > ZERO
        ):
            refuse_if(_problems(self), FillRefused)

    @property
    def value(self) -> Decimal:
        """Quantity times price, exactly; a multiplier is not in it."""
        return EXACT.multiply(self.quantity, self.price)


@dataclass(frozen=True, slots=True)
class Filled:
    """The sum of the fills of an order; the average price follows from it and is rounded once, never fill by fill."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO

    @property
    def average_price(self) -> Decimal | None:
        """The price a unit was filled at on average, to ten places; none while nothing is filled."""
        return money(EXACT.divide(self.value, self.quantity)) if self.quantity else None

    def plus(self, fill: Fill, *, most: Decimal | None = None) -> Filled:
        """Return the sum with one fill more; `most` is the order's quantity.

        :raises FillRefused: if the fill cannot have been
        :raises Overfilled: if the order would be filled beyond its quantity

        >>> at = datetime(2024, 5, 6)
        >>> both = Filled().plus(Fill("a", Decimal(1), Decimal(10), at)).plus(Fill("b", Decimal(2), Decimal("10.3"), at))
        >>> both.quantity, both.average_price
        (Decimal('3'), Decimal('10.2000000000'))
        """
        fill.check()
        quantity = EXACT.add(self.quantity, fill.quantity)
        if most is not None and quantity > most:
            detail = f"With this fill {quantity:f} would be filled of an order for {most:f}; compare with the broker's records."
            raise Overfilled([Problem("quantity", "overfilled", detail)])
        return Filled(quantity, EXACT.add(self.value, fill.value), EXACT.add(self.fee, fill.fee))


NOTHING = Filled()


def exact_sum(numbers: Iterable[Decimal]) -> Decimal:
    """Return a sum that loses no digit, whatever context the caller has set."""
    return reduce(EXACT.add, numbers, ZERO)


def _problems(fill: Fill) -> Iterable[Problem]:
    """Yield what is wrong with a fill."""
    if not fill.execution_id:
        yield Problem(
            "execution_id", "required", "Name the broker's id of the execution: it keeps a fill from being posted twice."
        )
    for name, number in (("quantity", fill.quantity), ("price", fill.price)):
        if not number.is_finite() or number <= 0:
            yield Problem(name, "not_positive", f"The {name} of a fill is above zero; the order's side gives it its sign.")
    if not fill.fee.is_finite():
        yield Problem("fee", "not_a_number", "The fee is no number; write zero where there is none.")
