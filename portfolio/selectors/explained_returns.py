"""Why falls, monthly returns and figures over a window are what they are: from the daily values they are measured from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from typing import Any

from marketdata.models import Instrument
from portfolio.domain.benchmark import pairs_of
from portfolio.domain.bridge import Daily, Link
from portfolio.domain.drawdown import Drawdown
from portfolio.domain.explain import Explanation
from portfolio.domain.explain_returns import explain_beside, explain_drawdowns, explain_window, explain_years
from portfolio.domain.performance import Performance, years_of
from portfolio.domain.rolling import BESIDE
from portfolio.selectors.benchmark import beside
from portfolio.selectors.days import since
from portfolio.selectors.explained import link_after
from portfolio.selectors.figures import Figures
from portfolio.selectors.performance import periods_of


def _within(figures: Figures, start: date | None, end: date | None) -> tuple[list[Daily], Daily | None, Link]:
    """Return the days of a period, the one before it, and what the return of its first day is measured from."""
    days = figures.days(start=start, end=end)
    within = since(days, start)
    opening = days[0] if len(days) > len(within) else None
    return within, opening, link_after(figures, opening)


def explained_drawdowns(
    figures: Figures, falls: Sequence[Drawdown], *, start: date | None, end: date | None
) -> Explanation | None:
    """Return why the deepest falls of [start, end) are what they are; none where no day was valued, or one cannot be told."""
    days, opening, link = _within(figures, start, end)
    return explain_drawdowns(days, opening, falls, link) if days and not figures.gap(start=start, end=end) else None


def explained_years(
    figures: Figures, measured: Performance | None, *, start: date | None, end: date | None
) -> Explanation | None:
    """Return why the returns of the months and years of [start, end) are what they are; none where there are none."""
    if measured is None:
        return None
    days, opening, link = _within(figures, start, end)
    return explain_years(days, opening, years_of(measured.monthly), measured.twr, link)


def explained_windows(
    figures: Figures,
    rows: Sequence[dict[str, Any]],
    *,
    window: int,
    start: date | None,
    end: date | None,
    benchmark: Instrument | None = None,
    dividends: bool = True,
    risk_free: float = 0.0,
) -> list[Explanation]:
    """Return why figures over a window are what they are, for each of the days it ends on."""
    days, opening, _ = _within(figures, start, end)
    periods = periods_of(figures.account.kind)
    priced = [*([opening] if opening else []), *(day for day in days if day.priced)]
    places, order = {day.day: place for place, day in enumerate(priced)}, [day.day for day in days]
    compares = benchmark is not None and any(name in BESIDE for row in rows[:1] for name in row)
    other = pairs = None
    if compares and benchmark is not None:
        points = [day.point for day in days]
        before = [] if opening is None else [opening.point]
        other = beside([*before, *points], benchmark, currency=figures.currency, dividends=dividends)
        pairs = pairs_of(points, other, opening=opening.point if opening else None)
    found = []
    for row in rows:
        number = row["date"].toordinal()
        first = priced[places[number] - window]
        within = days[bisect_right(order, first.day) : bisect_right(order, number)]
        why = explain_window(within, first, row, periods=periods, risk_free=risk_free)
        if other is not None and pairs is not None:
            place = next((place for place, pair in enumerate(pairs) if pair[0] == number), 0)
            if place >= window:
                both = pairs[place - window : place + 1]
                explain_beside(why, both, other, row, periods=periods, risk_free=risk_free)
        why.notes += [f"{name}: {reason}" for name, reason in row["reasons"].items()]
        found.append(why)
    return found
