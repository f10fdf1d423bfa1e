"""A folder of files as a source of prices, CSV or Parquet, named after what they hold.

`AAPL_1d.csv` and `BTC-USD_1h.parquet` hold bars, `AAPL_quotes.csv` quotes, `AAPL_ticks.csv` trades, `EUR-USD_fx.csv` what one
euro was worth in dollars. A slash in a symbol is written as a hyphen. Files that lie in the folder itself are taken for any
exchange, or for the one the option `exchange` names; files in a subfolder named like an exchange (`XNAS/AAPL_1d.csv`) come
first and are for it alone. What the files may look like inside, `tables` says.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from itertools import chain
from pathlib import Path

from marketdata.adapters import tables
from marketdata.adapters.base import Capabilities, Page, ProviderFailed, Source
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing

NAME = re.compile(r"(?P<symbol>[A-Z0-9][A-Z0-9.\-^]*)_(?P<kind>1m|5m|15m|1h|1d|quotes|ticks|fx)\.(csv|parquet)", re.ASCII)
FRAMES = frozenset(each.value for each in Timeframe)
ENDINGS = (".csv", ".parquet")


class FolderProvider(Source):
    """The files of a folder as a source like any other."""

    def __init__(self, *, folder: str | Path, exchange: str = "", name: str = "files") -> None:
        super().__init__(name, Capabilities(timeframes=frozenset(Timeframe), quotes=True, ticks=True, fx_rates=True))
        self.folder, self.exchange = Path(folder), exchange

    def files(self) -> Iterator[tuple[Path, str, str, Timeframe]]:
        """Yield every file of bars with its symbol as written, its exchange ("" for any) and its timeframe."""
        for path in sorted(chain(self.folder.glob("*.*"), self.folder.glob("*/*.*"))):
            found = NAME.fullmatch(path.name)
            exchange = self.exchange if path.parent == self.folder else path.parent.name
            if found and found["kind"] in FRAMES:
                yield path, found["symbol"], exchange, Timeframe(found["kind"])

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        """Say whether there is a file for an instrument."""
        return self.path_of(listing, timeframe.value) is not None

    def path_of(self, listing: Listing, kind: str) -> Path | None:
        """Return the file of an instrument, if there is one."""
        places = [self.folder / listing.exchange]
        if self.exchange in {"", listing.exchange}:
            places.append(self.folder)
        return _first_of(places, listing.symbol, kind)

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of an instrument that start in [start, end); lines that can't be read come along as they are.

        :raises ProviderFailed: if there is no file or it has no such columns
        """
        kind = tables.DAILY_BARS if timeframe is Timeframe.DAY else tables.BARS
        yield from self._pages(self.path_of(listing, timeframe.value), kind, (start, end), f"{timeframe} bars of {listing.key}")

    def quotes(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the quotes of an instrument in [start, end).

        :raises ProviderFailed: if there is no file or it has no such columns
        """
        yield from self._pages(self.path_of(listing, "quotes"), tables.QUOTES, (start, end), f"quotes of {listing.key}")

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the trades in an instrument in [start, end).

        :raises ProviderFailed: if there is no file or it has no such columns
        """
        yield from self._pages(self.path_of(listing, "ticks"), tables.TICKS, (start, end), f"trades in {listing.key}")

    def fx_rates(self, base: str, quote: str, start: date, end: date) -> Iterator[Page]:
        """Yield the rates of a pair on the days of [start, end).

        :raises ProviderFailed: if there is no file or it has no such columns
        """
        path = _first_of([self.folder], f"{base}-{quote}", "fx") or _first_of([self.folder], f"{base}{quote}", "fx")
        period = (datetime.combine(start, time(), UTC), datetime.combine(end, time(), UTC))
        for page in self._pages(path, tables.RATES, period, f"rates of {base}/{quote}"):
            pair = {"base": base, "quote": quote}
            yield Page(tuple({**row, **pair} if isinstance(row, dict) else row for row in page.rows), page.lines)

    def _pages(
        self, path: Path | None, kind: tables.Kind, period: tuple[datetime, datetime], what: str
    ) -> Iterator[Page]:  # fmt: skip
        if path is None:
            raise ProviderFailed(f"{self.folder} holds no {what}.")
        yield from tables.pages(path, kind, *period)


def _first_of(places: list[Path], symbol: str, kind: str) -> Path | None:
    """Return the first file of that name that is there."""
    names = [f"{symbol.replace('/', '-')}_{kind}{ending}" for ending in ENDINGS]
    paths = (place / name for place in places for name in names if NAME.fullmatch(name))
    return next((path for path in paths if path.is_file()), None)
