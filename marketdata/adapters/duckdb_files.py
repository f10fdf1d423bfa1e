"""Read prices out of a DuckDB file that others made: its tables are found and understood by their columns.

The file is opened for reading only, with no extension loaded or fetched, no way to other files, and bounded memory. Floats are
read by their shortest spelling, times without a zone are UTC unless the caller says otherwise.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import polars as pl

from marketdata.adapters.lines import UnreadableFile
from marketdata.adapters.series_rows import MEANS, OHLC, timeframe_of
from marketdata.domain.bars import SECONDS, Timeframe
from marketdata.domain.quality import Dataset

CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "enable_external_access": False,
    "memory_limit": "512MB",
    "threads": 2,
    "temp_directory": "",
    "lock_configuration": True,
}
MAGIC, MAGIC_AT = b"DUCK", 8
BATCH = 50_000
ZONED = "TIMESTAMP WITH TIME ZONE"
COUNTED = frozenset({"BIGINT", "INTEGER", "HUGEINT", "UBIGINT", "UINTEGER", "DOUBLE", "FLOAT"})
UNITS = ((11, "1e6"), (14, "1e3"), (17, "1"))  # seconds, milliseconds, microseconds, by the length of the number
MOST_TABLES, MOST_SYMBOLS = 1_000, 100_000
SAMPLE = 20_000
TABLES = """
    SELECT c.table_schema, c.table_name, c.column_name, c.data_type
    FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_catalog, table_schema, table_name)
    WHERE t.table_type = 'BASE TABLE' AND c.table_catalog = current_database()
    ORDER BY c.table_schema, c.table_name, c.ordinal_position
