"""Tables of prices in files, CSV or Parquet, read tolerantly.

Columns are found by their headings, in any order and case, and others are passed over. Times without an offset are UTC, a
daily bar belongs to the day as written, whole numbers are Unix seconds, milliseconds, microseconds or nanoseconds. Numbers are
rounded to the places that are stored, for such files often hold floats. A Parquet file may have its times as the index of a
DataFrame.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from marketdata.adapters.base import PAGE, Page, ProviderFailed
from marketdata.domain.bars import EPOCH
from marketdata.domain.money import plain, round_to

FLOAT = re.compile(r"[+-]?\d{1,20}(\.\d{0,40})?([eE][+-]?\d{1,2})?", re.ASCII)
ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})([T ](?P<time>\d{2}:\d{2}(:\d{2}(\.\d+)?)?)(?P<offset>Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
UNIX = re.compile(r"\d{9,10}(\d{3}){0,3}", re.ASCII)
UNIX_SECONDS = 10
SIZES = {"volume", "size", "bid_size", "ask_size", "rate"}
TEXTS = {"timestamp", "date", "trade_count", "conditions", "base", "quote"}
TIMES = {"timestamp", "time", "date", "datetime", "day", "open_time", "index", "__index_level_0__"}

Line = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a table is of: its columns by the headings they go by, those that have to be there, and whether it has days."""

    headings: Mapping[str, set[str]]
    needed: tuple[str, ...]
    daily: bool = False

    @property
    def time(self) -> str:
        """The column that says when."""
        return self.needed[0]


_BAR = {
    "timestamp": TIMES,
    "open": {"open", "o", "open_price"},
    "high": {"high", "h", "high_price"},
    "low": {"low", "l", "low_price"},
    "close": {"close", "c", "close_price", "close/last", "last"},
    "volume": {"volume", "vol", "v"},
    "vwap": {"vwap", "vw", "average"},
    "trade_count": {"trade_count", "trades", "n", "number_of_trades"},
}
_NEEDED = ("timestamp", "open", "high", "low", "close")
BARS, DAILY_BARS = Kind(_BAR, _NEEDED), Kind(_BAR, _NEEDED, daily=True)
QUOTES = Kind(
    {
        "timestamp": TIMES,
        "bid": {"bid", "bid_price", "bp", "b"},
        "ask": {"ask", "ask_price", "ap", "a", "offer"},
        "bid_size": {"bid_size", "bidsize", "bs", "bid_volume"},
        "ask_size": {"ask_size", "asksize", "as", "ask_volume"},
    },
    ("timestamp", "bid", "ask"),
)
TICKS = Kind(
    {
        "timestamp": TIMES,
        "price": {"price", "p", "last", "trade_price"},
        "size": {"size", "s", "volume", "qty", "quantity", "amount"},
        "conditions": {"conditions", "condition", "c", "cond"},
    },
    ("timestamp", "price", "size"),
)
RATES = Kind({"date": TIMES, "rate": {"rate", "close", "value", "price"}}, ("date", "rate"), daily=True)


def pages(path: Path, kind: Kind, start: datetime, end: datetime) -> Iterator[Page]:
    """Yield the rows of a file in a period, some thousand at a time; lines that can't be read come along as they are.

    :raises ProviderFailed: if the file has no such columns, or can't be read at all
    """
    read = _parquet_rows if path.suffix == ".parquet" else _csv_rows
    rows: list[object] = []
    lines: list[int] = []
    try:
        for line, row in read(path, kind):
            at = _instant(row.get(kind.time)) if isinstance(row, dict) else None
            if at is not None and not start <= at < end:
                continue
            rows.append(row)
            lines.append(line)
            if len(rows) == PAGE:
                yield Page(tuple(rows), tuple(lines))
                rows, lines = [], []
    except OSError as error:
        raise ProviderFailed(f"{path.name} can't be read: {error.strerror or error}.") from error
    except pa.ArrowException as error:
        raise ProviderFailed(f"{path.name} is no Parquet file that can be read: {error}") from error
    if rows:
        yield Page(tuple(rows), tuple(lines))


