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
from portfolio.domain.chaining import ONE, Chained, chained
from portfolio.domain.columns import DAY, FLOW, OF_ACCOUNT, UNIX_DAY, Columns, Numbers, halves_to_even
from portfolio.domain.exact import EXACT, MONEY_PLACES, Digits, Fixed, widened
from portfolio.domain.gaps import Lack
from portfolio.domain.pricing import Points
from portfolio.domain.returns import INDEX_PLACES
from portfolio.domain.swift import Holdings
from portfolio.domain.xirr import rate_of

ROWS = 50
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
        if not len(self.days):
            return np.full(span, -1)
        begin = first - int(self.days[0])
        found = np.full(span, len(self.days) - 1)
        found[: max(-begin, 0)] = -1
        known = self.index[max(begin, 0) : max(begin + span, 0)]
        found[max(-begin, 0) : max(-begin, 0) + len(known)] = known
        return found


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
    early = bool((grid.known > days[np.minimum(heads, len(days) - 1)]).any())
    lack = _lacking(holdings, grid, first, span) if early else None
    begins = [*(heads + np.arange(count)).tolist(), len(left)]
    beyond = 10 ** max(places_of_product - MONEY_PLACES, 0)
    sums = _summed(left, lasting, begins, prices, beyond)
    index = grid.reached(first, span)
    values = sums[index]
    values[: np.searchsorted(index, 0)] = 0
    return Worth(Fixed(values, min(places_of_product, MONEY_PLACES), int(np.abs(sums).max(initial=0))), lack)


def _summed(left: Digits, lasting: Numbers, begins: Sequence[int], prices: Digits, beyond: int) -> Digits:
    """Return for each day of a grid the sum of units times prices; `beyond` is what a product is rounded by.

    `left` are the units, each for so many days of a row of the grid, `begins` where those of each row begin.
    """
    count, width = prices.shape
    sums: Digits = np.zeros(width, dtype=left.dtype)
    for row in range(0, count, ROWS):  # not all at a time: what fits into the caches is soon done
        upto = min(row + ROWS, count)
        mine = slice(begins[row], begins[upto])
        units = np.repeat(left[mine], lasting[mine]).reshape(upto - row, width)
        if beyond > 1:
            sums += halves_to_even(units * prices[row:upto], beyond).sum(axis=0)
        else:
            sums += np.einsum("ij,ij->j", units, prices[row:upto])
    return sums


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
    end = int(total.digits[-1])
    rate = rate_of([*(turns + first).tolist(), last], [*(-moved[turns]).tolist(), end], total.places)
    priced = _priced(holdings, grid, first, span)
    priced = priced if gaps is None else priced & ~gaps
    every = index.floats()
    heights = every[index.turns][priced]
    growth = heights[1:] / heights[:-1] if len(heights) and bool((heights > 0).all()) else heights[:0]
    return Analysis(
        first,
        total,
        index,
        None if gaps is not None and gaps.all() else Decimal(int(index.values[-1]) - ONE).scaleb(-INDEX_PLACES, EXACT),
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
    columns, begin = holdings.columns, int(holdings.starts[0])
    trades = np.flatnonzero(columns.quantity.digits[begin:]) + begin
    what = columns.what[trades]
    firsts = np.flatnonzero(np.concatenate(([True], what[1:] != what[:-1]))[: len(what)])
    since = np.full(len(grid.series), NEVER)
    since[what[firsts]] = columns.at[trades[firsts]] // DAY + UNIX_DAY
    if grid.alike:
        reach = np.searchsorted(grid.days, [since.min(initial=NEVER), first + span])
        marks[grid.days[reach[0] : reach[1]] - first] = True
        return marks
    for points, day in zip(grid.series, since.tolist(), strict=True):
        days = points.closed
        marks[days[(days >= day) & (days < first + span)] - first] = True
    return marks


def depth_of(values: Digits, heights: NDArray[np.float64]) -> Decimal:
    """Return the deepest fall of an index as a fraction of its peak, zero where it never fell.

    `heights` are the values as floats: they tell the few days that are worth an exact look.
    """
    if not bool((heights > 0).all()):
        return Decimal(-1)
    ratios_ = heights / np.maximum.accumulate(heights)
    lowest = Decimal(1)
    for place in np.flatnonzero(ratios_ <= ratios_.min() * (1 + 1e-12)).tolist():
        lowest = min(lowest, EXACT.divide(Decimal(int(values[place])), Decimal(int(values[: place + 1].max()))))
    return lowest - 1


__all__ = ["OF_ACCOUNT", "Analysis", "Chained", "Columns", "Grid", "Worth", "analyze", "chained", "worth_of"]
