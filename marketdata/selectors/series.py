"""Bars, quotes and trades over a period as Arrow tables, wherever the rows are: a caller can't tell which side one came from.

The live rows are read first and the archive after. A day that moves from one to the other in between is then read twice, which
is put right here; read the other way round it would be missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pyarrow as pa
from django.db import connection
from django.db.models import Max, Min
from psycopg import sql

from marketdata.domain.adjustment import PRICE_PLACES, SIZE_PLACES
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models.archive import ArchiveSegment
from marketdata.models.instruments import Instrument
from marketdata.models.prices import Bar
from marketdata.selectors.adjustment import in_view
from marketdata.selectors.archive import archived
from marketdata.selectors.arrow import read_arrow

INSTANT = pa.timestamp("us", "UTC")
PRICE, SIZE = pa.decimal128(25, PRICE_PLACES), pa.decimal128(24, SIZE_PLACES)
KEYS = pa.dictionary(pa.int32(), pa.string())
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = 1 << 17  # bars that a window holds at most

# What each data set has beside its instrument, in the order of the columns, and what its rows are ordered by.
COLUMNS: Mapping[Dataset, Mapping[str, pa.DataType]] = {
    Dataset.BARS: {
        "timestamp": INSTANT,
        **dict.fromkeys(("open", "high", "low", "close"), PRICE),
        "volume": SIZE,
        "vwap": PRICE,
        "trade_count": pa.int64(),
    },
    Dataset.QUOTES: {"timestamp": INSTANT, "bid": PRICE, "ask": PRICE, "bid_size": SIZE, "ask_size": SIZE},
    Dataset.TICKS: {"timestamp": INSTANT, "price": PRICE, "size": SIZE, "conditions": pa.string()},
}
ORDER = {Dataset.BARS: ("timestamp",), Dataset.QUOTES: ("timestamp",), Dataset.TICKS: ("timestamp", "price", "size")}

# Of one instrument its index hands the rows over in order; those of several are sorted here, faster than the database would.
ROWS_OF_ONE = """
    SELECT 0::int4 AS place, {columns} FROM {table} AS live
    WHERE live.instrument_id = {id} AND live.timestamp >= {start} AND live.timestamp < {end} {timeframe}
    ORDER BY {order}
"""
ROWS_OF_SEVERAL = """
    SELECT (wanted.place - 1)::int4 AS place, {columns} FROM {table} AS live
    JOIN unnest({ids}) WITH ORDINALITY AS wanted (id, place) ON wanted.id = live.instrument_id
    WHERE live.timestamp >= {start} AND live.timestamp < {end} {timeframe}
