"""What follows from quotes and ticks that were written: the latest of each instrument, and the days to roll up again."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import polars as pl
from django.conf import settings
from django.db import connection, transaction

from marketdata.domain.quality import Dataset
from marketdata.services.batches import same_as_before
from marketdata.services.quotes import note_quotes

TABLES = {Dataset.QUOTES: "marketdata_latestquote", Dataset.TICKS: "marketdata_latesttick"}
TYPES = {
    Dataset.QUOTES: {"bid": "numeric", "ask": "numeric", "bid_size": "numeric", "ask_size": "numeric"},
    Dataset.TICKS: {"price": "numeric", "size": "numeric", "conditions": "text"},
}
UPSERT = """
    WITH moved AS (
        INSERT INTO {table} AS latest (instrument_id, timestamp, {columns}, recorded_at)
        SELECT wanted.*, %s FROM unnest(%s::uuid[], %s::timestamptz[], {arrays}) AS wanted
        ON CONFLICT (instrument_id) DO UPDATE
        SET timestamp = excluded.timestamp, recorded_at = excluded.recorded_at, {settings}
        WHERE excluded.timestamp >= latest.timestamp
        RETURNING instrument_id
    )
    SELECT string_agg(instrument_id::text, ',') FROM moved
"""
UPSERT_NEWEST = {
    dataset: f"""
        INSERT INTO {TABLES[dataset]} AS latest (instrument_id, timestamp, {", ".join(types)}, recorded_at)
        SELECT instrument_id, timestamp, {", ".join(types)}, recorded_at FROM marketdata_{dataset.removesuffix("s")}
        WHERE instrument_id = %(instrument)s ORDER BY timestamp DESC LIMIT 1
        ON CONFLICT (instrument_id) DO UPDATE
        SET timestamp = excluded.timestamp, recorded_at = excluded.recorded_at,
            {", ".join(f"{name} = excluded.{name}" for name in types)}
        WHERE excluded.timestamp >= latest.timestamp
    """  # noqa: S608  names of our own columns
    for dataset, types in TYPES.items()
}
# The mark is moved even where it is there: who deletes it has to see either these rows or that it has changed.
MARK = """
    INSERT INTO marketdata_pendingrollup AS mark (dataset, instrument_id, day, marked_at)
    SELECT %s, marked.*, %s FROM unnest(%s::uuid[], %s::date[]) AS marked (instrument_id, day)
    ON CONFLICT (dataset, day, instrument_id) DO UPDATE
    SET marked_at = greatest(excluded.marked_at, mark.marked_at + interval '1 microsecond')
"""


def keep_latest(dataset: Dataset, written: pl.DataFrame, at: datetime) -> None:
    """Make the last of the rows written the latest of its instrument, unless a later one is known.

    The rows come in order; that of the latest carries the key to the instrument on behalf of all. Once they are committed, the
    cache learns of quotes; whatever happens there, they are stored.
    """
    last = written.filter((pl.col("instrument") != pl.col("instrument").shift(-1)).fill_null(value=True))
    if dataset is Dataset.TICKS:  # of trades at one instant the one that came last
        ended = written.join(last.select("instrument", "timestamp"), on=["instrument", "timestamp"], how="semi")
        last = ended.sort("instrument", "index").unique("instrument", keep="last", maintain_order=True)
    types = TYPES[dataset]
    statement = UPSERT.format(
        table=TABLES[dataset],
        columns=", ".join(types),
        arrays=", ".join(f"%s::{kind}[]" for kind in types.values()),
        settings=", ".join(f"{name} = excluded.{name}" for name in types),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [at, *[_array(last[name]) for name in ("instrument", "timestamp", *types)]])
        (moved,) = cursor.fetchone()
    if dataset is Dataset.QUOTES and moved:
        transaction.on_commit(lambda: note_quotes(moved.split(",")), robust=True)


def mark_for_rollup(dataset: Dataset, written: pl.DataFrame, at: datetime) -> None:
    """Note the days of instruments whose bars no longer follow from what is stored; the rows come in order.

    A mark that is there is touched again: a roll-up deletes a mark only if nobody has touched it since the rows were read.
    """
    if dataset.value not in settings.MARKETDATA_ROLLUP:
        return
    days = written.select("instrument", day=pl.col("timestamp").dt.date())
    days = days.filter(~same_as_before(("instrument", "day")))
    _mark(dataset, _array(days["instrument"]), _array(days["day"]), at)


def mark_days_for_rollup(dataset: Dataset, days: Sequence[tuple[UUID, date]], at: datetime) -> None:
    """Note days of instruments, in order, to be rolled up again."""
    _mark(dataset, [instrument_id for instrument_id, _ in days], [day for _, day in days], at)


def _mark(dataset: Dataset, instruments: list[Any] | str, days: list[Any] | str, at: datetime) -> None:
    """Write marks, given as arrays of instruments and of days."""
    with connection.cursor() as cursor:
        cursor.execute(MARK, [dataset.value, at, instruments, days])


def _array(column: pl.Series) -> str | list[Any]:
    """Return a column as PostgreSQL spells an array, at once instead of value by value; texts, which need quotes, as they are."""
    if column.dtype == pl.String:
        return column.to_list()
    spelled = column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00") if column.dtype == pl.Datetime else column.cast(pl.String)
    return f"{{{','.join(spelled.fill_null('NULL'))}}}"
