"""The figures of a backtest: those of an account over the same days, those of its trades, and what trading cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from portfolio.domain.exact import EXACT, ONE, ZERO, money, plain
from portfolio.domain.performance import Performance, Point, exact_ratio, measure
from portfolio.domain.trades import Trade as Closed
from portfolio.domain.trades import statistics_of
from trading.domain.backtest import Result, Rules

DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIX_DAY = EPOCH.date().toordinal()
LEFT_OUT = {"start", "end", "monthly", "drawdown", "drawdowns", "reasons", "net_flows", "simple_return", "xirr"}
OBJECTIVES = ("sharpe", "sortino", "calmar", "twr", "profit_factor", "expectancy", "max_drawdown")


def instant(microseconds: int) -> datetime:
    """Return the instant so many microseconds after 1970.

    >>> instant(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return EPOCH + timedelta(microseconds=microseconds)


def points_of(result: Result, cash: Decimal) -> list[Point]:
    """Return the value at the end of each day that has bars."""
    days = result.times // DAY
    last = np.flatnonzero(np.diff(days, append=days[-1] + 1)).tolist() if len(days) else []
    found = []
    for place in last:
        value = money(result.equity.decimal(place))
        found.append(Point(UNIX_DAY + int(days[place]), value, ZERO, EXACT.divide(value, cash), priced=True))
    return found


def performance_of(points: Sequence[Point], cash: Decimal, *, periods: int) -> Performance | None:
    """Return the performance over days that began with cash; none without a day."""
    if not points:
        return None
    opening = Point(points[0].day - 1, cash, ZERO, ONE, priced=False)
    return measure(points, periods=periods, opening=opening)


def figures_of(result: Result, rules: Rules, *, periods: int) -> dict[str, Any]:
    """Return the figures of a run by name, as JSON carries them: numbers as text, none where one is not defined."""
    performance = performance_of(points_of(result, rules.cash), rules.cash, periods=periods)
    figures = told(performance) | traded(result, rules)
    return figures | {"exposure": round(result.exposed, 6), "bars": len(result.times)}


def told(performance: Performance | None) -> dict[str, Any]:
    """Return the figures of a performance; its deepest fall with its days."""
    if performance is None:
        return {"reasons": {"twr": "There are no bars in the period."}}
    named = {
        name: value if value is None or not isinstance(value, Decimal) else plain(value)
        for name in Performance.__dataclass_fields__
        if name not in LEFT_OUT
        for value in [getattr(performance, name)]
    }
    fall = performance.drawdown
    days = (
        {} if fall is None else {"drawdown_days": fall.days, "drawdown_peak": str(fall.peak), "drawdown_trough": str(fall.trough)}
    )
    reasons = {name: why for name, why in performance.reasons.items() if name not in LEFT_OUT}
    return {**named, **days, "reasons": reasons}


def traded(result: Result, rules: Rules) -> dict[str, Any]:
    """Return the figures of closed trades and what trading cost."""
    trades = [Closed(instant(one.closed_at or 0), one.gain) for one in result.trades]
    said = asdict(statistics_of(trades, capital=rules.cash))
    for name in ("reasons", "max_drawdown_pct", "consecutive_losses"):
        said.pop(name)
    held = [(one.closed_at or 0) - one.opened_at for one in result.trades]
    turned = sum((abs(one.cash + one.fee) for one in result.fills), ZERO)
    said |= {
        "fees": sum((one.fee for one in result.fills), ZERO),
        "turnover": exact_ratio(EXACT.divide(turned, rules.cash)),
        "average_days": exact_ratio(EXACT.divide(Decimal(sum(held)), Decimal(len(held) * DAY))) if held else None,
    }
    counts = {"fills": len(result.fills), "open_positions": len(result.open), "skipped": result.skipped}
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in said.items()} | counts


def worth(figures: Mapping[str, Any], objective: str) -> Decimal:
    """Return how good a run is by an objective: more is better, and a figure that is not defined is the worst.

    >>> worth({"sharpe": "1.2"}, "sharpe") > worth({"sharpe": None}, "sharpe")
    True
    """
    value = figures.get(objective)
    return Decimal("-Infinity") if value is None else Decimal(str(value))
