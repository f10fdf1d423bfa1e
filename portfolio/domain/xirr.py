"""The rate a year that money itself earned: at which all flows of a period are worth nothing together (XIRR).

As a function of x = ln(1 + rate) the worth is a sum of exponentials, one for each day on which money moved. It has no more roots
above zero than the running total of the flows changes its sign, and none more below it than the running total from the end does
(Norstrom's rule, and the same with time turned round): where that makes one, there is one. Else every root is looked for, those
between neighbors on a grid by the roots of the derivatives, between which there is one at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate, pairwise
from operator import ne

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.exact import EXACT
from portfolio.domain.returns import DAYS_OF_YEAR, HIGHEST_RATE

LOWEST, HIGHEST = float(np.log(1e-6)), float(np.log1p(HIGHEST_RATE))  # of ln(1 + rate)
DERIVATIVES = 3
CELLS_A_YEAR, FEWEST_CELLS, MOST_CELLS = 64, 256, 1024
NEAR = 1e-9  # of ln(1 + rate): what separates a root from its neighborhood
SAME = 1e-6  # two roots as near as this are one
TOUCHES = 1e-13  # of all that moved: what rounding leaves of nothing
STEPS, CLOSE = 30, 1e-14  # of Newton's method: as it squares what is missing, the last step is far below the one before

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MoneyWeighted:
    """The yearly rate at which the flows of a period are worth nothing together, or why there is none, or which others."""

    rate: float | None
    note: str = ""


def money_weighted(flows: Sequence[tuple[date, Decimal]]) -> MoneyWeighted:
    """Return the XIRR (actual days over 365) of flows seen from the investor: money put in is below zero.

    Where several rates solve it, it is the one nearest to zero and the note names the others.

    >>> money_weighted([(date(2023, 1, 1), Decimal(-100)), (date(2024, 1, 1), Decimal(110))]).rate.__round__(6)
    0.1
    """
    places = max((-int(amount.as_tuple().exponent) for _, amount in flows), default=0)
    places = max(places, 0)
    return rate_of([day.toordinal() for day, _ in flows], [int(amount.scaleb(places, EXACT)) for _, amount in flows], places)


def rate_of(days: Sequence[int], amounts: Sequence[int], places: int) -> MoneyWeighted:
    """Return the XIRR of flows that are given as days and whole numbers of a last place, as `money_weighted` does.

    >>> rate_of([738521, 738886], [-10000, 11000], 2) == money_weighted([(date(2023, 1, 1), Decimal(-100)), (date(2024, 1, 1),
    ... Decimal(110))])
    True
    """
    by_day: dict[int, int] = {}
    for day, amount in zip(days, amounts, strict=True):
        by_day[day] = by_day.get(day, 0) + amount
    moved = sorted((day, amount) for day, amount in by_day.items() if amount)
    if len({amount > 0 for amount in amounts if amount}) == 1:
        return MoneyWeighted(None, "Money only went in, or only came out.")
    if len(by_day) <= 1:
        return MoneyWeighted(None, "All money moved on one day.")
    if len({amount > 0 for _, amount in moved}) <= 1:
        return MoneyWeighted(None, "Beside what came and went within a day, money only went in, or only came out.")
    rates = _rates([day for day, _ in moved], [amount for _, amount in moved], 10**places)
    if not rates:
        return MoneyWeighted(None, "No yearly rate solves it.")
    told = ", ".join(f"{rate:.6f}" for rate in sorted(rates))
    return MoneyWeighted(rates[0], f"Several rates solve it: {told}." if len(rates) > 1 else "")


def _rates(days: Sequence[int], amounts: Sequence[int], unit: int) -> list[float]:
    """Return the rates at which amounts are worth nothing together, the nearest to zero first."""
    most = _most_roots(amounts)
    if not most:
        return []
    size = max(map(abs, amounts)) / unit
    worth = Worth(np.array([amount / unit / size for amount in amounts]), (np.array(days) - days[0]) / DAYS_OF_YEAR)
    if most > 1:
        roots = worth.roots()
    else:
        root = worth.root_by_slopes()
        roots = worth.roots_between(LOWEST, HIGHEST, 0, 0) if root is None else [root]
    return sorted((float(np.expm1(root)) for root in roots), key=abs)


def _most_roots(amounts: Sequence[int]) -> int:
    """Return how many roots there can be; if it is one, there is one.

    >>> _most_roots([-100, 50, -50, 110]), _most_roots([1, -3, 3])
    (1, 2)
    """
    totals = list(accumulate(amounts))
    if not totals[-1]:  # a rate of nothing solves it, and what else does is beyond the changes of one of them
        return 1 + _changes(totals)
    return _changes(totals) + _changes(list(accumulate(reversed(amounts))))


def _changes(amounts: Sequence[int]) -> int:
    """Return how often amounts change their sign."""
    signs = [amount > 0 for amount in amounts if amount]
    return sum(map(ne, signs, signs[1:]))


@dataclass(frozen=True, slots=True)
class Worth:
    """What amounts are worth together at x = ln(1 + rate); `years` are those since the first."""

    amounts: Vector
    years: Vector

    @property
    def since(self) -> Vector:
        """The years since the middle of the time, so that neither end outweighs all."""
        found: Vector = self.years - self.years[-1] / 2
        return found

    def discounts(self, grid: Vector) -> Vector:
        """Return by what each amount counts at each of some rates, times a positive number that keeps it in bounds."""
        force = -np.outer(grid, self.since)
        found: Vector = np.exp(force - force.max(axis=1, keepdims=True))
        return found

    def turned(self, derivative: int) -> Vector:
        """Return the amounts as a derivative of the worth counts them."""
        found: Vector = self.amounts * (-self.since) ** derivative
        return found

    def at(self, x: float, derivative: int = 0) -> float:
        """Return the worth at a rate, or a derivative of it, times a positive number."""
        return float((self.discounts(np.array([x])) @ self.turned(derivative))[0])

    def touches(self, x: float) -> bool:
        """Say whether nothing but rounding is left of the worth at a rate."""
        size = float((self.discounts(np.array([x])) @ np.abs(self.amounts))[0])
        return abs(self.at(x)) <= TOUCHES * size

    def changes_at(self, x: float) -> bool:
        """Say whether the worth changes its sign at a rate."""
        return (self.at(x - NEAR) < 0) is not (self.at(x + NEAR) < 0)

    def root_by_slopes(self) -> float | None:
        """Return the root that Newton's method comes to, as near as floats tell; none where it comes to none."""
        paid = self.amounts < 0
        out, into = self.amounts[paid], self.amounts[~paid]
        time = float(into @ self.years[~paid]) / float(into.sum()) - float(out @ self.years[paid]) / float(out.sum())
        x = float(np.log(-into.sum() / out.sum())) / time if time else 0.0
        for _ in range(STEPS):
            if not LOWEST <= x <= HIGHEST:
                return None
            force = self.since * -x
            parts = self.amounts * np.exp(force - force.max())
            slope = -float(parts @ self.since)
            step = float(parts.sum()) / slope if slope else np.inf
            x -= step
            if abs(step) <= CLOSE:
                return x if LOWEST <= x <= HIGHEST and self.changes_at(x) else None
        return None

    def roots(self) -> list[float]:
        """Return all roots within the bounds, in order."""
        cells = min(max(int(CELLS_A_YEAR * self.years[-1]), FEWEST_CELLS), MOST_CELLS)
        grid = np.linspace(LOWEST, HIGHEST, cells + 1)
        discounts, turns = self.discounts(grid), np.zeros(cells, dtype=bool)
        for derivative in range(DERIVATIVES + 1):
            negative = discounts @ self.turned(derivative) < 0
            turns |= negative[1:] != negative[:-1]
        found: list[float] = []
        for cell in np.flatnonzero(turns):
            for root in self.roots_between(float(grid[cell]), float(grid[cell + 1]), 0, DERIVATIVES):
                if not found or root - found[-1] > SAME:
                    found.append(root)
        return found

    def roots_between(self, low: float, high: float, derivative: int, last: int) -> list[float]:
        """Return the roots of a derivative between two rates, told apart by those of the next one, up to the last."""
        turns = self.roots_between(low, high, derivative + 1, last) if derivative < last else []
        ends = [low, *turns, high]
        found = [turn for turn in turns if derivative == 0 and self.touches(turn)]
        for start, end in pairwise(ends):
            if (self.at(start, derivative) < 0) is not (self.at(end, derivative) < 0):
                found.append(self._bisected(start, end, derivative))
        return sorted(found)

    def _bisected(self, low: float, high: float, derivative: int) -> float:
        """Return where a derivative changes its sign between two rates."""
        negative = self.at(low, derivative) < 0
        while low < (middle := (low + high) / 2) < high:
            if (self.at(middle, derivative) < 0) is negative:
                low = middle
            else:
                high = middle
        return middle
