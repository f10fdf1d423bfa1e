"""A day's rows out of the database into a file of the archive, and what the database says that they add up to.

To send rows one by one costs more than to find them. So the database packs each column of an instrument's rows into one string of
bytes, eight for a value; see `parcels`. Numbers are multiplied by the power of ten that makes them whole, which loses nothing.

A day comes in portions, over several connections at once, and is written in order while the next ones are fetched.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
from django.db import connection
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import NumericValueOutOfRange

from marketdata.domain.archive import KEYS, SegmentWriter
from marketdata.domain.frames import INSTANT
from marketdata.domain.parcels import LENGTHS, MISSING, REST, unpacked
from marketdata.domain.quality import Dataset
from marketdata.domain.totals import Sums, Totals, figures_of, optional_of, sums_from, texts_of
from marketdata.selectors.days import table_of

LINES = 2  # connections; each keeps a processor of the database's machine busy
PORTIONS, SMALLEST, LARGEST = 16, 50_000, 1_000_000  # a day is cut into so many, of so many rows
SORTING = "SET work_mem = '64MB'"
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows that are fetched at once: those in [start, end) of the instruments from one to another."""

    first: str
    last: str
    start: datetime
    end: datetime


def line_to_the_database() -> str:
    """Return where a further connection goes to: where Django's leads, as the same role."""
    connection.ensure_connection()
    info = connection.connection.info
    return make_conninfo(**info.get_parameters(), password=info.password)


def write_day(path: Path, *, dataset: Dataset, day: date, totals: Totals, on_rows: Callable[[], None]) -> int:
    """Write the rows of a day to a file, sorted, and return how many there were; `on_rows` is called after each portion.

    `totals` tell which instruments there are, and with how many rows: by that the day is cut.
    """
    line = line_to_the_database()
    lines: SimpleQueue[psycopg.Connection | None] = SimpleQueue()
    for _ in range(LINES):
        lines.put(None)
    with ExitStack() as opened, SegmentWriter(path, dataset) as writer, ThreadPoolExecutor(LINES, "rollover") as pool:

        def fetch(portion: Portion) -> pa.RecordBatch:
            free = lines.get() or opened.enter_context(_connected(line))
            try:
                return _fetched(free, dataset, day, portion)
            finally:
                lines.put(free)

        for batch in _ahead(pool, fetch, portions_of(totals)):
            writer.write(batch)
            on_rows()
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


