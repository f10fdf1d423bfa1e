"""Daily values of several accounts as one, or of one in another currency, whole columns at a time: the figures of `together`.

Whole columns cost a fraction of what days one by one do. What is told of every day is read of all days; the rest, of those that
are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.bridge import Daily, Leg
from portfolio.domain.daily import chained
from portfolio.domain.exact import EXACT, MONEY_PLACES, ZERO, Digits, Fixed, widened
from portfolio.domain.performance import Point
from portfolio.domain.pricing import Points
from portfolio.domain.returns import INDEX_PLACES

EVERY_DAY = ("total_value", "inflow", "outflow")
STANDING = frozenset({"total_value", "cash", "positions_value", "buying_power"})  # what a later day begins with
CAUSES = ("price_gain", "income", "interest", "fees", "taxes")
DETAILS = ("cash", "positions_value", "buying_power", *CAUSES)
Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Amounts of the successive days of one account, at least one, from the first on."""

    first: int
    amounts: Mapping[str, Fixed]
    priced: Marks
    complete: Marks

    @property
    def last(self) -> int:
        """The last day."""
        return self.first + len(self.complete) - 1

    @classmethod
    def of(cls, days: Sequence[Daily], names: Collection[str]) -> Vectors:
        """Return some amounts of days."""
        amounts = {name: Fixed.of([getattr(day, name) for day in days]) for name in names}
        marks = (np.array([getattr(day, name) for day in days]) for name in ("priced", "complete"))
        return cls(days[0].day, amounts, *marks)

    def spread(self, name: str, first: int, span: int) -> Fixed:
        """Return an amount for each of so many days: before the first nothing, after the last what stands."""
        values, place = self.amounts[name], np.arange(first, first + span) - self.first
        within = place >= 0 if name in STANDING else (place >= 0) & (place < len(values))
        digits = np.where(within, values.digits[np.clip(place, 0, len(values) - 1)], 0)
        return Fixed(digits, values.places, values.peak)

    def marked(self, marks: Marks, first: int, span: int, *, before: bool, after: bool) -> Marks:
        """Return marks for each of so many days, and what they are before the first and after the last."""
        place = np.arange(first, first + span) - self.first
        found = marks[np.clip(place, 0, len(marks) - 1)]
        found[place < 0] = before
        found[place >= len(marks)] = after
        return found


class Member(NamedTuple):
    """One of the accounts: its days, the rates into the common currency (none if it is in that), and its inner flows.

    `legs` are flows from and to the other accounts, in the common currency: together they are none.
    """

    vectors: Vectors
    rates: Points | None
    legs: Mapping[int, Leg]

    def rated(self, name: str, first: int, span: int) -> Fixed:
        """Return an amount for each of so many days in the common currency."""
        found = self.vectors.spread(name, first, span)
        if self.rates is None:
            return found
        place = np.searchsorted(self.rates.days, np.arange(first, first + span), side="right") - 1
        values = self.rates.values
        rates = Fixed(np.where(place < 0, 0, values.digits[place.clip(0)]), values.places, values.peak)
        return (found * rates).upto(MONEY_PLACES)

    @property
    def unrated(self) -> int | None:
        """The first day that has no rate, if there is one."""
        if self.rates is None or (len(self.rates.days) and self.rates.days[0] <= self.vectors.first):
            return None
        return self.vectors.first


def summed(members: Iterable[Member], name: str, first: int, span: int) -> Fixed:
    """Return an amount of all members for each of so many days."""
    found = Fixed.zeros(span)
    for member in members:
        found = found + member.rated(name, first, span)
    return found


@dataclass(frozen=True)
class JointDays:
    """What is told of every day: the value, the flows, the gain and the index since the beginning."""

    first: int
    total: Digits  # in the places of money, as all that follow
    into: Digits
    out: Digits
    priced: Marks
    complete: Marks

    @classmethod
    def of(cls, members: Sequence[Member]) -> JointDays:
        """Return what is told of every day of all members, at least one; each of their days has a rate."""
        first = min(member.vectors.first for member in members)
        span = max(member.vectors.last for member in members) - first + 1
        sums = [summed(members, name, first, span).at(MONEY_PLACES) for name in EVERY_DAY]
        total, into, out = (widened(one.digits, 4 * sum(other.peak for other in sums) * span) for one in sums)
        for member in members:
            for day, leg in member.legs.items():
                into[day - first] -= _whole(leg.into)
                out[day - first] -= _whole(leg.out)
        complete, priced = np.ones(span, dtype=bool), np.zeros(span, dtype=bool)
        for member in members:
            vectors = member.vectors
            complete &= vectors.marked(vectors.complete, first, span, before=True, after=bool(vectors.complete[-1]))
            priced |= vectors.marked(vectors.priced, first, span, before=False, after=False)
        return cls(first, total, into, out, priced & complete, complete)

    @property
    def last(self) -> int:
        """The last day."""
        return self.first + len(self.total) - 1

    @cached_property
    def index(self) -> list[int]:
        """The time-weighted index of each day."""
        return chained(self.total, self.into, self.out, None if self.complete.all() else ~self.complete).integers()

    @cached_property
    def gain(self) -> Digits:
        """What was gained up to each day."""
        gained: Digits = self.total - np.cumsum(self.into - self.out)
        return gained

    def points(self, first: int, end: int) -> list[Point]:
        """Return the days from one up to another as performance needs them."""
        flows = self.into - self.out
        return [
            Point(
                self.first + place,
                _amount(self.total[place]),
                _amount(flows[place]),
                Decimal(self.index[place]).scaleb(-INDEX_PLACES, EXACT),
                bool(self.priced[place]),
                bool(self.complete[place]),
            )
            for place in range(max(first - self.first, 0), min(end - self.first, len(self.total)))
        ]

    def days(self, members: Sequence[Member], first: int, end: int) -> list[Daily]:
        """Return the days from one up to another with all that led to them; the members' vectors tell the details of those."""
        first, end = max(first, self.first), min(end, self.last + 1)
        if first >= end:
            return []
        sums = {name: summed(members, name, first, end - first).at(MONEY_PLACES).digits.tolist() for name in DETAILS}
        return [self._day(place, {name: column[place - (first - self.first)] for name, column in sums.items()})
                for place in range(first - self.first, end - self.first)]  # fmt: skip

    def _day(self, place: int, told: Mapping[str, int]) -> Daily:
        """Return one day; what currencies made is the gain less what all else did."""
        total, into, out = int(self.total[place]), int(self.into[place]), int(self.out[place])
        gain = total - (int(self.total[place - 1]) if place else 0) - into + out
        price, income, interest, fees, taxes = (told[name] for name in CAUSES)
        currency = gain - price - income - interest + fees + taxes
        causes = (gain, price, currency, income, interest, fees, taxes, int(self.gain[place]))
        amounts = (total, told["cash"], told["positions_value"], told["buying_power"], into, out, *causes)
        index = Decimal(self.index[place]).scaleb(-INDEX_PLACES, EXACT)
        marks = (bool(self.priced[place]), bool(self.complete[place]))
        return Daily._make([self.first + place, *map(_amount, amounts), index, *marks])


def _whole(amount: Decimal) -> int:
    """Return an amount as a whole number of its last place."""
    return int(amount.scaleb(MONEY_PLACES, EXACT))


def _amount(number: int) -> Decimal:
    """Return a whole number of the last place of money as a decimal."""
    return Decimal(int(number)).scaleb(-MONEY_PLACES, EXACT) if number else ZERO