def _csv_rows(path: Path, kind: Kind) -> Iterator[tuple[int, object]]:
    """Yield the rows of a file, oldest first, each with its line; a line with too many or too few values stays a text."""
    lines = _lines(path)
    _, headings = next(lines, (0, []))
    columns = _columns(path, headings, kind)
    when = columns[kind.time]
    if not _ascending(_time(values, when, kind) for _, values in _body(path)):
        lines = iter(sorted(_body(path), key=lambda line: _time(line[1], when, kind)))
    for number, values in lines:
        if len(values) != len(headings):
            yield number, ",".join(values)
        else:
            row = {name: _plain(name, values[place]) for name, place in columns.items()}
            yield number, row | {kind.time: _time(values, when, kind)}


def _parquet_rows(path: Path, kind: Kind) -> Iterator[tuple[int, object]]:
    """Yield the rows of a Parquet file, oldest first, each with its number."""
    with pq.ParquetFile(path) as file:
        columns = _columns(path, file.schema_arrow.names, kind)
        batches = (
            batch.to_pydict() for batch in file.iter_batches(PAGE, columns=_names(file, columns), use_threads=False)
        )  # fmt: skip
        numbered = enumerate((row for batch in batches for row in zip(*batch.values(), strict=True)), 1)
        rows = [(number, _as_text(dict(zip(_order(file, columns), row, strict=True)), kind)) for number, row in numbered]
    if not _ascending(str(row[kind.time]) for _, row in rows):
        rows.sort(key=lambda each: str(each[1][kind.time]))
    yield from rows


def _names(file: pq.ParquetFile, columns: Mapping[str, int]) -> list[str]:
    return [file.schema_arrow.names[place] for place in sorted(columns.values())]


def _order(file: pq.ParquetFile, columns: Mapping[str, int]) -> list[str]:
    return sorted(columns, key=lambda name: columns[name])


def _as_text(row: Mapping[str, object], kind: Kind) -> dict[str, object]:
    """Return the values of a Parquet row as they would be written in a CSV file; nothing for what is missing."""
    texts = {name: _text(value) for name, value in row.items() if value is not None}
    return {**{name: _plain(name, text) for name, text in texts.items()}, kind.time: _time([texts.get(kind.time, "")], 0, kind)}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return value.isoformat() if isinstance(value, date) else str(value)


def _body(path: Path) -> Iterator[Line]:
    """Yield the lines of a file below its headings."""
    lines = _lines(path)
    next(lines, None)
    yield from lines


def _lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file that are not empty, taken apart; one that can't be is a value by itself."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                values = [f"({error})"]
            if any(values):
                yield reader.line_num, [value.strip() for value in values]


def _columns(path: Path, headings: Sequence[str], kind: Kind) -> dict[str, int]:
    """Return where each column stands.

    :raises ProviderFailed: if one that is needed is not there
    """
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        plain_heading = re.sub(r"[\s\-]+", "_", heading.lower())
        for name, spellings in kind.headings.items():
            if plain_heading in spellings:
                found.setdefault(name, place)
    missing = [name for name in kind.needed if name not in found]
    if missing:
        raise ProviderFailed(f"{path.name} has no column for {', '.join(missing)}; its first line must name the columns.")
    return found


def _ascending(times: Iterable[str]) -> bool:
    """Say whether times run forward; in one file they are all written alike."""
    return all(earlier <= later for earlier, later in pairwise(times))


def _time(values: list[str], place: int, kind: Kind) -> str:
    """Return the time of a line as ISO 8601 with an offset, the day of a daily row, or what is there if it is neither."""
    text = values[place] if place < len(values) else ""
    if UNIX.fullmatch(text):
        more = max(0, len(text) - UNIX_SECONDS) // 3 * 3
        text = (EPOCH + timedelta(microseconds=int(text) * 1_000_000 // 10**more)).isoformat()
    found = ISO.fullmatch(text)
    if not found:
        return text
    if kind.daily:
        return found["day"]
    return f"{found['day']}T{found['time'] or '00:00'}{found['offset'] or '+00:00'}"


def _instant(text: object) -> datetime | None:
    """Return the instant a time means, or None if it is none."""
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _plain(name: str, text: str) -> str:
    """Return a number in plain spelling, rounded to the places that are stored; what is none stays as it is."""
    if name in TEXTS or not FLOAT.fullmatch(text):
        return text
    return plain(round_to(Decimal(text), 12 if name in SIZES else 10))
