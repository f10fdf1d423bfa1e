"""Daily values with their causes, as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connections

from portfolio.domain.bridge import Daily
from portfolio.domain.exact import MONEY_PLACES
from portfolio.domain.joint import Vectors
from portfolio.selectors.columns import numbers_in

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


VECTORS = """
    SELECT min(date) - DATE '0001-01-01' + 1, string_agg(CASE WHEN priced THEN '1' ELSE '0' END, ''),
           string_agg(CASE WHEN complete THEN '1' ELSE '0' END, ''), {columns}
    FROM (SELECT * FROM portfolio_snapshot
          WHERE account_id = %(account)s AND date < %(end)s
            AND date >= LEAST(%(start)s, (SELECT max(date) FROM portfolio_snapshot WHERE account_id = %(account)s))
          ORDER BY date) AS day
"""


def vectors_of(*, account_id: UUID, names: Sequence[str], start: date | None = None, end: date | None = None) -> Vectors | None:
    """Return some amounts of the days in [start, end), at least those of the last day before the end; none without days.

    One row of texts is read sooner than thousands of rows.
    """
    asked: dict[str, Any] = {"account": account_id, "start": start or date.min, "end": end or date.max}
    with connections["default"].cursor() as cursor:
        cursor.execute(VECTORS.format(columns=", ".join(f"string_agg({name}::text, ',')" for name in names)), asked)
        first, priced, complete, *amounts = cursor.fetchone()
    if first is None:
        return None
    marks = (np.array([mark == "1" for mark in text]) for text in (priced, complete))
    return Vectors(first, dict(zip(names, (numbers_in(text, MONEY_PLACES) for text in amounts), strict=True)), *marks)


def since(days: list[Daily], start: date | None) -> list[Daily]:
    """Return the days of a period without the one it opens with."""
    return days[1:] if days and start is not None and days[0].day < start.toordinal() else days
