"""What is known of prices and rates on a day: the last close or rate up to it, never a later one.

A price that an owner gave by hand (VALUATION) counts like a close, and beats the close of its day. A close from before a split
is divided by the split's ratio from the day of the split on, until the next close comes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.entry import Listing
from portfolio.domain.exact import EXACT, MONEY_PLACES, RATE_PLACES, Fixed, divided

Days = NDArray[np.int64]


class Hand(NamedTuple):
    """A price given by hand."""

    day: int
    price: Decimal


class Split(NamedTuple):
    """So many new units for so many old ones."""

    day: int
    new: Decimal
    old: Decimal


@dataclass(frozen=True, slots=True)
class Points:
    """Prices or rates, each from its day on: days in order, values, and the day on which each value was seen."""

    days: Days
    values: Fixed
    seen: Days
    closed: Days  # the days with a close of their own; a price given by hand is none

    @classmethod
    def of(cls, values: Mapping[int, Decimal]) -> Points:
        """Return points from values by day."""
        days = np.array(sorted(values), dtype=np.int64)
        return cls(days, Fixed.of([values[day] for day in days.tolist()], RATE_PLACES), days, days)

    def index_at(self, day: int) -> int:
        """Return the index of the last point up to a day, below zero where there is none."""
        return int(self.days.searchsorted(day, "right")) - 1

    def value_at(self, day: int) -> Decimal | None:
        """Return the last value known on a day, or none."""
        index = self.index_at(day)
        return None if index < 0 else self.values.decimal(index)

    def seen_at(self, day: int) -> int | None:
        """Return the day on which the value of a day was seen, or none."""
        index = self.index_at(day)
        return None if index < 0 else int(self.seen[index])

    def times(self, factor: Decimal) -> Points:
        """Return the points with their values times a factor."""
        values = (self.values * Fixed.of([factor])).upto(MONEY_PLACES)
        return Points(self.days, values, self.seen, self.closed)

    def with_moves(self, hands: Sequence[Hand], splits: Sequence[Split]) -> Points:
        """Return the points with prices given by hand set in, and splits applied to closes from before them."""
        if not hands and not splits:
            return self
        values = dict(zip(self.days.tolist(), self.values.integers(MONEY_PLACES), strict=True))
        values |= {hand.day: int(hand.price.scaleb(MONEY_PLACES, EXACT)) for hand in hands}
        seen = {day: day for day in values}
        for split in sorted(splits):
            days = sorted(values)
            index = bisect_right(days, split.day) - 1
            if index >= 0 and days[index] != split.day:
                last = days[index]
                old, new = split.old.as_integer_ratio(), split.new.as_integer_ratio()
                values[split.day] = divided(values[last] * old[0] * new[1], old[1] * new[0])
                seen[split.day] = seen[last]
        order = sorted(values)
        return Points(
            np.array(order, dtype=np.int64),
            Fixed.whole([values[day] for day in order], MONEY_PLACES),
            np.array([seen[day] for day in order], dtype=np.int64),
            self.closed,
        )


NOTHING = Points.of({})


def since(points: Points, first: int) -> Points:
    """Return what is known from a day on.

    >>> since(Points.of({1: Decimal(5), 2: Decimal(6), 4: Decimal(7)}), 3).days.tolist()
    [3, 4]
    """
    known = {max(day, first): points.value_at(max(day, first)) for day in points.days.tolist()}
    return Points.of({day: value for day, value in known.items() if value is not None})


def crossed(first: Points, second: Points) -> Points:
    """Return the rates across a third currency: from the first day on which both legs are known, the last known of each."""
    days = sorted({*first.days.tolist(), *second.days.tolist()})
    legs = ((day, first.value_at(day), second.value_at(day)) for day in days)
    return Points.of({day: EXACT.multiply(one, other) for day, one, other in legs if one is not None and other is not None})


@dataclass(frozen=True, slots=True)
class Market:
    """The closes of instruments and the rates of pairs, as far as they are known."""

    closes: Mapping[str, Points] = field(default_factory=dict)
    rates: Mapping[tuple[str, str], Points] = field(default_factory=dict)


def in_currencies(market: Market, listings: Mapping[str, Listing]) -> Market:
    """Return a market in which closes quoted in a small coin (pence) are in its currency (pounds)."""
    small = {key: listings[key].unit for key in market.closes if key in listings and listings[key].unit != 1}
    if not small:
        return market
    return Market({**market.closes, **{key: market.closes[key].times(unit) for key, unit in small.items()}}, market.rates)
