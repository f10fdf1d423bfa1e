"""Daily values, the time-weighted index and what follows from them, as columns: the figures of `chain`, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portfolio.domain import ratios
from portfolio.domain.columns import FLOW, OF_ACCOUNT, Columns, Numbers, halves_to_even
from portfolio.domain.exact import EXACT, MONEY_PLACES, Digits, Fixed, divided, widened
from portfolio.domain.gaps import Lack
from portfolio.domain.pricing import Points
from portfolio.domain.returns import INDEX_PLACES
from portfolio.domain.swift import Holdings
from portfolio.domain.xirr import money_weighted

ONE = 10**INDEX_PLACES
ROWS = 5
NEVER = date.max.toordinal() + 1


@dataclass(frozen=True, slots=True)
class Grid:
    """The closes of instruments on common days, the last known of each: a row an instrument, zero before its first."""

    days: Numbers
    prices: Digits
    places: int
    peak: int
    series: Sequence[Points]
    alike: bool  # every instrument has a close on every day
    known: Numbers  # the first day on which each had a price
    index: Numbers  # for each day from the first to the last: which of the days it is, or the last one before it

    @classmethod
    def of(cls, series: Sequence[Points], extra: Numbers | None = None) -> Grid:
        """Return the grid of prices, on their own days and some extra ones."""
        days = _union([*(points.days for points in series), *([] if extra is None else [extra])])
        places = max((points.values.places for points in series), default=0)
        scaled = [points.values.at(places) for points in series]
        peak = max((values.peak for values in scaled), default=0)
        prices = np.zeros((len(series), len(days)), dtype=np.int64 if peak < 1 << 62 else object)
        alike = True
        for row, points, values in zip(prices, series, scaled, strict=True):
            if len(points.days) == len(days):
                row[:] = values.digits
            else:
                alike = False
                known = np.searchsorted(points.days, days, side="right") - 1
                begin = int(np.searchsorted(known, 0))
                row[begin:] = values.digits[known[begin:]]
        known = np.array([points.days[0] if len(points.days) else NEVER for points in series], dtype=np.int64)
        return cls(days, prices, places, peak, series, alike, known, _index(days))

    def places_of(self, days: Numbers) -> tuple[Grid, Numbers]:
        """Return where days are on the grid, and the grid with them: a day that is missing is set in."""
        if len(self.days) and self.days[0] <= days.min() and days.max() <= self.days[-1]:
            index = self.index[days - self.days[0]]
            if bool((self.days[index] == days).all()):
                return self, index
        both = _union([self.days, np.unique(days)])
        source = np.searchsorted(self.days, both, side="right") - 1
        prices = (
            np.where(source < 0, 0, self.prices[:, source]) if len(self.days) else np.zeros((len(self.series), len(both)), int)
        )
        wider = Grid(both, prices, self.places, self.peak, self.series, False, self.known, _index(both))
        return wider, np.searchsorted(both, days)

    def reached(self, first: int, span: int) -> Numbers:
        """Return for each of so many days which of the grid's is the last one up to it, below zero where there is none."""
        return np.searchsorted(self.days, np.arange(first, first + span), side="right") - 1


def _index(days: Numbers) -> Numbers:
    """Return for each day from the first to the last which of the days it is, or the last one before it."""
    if not len(days):
        return days
    marks = np.zeros(int(days[-1] - days[0]) + 1, dtype=np.int64)
    marks[days - days[0]] = 1
    return np.cumsum(marks) - 1


def _union(arrays: Sequence[Numbers]) -> Numbers:
    """Return the days of several ordered lists, each once."""
    present = [days for days in arrays if len(days)]
    if not present:
        return np.zeros(0, dtype=np.int64)
    begin, end = min(int(days[0]) for days in present), max(int(days[-1]) for days in present)
    marks = np.zeros(end - begin + 1, dtype=bool)
    for days in present:
        marks[days - begin] = True
    return np.flatnonzero(marks) + begin


@dataclass(frozen=True, slots=True)
class Worth:
    """What holdings were worth on each day, and what lacked a price; none where nothing did."""

    values: Fixed
    lack: Lack | None = None


