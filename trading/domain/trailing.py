"""Stops that follow the price: how far behind, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from portfolio.domain.exact import EXACT, ONE, money
from trading.domain.orders import Side

PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Trail:
    """How far a stop stays behind: by an amount, or by percent of the best price (5 is five percent)."""

    price: Decimal | None = None
    percent: Decimal | None = None

    def stop(self, side: Side, mark: Decimal) -> Decimal:
        """Return where the stop stands for the best price so far: below it to sell, above it to buy.

        >>> Trail(percent=Decimal(10)).stop(Side.SELL, Decimal(200))
        Decimal('180.0000000000')
        """
        if self.price is not None:
            return EXACT.add(mark, side.sign * self.price)
        share = EXACT.divide(self.percent or Decimal(0), PERCENT)
        return money(EXACT.multiply(mark, EXACT.add(ONE, side.sign * share)))


def best(side: Side, mark: Decimal | None, price: Decimal) -> Decimal:
    """Return the high-water mark after a price: the highest seen by an order to sell, the lowest by one to buy."""
    if mark is None:
        return price
    return max(mark, price) if side is Side.SELL else min(mark, price)


def is_touched(side: Side, stop: Decimal, price: Decimal) -> bool:
    """Say whether a price sets a stop off.

    >>> is_touched(Side.SELL, Decimal(180), Decimal(180)), is_touched(Side.BUY, Decimal(180), Decimal("179.99"))
    (True, False)
    """
    return price <= stop if side is Side.SELL else price >= stop
