"""The performance of a period, from the daily values alone: the ledger is not read again.

A period [start, end) opens with the value at the end of the day before it, or with nothing where the account began later.
Returns are those of the account: after fees and taxes, with dividends and interest in them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.domain import ratios
from portfolio.domain.drawdown import Drawdown, falls_in
from portfolio.domain.exact import EXACT, ONE, ZERO
from portfolio.domain.gaps import INCOMPLETE, partial
from portfolio.domain.returns import DAYS_OF_YEAR, annualized
from portfolio.domain.xirr import money_weighted

RATIO = Decimal("1e-12")
TRADING_DAYS, CALENDAR_DAYS = 252, 365
DRAWDOWNS = 5
LONGEST_MONTH = 31
LOST = "All had been lost before the period."
LESS_THAN_A_YEAR = "The period is shorter than a year: its return is not carried on to one."
FEW = "Fewer than three days with new prices."
_LARGEST = 1e12


Flow = tuple[int, Decimal]  # the place of its day, and what flowed in, net
_day_of = attrgetter("day")


class Point(NamedTuple):
    """The end of one day: what performance needs of it."""

    day: int
    total_value: Decimal
    net_flow: Decimal
    twr_index: Decimal
    priced: bool
    complete: bool = True  # nothing held lacked a price or rate; else the day has no return of its own

    @property
    def date(self) -> date:
        """The day as a date."""
        return date.fromordinal(self.day)


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month of a period."""

    month: str
    twr: Decimal | None  # none where all had been lost before it, or no day of it was complete
    gain: Decimal
    net_flow: Decimal
    end_value: Decimal
    start_index: Decimal = ONE
    end_index: Decimal = ONE


@dataclass(frozen=True, slots=True)
class Year:
    """One calendar year of a period, of which it may hold a part."""

    year: int
    months: tuple[Month, ...]
    twr: Decimal | None  # none where all had been lost before it
    gain: Decimal
    net_flow: Decimal


@dataclass(frozen=True, slots=True)
class Performance:
    """The figures of a period; none where a figure is not defined, with the reason in `reasons`."""

    start: date
    end: date  # the last day
    start_value: Decimal
    end_value: Decimal
    net_flows: Decimal
    gain: Decimal
    twr: Decimal | None
    twr_annualized: Decimal | None
    xirr: Decimal | None
    simple_return: Decimal | None
    volatility: Decimal | None
    semi_deviation: Decimal | None
    sharpe: Decimal | None
    sortino: Decimal | None
    calmar: Decimal | None
    omega: Decimal | None
    var_95: Decimal | None
    cvar_95: Decimal | None
    max_drawdown: Decimal | None
    drawdown: Drawdown | None
    drawdowns: tuple[Drawdown, ...]  # the deepest few, the deepest first
    monthly: tuple[Month, ...]
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def short(self) -> bool:
        """Whether the period is shorter than a year: pages then don't show what it would come to in one."""
        return (self.end - self.start).days + 1 < DAYS_OF_YEAR


def measure(points: Sequence[Point], *, periods: int, opening: Point | None = None, risk_free: float = 0.0) -> Performance:
    """Return the performance over successive days, at least one.

    `opening` is the day before the first; without one, the account opens with nothing on its first day. `periods` is how many
    priced days make a year, `risk_free` a rate a year.
    """
    first, last = points[0], points[-1]
    before = opening or Point(first.day, ZERO, ZERO, ONE, priced=False)
    flows = [(place, point.net_flow) for place, point in enumerate(points) if point.net_flow]
    net_flows = sum((flow for _, flow in flows), ZERO)
    gain = last.total_value - before.total_value - net_flows
    reasons: dict[str, str] = {}
    growth = _growth(before, points)
    yearly = None if growth is None else annualized(float(growth), last.day - before.day)
    falls = falls_of(points, opening=before, most=DRAWDOWNS)
    depth = falls[0].depth if falls else ZERO
    rate = money_weighted(_investors_flows(before, points, flows))
    note_ends(reasons, rate.note, partial([before.complete, last.complete]))
    if growth is None:
        reasons["twr"] = INCOMPLETE if before.twr_index else LOST
    if yearly is None:
        reasons["twr_annualized"] = reasons.get("twr", "The growth of so few days is beyond any yearly rate.")
    return Performance(
        first.date,
        last.date,
        before.total_value,
        last.total_value,
        net_flows,
        gain,
        None if growth is None else exact_ratio(EXACT.subtract(growth, ONE)),
        as_ratio(yearly),
        as_ratio(rate.rate),
        _simple_return(before, flows, gain, reasons),
        **_risk(points, opening, periods, risk_free, yearly, depth, reasons),
        max_drawdown=exact_ratio(depth),
        drawdown=falls[0] if falls else None,
        drawdowns=tuple(falls),
        monthly=tuple(_months(before, points, flows)),
        reasons=reasons,
    )


def note_ends(reasons: dict[str, str], about_rate: str, about_ends: str) -> None:
    """Note what there is to say of the money-weighted rate, and of the values at both ends that it and others rest on."""
    if about_rate or about_ends:
        reasons["xirr"] = " ".join(filter(None, (about_rate, about_ends)))
    if about_ends:
        reasons.setdefault("simple_return", about_ends)