def portions_of(totals: Totals) -> Iterator[Portion]:
    """Cut a day into portions of about as many rows each, in the order of a file; an instrument with many has several."""
    size = min(max(sum(each.rows for each in totals.by_instrument.values()) // PORTIONS, SMALLEST), LARGEST)
    some: list[str] = []
    rows = 0
    for instrument, sums in sorted(totals.by_instrument.items()):
        if some and rows + sums.rows > size:
            yield _together(totals, some)
            some, rows = [], 0
        if sums.rows > size:
            yield from _one_by_time(instrument, sums, parts=-(-sums.rows // size))
        else:
            some.append(instrument)
            rows += sums.rows
    if some:
        yield _together(totals, some)


def _together(totals: Totals, instruments: list[str]) -> Portion:
    """Return all rows of some instruments as a portion."""
    sums = [totals.by_instrument[instrument] for instrument in instruments]
    first_at, last_at = min(each.first_at for each in sums), max(each.last_at for each in sums)
    return Portion(instruments[0], instruments[-1], first_at, last_at + TICK)


def _one_by_time(instrument: str, sums: Sums, *, parts: int) -> Iterator[Portion]:
    """Cut the time of an instrument's rows into parts."""
    end = sums.last_at + TICK
    cuts = [*(sums.first_at + (end - sums.first_at) * part / parts for part in range(parts)), end]
    for start, stop in pairwise(cuts):
        yield Portion(instrument, instrument, start, stop)


def _ahead(
    pool: ThreadPoolExecutor, fetch: Callable[[Portion], pa.RecordBatch], portions: Iterable[Portion]
) -> Iterator[pa.RecordBatch]:
    """Yield what is fetched in order, while as many portions as there are connections are fetched or wait to be taken."""
    coming: deque[Future[pa.RecordBatch]] = deque()
    try:
        for portion in portions:
            coming.append(pool.submit(fetch, portion))
            if len(coming) > LINES:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        for each in coming:
            each.cancel()


def _connected(line: str) -> psycopg.Connection:
    """Return a further connection to the database."""
    made = psycopg.connect(line, autocommit=True)
    made.execute(SORTING)
    return made


def _fetched(line: psycopg.Connection, dataset: Dataset, day: date, portion: Portion) -> pa.RecordBatch:
    """Fetch a portion; only if it has a number that is too large for eight bytes they all come in two pieces."""
    try:
        return _asked(line, dataset, day, portion, pieces=1)
    except NumericValueOutOfRange:
        return _asked(line, dataset, day, portion, pieces=2)


def _asked(line: psycopg.Connection, dataset: Dataset, day: date, portion: Portion, *, pieces: int) -> pa.RecordBatch:
    """Ask for a portion and return it as rows of a file."""
    packed = _packed_columns(dataset, pieces)
    with line.cursor(binary=True) as cursor:
        cursor.execute(_rows_query(dataset, day, packed), asdict(portion), prepare=False)
        found = cursor.fetchall()
    parcels = {name: b"".join([row[place] for row in found]) for place, name in enumerate(packed, 2)}
    return unpacked(dataset, [row[0] for row in found], [row[1] for row in found], parcels)


def _packed_columns(dataset: Dataset, pieces: int) -> dict[str, sql.Composed]:
    """Return by name what is packed into a string of bytes, value by value."""
    found: dict[str, sql.Composed] = {}
    for name, dtype in figures_of(dataset).items():
        column = sql.Identifier(name)
        if dtype == INSTANT:
            found[name] = sql.SQL("timestamptz_send({})").format(column)
        elif isinstance(dtype, pl.Decimal):
            found |= _packed_number(name, dtype.scale, pieces, optional=name in optional_of(dataset))
        else:
            found[name + LENGTHS] = sql.SQL("int4send(octet_length({}))").format(column)
            found[name] = sql.SQL("convert_to({}, 'UTF8')").format(column)
    return found


def _packed_number(name: str, scale: int, pieces: int, *, optional: bool) -> dict[str, sql.Composed]:
    """Return how a number is packed; its column has no more digits after the point than `scale`."""
    templates = (
        {name: "{column} * {power}"}
        if pieces == 1
        else {name: "trunc({column})", name + REST: "({column} - trunc({column})) * {power}"}
    )
    parts = {"column": sql.Identifier(name), "power": sql.Literal(10**scale), "missing": sql.Literal(MISSING)}
    whole = "int8send(coalesce(({})::bigint, {{missing}}))" if optional else "int8send(({})::bigint)"
    return {each: sql.SQL(whole.format(template)).format(**parts) for each, template in templates.items()}


def _rows_query(dataset: Dataset, day: date, packed: Mapping[str, sql.Composed]) -> sql.Composed:
    """Return the query for the rows of a portion, an instrument a row."""
    order = sql.SQL(", ").join([sql.Identifier(name) for name in KEYS[dataset] if name != "instrument"])
    strings = [sql.SQL("string_agg({}, ''::bytea ORDER BY {})").format(each, order) for each in packed.values()]
    return sql.SQL(
        "SELECT instrument_id::text, count(*), {} FROM {} "
        "WHERE instrument_id BETWEEN %(first)s::uuid AND %(last)s::uuid AND timestamp >= %(start)s AND timestamp < %(end)s "
        "GROUP BY instrument_id ORDER BY instrument_id"
    ).format(sql.SQL(", ").join(strings), table_of(dataset, day))


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
        template = "sum((date_part('epoch', {} - %(midnight)s::timestamptz) * 1000000)::bigint)"
    else:
        template = "sum(octet_length({}))" if dtype == pl.String else "sum({})"
    return sql.SQL(template).format(sql.Identifier(name))