def worth_of(holdings: Holdings, grid: Grid, first: int, last: int) -> Worth:
    """Value all holdings from one day to another: units times closes, each rounded to the places of money, then summed."""
    columns, starts = holdings.columns, holdings.starts
    begin = int(starts[0])
    days, held = columns.day[begin:], holdings.held.digits[begin:]
    grid, places = grid.places_of(days)
    count, width = grid.prices.shape
    span = last - first + 1
    if not len(days):
        return Worth(Fixed.zeros(span))
    rows = np.arange(count) * width
    # nothing is held where a row begins; then what each entry leaves, until the next one
    heads = starts[:-1] - begin
    edges = np.insert(columns.what[begin:] * width + places, heads, rows)
    lasting, left = np.diff(edges, append=count * width), np.insert(held, heads, 0)
    peak = int(np.abs(held).max()) * grid.peak
    places_of_product = holdings.held.places + grid.places
    left, prices = widened(left, peak * count), widened(grid.prices, peak * count)
    early = bool((grid.known > days[heads.clip(max=len(days) - 1)]).any())
    lack = _lacking(holdings, grid, first, span) if early else None
    beyond = 10 ** max(places_of_product - MONEY_PLACES, 0)
    places_of_product = min(places_of_product, MONEY_PLACES)
    sums = np.zeros(width, dtype=left.dtype)
    begins = [*(heads + np.arange(count)).tolist(), len(left)]
    # a few instruments at a time: what fits into the caches needs no new memory
    for row in range(0, count, ROWS):
        upto = min(row + ROWS, count)
        mine = slice(begins[row], begins[upto])
        product = np.repeat(left[mine], lasting[mine]).reshape(upto - row, width) * prices[row:upto]
        sums += (halves_to_even(product, beyond) if beyond > 1 else product).sum(axis=0)
    index = grid.reached(first, span)
    values = np.where(index < 0, 0, sums[index])
    return Worth(Fixed(values, places_of_product, int(np.abs(sums).max(initial=0))), lack)


def _lacking(holdings: Holdings, grid: Grid, first: int, span: int) -> Lack | None:
    """Return what was held before its first price, none where nothing was."""
    columns, lack = holdings.columns, Lack.over(first, span)
    days = columns.day
    for place, name in enumerate(columns.instruments):
        mine = slice(int(holdings.starts[place]), int(holdings.starts[place + 1]))
        if mine.start == mine.stop or days[mine][0] >= grid.known[place]:
            continue
        ends = np.append(days[mine][1:] != days[mine][:-1], True)
        moved, held = days[mine][ends], (holdings.held.digits[mine][ends] != 0).astype(np.int64)
        units = Fixed(np.repeat(held, np.diff(moved, append=first + span)), 0, 1)
        lack.note(name, units.set_in(span, int(moved[0]) - first), grid.series[place])
    return lack if lack.missing else None


def daily(digits: Fixed, days: Numbers, first: int, span: int) -> Fixed:
    """Return the sum of amounts for each of so many days."""
    peak = digits.peak * max(len(days), 1)
    wide = widened(digits.digits, peak)
    found = np.zeros(span, dtype=wide.dtype)
    np.add.at(found, days - first, wide)
    return Fixed(found, digits.places, peak)


def running(amounts: Fixed) -> Fixed:
    """Return the sums up to each number; `peak` of daily sums bounds those, too."""
    return Fixed(np.cumsum(amounts.digits), amounts.places, amounts.peak)


@dataclass(frozen=True, slots=True)
class Chained:
    """The time-weighted index: its values as whole numbers, one for each day it moved on, and which of them each day has."""

    values: list[int]
    turns: Numbers  # how many of the values each day has behind it; the first is that before the first day

    def floats(self) -> NDArray[np.float64]:
        """Return the values as floats, each the nearest there is."""
        return np.array([value / ONE for value in self.values])

    def integers(self) -> list[int]:
        """Return the index of each day."""
        return [self.values[turn] for turn in self.turns.tolist()]


