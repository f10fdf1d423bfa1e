"""A folder of CSV files as a source of prices: `{symbol}_{timeframe}.csv`, such as `AAPL_1d.csv` or `BTC-USD_1h.csv`.

A slash in a symbol is written as a hyphen. Files that lie in the folder itself are taken for any exchange, or for the one
the option `exchange` names; files in a subfolder named like an exchange (`XNAS/AAPL_1d.csv`) come first and are for it alone.

Columns are found by their headings, in any order and case, and others are passed over. Times without an offset are UTC, a
daily bar belongs to the day as written, whole numbers are Unix seconds or milliseconds. Prices are rounded to the places that
are stored, for such files often hold floats written out.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, pairwise
from pathlib import Path

from marketdata.adapters.base import PAGE, Page, ProviderFailed
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing
from marketdata.domain.money import plain, round_to

NAME = re.compile(r"(?P<symbol>[A-Z0-9][A-Z0-9.\-^]*)_(?P<timeframe>1m|5m|15m|1h|1d)\.csv", re.ASCII)
FLOAT = re.compile(r"[+-]?\d{1,20}(\.\d{0,40})?([eE][+-]?\d{1,2})?", re.ASCII)
ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})([T ](?P<time>\d{2}:\d{2}(:\d{2}(\.\d+)?)?)(?P<offset>Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
UNIX = re.compile(r"\d{9,10}(\d{3})?", re.ASCII)
UNIX_SECONDS = 10
PLACES = {"volume": 12}

HEADINGS = {
    "timestamp": {"timestamp", "time", "date", "datetime", "day", "open_time"},
    "open": {"open", "o", "open_price"},
    "high": {"high", "h", "high_price"},
    "low": {"low", "l", "low_price"},
    "close": {"close", "c", "close_price", "close/last", "last"},
    "volume": {"volume", "vol", "v"},
    "vwap": {"vwap", "vw", "average"},
    "trade_count": {"trade_count", "trades", "n", "number_of_trades"},
}
NEEDED = ("timestamp", "open", "high", "low", "close")

Line = tuple[int, list[str]]


class FolderProvider:
    """The files of a folder as a source like any other."""

    timeframes = frozenset(Timeframe)

    def __init__(self, *, folder: str | Path, exchange: str = "", name: str = "files") -> None:
        self.name, self.folder, self.exchange = name, Path(folder), exchange

    def listings(self) -> Iterable[Listing]:
        """Return nothing: a file says the symbol, but neither the exchange nor what it is."""
        return ()

    def files(self) -> Iterator[tuple[Path, str, str, Timeframe]]:
        """Yield every file of prices with its symbol as written, its exchange ("" for any) and its timeframe."""
        for path in sorted(chain(self.folder.glob("*.csv"), self.folder.glob("*/*.csv"))):
            found = NAME.fullmatch(path.name)
            exchange = self.exchange if path.parent == self.folder else path.parent.name
            if found:
                yield path, found["symbol"], exchange, Timeframe(found["timeframe"])

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        """Say whether there is a file for an instrument."""
        return self.path_of(listing, timeframe) is not None

    def path_of(self, listing: Listing, timeframe: Timeframe) -> Path | None:
        """Return the file of an instrument, if there is one."""
        name = f"{listing.symbol.replace('/', '-')}_{timeframe}.csv"
        if not NAME.fullmatch(name):
            return None
        places = [self.folder / listing.exchange / name]
        if self.exchange in {"", listing.exchange}:
            places.append(self.folder / name)
        return next((path for path in places if path.is_file()), None)

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of an instrument that start in [start, end); lines that can't be read come along as they are.

        :raises ProviderFailed: if there is no file or it has no such columns
        """
        path = self.path_of(listing, timeframe)
        if path is None:
            raise ProviderFailed(f"{self.folder} holds no {timeframe} bars of {listing.key}.")
        try:
            yield from _pages(path, timeframe, start, end)
        except OSError as error:
            raise ProviderFailed(f"{path.name} can't be read: {error.strerror}.") from error


def _pages(path: Path, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
    """Yield the rows of a file in a period, some thousand at a time."""
    rows: list[object] = []
    lines: list[int] = []
    for line, row in _rows(path, timeframe):
        at = _instant(row.get("timestamp")) if isinstance(row, dict) else None
        if at is not None and not start <= at < end:
            continue
        rows.append(row)
        lines.append(line)
        if len(rows) == PAGE:
            yield Page(tuple(rows), tuple(lines))
            rows, lines = [], []
    if rows:
        yield Page(tuple(rows), tuple(lines))


def _rows(path: Path, timeframe: Timeframe) -> Iterator[tuple[int, object]]:
    """Yield the rows of a file, oldest first, each with its line; a line with too many or too few values stays a text."""
    lines = _lines(path)
    _, headings = next(lines, (0, []))
    columns = _columns(path, headings)
    daily = timeframe is Timeframe.DAY
    when = columns["timestamp"]
    if not _ascending(_time(values, when, daily) for _, values in _body(path)):
        lines = iter(sorted(_body(path), key=lambda line: _time(line[1], when, daily)))
    for number, values in lines:
        if len(values) != len(headings):
            yield number, ",".join(values)
        else:
            row = {name: _plain(name, values[place]) for name, place in columns.items()}
            yield number, row | {"timestamp": _time(values, when, daily)}


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


def _columns(path: Path, headings: list[str]) -> dict[str, int]:
    """Return where each column stands.

    :raises ProviderFailed: if one that is needed is not there
    """
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        plain_heading = re.sub(r"[\s\-]+", "_", heading.lower())
        for name, spellings in HEADINGS.items():
            if plain_heading in spellings:
                found.setdefault(name, place)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ProviderFailed(f"{path.name} has no column for {', '.join(missing)}; its first line must name the columns.")
    return found


def _ascending(times: Iterable[str]) -> bool:
    """Say whether times run forward; in one file they are all written alike."""
    return all(earlier <= later for earlier, later in pairwise(times))


def _time(values: list[str], place: int, daily: bool) -> str:
    """Return the time of a line as ISO 8601 with an offset, the day of a daily bar, or what is there if it is neither."""
    text = values[place] if place < len(values) else ""
    if UNIX.fullmatch(text):
        seconds = int(text) if len(text) <= UNIX_SECONDS else int(text) / 1000
        text = datetime.fromtimestamp(seconds, UTC).isoformat()
    found = ISO.fullmatch(text)
    if not found:
        return text
    if daily:
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
    if name in {"timestamp", "trade_count"} or not FLOAT.fullmatch(text):
        return text
    return plain(round_to(Decimal(text), PLACES.get(name, 10)))
