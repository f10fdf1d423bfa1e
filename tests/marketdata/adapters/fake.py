"""Providers for tests: one that behaves, and those that do what providers do at their worst."""

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from marketdata.adapters.base import Capabilities, Page, ProviderFailed, Source
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing
from tests.factories import unique_symbol

FIRST = date(2024, 1, 1)


def bar(day: date, close: str = "10") -> dict[str, object]:
    """Return a daily bar at one price."""
    return {"timestamp": day.isoformat(), "open": close, "high": close, "low": close, "close": close, "volume": "1"}


class FakeProvider(Source):
    """Has a bar for each of so many days from 2024 on, of every instrument but NOSUCH, some to a page.

    Unless it is given a name it has one of its own, or that of the test: what goes wrong with one is no other's fault.
    """

    usual_name = ""

    def __init__(self, *, name: str = "", days: int = 20, page: int = 6, known: Iterable[str] = ()) -> None:
        capabilities = Capabilities(frozenset({Timeframe.DAY}), listings=bool(known))
        super().__init__(name or self.usual_name or f"fake-{unique_symbol()}", capabilities)
        self.days, self.page, self.known = days, page, set(known)
        self.asked: list[tuple[str, datetime, datetime]] = []

    def listings(self) -> Iterable[Listing]:
        return [Listing(symbol, "XTST") for symbol in sorted(self.known)]

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        known = not self.known or listing.symbol in self.known
        return timeframe in self.capabilities.timeframes and known and listing.symbol != "NOSUCH"

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        self.asked.append((listing.symbol, start, end))
        if not self.covers(listing, timeframe):
            raise ProviderFailed("No such series.")
        rows = iter(self.rows(start, end))
        while page := tuple(islice(rows, self.page)):
            yield Page(page)

    def rows(self, start: datetime, end: datetime) -> list[object]:
        days = [FIRST + timedelta(days=number) for number in range(self.days)]
        return [bar(day) for day in days if start <= datetime.combine(day, time(), UTC) < end]


class Raising(FakeProvider):
    """Raises after some pages."""

    def __init__(self, *, after: int = 0, error: BaseException | None = None, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.after, self.error = after, error or RuntimeError("the feed is down\x00")

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        yield from islice(super().bars(listing, timeframe, start, end), self.after)
        raise self.error


class Stalling(FakeProvider):
    """Answers some pages and then no more, until it is let go."""

    def __init__(self, *, after: int = 0, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.after, self.let_go = after, threading.Event()

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        yield from islice(super().bars(listing, timeframe, start, end), self.after)
        self.let_go.wait(30)


class Rambling(FakeProvider):
    """Mixes good rows with rubbish."""

    RUBBISH = (
        None,
        "a line",
        {"timestamp": "2024-01-03", "open": "NaN", "high": "1", "low": "1", "close": "1"},
        {"timestamp": "never", "open": 1.5, "high": object(), "low": [], "close": {}},
        bar(FIRST, "-5"),
        bar(date(2999, 1, 1)),
        {"instrument": "AAPL"},
        {},
    )

    def rows(self, start: datetime, end: datetime) -> list[object]:
        return [row for pair in zip(super().rows(start, end), self.RUBBISH * 10, strict=False) for row in pair]