"""
DAYS = "SELECT day FROM marketdata_days(%s) AS day WHERE day BETWEEN %s AND %s"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are wanted: of these instruments, in [start, end); bars as they were traded, or adjusted for splits.

    Adjusted bars are comparable with those of `as_of`; without it every split counts that is known, announced ones too.
    """

    dataset: Dataset
    instruments: tuple[Instrument, ...]
    start: datetime | None = None
    end: datetime | None = None
    timeframe: Timeframe | None = None
    adjusted: bool = False
    as_of: date | None = None

    def __post_init__(self) -> None:
        if self.dataset not in COLUMNS:
            raise ValueError(f"There is no series of {self.dataset}: ask for bars, quotes or ticks.")
        if (self.timeframe is None) == (self.dataset is Dataset.BARS):
            raise ValueError("Bars, and bars alone, are asked for with their timeframe.")
        if self.adjusted and self.dataset is not Dataset.BARS:
            raise ValueError("Only bars are adjusted for splits.")

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table with exact figures; a ratio may lengthen those of adjusted bars."""
        wide = {name: pa.decimal128(38, kind.scale) for name, kind in COLUMNS[self.dataset].items() if pa.types.is_decimal(kind)}
        return pa.schema({"instrument": KEYS, **COLUMNS[self.dataset], **(wide if self.adjusted else {})})

    @property
    def period(self) -> tuple[datetime, datetime]:
        """The period in UTC, with the ends of time where none are given."""
        return (self.start or FIRST).astimezone(UTC), (self.end or LAST).astimezone(UTC)


def read_series(asked: Asked, *, floats: bool = False) -> pa.Table:
    """Return the rows: `instrument` (its key), `timestamp`, and the figures as exact decimals, or as floats for statistics.

    The rows of the first instrument come first, and each instrument's in the order of time.
    """
    table = _live(asked)
    if asked.timeframe is not None:
        table = in_view(table, asked.instruments, timeframe=asked.timeframe, adjusted=asked.adjusted, as_of=asked.as_of)
    elif archived_days(asked):
        table = _merged(asked, table)
    return _finished(asked, table, floats=floats)


def windows(asked: Asked) -> Iterator[Asked]:
    """Return the same question in parts, each with few enough rows for memory: instrument by instrument, oldest first."""
    start, end = asked.period
    for instrument in asked.instruments:
        one = replace(asked, instruments=(instrument,))
        for since, until in _spans_of_bars(one) if asked.timeframe else _spans_of_days(asked):
            yield replace(one, start=max(start, since), end=min(end, until))


def archived_days(asked: Asked) -> list[date]:
    """Return the days of the period that the archive has rows of, oldest first."""
    start, end = asked.period
    found = ArchiveSegment.objects.filter(dataset=asked.dataset, day__range=(start.date(), end.date()))
    return list(found.order_by("day").values_list("day", flat=True).distinct())


def live_days(asked: Asked) -> list[date]:
    """Return the days of the period that have a partition, oldest first."""
    start, end = asked.period
    with connection.cursor() as cursor:
        cursor.execute(DAYS, [asked.dataset.value, start.date(), end.date()])
        return [row[0] for row in cursor.fetchall()]


def _spans_of_bars(asked: Asked) -> Iterator[tuple[datetime, datetime]]:
    """Cut the time for which an instrument has bars in the period into spans."""
    start, end = asked.period
    timeframe = asked.timeframe or Timeframe.DAY
    known = Bar.objects.filter(instrument=asked.instruments[0], timeframe=timeframe, timestamp__gte=start, timestamp__lt=end)
    ends = known.aggregate(first=Min("timestamp"), last=Max("timestamp"))
    since = ends["first"]
    while since is not None and since <= ends["last"]:
        yield since, (since := since + timeframe.duration * WINDOW)


def _spans_of_days(asked: Asked) -> Iterator[tuple[datetime, datetime]]:
    """Return the days that have rows, live ones first asked for: one that moves meanwhile is in both lists, or in the second."""
    live = live_days(asked)
    for day in sorted({*live, *archived_days(asked)}):
        midnight = datetime.combine(day, time(), UTC)
        yield midnight, midnight + DAY


def _live(asked: Asked) -> pa.Table:
    """Return the rows that are in the database: `place` says which instrument's one is, in order."""
    ids, (start, end) = [instrument.pk for instrument in asked.instruments], asked.period
    hidden = ["adjusted_through"] if asked.dataset is Dataset.BARS else []
    query = sql.SQL(ROWS_OF_ONE if len(ids) == 1 else ROWS_OF_SEVERAL).format(
        columns=sql.SQL(", ").join(map(_column, [*COLUMNS[asked.dataset], *hidden])),
        table=sql.Identifier(f"marketdata_{asked.dataset.removesuffix('s')}"),
        ids=sql.SQL("{}::uuid[]").format(sql.Literal(ids)),
        id=sql.Literal(ids[0] if ids else None),
        start=sql.Literal(start),
        end=sql.Literal(end),
        timeframe=sql.SQL("AND live.timeframe = {}").format(sql.Literal(asked.timeframe.value))
        if asked.timeframe
        else sql.SQL(""),
        order=sql.SQL(", ").join(sql.Identifier("live", name) for name in ORDER[asked.dataset]),
    )
    table = read_arrow(query.as_string())
    return table if len(ids) == 1 else _sorted(asked, table)


def _column(name: str) -> sql.Composable:
    """Return how a column is read: a number as the text of its digits, which is exact and the fastest."""
    numeric = any(pa.types.is_decimal(columns.get(name, INSTANT)) for columns in COLUMNS.values())
    return sql.SQL("live.{0}::text AS {0}" if numeric else "live.{0}").format(sql.Identifier(name))


def _sorted(asked: Asked, table: pa.Table) -> pa.Table:
    """Return the rows of several instruments one after the other, each in order."""
    schema = pa.schema([(name, kind) for name, kind in COLUMNS[asked.dataset].items() if name in ORDER[asked.dataset]])
    for name in schema.names:
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(schema.field(name).type))
    return table.sort_by([(name, "ascending") for name in ("place", *schema.names)])


def _merged(asked: Asked, table: pa.Table) -> pa.Table:
    """Return the live rows together with those of the archive, each once, in order."""
    start, end = asked.period
    places = {str(instrument.pk): place for place, instrument in enumerate(asked.instruments)}
    found = archived(dataset=asked.dataset, instrument_ids=[each.pk for each in asked.instruments], start=start, end=end)
    place = pl.col("instrument").replace_strict(places, return_dtype=pl.Int32).alias("place")
    filed = found.select(place, *COLUMNS[asked.dataset]).to_arrow()
    schema = pa.schema([("place", pa.int32()), *COLUMNS[asked.dataset].items()])
    order = ["place", *ORDER[asked.dataset]]
    both = pl.concat([pl.DataFrame(side.select(schema.names).cast(schema)) for side in (table, filed)])
    return both.unique(order, keep="first", maintain_order=True).sort(order).to_arrow()


def _finished(asked: Asked, table: pa.Table, *, floats: bool) -> pa.Table:
    """Return the table as it is promised."""
    keys = pa.array([instrument.key for instrument in asked.instruments], pa.string())
    columns = [pa.DictionaryArray.from_arrays(table["place"].combine_chunks(), keys)]
    for field in list(asked.schema)[1:]:
        column = table[field.name]
        if floats and pa.types.is_decimal(field.type):  # the nearest float to the digits
            columns.append(column.cast(pa.string()).cast(pa.float64()))
        else:
            columns.append(column.cast(field.type))
    return pa.table(columns, names=asked.schema.names)
