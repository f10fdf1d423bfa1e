"""A day's rows out of the database into a file of the archive, and what the database says that they add up to.

The rows come by ADBC straight into Arrow, over a connection of its own. It hands numbers of type numeric over as text, which
takes longer than all the rest: so the database multiplies each by the power of ten that makes it whole, which loses nothing, and
sends it in eight bytes. The few that are too large for that travel as text beside them.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from psycopg import sql
from psycopg.conninfo import make_conninfo

from marketdata.domain.archive import KEYS, SegmentWriter, arrow_schema, columns_of
from marketdata.domain.frames import INSTANT
from marketdata.domain.quality import Dataset
from marketdata.domain.totals import Totals, figures_of, optional_of, sums_from, texts_of
from marketdata.selectors.days import table_of

LARGEST = 2**63 - 1
PORTION_OPTION, PORTION = "adbc.postgresql.batch_size_hint_bytes", str(4 << 20)
WIDE = "wide "  # and the name of the column: its numbers that are too large for eight bytes


def line_to_the_database() -> str:
    """Return where ADBC connects to: where Django's connection leads, as the same role."""
    connection.ensure_connection()
    info = connection.connection.info
    return make_conninfo(**info.get_parameters(), password=info.password)


def write_day(path: Path, *, dataset: Dataset, day: date, line: str, on_rows: Callable[[], None]) -> int:
    """Write the rows of a day to a file, sorted, and return how many there were; `on_rows` is called after each portion.

    The connection is its own, so this may run beside a query of Django's connection. While a portion is written, the next one
    is fetched.
    """

    def write(batch: pa.RecordBatch) -> None:
        writer.write(to_file_columns(dataset, batch))
        on_rows()

    query = _rows_query(dataset, day).as_string()
    with SegmentWriter(path, dataset) as writer, adbc.connect(line, autocommit=True) as database, database.cursor() as cursor:
        cursor.adbc_statement.set_options(**{PORTION_OPTION: PORTION})
        cursor.execute(query)
        with closing(cursor.fetch_record_batch()) as batches, ThreadPoolExecutor(1, "archive") as beside:
            writing = None
            for batch in batches:
                if writing:
                    writing.result()
                writing = beside.submit(write, batch)
            if writing:
                writing.result()
        return writer.rows


def totals_in_the_database(dataset: Dataset, day: date) -> Totals:
    """Return what the database says that a day's rows add up to."""
    found = Totals()
    midnight = datetime.combine(day, time(), UTC)
    with connection.cursor() as cursor:
        cursor.execute(_totals_query(dataset, day), {"midnight": midnight})
        found.by_instrument = {row[0]: sums_from(row[1:]) for row in cursor.fetchall()}
        for name in texts_of(dataset):
            counts = sql.SQL("SELECT {0}, count(*) FROM {1} GROUP BY 1").format(sql.Identifier(name), table_of(dataset, day))
            cursor.execute(counts)
            found.texts.update(dict(cursor.fetchall()))
    return found


def to_file_columns(dataset: Dataset, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows as they are sent by the database as rows of a file."""
    schema = arrow_schema(dataset)
    columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
    made = [_names(columns[name]) if name == "instrument" else columns[name] for name in schema.names]
    for place, field in enumerate(schema):
        if pa.types.is_decimal(field.type):
            made[place] = _decimals(columns[field.name], columns[WIDE + field.name], field.type)
    return pa.RecordBatch.from_arrays(made, schema=schema)


def _names(ids: pa.Array) -> pa.Array:
    """Return identifiers as their text; each is written out once, however many rows it has."""
    coded = (ids.storage if isinstance(ids, pa.ExtensionArray) else ids).dictionary_encode()
    return pa.array([str(uuid.UUID(bytes=each)) for each in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _decimals(scaled: pa.Array, wide: pa.Array, dtype: pa.DataType) -> pa.Array:
    """Return numbers that came multiplied by their scale's power of ten, and the ones too large for that as text."""
    known = np.asarray(scaled.fill_null(0))
    words = np.empty((len(known), 2), dtype=np.int64)  # a decimal is a whole number of 16 bytes, the lower ones first
    words[:, 0] = known
    words[:, 1] = known >> 63
    validity = pc.is_valid(scaled).buffers()[1] if scaled.null_count else None  # flags are kept in bits, as validity is
    numbers = pa.Array.from_buffers(dtype, len(known), [validity, pa.py_buffer(words)])
    return numbers if wide.null_count == len(wide) else pc.coalesce(numbers, wide.cast(dtype))


def _rows_query(dataset: Dataset, day: date) -> sql.Composed:
    """Return the query for the rows of a day."""
    columns = sql.SQL(", ").join([each for name, dtype in columns_of(dataset).items() for each in _sent(name, dtype)])
    order = sql.SQL(", ").join([_column(name) for name in KEYS[dataset]])
    return sql.SQL("SELECT {} FROM {} ORDER BY {}").format(columns, table_of(dataset, day), order)


def _sent(name: str, dtype: Any) -> Iterator[sql.Composable]:
    """Yield how a column is sent."""
    if not isinstance(dtype, pl.Decimal):
        yield sql.SQL("{} AS {}").format(_column(name), sql.Identifier(name))
        return
    parts = {
        "column": _column(name),
        "bound": sql.Literal(LARGEST // 10**dtype.scale),
        "power": sql.Literal(10**dtype.scale),
        "name": sql.Identifier(name),
        "wide": sql.Identifier(WIDE + name),
    }
    yield sql.SQL("CASE WHEN {column} BETWEEN -{bound} AND {bound} THEN ({column} * {power})::bigint END AS {name}").format(
        **parts
    )
    yield sql.SQL("CASE WHEN {column} NOT BETWEEN -{bound} AND {bound} THEN {column}::text END AS {wide}").format(**parts)


def _totals_query(dataset: Dataset, day: date) -> sql.Composed:
    """Return the query for what the rows of a day add up to, by instrument; see `totals.totals_of`."""
    figures = [_figure(name, dtype) for name, dtype in figures_of(dataset).items()]
    figures += [sql.SQL("count({})").format(sql.Identifier(name)) for name in optional_of(dataset)]
    return sql.SQL(
        "SELECT instrument_id::text, count(*), min(timestamp), max(timestamp), {} FROM {} GROUP BY instrument_id"
    ).format(sql.SQL(", ").join(figures), table_of(dataset, day))


def _figure(name: str, dtype: Any) -> sql.Composed:
    """Return the sum of a column: of times the microseconds since midnight, which a float holds to the last one."""
    if dtype == INSTANT:
        template = "sum(round(date_part('epoch', {} - %(midnight)s::timestamptz) * 1000000)::bigint)"
    else:
        template = "sum(octet_length({}))" if dtype == pl.String else "sum({})"
    return sql.SQL(template).format(sql.Identifier(name))


def _column(name: str) -> sql.Identifier:
    """Return the database's name of a column."""
    return sql.Identifier("instrument_id" if name == "instrument" else name)
