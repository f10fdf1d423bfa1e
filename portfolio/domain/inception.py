"""The performance of an account since its first day, from its daily index as whole numbers: the figures of `measure`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from portfolio.domain import ratios
from portfolio.domain.drawdown import Drawdown, falls_in
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.gaps import INCOMPLETE, partial
from portfolio.domain.performance import FEW, as_ratio, exact_ratio, note_ends
from portfolio.domain.returns import INDEX_PLACES, annualized
from portfolio.domain.xirr import money_weighted

ONE = 10**INDEX_PLACES


class Course(NamedTuple):
    """Successive days from the first on: the index and whether prices were new on each, and the flows by their days."""

    first: int
    end_value: Decimal
    flows: Sequence[tuple[int, Decimal]]
    heights: Sequence[int]  # in units of its last place
    priced: Sequence[bool]
    complete: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Inception:
    """The figures that are kept; none where a figure is not defined, with the reason in `reasons`."""

    start: date
    end: date
    end_value: Decimal
    net_flows: Decimal
    gain: Decimal
    twr: Decimal | None
    twr_annualized: Decimal | None
    xirr: Decimal | None
    simple_return: Decimal | None
    volatility: Decimal | None
    max_drawdown: Decimal
    drawdown: Drawdown | None
    reasons: dict[str, str] = field(default_factory=dict)


def measure_whole(course: Course, *, periods: int) -> Inception:
    """Return the performance over all days of an account, at least one; it opened with nothing on the first."""
    first, last = course.first, course.first + len(course.heights) - 1
    start, end = date.fromordinal(first), date.fromordinal(last)
    reasons: dict[str, str] = {}
    net_flows = sum((flow for _, flow in course.flows), ZERO)
    put_in = sum((flow for _, flow in course.flows if flow > 0), ZERO)
    gain = course.end_value - net_flows
    growth = Decimal(course.heights[-1]).scaleb(-INDEX_PLACES, EXACT)
    known = any(course.complete)
    if not known:
        reasons["twr"] = INCOMPLETE
    yearly = annualized(float(growth), last - first) if known else None
    if yearly is None:
        reasons["twr_annualized"] = reasons.get("twr") or "The growth of so few days is beyond any yearly rate."
    moved = [(date.fromordinal(day), -flow) for day, flow in course.flows]
    rate = money_weighted([*moved, *([(end, course.end_value)] if course.end_value else [])])
    note_ends(reasons, rate.note, partial(course.complete[-1:]))
    if put_in <= 0:
        reasons["simple_return"] = "Nothing was there at the start and nothing was put in."
    falls = falls_in([ONE, *course.heights], lambda place: date.fromordinal(first + max(place - 1, 0)), most=1)
    return Inception(
        start,
        end,
        course.end_value,
        net_flows,
        gain,
        exact_ratio(growth - 1) if known else None,
        as_ratio(yearly),
        as_ratio(rate.rate),
        exact_ratio(EXACT.divide(gain, put_in)) if put_in > 0 else None,
        _volatility(course, periods, reasons),
        exact_ratio(falls[0].depth if falls else ZERO),
        falls[0] if falls else None,
        reasons,
    )


def _volatility(course: Course, periods: int, reasons: dict[str, str]) -> Decimal | None:
    """Return the volatility between days with new prices, or none and a reason."""
    heights = np.array([value / ONE for value, priced in zip(course.heights, course.priced, strict=True) if priced])
    growth = heights[1:] / heights[:-1] if len(heights) and bool((heights > 0).all()) else heights[:0]
    found = as_ratio(ratios.volatility(growth, periods))
    if found is None:
        few = len(growth) < ratios.FEWEST
        lost = "All was lost in the period." if not all(course.heights) else FEW
        reasons["volatility"] = lost if few else "It is not defined."
    return found
