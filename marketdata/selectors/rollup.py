"""What bars are made of: the rows of days wherever they are, and the bars that were made of them before."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from uuid import UUID

import polars as pl
from django.db import connection
from psycopg import sql

from marketdata.domain.frames import PRICE, SIZE
from marketdata.domain.quality import Dataset
from marketdata.selectors.archive import archived
from marketdata.selectors.arrow import read_arrow

FIGURES = MappingProxyType(
    {Dataset.TICKS: {"price": PRICE, "size": SIZE}, Dataset.QUOTES: {"bid": PRICE, "ask": PRICE}},
)
ROWS = {
    Dataset.TICKS: """
        SELECT instrument_id::text AS instrument, timestamp, price::text AS price, size::text AS size FROM marketdata_tick
        WHERE instrument_id = ANY ({ids}) AND timestamp >= {start} AND timestamp < {end}
    """,
    Dataset.QUOTES: """
        SELECT instrument_id::text AS instrument, timestamp, bid::text AS bid, ask::text AS ask FROM marketdata_quote
        WHERE instrument_id = ANY ({ids}) AND timestamp >= {start} AND timestamp < {end}
    """,
}
ROLLED_UP = """
    SELECT instrument_id::text AS instrument, timeframe, timestamp FROM marketdata_bar
    WHERE instrument_id = ANY ({ids}) AND timeframe = ANY ({shorter}) AND timestamp >= {start} AND timestamp < {end}
      AND rolled_from <> ''
    UNION ALL
    SELECT instrument_id::text AS instrument, timeframe, timestamp FROM marketdata_bar
    WHERE instrument_id = ANY ({ids}) AND timeframe = '1d' AND timestamp = ANY ({days}) AND rolled_from <> ''
"""
INSTANT = pl.Datetime("us", "UTC")


def rows_between(*, dataset: Dataset, instrument_ids: Collection[UUID], start: datetime, end: datetime) -> pl.DataFrame:
    """Return what bars need of the ticks or quotes of instruments in [start, end), in no order.

    Whoever holds the days meanwhile gets each row once, on whichever side of the rollover it is.
    """
    figures = FIGURES[dataset]
    query = _written(ROWS[dataset], ids=list(instrument_ids), start=start, end=end)
    frame = pl.DataFrame(read_arrow(query))
    live = frame.select(
        pl.col("instrument").cast(pl.String),
        pl.col("timestamp").cast(INSTANT),
        *[pl.col(name).cast(dtype) for name, dtype in figures.items()],
    )
    columns = ["instrument", "timestamp", *figures]
    old = archived(dataset=dataset, instrument_ids=instrument_ids, start=start, end=end, columns=columns)
    return live if old.is_empty() else pl.concat([live, old.select(columns)])


def rolled_up_bars(*, instrument_ids: Collection[UUID], day: date, daily: Collection[date]) -> pl.DataFrame:
    """Return the keys of bars that we have made: those that start on a day, and the daily ones of several days."""
    start = midnight(day)
    query = _written(
        ROLLED_UP,
        ids=list(instrument_ids),
        shorter=["1m", "5m", "15m", "1h"],
        start=start,
        end=start + timedelta(days=1),
        days=[midnight(each) for each in daily],
    )
    frame = pl.DataFrame(read_arrow(query))
    return frame.select(pl.col("instrument", "timeframe").cast(pl.String), pl.col("timestamp").cast(INSTANT))


def midnight(day: date) -> datetime:
    """Return the instant a day of UTC starts."""
    return datetime.combine(day, time(), UTC)


def _written(query: str, **values: object) -> str:
    """Return a query with its values in it."""
    connection.ensure_connection()
    literals = {name: sql.Literal(value) for name, value in values.items()}
    return sql.SQL(query).format(**literals).as_string(connection.connection)
