"""What a benchmark instrument made: the worth of one unit bought at the beginning, in the currency asked for.

A split multiplies the units. Where its total return is asked for, a dividend buys more of them at the first close from its
ex-date on, before taxes; else dividends are left out. A close is converted at the last rate known on its day; a day without
a close of its own, or before the first rate, has no price.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.exact import EXACT, ONE
from portfolio.domain.performance import Point, as_ratio, exact_ratio
from portfolio.domain.pricing import Points
from portfolio.domain.ratios import FEWEST
from portfolio.domain.relative import AGAINST_BENCHMARK, BEYOND, WHY, against

FIGURES = (*AGAINST_BENCHMARK, "benchmark_twr")
NO_BENCHMARK = "It compares with a benchmark, and there is none."
NO_DAY = "No day of the period was valued."
FEW = "Fewer than three days on which both have a price."
ALL_LOST = "All was lost in the period: such returns can't be compared."
UNPRICED = "The benchmark has no price in the period."


class Payment(NamedTuple):
    """A dividend on one unit, from its ex-date on; `rates` lead into the currency asked for, none where it is the same."""

    day: int
    cash: Decimal
    rates: Points | None


class Worth(NamedTuple):
    """What a unit bought before the first day is worth on a day: its close there, and the units it has become."""

    day: int
    close: Decimal
    unit: Decimal
    rate: Decimal
    units: Decimal

    @property
    def worth(self) -> Decimal:
        """What it is worth in the currency asked for."""
        return EXACT.multiply(EXACT.multiply(EXACT.multiply(self.close, self.unit), self.rate), self.units)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The worth of a benchmark on each day on which it has a price, in order; `missing` names the rates it lacks."""

    days: tuple[int, ...]
    values: tuple[Decimal, ...]
    missing: tuple[str, ...] = ()
    course: tuple[Worth, ...] = ()

    @classmethod
    def of(cls, course: Sequence[Worth], missing: Sequence[str] = ()) -> Benchmark:
        """Return the benchmark that went a course."""
        return cls(tuple(one.day for one in course), tuple(one.worth for one in course), tuple(missing), tuple(course))

    def at(self, day: int) -> tuple[int, Decimal] | None:
        """Return the last price known on a day and the day it is of, or none."""
        index = int(np.searchsorted(self.days, day, side="right")) - 1
        return None if index < 0 else (self.days[index], self.values[index])


def worth(
    closes: Points,
    *,
    unit: Decimal = ONE,
    rates: Points | None = None,
    splits: Sequence[tuple[int, Decimal]] = (),
    dividends: Iterable[Payment] = (),
) -> list[Worth]:
    """Return what a unit bought before the first day with a price is worth on each.

    `unit` is what one of its closes is worth in the currency that `rates` start from: 0.01 where it is quoted in pence.

    >>> closes = Points.of({1: Decimal(100), 2: Decimal(55)})
    >>> course = worth(closes, splits=[(2, Decimal(2))], dividends=[Payment(2, Decimal(5), None)])
    >>> [(one.day, round(one.worth)) for one in course]
    [(1, 100), (2, 120)]
    """
    happenings: list[tuple[int, int, Any]] = [(day, 0, ratio) for day, ratio in splits]
    happenings += [(payment.day, 1, payment) for payment in dividends]
    happenings.sort(key=lambda one: one[:2])
    days, values = closes.days.tolist(), closes.values.decimals()
    units, at = ONE, 0
    found: list[Worth] = []
    while at < len(happenings) and days and happenings[at][0] <= days[0]:
        at += 1  # whoever buys at the first close has what came before
    for day, close in zip(days, values, strict=True):
        rate = ONE if rates is None else rates.value_at(day)
        if rate is None:
            continue
        local = EXACT.multiply(EXACT.multiply(close, unit), rate)
        while at < len(happenings) and happenings[at][0] <= day:
            units = EXACT.multiply(units, _growth(happenings[at][2], local))
            at += 1
        found.append(Worth(day, close, unit, rate, units))
    return found


