"""The performance of a period, from the daily values alone: the ledger is not read again.

A period [start, end) opens with the value at the end of the day before it, or with nothing where the account began later.
Returns are those of the account: after fees and taxes, with dividends and interest in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from typing import NamedTuple

import numpy as np

from portfolio.domain import ratios
from portfolio.domain.drawdown import Drawdown, deepest
from portfolio.domain.exact import EXACT, ONE, ZERO
from portfolio.domain.returns import annualized, money_weighted

RATIO = Decimal("1e-12")
TRADING_DAYS, CALENDAR_DAYS = 252, 365
_LARGEST = 1e12


class Point(NamedTuple):
    """The end of one day: what performance needs of it."""

    day: int
    total_value: Decimal
    net_flow: Decimal
    twr_index: Decimal
    priced: bool

    @property
    def date(self) -> date:
        """The day as a date."""
        return date.fromordinal(self.day)


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month of a period."""

    month: str
    twr: Decimal
    gain: Decimal
    net_flow: Decimal
    end_value: Decimal


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
    monthly: tuple[Month, ...]
    reasons: dict[str, str] = field(default_factory=dict)


def measure(points: Sequence[Point], *, periods: int, opening: Point | None = None, risk_free: float = 0.0) -> Performance:
    """Return the performance over successive days, at least one.

    `opening` is the day before the first; without one, the account opens with nothing on its first day. `periods` is how many
    priced days make a year, `risk_free` a rate a year.
    """
    first, last = points[0], points[-1]
    before = opening or Point(first.day, ZERO, ZERO, ONE, priced=False)
    net_flows = sum((point.net_flow for point in points), ZERO)
    gain = last.total_value - before.total_value - net_flows
    reasons: dict[str, str] = {}
    growth = EXACT.divide(last.twr_index, before.twr_index) if before.twr_index else None
    days = last.day - before.day
    yearly = None if growth is None else annualized(float(growth), days)
    fall = deepest([(before.date, before.twr_index), *((point.date, point.twr_index) for point in points)])
    depth = ZERO if fall is None else fall.depth
    rate = money_weighted(_investors_flows(before, points))
    if rate.note:
        reasons["xirr"] = rate.note
    if growth is None:
        reasons["twr"] = "All had been lost before the period."
    if yearly is None:
        reasons["twr_annualized"] = reasons.get("twr", "The growth of so few days is beyond any yearly rate.")
    return Performance(
        first.date,
        last.date,
        before.total_value,
        last.total_value,
        net_flows,
        gain,
        None if growth is None else exact_ratio(growth - 1),
        as_ratio(yearly),
        as_ratio(rate.rate),
        _simple_return(before, points, gain, reasons),
        **_risk(points, periods, risk_free, yearly, depth, reasons),
        max_drawdown=exact_ratio(depth),
        drawdown=fall,
        monthly=tuple(_months(before, points)),
        reasons=reasons,
    )


def as_ratio(value: float | None) -> Decimal | None:
    """Return a float as a decimal of twelve places; none for what is no number or too large to mean anything."""
    if value is None or not np.isfinite(value) or abs(value) > _LARGEST:
        return None
    return exact_ratio(Decimal(repr(float(value))))


def exact_ratio(value: Decimal) -> Decimal:
    """Return a decimal with twelve places."""
    return value.quantize(RATIO, ROUND_HALF_EVEN, EXACT)


def _investors_flows(before: Point, points: Sequence[Point]) -> list[tuple[date, Decimal]]:
    """Return the flows as the investor sees them: in at the start, out at the end."""
    flows = [(point.date, -point.net_flow) for point in points if point.net_flow]
    ends = [(points[-1].date, points[-1].total_value)] if points[-1].total_value else []
    return [*([(before.date, -before.total_value)] if before.total_value else []), *flows, *ends]


def _simple_return(before: Point, points: Sequence[Point], gain: Decimal, reasons: dict[str, str]) -> Decimal | None:
    """Return the gain over what was there at the start and what was put in since."""
    put_in = before.total_value + sum((max(point.net_flow, ZERO) for point in points), ZERO)
    if put_in <= 0:
        reasons["simple_return"] = "Nothing was there at the start and nothing was put in."
        return None
    return exact_ratio(EXACT.divide(gain, put_in))


def _risk(
    points: Sequence[Point], periods: int, risk_free: float, yearly: float | None, depth: Decimal, reasons: dict[str, str]
) -> dict[str, Decimal | None]:
    """Return the figures of risk by name; the returns are those between successive priced days."""
    index = np.array([float(point.twr_index) for point in points if point.priced])
    growth = index[1:] / index[:-1] if len(index) and bool((index > 0).all()) else index[:0]
    returns, free = growth - 1.0, (1.0 + risk_free) ** (1.0 / periods) - 1.0
    figures = {
        "volatility": ratios.volatility(growth, periods),
        "semi_deviation": ratios.semi_deviation(growth, periods),
        "sharpe": ratios.sharpe(returns, periods, free),
        "sortino": ratios.sortino(returns, periods, free),
        "calmar": ratios.calmar(yearly, float(depth)),
        "omega": ratios.omega(returns, free),
        "var_95": ratios.value_at_risk(returns),
        "cvar_95": ratios.expected_shortfall(returns),
    }
    found = {name: as_ratio(value) for name, value in figures.items()}
    few = "Fewer than three days with new prices." if len(returns) < ratios.FEWEST else ""
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


def _months(before: Point, points: Sequence[Point]) -> list[Month]:
    """Return the months of a period, each from the end of the one before."""
    months = []
    for (year, month), group in groupby(points, key=lambda point: (point.date.year, point.date.month)):
        days = list(group)
        last, flow = days[-1], sum((point.net_flow for point in days), ZERO)
        growth = EXACT.divide(last.twr_index, before.twr_index) if before.twr_index else ONE
        months.append(
            Month(
                f"{year:04}-{month:02}",
                exact_ratio(growth - 1),
                last.total_value - before.total_value - flow,
                flow,
                last.total_value,
            )
        )
        before = last
    return months
