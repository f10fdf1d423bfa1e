"""Bring the prices of a DuckDB file in: table by table, in batches, as often as one likes."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl
from django.core.exceptions import ValidationError
from django.db import transaction

from marketdata.adapters.duckdb_files import DuckFile, TableMap, datasets_of
from marketdata.adapters.lines import UnreadableFile
from marketdata.adapters.series_rows import TIMEFRAMES, timeframe_of
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import find_instrument
from marketdata.services.ingest import store_frame
from marketdata.services.line_reports import FileReport
from marketdata.services.series_files import Choices, instrument_of

__all__ = ["BadMapping", "TableMap", "TableReport", "UnreadableFile", "Wishes", "import_duckdb", "look_at"]

ISIN_AT_THE_END = re.compile(r"[|:]([A-Z]{2}[A-Z0-9]{9}[0-9])", re.ASCII)
SKIP = "skip"
Progress = Callable[[str, int], None]


class BadMapping(ValueError):
    """What is said of a table can't be so."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the file does not say.

    `tables` says what tables hold, such as `{"candles": "bars:5m", "junk": "skip"}`; `symbols` which instrument is meant by a
    symbol of the file; `time_zone` in which zone times are that have none; `choices` where the others are looked for.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    symbols: Mapping[str, Instrument] = field(default_factory=dict)
    time_zone: str = "UTC"
    choices: Choices = field(default_factory=Choices)


@dataclass(slots=True)
class TableReport:
    """A table as it is understood, the symbols that mean no instrument with their rows and why, and what became of the rest."""

    table: TableMap
    known: dict[str, Instrument] = field(default_factory=dict)
    unknown: dict[str, tuple[int, str]] = field(default_factory=dict)
    reports: dict[Dataset, FileReport] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """The number of rows of symbols that mean no instrument."""
        return sum(rows for rows, _ in self.unknown.values())


def look_at(*, path: Path, wishes: Wishes) -> list[TableReport]:
    """Return how the tables of a file are understood, and which instruments their symbols mean; nothing is written.

    :raises UnreadableFile: if the file is none of DuckDB's, or damaged
    :raises BadMapping: if a wish can't be fulfilled
    """
    with DuckFile(path) as file:
        return list(_looked_at(file, wishes))


def import_duckdb(
    *, path: Path, source: str, recorded_at: datetime, wishes: Wishes, progress: Progress | None = None
) -> Iterator[TableReport]:
    """Store the prices of a file and yield, table by table, what became of them; brought in again, it changes nothing.

    :raises UnreadableFile: if the file is none of DuckDB's, or damaged
    :raises BadMapping: if a wish can't be fulfilled
    """
    with DuckFile(path) as file:
        for looked in _looked_at(file, wishes):
            for dataset in looked.table.datasets if looked.known else ():
                report = looked.reports[dataset] = FileReport()
                for frame in file.batches(looked.table, dataset):
                    _store(looked, dataset, frame, report, (source, recorded_at, wishes))
                    if progress is not None:
                        progress(looked.table.name, report.lines)
                report.settle()
            yield looked


def _looked_at(file: DuckFile, wishes: Wishes) -> Iterator[TableReport]:
    """Yield every table as it is understood."""
    tables = file.tables()
    known = {table.name for table in tables}
    if missing := set(wishes.tables) - known:
        raise BadMapping(f"There is no table {', '.join(sorted(missing))}; there are {', '.join(sorted(known)) or 'none'}.")
    for table in tables:
        wished = _as_wished(table, wishes.tables.get(table.name, ""))
        report = TableReport(wished)
        if wished.datasets and not wished.problem:
            for symbol, rows in file.symbols(wished).items():
                _look_up(symbol, rows, report, wishes)
        else:
            report.table = replace(wished, datasets=())
        yield report