def _growth(happening: Any, close: Decimal) -> Decimal:
    """Return by what a split or a dividend multiplies the units."""
    if isinstance(happening, Decimal):
        return happening
    rate = ONE if happening.rates is None else happening.rates.value_at(happening.day)
    if rate is None or not close:
        return ONE
    return EXACT.divide(EXACT.add(close, EXACT.multiply(happening.cash, rate)), close)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures beside a benchmark, none where one is not defined; `reasons` say why, or what to know."""

    figures: dict[str, Decimal | None]
    reasons: dict[str, str]


def without(why: str = NO_BENCHMARK) -> Comparison:
    """Return a comparison of nothing, for one reason."""
    return Comparison(dict.fromkeys(FIGURES), dict.fromkeys(FIGURES, why))


def compare(
    points: Sequence[Point], benchmark: Benchmark, *, periods: int, opening: Point | None = None, risk_free: float = 0.0
) -> Comparison:
    """Return how the successive days of an account stand beside a benchmark."""
    if not benchmark.days or benchmark.days[0] > points[-1].day:
        needs = f" It needs rates of {', '.join(benchmark.missing)}." if benchmark.missing else ""
        return without(UNPRICED + needs)
    grown, reason = _benchmark_twr(points, benchmark, opening)
    left_out = f"Dividends without a rate of {', '.join(benchmark.missing)} are left out." if benchmark.missing else ""
    reasons = {"benchmark_twr": " ".join(filter(None, (reason, left_out)))} if reason or left_out else {}
    _, ours, theirs = paired_days(points, benchmark, opening=opening)
    if len(ours) < FEWEST:
        why = FEW if all(point.twr_index for point in points) else ALL_LOST
        nothing: dict[str, Decimal | None] = dict.fromkeys(AGAINST_BENCHMARK)
        return Comparison(nothing | {"benchmark_twr": grown}, dict.fromkeys(AGAINST_BENCHMARK, why) | reasons)
    free = (1.0 + risk_free) ** (1.0 / periods) - 1.0
    found = {name: as_ratio(value) for name, value in against(ours - 1.0, theirs - 1.0, periods, free).items()}
    for name, value in found.items():
        if value is None:
            reasons[name] = BEYOND if name == "alpha" and found["beta"] is not None else WHY[name]
    return Comparison(found | {"benchmark_twr": grown}, reasons)


def pairs_of(
    points: Sequence[Point], benchmark: Benchmark, *, opening: Point | None = None
) -> list[tuple[int, Decimal, Decimal]]:
    """Return the days on which both have a price, with the index and the worth of the benchmark; the opening counts as one."""
    prices = dict(zip(benchmark.days, benchmark.values, strict=True))
    both = [(point.day, point.twr_index, prices[point.day]) for point in points if point.priced and point.day in prices]
    before = benchmark.at(opening.day) if opening is not None else None
    if opening is not None and before is not None:
        both.insert(0, (opening.day, opening.twr_index, before[1]))
    return both


def paired_days(
    points: Sequence[Point], benchmark: Benchmark, *, opening: Point | None = None
) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """Return the days on which both have a price, with the factors by which index and benchmark grew since the one before.

    The opening counts with what was known on its day, so that the first return of a period is that of its first day. There are
    none if all was lost.
    """
    both = pairs_of(points, benchmark, opening=opening)
    columns = np.array([(float(index), float(price)) for _, index, price in both]).reshape(-1, 2)
    if not bool((columns > 0).all()):
        return [], np.empty(0), np.empty(0)
    grown = columns[1:] / columns[:-1]
    return [day for day, *_ in both[1:]], grown[:, 0], grown[:, 1]


def _benchmark_twr(points: Sequence[Point], benchmark: Benchmark, opening: Point | None) -> tuple[Decimal | None, str]:
    """Return the growth of a benchmark over a period, and what to know of it.

    It opens with the last price up to the day before the period; where the account began within the period, or nothing of it
    had a price before, with that of the first priced day.
    """
    ends = ends_of(points, benchmark, opening)
    if ends is None:
        return None, f"The benchmark has no price before {date.fromordinal(benchmark.days[0])}."
    start, (seen, last) = ends
    if not start[1]:
        return None, "The benchmark was worth nothing at the start."
    newest = max((point.day for point in points if point.priced), default=seen)
    note = f"The benchmark's last price is of {date.fromordinal(seen)}." if seen < newest else ""
    return exact_ratio(EXACT.divide(last, start[1]) - 1), note


def ends_of(
    points: Sequence[Point], benchmark: Benchmark, opening: Point | None
) -> tuple[tuple[int, Decimal], tuple[int, Decimal]] | None:
    """Return the days from which and to which a benchmark's growth counts, with its worth; none without a price at the start."""
    first = next((point.day for point in points if point.priced), points[0].day)
    start = None if opening is None else benchmark.at(opening.day)
    start = start or benchmark.at(first)
    return None if start is None else (start, benchmark.at(points[-1].day) or start)
