"""Lots by what a unit of them cost, the highest first: kept in that order from sale to sale, whatever happened to them meanwhile.

Nothing has to be told of what changed: what is kept is held against the lots that there are, and made anew where it is not of
those. So it may be lost at any time, and need not be stored.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Generic, Protocol, TypeVar

from portfolio.domain.exact import EXACT

DUST = Decimal("1e-9")  # what the roundings of a cost, to ten places each, may come to


class Costly(Protocol):
    """Units that cost something."""

    @property
    def quantity(self) -> Decimal:
        """How many."""

    @property
    def cost(self) -> Decimal:
        """What for."""


Some = TypeVar("Some", bound=Costly)


class Dearest(Generic[Some]):
    """The order of lots, which stand in that of their opening."""

    __slots__ = ("_by_cost", "_lots", "_numbers")

    def __init__(self) -> None:
        """Know of none yet."""
        self._lots: list[Some] = []
        self._numbers: list[int] = []  # of each lot, rising
        self._by_cost: list[tuple[Decimal, int]] = []  # cost of a unit and number turned round, rising

    def look_at(self, lots: Sequence[Some]) -> None:
        """Take in what there is: that of before with others behind it, or else all of it anew."""
        known = len(self._lots)
        before, self._lots = self._lots, list(lots)
        if self._lots[:known] != before:  # those that are the very same are told at a glance
            self._numbers, self._by_cost, known = [], [], 0
        first = self._numbers[-1] + 1 if known else 0
        numbers = range(first, first + len(lots) - known)
        self._numbers += numbers
        added = [(_each(lot), -number) for lot, number in zip(self._lots[known:], numbers, strict=True)]
        if len(added) > known:
            self._by_cost = sorted(self._by_cost + added)
        else:
            for one in added:
                insort(self._by_cost, one)

    def places(self) -> Iterator[int]:
        """Yield the places of the lots by their cost a unit, the highest first; of those that cost the same, the oldest first.

        A cost is kept to ten places, so one that was split or lowered is off by a digit of the last: units are as dear as others
        where no more than that is between them.
        """
        group: list[int] = []  # places in the order by cost, the dearest first
        stop = len(self._by_cost)
        while stop:
            start = bisect_left(self._by_cost, self._by_cost[stop - 1][0], key=itemgetter(0))
            if group or self._goes_on(start):
                group += range(stop - 1, start - 1, -1)
            else:  # all cost the very same, and stand in their order
                yield from map(self._place, range(stop - 1, start - 1, -1))
            if not self._goes_on(start):
                yield from sorted(map(self._place, group))
                group = []
            stop = start

    def change(self, changes: dict[int, Some | None]) -> list[Some]:
        """Return the lots after some, by their places, were replaced by what is left of them, or by nothing."""
        for place in sorted(changes, reverse=True):
            number, left = self._numbers[place], changes[place]
            del self._by_cost[bisect_left(self._by_cost, (_each(self._lots[place]), -number))]
            if left is None:
                del self._lots[place], self._numbers[place]
            else:
                self._lots[place] = left
                insort(self._by_cost, (_each(left), -number))
        return list(self._lots)

    def _place(self, index: int) -> int:
        """Return the place of a lot by its index in the order by cost."""
        return bisect_left(self._numbers, -self._by_cost[index][1])

    def _goes_on(self, index: int) -> bool:
        """Say whether the lot before one, in the order by cost, is as dear as that one."""
        if not index:
            return False
        least = min(abs(self._lots[self._place(one)].quantity) for one in (index, index - 1))
        return self._by_cost[index][0] - self._by_cost[index - 1][0] <= EXACT.divide(DUST, least)


def _each(lot: Costly) -> Decimal:
    """Return what a unit cost."""
    return EXACT.divide(lot.cost, abs(lot.quantity))
