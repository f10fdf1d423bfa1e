"""From a strategy's plan to what is to be done in which bar: never in the bar that it was decided on, nor before.

What is decided on the close of a bar is done at the open of the next. Stops and targets are watched from the bar of the entry
on; where a bar touches both, the stop counts, and where it opens beyond one, the open is the price.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import numpy as np

from portfolio.domain.exact import EXACT, ONE, Fixed
from trading.domain.backtest_costs import Costs
from trading.domain.strategies.base import BarColumns, Numbers, Plan
from trading.domain.strategies.indicators import carried


class Cause(enum.StrEnum):
    """Why a trade ended, or a fill happened."""

    SIGNAL = "SIGNAL"
    STOP = "STOP"
    TARGET = "TARGET"


class Phase(enum.IntEnum):
    """When in a bar: at its open what frees money comes first, and the course of the bar comes last."""

    LEAVE = 0
    ENTER = 1
    WITHIN = 2


@dataclass(frozen=True, slots=True)
class Market:
    """The bars of one instrument: floats for the strategy, and the same prices exactly, for money."""

    key: str
    bars: BarColumns
    open: Fixed
    high: Fixed
    low: Fixed
    close: Fixed
    multiplier: Decimal = ONE
    tick: Decimal = Decimal("0.01")

    @classmethod
    def of(cls, key: str, bars: BarColumns, *, multiplier: Decimal = ONE, tick: Decimal = Decimal("0.01")) -> Market:
        """Return bars whose floats are the nearest to prices of ten places at most."""
        columns = (bars.open, bars.high, bars.low, bars.close)
        opened, high, low, close = (Fixed.of([Decimal(repr(price)) for price in column.tolist()]) for column in columns)
        return cls(key, bars, opened, high, low, close, multiplier, tick)


class Step(NamedTuple):
    """One thing to be done: bring the position to `target` of its full size, at the price of the bar; sorted by time."""

    at: int
    phase: Phase
    market: int
    bar: int
    target: float
    price: Decimal
    stop: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class Exits:
    """Where to get out besides what the strategy says, as parts of the price of the entry; none: nowhere."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


def wanted(plan: Plan, *, shorts: bool, first: int) -> Numbers:
    """Return what is to be held after each bar; before the one on whose close the first decision is made, nothing."""
    target = np.nan_to_num(carried(np.asarray(plan.target, dtype=np.float64))).clip(-1.0 if shorts else 0.0, 1.0)
    target[: max(first - 1, 0)] = 0.0
    return target


def steps_of(place: int, market: Market, plan: Plan, *, exits: Exits, costs: Costs, shorts: bool, begin: int) -> Iterator[Step]:
    """Yield what is to be done in one instrument, in order; nothing in bars that start before `begin`."""
    times = market.bars.timestamps
    first = int(np.searchsorted(times, begin))
    target = wanted(plan, shorts=shorts, first=first)
    changed = np.flatnonzero(np.diff(target, prepend=0.0))
    watch = _Watch(market, plan, exits, costs)
    before, barred = 0.0, 0.0
    following = [*changed[1:].tolist(), len(target) - 1][: len(changed)]
    for decided, until in zip(changed.tolist(), following, strict=True):
        bar, after = decided + 1, float(target[decided])
        if bar >= len(times):
            return
        if barred and np.sign(after) == barred:
            continue  # it was stopped out of just that, and stays out until the plan wants something else
        barred = 0.0
        at, price = int(times[bar]), market.open.decimal(bar)
        stop = watch.level(decided)
        if before and (np.sign(after) != np.sign(before) or abs(after) < abs(before)):
            left = after if np.sign(after) == np.sign(before) else 0.0
            yield Step(at, Phase.LEAVE, place, bar, left, price, stop, Cause.SIGNAL)
            before = left
        if after != before:
            yield Step(at, Phase.ENTER, place, bar, after, price, stop, Cause.SIGNAL)
            watch.entered(price, np.sign(after), anew=not before)
        before = after
        hit = watch.hit(bar, until + 1, np.sign(after)) if after else None
        if hit is not None:
            yield Step(int(times[hit[0]]), Phase.WITHIN, place, hit[0], 0.0, hit[1], np.nan, hit[2])
            before, barred = 0.0, float(np.sign(after))


class _Watch:
    """Looks for the first bar that touches a stop or a target."""

    def __init__(self, market: Market, plan: Plan, exits: Exits, costs: Costs) -> None:
        self.market, self.exits, self.costs = market, exits, costs
        self.planned = None if plan.stop is None else np.asarray(plan.stop, dtype=np.float64)
        self.entry = Decimal(0)

    def level(self, decided: int) -> float:
        """Return the plan's stop after a bar."""
        return np.nan if self.planned is None else float(self.planned[decided])

    def entered(self, price: Decimal, sign: float, *, anew: bool) -> None:
        """Note the price of an entry; adding to a position leaves it."""
        if anew:
            self.entry = self.costs.slipped(price, int(sign), self.market.tick)

    def hit(self, start: int, stop: int, sign: float) -> tuple[int, Decimal, Cause] | None:
        """Return the first of bars [start, stop) in which a position ends, at which price and why."""
        levels = self._stops(start, stop, sign)
        goal = self._goal(sign)
        if levels is None and goal is None:
            return None
        bars = self.market.bars
        against, along = (bars.low, bars.high) if sign > 0 else (bars.high, bars.low)
        length = min(stop, len(bars)) - start
        stopped = np.zeros(length, dtype=bool) if levels is None else (against[start:stop] - levels) * sign <= 0
        reached = np.zeros(length, dtype=bool) if goal is None else (along[start:stop] - float(goal)) * sign >= 0
        touched = np.flatnonzero(stopped | reached)
        if not len(touched):
            return None
        bar = start + int(touched[0])
        opened = self.market.open.decimal(bar)
        if stopped[touched[0]] and levels is not None:
            level = self._tick(float(levels[touched[0]]))
            worst = self.market.low.decimal(bar) if sign > 0 else self.market.high.decimal(bar)
            price = max(min(opened, level), worst) if sign > 0 else min(max(opened, level), worst)
            return bar, price, Cause.STOP
        goal = goal or opened
        return bar, max(opened, goal) if sign > 0 else min(opened, goal), Cause.TARGET

    def _stops(self, start: int, stop: int, sign: float) -> Numbers | None:
        """Return the stop of each bar, as it was known before the bar; the nearer one of the plan's and the run's."""
        levels = None if self.planned is None else self.planned[start - 1 : min(stop, len(self.market.bars)) - 1]
        if self.exits.stop_loss is None:
            return levels
        own = float(self._tick(self._away(-self.exits.stop_loss, sign)))
        if levels is None:
            return np.full(min(stop, len(self.market.bars)) - start, own)
        found: Numbers = np.fmax(levels, own) if sign > 0 else np.fmin(levels, own)
        return found

    def _goal(self, sign: float) -> Decimal | None:
        """Return where the run's target lies."""
        return None if self.exits.take_profit is None else self._tick(self._away(self.exits.take_profit, sign))

    def _away(self, part: Decimal, sign: float) -> Decimal:
        """Return the price that is so far from the entry in a position's favor."""
        return EXACT.multiply(self.entry, EXACT.add(ONE, part if sign > 0 else -part))

    def _tick(self, price: Decimal | float) -> Decimal:
        """Return the nearest price in whole ticks."""
        exact = price if isinstance(price, Decimal) else Decimal(repr(price))
        ticks = EXACT.divide(exact, self.market.tick).quantize(ONE, ROUND_HALF_EVEN, EXACT)
        return EXACT.multiply(ticks, self.market.tick)