def _as_wished(table: TableMap, wish: str) -> TableMap:
    """Return a table as the caller understands it.

    :raises BadMapping: if it can't be so
    """
    if not wish:
        return table
    if wish == SKIP:
        return replace(table, datasets=(), problem="it is left as asked")
    kind, _, timeframe_text = wish.partition(":")
    possible = datasets_of(table.columns)
    wanted = [dataset for dataset in possible if dataset.value == kind]
    if not wanted or "symbol" not in table.columns or "timestamp" not in table.columns:
        held = ", ".join(possible) if possible else "no prices"
        raise BadMapping(f"{table.name} can't be read as {kind}: by its columns it holds {held}.")
    timeframe = timeframe_of(timeframe_text) if timeframe_text else table.timeframe
    if kind == Dataset.BARS and timeframe is None and "timeframe" not in table.columns:
        raise BadMapping(f"Say how long the bars of {table.name} last: {table.name}=bars:TIMEFRAME, of {', '.join(Timeframe)}.")
    return replace(table, datasets=tuple(wanted), timeframe=timeframe, problem="", said_by="you")


def _look_up(symbol: str, rows: int, report: TableReport, wishes: Wishes) -> None:
    """Note which instrument a symbol means, or why none."""
    try:
        report.known[symbol] = wishes.symbols.get(symbol) or _by_isin(symbol) or _by_name(symbol, wishes)
    except ValidationError as refusal:
        report.unknown[symbol] = (rows, " ".join(refusal.messages))


def _by_isin(symbol: str) -> Instrument | None:
    """Return the instrument of a symbol that ends in an ISIN, such as NSE_EQ|INE002A01018, if only one has that."""
    isin = ISIN_AT_THE_END.search(symbol)
    found = list(Instrument.objects.filter(isin=isin[1])[:2]) if isin else []
    return found[0] if len(found) == 1 else None


def _by_name(symbol: str, wishes: Wishes) -> Instrument:
    """Return the instrument of a symbol or key.

    :raises ValidationError: if there is none, or there are several
    """
    if ":" in symbol:
        return find_instrument(symbol)
    return instrument_of(symbol.strip().upper(), wishes.choices)


def _store(
    looked: TableReport, dataset: Dataset, frame: pl.DataFrame, report: FileReport, delivery: tuple[str, datetime, Wishes]
) -> None:
    """Store a batch of rows."""
    source, recorded_at, wishes = delivery
    start = report.lines
    report.lines += frame.height
    ids = {symbol: str(instrument.pk) for symbol, instrument in looked.known.items()}
    rows = frame.with_row_index("row", offset=start + 1).with_columns(
        instrument=pl.col("symbol").fill_null("").replace_strict(ids, default=None, return_dtype=pl.String)
    )
    rows = rows.filter(pl.col("instrument").is_not_null()).drop("symbol")
    rows = _timed(rows, dataset, looked.table, "UTC" if looked.table.in_utc else wishes.time_zone)
    if not rows.height:
        return
    with transaction.atomic():
        done = store_frame(
            dataset=dataset,
            source=source,
            frame=rows.drop("row"),
            recorded_at=recorded_at,
            correct=wishes.choices.correct,
        )
    report.add(done, rows["row"].to_list(), rows=rows.height)


def _timed(rows: pl.DataFrame, dataset: Dataset, table: TableMap, zone: str) -> pl.DataFrame:
    """Return rows with their times in UTC and, of bars, their timeframe; a daily bar belongs to the day as written."""
    instant = pl.col("timestamp").cast(pl.Datetime("us"))
    utc = instant.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    if dataset is not Dataset.BARS:
        return rows.with_columns(timestamp=utc)
    names = {name: each.value for name, each in TIMEFRAMES.items()}
    said = pl.col("timeframe").str.strip_chars().str.to_lowercase() if "timeframe" in rows.columns else None
    timeframe = pl.lit(table.timeframe.value if table.timeframe else "") if said is None else said.replace(names)
    rows = rows.with_columns(timeframe=timeframe)
    day = instant.dt.truncate("1d").dt.replace_time_zone("UTC")
    rows = rows.with_columns(timestamp=pl.when(pl.col("timeframe") == Timeframe.DAY.value).then(day).otherwise(utc))
    counted = rows.schema.get("trade_count") == pl.Decimal
    return rows.with_columns(pl.col("trade_count").cast(pl.Int64, strict=False)) if counted else rows