"""
NUMBER = "TRY_CAST(TRY_CAST({column} AS VARCHAR) AS DECIMAL(38, {places}))"
# what is there and is no such number, as it is written; NaN is how pandas writes that nothing is there
ODD = """CASE WHEN {number} IS NULL AND lower(trim(TRY_CAST({column} AS VARCHAR))) NOT IN ('nan', '')
          THEN TRY_CAST({column} AS VARCHAR) END"""
ODD_NAME = "odd {name}"
PLACES = {"volume": 12, "size": 12, "bid_size": 12, "ask_size": 12, "trade_count": 0}
FIGURES: Mapping[Dataset, tuple[str, ...]] = {
    Dataset.BARS: (*OHLC, "volume", "vwap", "trade_count"),
    Dataset.QUOTES: ("bid", "ask", "bid_size", "ask_size"),
    Dataset.TICKS: ("price", "size"),
}
FRAMES_IN_NAMES = re.compile(r"(?:^|_)(\d{1,2}(?:m|min|minute|h|hr|hour|d|day)|daily|day|hour|minute)(?:_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableMap:
    """How a table is understood: what it holds, which of its columns means what; or why it is left."""

    schema: str
    table: str
    rows: int
    columns: Mapping[str, str]  # our names and theirs
    types: Mapping[str, str]  # theirs and their types
    datasets: tuple[Dataset, ...] = ()
    timeframe: Timeframe | None = None
    said_by: str = ""
    problem: str = ""

    @property
    def name(self) -> str:
        """The name of the table, with its schema where that is not the usual one."""
        return self.table if self.schema == "main" else f"{self.schema}.{self.table}"

    @property
    def in_utc(self) -> bool:
        """Whether its times are instants, whatever zone their writer lived in."""
        return self.types[self.columns["timestamp"]].upper() in {ZONED, *COUNTED}


class DuckFile:
    """An open file."""

    def __init__(self, path: Path) -> None:
        self.connection = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()

    def tables(self) -> list[TableMap]:
        """Return every table with what it seems to hold.

        :raises UnreadableFile: if the file is damaged
        """
        found: dict[tuple[str, str], dict[str, str]] = {}
        for schema, table, column, kind in self._rows(TABLES):
            found.setdefault((schema, table), {})[column] = kind
        if len(found) > MOST_TABLES:
            raise UnreadableFile(f"The file has {len(found):,} tables; that is too many to be one of prices.")
        return [self._mapped(schema, table, types) for (schema, table), types in found.items()]

    def symbols(self, table: TableMap) -> dict[str, int]:
        """Return the symbols of a table with the number of their rows.

        :raises UnreadableFile: if the file is damaged, or has more symbols than there are
        """
        symbol = quoted(table.columns["symbol"])
        counts = self._rows(
            f"SELECT CAST({symbol} AS VARCHAR), count(*) FROM {_place(table)} GROUP BY 1 LIMIT {MOST_SYMBOLS + 1}"  # noqa: S608  quoted
        )
        if len(counts) > MOST_SYMBOLS:
            raise UnreadableFile(f"{table.name} has more than {MOST_SYMBOLS:,} symbols.")
        return {str(name or ""): count for name, count in counts}

    def batches(self, table: TableMap, dataset: Dataset) -> Iterator[pl.DataFrame]:
        """Yield the rows that a table has for a data set: `symbol`, `timestamp` as it is written, and exact figures.

        :raises UnreadableFile: if the file is damaged
        """
        try:
            for batch in self.connection.sql(_query(table, dataset)).to_arrow_reader(BATCH):
                frame = pl.from_arrow(batch)
                if isinstance(frame, pl.DataFrame) and frame.height:
                    yield _with_odd(frame)
        except duckdb.Error as error:
            raise UnreadableFile(f"{table.name} can't be read: {_short(error)}") from error

    def _mapped(self, schema: str, table: str, types: dict[str, str]) -> TableMap:
        """Return how a table is understood."""
        columns: dict[str, str] = {}
        for column in types:
            name = MEANS.get(column.strip().lower().replace(" ", "_"))
            if name is not None:
                columns.setdefault(name, column)
        if "volume" in columns and "price" in columns:
            columns.setdefault("size", columns["volume"])
        ((rows,),) = self._rows(f"SELECT count(*) FROM {quoted(schema)}.{quoted(table)}")  # noqa: S608  quoted
        mapped = TableMap(schema, table, rows, columns, types)
        datasets = datasets_of(columns)
        missing = [name for name in ("symbol", "timestamp") if name not in columns]
        if not datasets:
            return replace(mapped, problem="it holds neither bars nor quotes nor trades")
        if missing:
            return replace(mapped, problem=f"it has no column of {' or '.join(missing)}s")
        return self._timed(replace(mapped, datasets=datasets))

    def _timed(self, table: TableMap) -> TableMap:
        """Return a table of bars with how long they last: by a column, by the table's name, or by the times themselves."""
        if Dataset.BARS not in table.datasets or "timeframe" in table.columns:
            return replace(table, said_by="its column" if Dataset.BARS in table.datasets else "")
        named = [timeframe_of(each) for each in FRAMES_IN_NAMES.findall(table.table)]
        if named and named[0] is not None:
            return replace(table, timeframe=named[0], said_by="its name")
        seconds = self._usual_gap(table)
        timeframe = next((each for each in Timeframe if SECONDS[each] == seconds), None)
        if timeframe is None:
            return replace(table, problem="how long its bars last is not known; say it with --map TABLE=bars:TIMEFRAME")
        return replace(table, timeframe=timeframe, said_by="the times of its rows")

    def _usual_gap(self, table: TableMap) -> int | None:
        """Return how many seconds lie between most rows of a symbol and the next."""
        symbol = quoted(table.columns["symbol"])
        found = self._rows(
            f"""
            SELECT gap FROM (
                SELECT epoch(moment) - epoch(lag(moment) OVER (PARTITION BY symbol ORDER BY moment)) AS gap
                FROM (SELECT {symbol} AS symbol, {_time(table)} AS moment FROM {_place(table)} LIMIT {SAMPLE})
            ) WHERE gap > 0 GROUP BY gap ORDER BY count(*) DESC, gap LIMIT 1
            """  # noqa: S608  quoted
        )
        return int(found[0][0]) if found else None

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        :raises UnreadableFile: if the file is damaged
        """
        try:
            return self.connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise UnreadableFile(f"The file can't be read: {_short(error)}") from error


def datasets_of(columns: Mapping[str, str]) -> tuple[Dataset, ...]:
    """Return what a table with such columns can hold; prices may be trades, and quotes where nothing was traded."""
    if all(name in columns for name in OHLC):
        return (Dataset.BARS,)
    quotes = "bid" in columns and "ask" in columns
    if "price" in columns:
        return (Dataset.TICKS, Dataset.QUOTES) if "size" in columns or "volume" in columns else (Dataset.QUOTES,)
    return (Dataset.QUOTES,) if quotes else ()


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a file.

    :raises UnreadableFile: if it is none of DuckDB's, or damaged
    """
    try:
        with path.open("rb") as file:
            start = file.read(MAGIC_AT + len(MAGIC))
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror}.") from error
    if start[MAGIC_AT:] != MAGIC:
        raise UnreadableFile(f"{path.name} is no DuckDB file.")
    try:
        return duckdb.connect(str(path), read_only=True, config=CONFIG)
    except duckdb.Error as error:
        raise UnreadableFile(f"{path.name} can't be opened: {_short(error)}") from error


