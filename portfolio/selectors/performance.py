"""Daily values of an account as performance needs them."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from django.db import connections

from portfolio.domain.performance import Performance, Point, measure

PERIODS = {"CRYPTO": 365}
TRADING_DAYS = 252


def periods_of(kind: str) -> int:
    """Return how many priced days make a year for an account of a kind."""
    return PERIODS.get(kind, TRADING_DAYS)


def points(*, account_id: UUID, start: date | None = None, end: date | None = None, using: str = "default") -> list[Point]:
    """Return the daily values in [start, end), preceded by the day before it, if there is one."""
    query = """
        SELECT date - DATE '0001-01-01' + 1, total_value, net_flow, twr_index, priced FROM portfolio_snapshot
        WHERE account_id = %s AND date >= %s AND date < %s ORDER BY date
    """
    first = date.min if start is None else max(start, date.min + timedelta(days=1)) - timedelta(days=1)
    with connections[using].cursor() as cursor:
        cursor.execute(query, [account_id, first, date.max if end is None else end])
        return list(map(Point._make, cursor.fetchall()))


def performance_of(found: list[Point], *, kind: str, start: date | None = None, risk_free: float = 0.0) -> Performance | None:
    """Return the performance over daily values that `points` returned, or none where there are none in the period."""
    opening, found = opened(found, start)
    return measure(found, periods=periods_of(kind), opening=opening, risk_free=risk_free) if found else None


def opened(found: list[Point], start: date | None) -> tuple[Point | None, list[Point]]:
    """Return the day before a period that `points` put before it, if there is one, and the days of the period."""
    if found and start is not None and found[0].day < start.toordinal():
        return found[0], found[1:]
    return None, found
