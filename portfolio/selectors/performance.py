"""Daily values of an account as performance needs them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connections

from portfolio.domain.inception import Course
from portfolio.domain.performance import Performance, Point, measure

PERIODS = {"CRYPTO": 365}
TRADING_DAYS = 252


def periods_of(kind: str) -> int:
    """Return how many priced days make a year for an account of a kind."""
    return PERIODS.get(kind, TRADING_DAYS)


def points(*, account_id: UUID, start: date | None = None, end: date | None = None, using: str = "default") -> list[Point]:
    """Return the daily values in [start, end), preceded by the day before it, if there is one."""
    query = """
        SELECT date - DATE '0001-01-01' + 1, total_value, net_flow, twr_index, priced, complete FROM portfolio_snapshot
        WHERE account_id = %s AND date >= %s AND date < %s ORDER BY date
    """
    first = date.min if start is None else max(start, date.min + timedelta(days=1)) - timedelta(days=1)
    with connections[using].cursor() as cursor:
        cursor.execute(query, [account_id, first, date.max if end is None else end])
        return list(map(Point._make, cursor.fetchall()))


def whole_course(*, account_id: UUID, using: str = "default") -> Course | None:
    """Return all days of an account, or none where nothing is derived; one row of texts is read sooner than thousands of rows."""
    query = """
        SELECT min(date), string_agg(twr_index::text, ','), string_agg((priced::int + 2 * complete::int)::text, ''),
               string_agg(CASE WHEN net_flow <> 0 THEN (date - DATE '0001-01-01' + 1) || ',' || net_flow END, ';'),
               (SELECT total_value FROM portfolio_snapshot WHERE account_id = %(account)s ORDER BY date DESC LIMIT 1)
        FROM (SELECT date, twr_index, priced, complete, net_flow FROM portfolio_snapshot WHERE account_id = %(account)s
              ORDER BY date) AS day
    """
    with connections[using].cursor() as cursor:
        cursor.execute(query, {"account": account_id})
        first, index, marks, flows, end_value = cursor.fetchone()
    if first is None:
        return None
    moved = [flow.split(",") for flow in flows.split(";")] if flows else []
    values = list(map(int, index.replace(".", "").split(",")))  # each has the places of its column
    flowed = [(int(day), Decimal(flow)) for day, flow in moved]
    priced, complete = [mark in "13" for mark in marks], [mark in "23" for mark in marks]
    return Course(first.toordinal(), end_value, flowed, values, priced, complete)


def performance_of(found: list[Point], *, kind: str, start: date | None = None, risk_free: float = 0.0) -> Performance | None:
    """Return the performance over daily values that `points` returned, or none where there are none in the period."""
    opening, found = opened(found, start)
    return measure(found, periods=periods_of(kind), opening=opening, risk_free=risk_free) if found else None


def opened(found: list[Point], start: date | None) -> tuple[Point | None, list[Point]]:
    """Return the day before a period that `points` put before it, if there is one, and the days of the period."""
    if found and start is not None and found[0].day < start.toordinal():
        return found[0], found[1:]
    return None, found