def _place(table: TableMap) -> str:
    return f"{quoted(table.schema)}.{quoted(table.table)}"


def _time(table: TableMap) -> str:
    """Return the expression of a table's times, as they are written."""
    column = quoted(table.columns["timestamp"])
    kind = table.types[table.columns["timestamp"]].upper()
    if kind == ZONED:
        return f"make_timestamp(epoch_us({column}))"
    if kind in COUNTED:
        scales = " ".join(f"WHEN abs({column}) < 1e{digits} THEN {factor}" for digits, factor in UNITS)
        return f"make_timestamp(CAST({column} * CASE {scales} ELSE 1e-3 END AS BIGINT))"
    return f"TRY_CAST({column} AS TIMESTAMP)"


def _query(table: TableMap, dataset: Dataset) -> str:
    """Return the question for the rows of a data set."""
    columns = {
        name: NUMBER.format(column=quoted(table.columns[name]), places=PLACES.get(name, 10))
        for name in FIGURES[dataset]
        if name in table.columns
    }
    odd = {
        ODD_NAME.format(name=name): ODD.format(number=number, column=quoted(table.columns[name]))
        for name, number in columns.items()
    }
    condition = "TRUE"
    if dataset is Dataset.TICKS:
        condition = f"({columns['size']}) > 0 AND {quoted(table.columns['price'])} IS NOT NULL"
    elif dataset is Dataset.QUOTES:
        columns, condition = _quotes(table, columns)
    if dataset is Dataset.BARS and "timeframe" in table.columns:
        columns["timeframe"] = f"CAST({quoted(table.columns['timeframe'])} AS VARCHAR)"
    said = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in (columns | odd).items())
    symbol = f"CAST({quoted(table.columns['symbol'])} AS VARCHAR)"
    return f"SELECT {symbol} AS symbol, {_time(table)} AS timestamp, {said} FROM {_place(table)} WHERE {condition}"  # noqa: S608  quoted


def _quotes(table: TableMap, columns: dict[str, str]) -> tuple[dict[str, str], str]:
    """Return the columns and the condition of quotes: those that are said, and prices of which nothing was traded."""
    sides = "bid" in table.columns and "ask" in table.columns
    both = f"{quoted(table.columns['bid'])} IS NOT NULL AND {quoted(table.columns['ask'])} IS NOT NULL" if sides else "FALSE"
    if "price" not in table.columns:
        return columns, both
    price = NUMBER.format(column=quoted(table.columns["price"]), places=10)
    untraded = f"{quoted(table.columns['price'])} IS NOT NULL"
    if "size" in table.columns:
        size = NUMBER.format(column=quoted(table.columns["size"]), places=12)
        untraded += f" AND coalesce({size}, 0) = 0"
    for side in ("bid", "ask"):
        columns[side] = f"CASE WHEN {both} THEN {columns[side]} ELSE {price} END" if sides else price
    return columns, f"({both}) OR ({untraded})"


def _with_odd(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose figures are exact; a column with values that are none is text, for the rules to refuse those by name."""
    names = {name: ODD_NAME.format(name=name) for name in frame.columns if ODD_NAME.format(name=name) in frame.columns}
    spelled = [
        pl.coalesce(pl.col(name).cast(pl.String), pl.col(odd)).alias(name)
        for name, odd in names.items()
        if frame[odd].null_count() < frame.height
    ]
    return frame.with_columns(spelled).drop(names.values())


def _short(error: Exception) -> str:
    """Return the first line of what DuckDB says, without the places of files."""
    return re.sub(r'"?/[^\s"]*/', "", str(error).strip().split("\n")[0])[:200]
