"""What trading costs in a backtest: commissions, and prices that are worse than those on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from portfolio.domain.exact import EXACT, ONE, ZERO, money
from trading.domain.numbers import read_number
from trading.domain.problems import Problem, Refused, refuse_if

MOST_RATE = Decimal("0.5")


class CostsRefused(Refused):
    """Costs that cannot be."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Commissions in the currency of the run, and slippage as a part of the price or in ticks of the instrument."""

    per_order: Decimal = ZERO
    per_unit: Decimal = ZERO
    rate: Decimal = ZERO
    minimum: Decimal = ZERO
    slippage_rate: Decimal = ZERO
    slippage_ticks: Decimal = ZERO

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Costs:
        """Return the costs that are written; what is left out costs nothing.

        :raises CostsRefused: by field

        >>> Costs.read({"per_order": "1", "rate": "0.001"}).commission(Decimal(10), Decimal(500))
        Decimal('1.5000000000')
        """
        names = [one.name for one in fields(cls)]
        problems = [
            Problem(f"costs.{name}", "unknown_cost", f"Costs are {', '.join(names)}.") for name in written if name not in names
        ]
        values = {name: read_number(written[name]) for name in names if name in written}
        for name, value in values.items():
            if value is None or value < 0 or (name.endswith("rate") and value > MOST_RATE):
                problems.append(Problem(f"costs.{name}", "invalid", "Write a number from 0; rates are parts, such as 0.001."))
        refuse_if(problems, CostsRefused)
        return cls(**{name: value for name, value in values.items() if value is not None})

    def commission(self, quantity: Decimal, value: Decimal) -> Decimal:
        """Return what it costs to trade a quantity of that value."""
        if not (self.per_order or self.per_unit or self.rate or self.minimum):
            return ZERO
        asked = EXACT.add(EXACT.multiply(quantity, self.per_unit), EXACT.multiply(value, self.rate))
        return money(max(EXACT.add(asked, self.per_order), self.minimum))

    def slipped(self, price: Decimal, sign: int, tick: Decimal) -> Decimal:
        """Return the price that is got instead of one, worse for who buys (1) or sells (-1); never below zero."""
        if not (self.slippage_rate or self.slippage_ticks):
            return price
        worse = EXACT.add(EXACT.multiply(price, self.slippage_rate), EXACT.multiply(tick, self.slippage_ticks))
        return max(money(EXACT.add(price, worse if sign > 0 else -worse)), ZERO)

    def affordable(self, free: Decimal, price: Decimal) -> Decimal:
        """Return how many units at a price that amount pays for, with commissions: as they are reckoned, and at their minimum."""
        unit = EXACT.add(EXACT.multiply(price, EXACT.add(ONE, self.rate)), self.per_unit)
        ways = ((EXACT.subtract(free, self.per_order), unit), (EXACT.subtract(free, self.minimum), price))
        return min(EXACT.divide(rest, each) if rest > 0 and each > 0 else ZERO for rest, each in ways)