def chained(
    total: Digits, into: Digits, out: Digits, gaps: NDArray[np.bool_] | None = None, *, before: int = 0, index: int = ONE
) -> Chained:
    """Return the index of successive days: the figures of `returns.chain`; all amounts are in the same places.

    `gaps` are the days that have no return, as something held lacked a price.
    """
    if gaps is not None:
        whole = np.flatnonzero(~gaps)
        flows = (np.diff(np.cumsum(flow)[whole], prepend=flow[:1] * 0) for flow in (into, out))
        few = chained(total[whole], *flows, before=before, index=index)
        return Chained(few.values, np.concatenate(([0], few.turns))[np.cumsum(~gaps)])
    start = np.concatenate((total[:1] * 0 + before, total[:-1])) + into
    end = total + out
    moved = ((start > 0) & (start != end)).astype(bool)
    values = [index]
    starts, ends = start[moved], np.maximum(end[moved], 0)
    for began, half, ended in zip(starts.tolist(), (starts // 2).tolist(), ends.tolist(), strict=True):
        index, rest = divmod(index * ended + half, began)
        if not rest and index & 1 and not began & 1:  # it was half way: to the even neighbor
            index -= 1
        values.append(index)
    return Chained(values, np.cumsum(moved))


@dataclass(frozen=True, slots=True)
class Analysis:
    """Exact daily values from the first day on, and what follows from them; none where a figure is not defined."""

    first: int
    total: Fixed
    index: Chained
    twr: Decimal | None
    xirr: float | None
    max_drawdown: Decimal
    volatility: float | None
    sharpe: float | None


def analyze(holdings: Holdings, grid: Grid, *, periods: int) -> Analysis:
    """Return the daily values and the performance of an account in one currency that is given wholly by plain entries."""
    columns = holdings.columns
    days = columns.day
    first, last = int(days.min()), int(max(days.max(), grid.days[-1] if len(grid.days) else 0))
    span = last - first + 1
    flowing = columns.kind == FLOW
    flows = Fixed(columns.cash.digits[flowing], columns.cash.places, columns.cash.peak)
    net = daily(flows, days[flowing], first, span)
    cash = running(daily(columns.cash, days, first, span))
    worth = worth_of(holdings, grid, first, last)
    total = cash + worth.values
    gaps = None if worth.lack is None else worth.lack.days
    moved = net.at(total.places).digits
    peaks = total.peak + net.peak * 10 ** (total.places - net.places)
    wide = widened(total.digits, peaks)
    into, out = _sides(flows, days[flowing], first, span, total.places, peaks)
    index = chained(wide, into, out, gaps)
    turns = np.flatnonzero(np.asarray(moved != 0, dtype=bool))
    investors = [(date.fromordinal(first + turn), as_amount(-moved[turn], total.places)) for turn in turns.tolist()]
    end = as_amount(total.digits[-1], total.places)
    rate = money_weighted([*investors, *([(date.fromordinal(last), end)] if end else [])])
    priced = _priced(holdings, grid, first, span)
    priced = priced if gaps is None else priced & ~gaps
    every = index.floats()
    heights = every[index.turns][priced]
    growth = heights[1:] / heights[:-1] if len(heights) and bool((heights > 0).all()) else heights[:0]
    return Analysis(
        first,
        total,
        index,
        None if gaps is not None and gaps.all() else Decimal(index.values[-1] - ONE).scaleb(-INDEX_PLACES, EXACT),
        rate.rate,
        depth_of(index.values, every),
        ratios.volatility(growth, periods),
        ratios.sharpe(growth - 1.0, periods),
    )


def _sides(flows: Fixed, days: Numbers, first: int, span: int, places: int, peak: int) -> tuple[Digits, Digits]:
    """Return what came in and what went out on each day, both zero or above."""
    sides = []
    for sign in (1, -1):
        side = Fixed(np.maximum(flows.digits * sign, 0), flows.places, flows.peak)
        sides.append(widened(daily(side, days, first, span).at(places).digits, peak))
    return sides[0], sides[1]


def as_amount(digits: Any, places: int) -> Decimal:
    """Return a whole number of a last place as a decimal."""
    return Decimal(int(digits)).scaleb(-places, EXACT)


def _priced(holdings: Holdings, grid: Grid, first: int, span: int) -> NDArray[np.bool_]:
    """Return on which days an instrument got a new close, once it had been held."""
    marks = np.zeros(span, dtype=bool)
    columns, starts = holdings.columns, holdings.starts
    trades = columns.quantity.digits[starts[0] :] != 0
    since = np.full(len(grid.series), NEVER)
    np.minimum.at(since, columns.what[starts[0] :][trades], columns.day[starts[0] :][trades])
    if grid.alike:
        days = grid.days
        marks[days[(days >= since.min(initial=NEVER)) & (days < first + span)] - first] = True
        return marks
    for points, day in zip(grid.series, since.tolist(), strict=True):
        days = points.closed
        marks[days[(days >= day) & (days < first + span)] - first] = True
    return marks


def depth_of(values: Sequence[int], heights: NDArray[np.float64]) -> Decimal:
    """Return the deepest fall of an index as a fraction of its peak, zero where it never fell.

    `heights` are the values as floats: they tell the few days that are worth an exact look.
    """
    ratios_ = np.divide(heights, np.maximum.accumulate(heights), out=np.ones_like(heights), where=heights > 0)
    if not bool((heights > 0).all()):
        return Decimal(-1)
    lowest = Decimal(1)
    for place in np.flatnonzero(ratios_ <= ratios_.min() * (1 + 1e-12)).tolist():
        lowest = min(lowest, EXACT.divide(Decimal(values[place]), Decimal(max(values[: place + 1]))))
    return lowest - 1


__all__ = ["OF_ACCOUNT", "Analysis", "Chained", "Columns", "Grid", "Worth", "analyze", "chained", "divided", "worth_of"]
