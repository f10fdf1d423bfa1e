"""Real daily prices that come with the package bokeh_sampledata: four US shares, 2000 to 2013, not adjusted for splits."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from marketdata.adapters.base import PAGE, Capabilities, Page, ProviderFailed, Source
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass, Listing

PACKAGE = "bokeh_sampledata"
FILE = "_data/stocks.csv.gz"
SHARES = {
    "AAPL": Listing("AAPL", "XNAS", "Apple Inc.", AssetClass.EQUITY, "USD"),
    "GOOG": Listing("GOOG", "XNAS", "Google Inc.", AssetClass.EQUITY, "USD"),
    "IBM": Listing("IBM", "XNYS", "International Business Machines Corp.", AssetClass.EQUITY, "USD"),
    "MSFT": Listing("MSFT", "XNAS", "Microsoft Corp.", AssetClass.EQUITY, "USD"),
}
COLUMNS = ("open", "high", "low", "close", "volume")


class SampleProvider(Source):
    """The sample prices as a source like any other."""

    def __init__(self, *, name: str = "sample") -> None:
        exchanges = frozenset(share.exchange for share in SHARES.values())
        frames, kinds = frozenset({Timeframe.DAY}), frozenset({AssetClass.EQUITY})
        super().__init__(name, Capabilities(frames, listings=True, asset_classes=kinds, exchanges=exchanges))

    def listings(self) -> Iterable[Listing]:
        """Return the four shares, or none where the package is not installed."""
        return tuple(SHARES.values()) if _file() else ()

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        """Say whether an instrument is one of the four."""
        known = SHARES.get(listing.symbol)
        return (
            timeframe in self.capabilities.timeframes
            and known is not None
            and known.exchange == listing.exchange
            and bool(_file())
        )

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of a share that start in [start, end).

        :raises ProviderFailed: if the package is not installed
        """
        if not self.covers(listing, timeframe):
            raise ProviderFailed(f"The sample has no {timeframe} bars of {listing.key}; is {PACKAGE} installed?")
        rows = _rows(listing.symbol, start, end)
        while page := tuple(islice(rows, PAGE)):
            yield Page(page)


def _rows(symbol: str, start: datetime, end: datetime) -> Iterator[dict[str, str]]:
    """Yield the rows of a share in a period; the file is in the order of days."""
    path = _file()
    if path is None:
        return
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        next(lines)
        for ticker, day, *figures in lines:
            if ticker == symbol and start <= _midnight(day) < end:
                yield {"timestamp": day} | dict(zip(COLUMNS, figures, strict=False))


def _midnight(day: str) -> datetime:
    """Return the start of a day."""
    return datetime.combine(datetime.fromisoformat(day), time(), UTC)


def _file() -> Path | None:
    """Return where the package keeps its prices, without importing it: that would bring pandas along."""
    spec = find_spec(PACKAGE)
    path = Path(spec.origin).parent / FILE if spec and spec.origin else None
    return path if path and path.exists() else None
