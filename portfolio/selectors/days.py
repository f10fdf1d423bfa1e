"""Daily values with their causes, as they are kept."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from django.db import connections

from portfolio.domain.bridge import Daily

COLUMNS = ", ".join(Daily._fields[1:])
DAYS = f"""
    SELECT date - DATE '0001-01-01' + 1, {COLUMNS} FROM portfolio_snapshot
    WHERE account_id = %s AND date >= %s AND date < %s ORDER BY date
"""  # noqa: S608


def day_before(start: date | None) -> date:
    """Return the day on which a period that starts on a day opens: the one before, or the first there is."""
    return date.min if start is None else max(start, date.min + timedelta(days=1)) - timedelta(days=1)


def days_of(*, account_id: UUID, start: date | None = None, end: date | None = None) -> list[Daily]:
    """Return the days in [start, end), preceded by the day before it, if there is one."""
    with connections["default"].cursor() as cursor:
        cursor.execute(DAYS, [account_id, day_before(start), date.max if end is None else end])
        return list(map(Daily._make, cursor.fetchall()))


def since(days: list[Daily], start: date | None) -> list[Daily]:
    """Return the days of a period without the one it opens with."""
    return days[1:] if days and start is not None and days[0].day < start.toordinal() else days
