"""The days of quotes and ticks: held while they are written, made where there are none, and what of them is archived."""

from collections.abc import Collection
from datetime import date

import polars as pl
from django.db import connection

from marketdata.domain.quality import Dataset

DAILY = frozenset({Dataset.QUOTES, Dataset.TICKS})
HOLD = """
    SELECT marketdata_hold_day(%(dataset)s, day, false)
    FROM (SELECT day FROM unnest(%(days)s::date[]) AS day ORDER BY day) AS days
"""
# A statement of its own: what was archived while we waited for the days has to be seen.
OPEN = """
    SELECT day, marketdata_add_day(%(dataset)s, day),
           EXISTS (SELECT FROM marketdata_archivesegment AS kept WHERE kept.dataset = %(dataset)s AND kept.day = days.day)
    FROM (SELECT day FROM unnest(%(days)s::date[]) AS day ORDER BY day) AS days
"""


def days_of(rows: pl.DataFrame) -> list[date]:
    """Return the days on which rows lie, in UTC, in order."""
    first, last = rows.select(pl.col("timestamp").min().dt.date(), pl.col("timestamp").max().dt.date().alias("last")).row(0)
    return [first] if first == last else rows["timestamp"].dt.date().unique().sort().to_list()


def open_days(dataset: Dataset, days: Collection[date]) -> set[date]:
    """Hold days until the transaction ends and make those that are not there; return those of which files have been archived.

    Whoever archives a day has it alone: it can't leave while it is written to.
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLD, {"dataset": dataset.value, "days": list(days)})
        cursor.execute(OPEN, {"dataset": dataset.value, "days": list(days)})
        return {day for day, _, archived in cursor.fetchall() if archived}


def by_day(rows: pl.DataFrame, days: list[date]) -> list[tuple[date, pl.DataFrame]]:
    """Return the rows of each day, in the order they have."""
    if len(days) == 1:
        return [(days[0], rows)]
    return [(day, rows.filter(pl.col("timestamp").dt.date() == day)) for day in days]
