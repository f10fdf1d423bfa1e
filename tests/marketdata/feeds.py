"""A feed that runs beside a test, on a vendor of this machine, and what must be in the database in the end."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connections

from config.processes import wait_until
from marketdata.adapters.alpaca_stream import AlpacaStream
from marketdata.models import Instrument, Quote, StreamState, Tick
from marketdata.services.feed import Feed, Pace
from marketdata.services.live import Publisher
from tests.factories import unique_symbol
from tests.marketdata.vendor import KEY, SECRET, JournalHistory, Vendor

HASTY = {"within": 0.05, "first_pause": 0.05, "longest_pause": 0.2, "beat": 0.2, "farewell": 0.5}


class Running:
    """A feed in a thread of its own."""

    def __init__(self, vendor: Vendor, instruments: list[Instrument], *, history: Any = None, **options: Any) -> None:
        self.name = options.pop("name", None) or f"test-{unique_symbol()}"
        self.instruments = instruments
        self.failure: BaseException | None = None
        pace = Pace(**HASTY | options.pop("pace", {}))
        stream = AlpacaStream(
            name=self.name, url=vendor.url, key_id=KEY, secret_key=SECRET, exchanges=["XTST"], silence=1, patience=1
        )
        publisher = options.pop("publisher", None) or Publisher(channel=f"test:{self.name}")
        self.feed = Feed(stream, history, self.wanted, lambda: datetime.now(UTC), publisher, pace=pace, **options)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def wanted(self) -> dict[str, Instrument]:
        """Return what is to be subscribed."""
        return {instrument.symbol: instrument for instrument in self.instruments}

    def run(self) -> None:
        """Feed, and keep what it fails with."""
        try:
            self.loop = asyncio.new_event_loop()
            self.loop.run_until_complete(self.feed.run())
        except BaseException as failure:
            self.failure = failure
        finally:
            connections.close_all()

    def leave(self) -> None:
        """Tell it to go, and wait until it is gone."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.feed.leave)
        self.thread.join(20)
        assert not self.thread.is_alive()

    @property
    def state(self) -> StreamState:
        """What it has written down of itself."""
        return StreamState.objects.get(provider=self.name)


@contextmanager
def feeding(vendor: Vendor, instruments: list[Instrument], **options: Any) -> Iterator[Running]:
    """Run a feed beside the test."""
    running = Running(vendor, instruments, **options)
    running.thread.start()
    try:
        until(lambda: StreamState.objects.filter(provider=running.name).exists() or running.failure is not None)
        yield running
    finally:
        running.leave()


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    assert wait_until(done, seconds=seconds)


class Journal:
    """All that a vendor ever had to tell, kept in a file as his history."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.Lock()
        self.kept: list[dict[str, Any]] = []

    @property
    def history(self) -> JournalHistory:
        """The file as a provider."""
        return JournalHistory(name="journal", file=str(self.file))

    def keep(self, message: dict[str, Any]) -> dict[str, Any]:
        """Write a message down, before anybody is told."""
        with self.lock, self.file.open("a") as file:
            file.write(json.dumps(message) + "\n")
            self.kept.append(message)
        return message

    def quotes(self, symbol: str) -> dict[datetime, tuple[Decimal, ...]]:
        """Return what must be stored of an instrument's quotes."""
        return {
            datetime.fromisoformat(row["t"]): tuple(Decimal(str(row[name])) for name in ("bp", "ap", "bs", "as"))
            for row in self.kept
            if row["T"] == "q" and row["S"] == symbol
        }

    def ticks(self, symbol: str) -> set[tuple[datetime, Decimal, Decimal]]:
        """Return what must be stored of an instrument's trades."""
        return {
            (datetime.fromisoformat(row["t"]), Decimal(row["p"]), Decimal(row["s"]))
            for row in self.kept
            if row["T"] == "t" and row["S"] == symbol
        }


def stored_quotes(instrument: Instrument) -> dict[datetime, tuple[Decimal, ...]]:
    """Return what is stored of an instrument's quotes."""
    rows = Quote.objects.filter(instrument=instrument).values_list("timestamp", "bid", "ask", "bid_size", "ask_size")
    return {at: tuple(figures) for at, *figures in rows}


def stored_ticks(instrument: Instrument) -> set[tuple[datetime, Decimal, Decimal]]:
    """Return what is stored of an instrument's trades."""
    return set(Tick.objects.filter(instrument=instrument).values_list("timestamp", "price", "size"))