def _growth(before: Point, points: Sequence[Point]) -> Decimal | None:
    """Return what the index grew to from the day before, none where all had been lost by then or no day has a return."""
    if not before.twr_index or not any(point.complete for point in points):
        return None
    return EXACT.divide(points[-1].twr_index, before.twr_index)


def falls_of(points: Sequence[Point], *, opening: Point | None = None, most: int | None = None) -> list[Drawdown]:
    """Return the falls of the index over successive days, the deepest first; the index before the period counts as a peak."""
    days = [points[0].day if opening is None else opening.day, *(point.day for point in points)]
    values = [ONE if opening is None else opening.twr_index, *(point.twr_index for point in points)]
    return falls_in(values, lambda place: date.fromordinal(days[place]), most=most)


def growth_of(points: Sequence[Point], *, opening: Point | None = None) -> tuple[list[int], NDArray[np.float64]]:
    """Return the priced days of a period, each with the factor by which the index grew since the one before.

    The first is measured from the day before the period; where the account began within it, there is no day to measure the
    first from. There are none if all was lost.
    """
    counted = [point for point in points if point.priced]
    if opening is not None:
        counted.insert(0, opening)
    index = np.array([float(point.twr_index) for point in counted])
    if not len(index) or not bool((index > 0).all()):
        return [], np.empty(0)
    return [point.day for point in counted[1:]], index[1:] / index[:-1]


def years_of(months: Sequence[Month]) -> list[Year]:
    """Return the years of successive months, the return of each from the index before its first month to its last."""
    found = []
    for year, group in groupby(months, key=lambda month: month.month[:4]):
        of_year = tuple(group)
        start, end = of_year[0].start_index, of_year[-1].end_index
        gain, flow = sum((month.gain for month in of_year), ZERO), sum((month.net_flow for month in of_year), ZERO)
        known = start and any(month.twr is not None for month in of_year)
        twr = exact_ratio(EXACT.subtract(EXACT.divide(end, start), ONE)) if known else None
        found.append(Year(int(year), of_year, twr, gain, flow))
    return found


def as_ratio(value: float | None) -> Decimal | None:
    """Return a float as a decimal of twelve places; none for what is no number or too large to mean anything."""
    if value is None or not np.isfinite(value) or abs(value) > _LARGEST:
        return None
    return exact_ratio(Decimal(repr(float(value))))


def exact_ratio(value: Decimal) -> Decimal:
    """Return a decimal with twelve places."""
    return value.quantize(RATIO, ROUND_HALF_EVEN, EXACT)


def _investors_flows(before: Point, points: Sequence[Point], flows: Sequence[Flow]) -> list[tuple[date, Decimal]]:
    """Return the flows as the investor sees them: in at the start, out at the end."""
    moved = [(points[place].date, -flow) for place, flow in flows]
    ends = [(points[-1].date, points[-1].total_value)] if points[-1].total_value else []
    return [*([(before.date, -before.total_value)] if before.total_value else []), *moved, *ends]


def _simple_return(before: Point, flows: Sequence[Flow], gain: Decimal, reasons: dict[str, str]) -> Decimal | None:
    """Return the gain over what was there at the start and what was put in since."""
    put_in = before.total_value + sum((flow for _, flow in flows if flow > 0), ZERO)
    if put_in <= 0:
        reasons["simple_return"] = "Nothing was there at the start and nothing was put in."
        return None
    return exact_ratio(EXACT.divide(gain, put_in))


def _risk(
    points: Sequence[Point],
    opening: Point | None,
    periods: int,
    risk_free: float,
    yearly: float | None,
    depth: Decimal,
    reasons: dict[str, str],
) -> dict[str, Decimal | None]:
    """Return the figures of risk by name; the returns are those between successive priced days."""
    _, growth = growth_of(points, opening=opening)
    figures = ratios.measures(growth, periods, (1.0 + risk_free) ** (1.0 / periods) - 1.0)
    figures["calmar"] = ratios.calmar(yearly, float(depth))
    found = {name: as_ratio(value) for name, value in figures.items()}
    few = FEW if len(growth) < ratios.FEWEST else ""
    if few and any(not point.twr_index for point in points):
        few = "All was lost in the period."
    flat = {
        "sharpe": "The returns don't vary.",
        "sortino": "No return fell short.",
        "omega": "No return fell short.",
        "calmar": "There was no drawdown." if not depth else "There is no yearly return.",
    }
    for name, value in found.items():
        if value is None:
            reasons[name] = flat["calmar"] if name == "calmar" else few or flat.get(name, "It is not defined.")
    return found


def _months(before: Point, points: Sequence[Point], flows: Sequence[Flow]) -> list[Month]:
    """Return the months of a period, each from the end of the one before."""
    months: list[Month] = []
    start, moved = 0, 0
    while start < len(points):
        day = points[start].date
        following = (day.replace(day=1) + timedelta(days=LONGEST_MONTH)).replace(day=1).toordinal()
        end = bisect_left(points, following, start, key=_day_of)
        last, flow = points[end - 1], ZERO
        while moved < len(flows) and flows[moved][0] < end:
            flow += flows[moved][1]
            moved += 1
        growth = _growth(before, points[start:end])
        months.append(
            Month(
                f"{day.year:04}-{day.month:02}",
                None if growth is None else exact_ratio(EXACT.subtract(growth, ONE)),
                last.total_value - before.total_value - flow,
                flow,
                last.total_value,
                before.twr_index,
                last.twr_index,
            )
        )
        before, start = last, end
    return months
