"""Price series as files: `btcusd_timeseries.jsonl`, one JSON object a line, and `btcusd_1h_2024-01-01_2024-02-01.parquet`.

A slash in a symbol is written as a hyphen, and names are in lower case. JSON lines may be packed with gzip (`.jsonl.gz`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any, BinaryIO

import orjson

from marketdata.adapters.lines import UnreadableFile, bounded_lines, opened
from marketdata.adapters.series_parquet import read_parquet
from marketdata.adapters.series_rows import BadLine, Record, named, records, timeframe_of
from marketdata.domain.bars import Timeframe
from marketdata.domain.money import plain

SYMBOL = r"(?P<symbol>[a-z0-9][a-z0-9.\-^]{0,23})"
LINES_NAME = re.compile(rf"{SYMBOL}_timeseries\.jsonl(\.gz)?", re.ASCII | re.IGNORECASE)
FRAME_NAME = re.compile(
    rf"{SYMBOL}_(?P<timeframe>[a-z0-9]{{1,8}})_(?P<start>\d{{4}}-?\d{{2}}-?\d{{2}})_(?P<end>\d{{4}}-?\d{{2}}-?\d{{2}})\.parquet",
    re.ASCII | re.IGNORECASE,
)
LONGEST_LINE = 256 * 1024
SHOWN = 80


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """What the name of a file says: whose prices it holds, and for Parquet how long its bars last."""

    symbol: str
    timeframe: Timeframe | None
    parquet: bool


def described(name: str) -> SeriesFile:
    """Return what a file's name says.

    :raises UnreadableFile: if it is not the name of a series

    >>> described("btc-usd_1h_2024-01-01_2024-02-01.parquet")
    SeriesFile(symbol='BTC-USD', timeframe=<Timeframe.HOUR: '1h'>, parquet=True)
    """
    base = PurePath(name.replace("\\", "/")).name
    if found := LINES_NAME.fullmatch(base):
        return SeriesFile(found["symbol"].upper(), None, parquet=False)
    if found := FRAME_NAME.fullmatch(base):
        timeframe = timeframe_of(found["timeframe"])
        if timeframe is None:
            raise UnreadableFile(f"{found['timeframe']} is none of the timeframes {', '.join(Timeframe)}.")
        return SeriesFile(found["symbol"].upper(), timeframe, parquet=True)
    raise UnreadableFile("The file must be named SYMBOL_timeseries.jsonl or SYMBOL_TIMEFRAME_START_END.parquet.")


def read_series_file(file: BinaryIO, about: SeriesFile, *, timeframe: Timeframe | None = None) -> Iterator[Record | BadLine]:
    """Yield what the lines of a file say; `timeframe` is that of bars that do not say theirs.

    :raises UnreadableFile: if the file as a whole can't be read
    """
    if about.parquet:
        for number, values in read_parquet(file):
            yield from records(number, values, about.timeframe)
    else:
        yield from _read_lines(file, about, timeframe)


def _read_lines(file: BinaryIO, about: SeriesFile, timeframe: Timeframe | None) -> Iterator[Record | BadLine]:
    """Yield what lines of JSON say; empty ones are passed over."""
    for number, line in bounded_lines(opened(file), longest=LONGEST_LINE):  # type: ignore[arg-type]  # readline is enough
        if line is None:
            yield BadLine(number, f"The line is longer than {LONGEST_LINE} bytes.")
        elif line.strip():
            yield from _read_line(number, line, about, timeframe)


def _read_line(number: int, line: bytes, about: SeriesFile, timeframe: Timeframe | None) -> Iterator[Record | BadLine]:
    """Yield what a line of JSON says."""
    shown = line[:SHOWN].decode("utf-8", "replace")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        found = json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_unique)
    except (ValueError, RecursionError, ArithmeticError) as error:
        yield BadLine(number, f"The line is not JSON: {str(error)[:SHOWN] or 'it is nested too deeply'}.", shown)
        return
    if not isinstance(found, dict):
        yield BadLine(number, "The line is not a JSON object.", shown)
        return
    values = named(found)
    other = values.pop("symbol", None)
    if other is not None and _bare(str(other)) != _bare(about.symbol):
        yield BadLine(number, f"The line is about {str(other)[:SHOWN]}, the file about {about.symbol}.", shown)
        return
    for each in records(number, values, timeframe):
        yield BadLine(each.line, each.detail, shown) if isinstance(each, BadLine) else each


def lines_name(symbol: str) -> str:
    """Return what the file of JSON lines of a symbol is called.

    >>> lines_name("BTC/USD")
    'btc-usd_timeseries.jsonl'
    """
    return f"{_in_names(symbol)}_timeseries.jsonl"


def frame_name(symbol: str, timeframe: Timeframe, first: date, last: date) -> str:
    """Return what the Parquet file of a symbol is called.

    >>> frame_name("BTC/USD", Timeframe.HOUR, date(2024, 1, 1), date(2024, 2, 1))
    'btc-usd_1h_2024-01-01_2024-02-01.parquet'
    """
    return f"{_in_names(symbol)}_{timeframe.value}_{first}_{last}.parquet"


def write_lines(symbol: str, rows: Iterable[Mapping[str, Any]], *, timeframe: Timeframe | None = None) -> Iterator[bytes]:
    """Yield rows as lines of JSON; numbers are written as JSON numbers with all their digits, times in UTC."""
    head: dict[str, Any] = {"symbol": symbol} | ({"timeframe": timeframe.value} if timeframe else {})
    for row in rows:
        values = {name: _json(value) for name, value in row.items() if value is not None and value != ""}
        yield orjson.dumps(head | values, option=orjson.OPT_APPEND_NEWLINE)


def _json(value: Any) -> Any:
    """Return a value as JSON keeps it."""
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value))
    return value.isoformat() if isinstance(value, datetime) else value


def _in_names(symbol: str) -> str:
    return symbol.lower().replace("/", "-")


def _bare(symbol: str) -> str:
    """Return a symbol without what stands between its parts, and without its exchange."""
    return re.sub(r"[-/_ ]", "", symbol.partition(":")[0]).upper()


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found
