"""Which days quotes and trades are live of, and which of them are over."""

from datetime import UTC, date, datetime, timedelta

from django.db import connection
from psycopg import sql

from marketdata.domain.calendars import all_closed
from marketdata.domain.quality import Dataset

# The table of a day is asked for every instrument in turn: its index answers each at once.
EXCHANGES = """
    SELECT DISTINCT exchange FROM marketdata_instrument AS instrument
    WHERE EXISTS (SELECT FROM {table} AS live WHERE live.instrument_id = instrument.id)
"""


def table_of(dataset: Dataset, day: date) -> sql.Identifier:
    """Return the name of the table that has the rows of a day, be it there or not."""
    return sql.Identifier(f"marketdata_{dataset.removesuffix('s')}_{day:%Y%m%d}")


def live_days(dataset: Dataset) -> list[date]:
    """Return the days that have a table, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT marketdata_days(%s)", [dataset])
        return [row[0] for row in cursor.fetchall()]


def exchanges_on(dataset: Dataset, day: date) -> set[str]:
    """Return the exchanges of the instruments that a live day has rows of."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(EXCHANGES).format(table=table_of(dataset, day)))
        return {row[0] for row in cursor.fetchall()}


def is_finished(dataset: Dataset, day: date, at: datetime) -> bool:
    """Say whether a live day is over at an instant: in UTC, and for every exchange it has rows of."""
    return day < at.astimezone(UTC).date() and all_closed(exchanges_on(dataset, day), day, at)


def finished_days(dataset: Dataset, at: datetime, *, keep: int) -> list[date]:
    """Return the live days that are over at an instant, oldest first, without the last so many."""
    last = at.astimezone(UTC).date() - timedelta(days=1 + keep)
    return [day for day in live_days(dataset) if day <= last and is_finished(dataset, day, at)]
