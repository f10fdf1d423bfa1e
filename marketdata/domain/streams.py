"""What a live feed brings: its messages, the bounded place where they wait, and the frames that are stored of them."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeAlias

import polars as pl

from marketdata.domain.quality import Dataset

UTC_MICROSECONDS = pl.Datetime("us", "UTC")
WIDEST = 40  # digits; a number that is wider is shown as it came, and refused


class StreamQuote(NamedTuple):
    """What was bid and asked; numbers are their plain spelling."""

    symbol: str
    timestamp: datetime
    bid: str | None
    ask: str | None
    bid_size: str | None
    ask_size: str | None


class StreamTrade(NamedTuple):
    """A trade; numbers are their plain spelling."""

    symbol: str
    timestamp: datetime
    price: str | None
    size: str | None
    conditions: str


class StreamBar(NamedTuple):
    """A minute that is over; numbers are their plain spelling."""

    symbol: str
    timestamp: datetime
    open: str | None
    high: str | None
    low: str | None
    close: str | None
    volume: str | None
    vwap: str | None
    trade_count: int | None


class Garbled(NamedTuple):
    """Something that is no message, and why."""

    text: str
    reason: str


Message: TypeAlias = StreamQuote | StreamTrade | StreamBar | Garbled


def plain_number(value: object) -> str | None:
    """Return a number as a vendor writes it in its plain spelling; what is none is left as it is, for a rule to refuse.

    >>> plain_number("187.12"), plain_number(100), plain_number("1.5e-07"), plain_number(0.1), plain_number("cheap")
    ('187.12', '100', '0.00000015', '0.1', 'cheap')
    """
    if value is None:
        return None
    text = repr(value) if isinstance(value, float) else str(value)
    if "e" not in text and "E" not in text:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return f"{number:f}" if number.is_finite() and abs(number.adjusted()) <= WIDEST else text


class Backlog:
    """Messages that have come and are not stored yet: a bounded number of them, and whoever brings more waits.

    A message counts as waiting until `done` says that it is stored.
    """

    def __init__(self, *, limit: int, most: int) -> None:
        self.limit, self.most = limit, most
        self.waiting = self.most_waiting = self.times_full = 0
        self._queue: deque[Message] = deque()
        self._some, self._enough, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self.closed = False

    async def put(self, messages: Sequence[Message]) -> None:
        """Add messages, once there is room for them; as many as do not fit even alone are taken alone."""
        if self.waiting and self.waiting + len(messages) > self.limit:
            self.times_full += 1
            while self.waiting and self.waiting + len(messages) > self.limit:
                self._room.clear()
                await self._room.wait()
        self._queue.extend(messages)
        self.waiting += len(messages)
        self.most_waiting = max(self.most_waiting, self.waiting)
        self._some.set()
        if len(self._queue) >= self.most:
            self._enough.set()

    async def take(self, *, within: float) -> list[Message]:
        """Return the next batch: when it is full, or so many seconds after its first message; empty when all is over."""
        await self._some.wait()
        if not self._enough.is_set():
            try:
                async with asyncio.timeout(within):
                    await self._enough.wait()
            except TimeoutError:
                pass
        batch = [self._queue.popleft() for _ in range(min(self.most, len(self._queue)))]
        if not self.closed:
            if not self._queue:
                self._some.clear()
            if len(self._queue) < self.most:
                self._enough.clear()
        return batch

    def done(self, number: int) -> None:
        """Say that so many messages are stored."""
        self.waiting -= number
        self._room.set()

    def close(self) -> None:
        """Say that nothing more comes, so that what is left is handed out at once."""
        self.closed = True
        self._some.set()
        self._enough.set()


def frame_of(dataset: Dataset, messages: Sequence[Message], instruments: Mapping[str, str]) -> pl.DataFrame:
    """Return the messages of one kind as the columns that are stored; `instruments` has the identifier of each symbol."""
    if dataset is Dataset.BARS:
        return _bars(_columns(messages), instruments)
    columns = _columns(messages)
    symbols, timestamps, *figures = columns
    names = QUOTE_FIGURES if dataset is Dataset.QUOTES else TRADE_FIGURES
    series = [pl.Series(name, list(column), pl.String) for name, column in zip(names, figures, strict=True)]
    return pl.DataFrame([*_key(symbols, timestamps, instruments), *series])


QUOTE_FIGURES = ("bid", "ask", "bid_size", "ask_size")
TRADE_FIGURES = ("price", "size", "conditions")
BAR_FIGURES = ("open", "high", "low", "close", "volume", "vwap")


def _columns(messages: Sequence[Message]) -> list[tuple[object, ...]]:
    return list(zip(*messages, strict=True))


def _key(symbols: Iterable[object], timestamps: Iterable[object], instruments: Mapping[str, str]) -> list[pl.Series]:
    return [
        pl.Series("instrument", [instruments[str(symbol)] for symbol in symbols], pl.String),
        pl.Series("timestamp", list(timestamps), UTC_MICROSECONDS),
    ]


def _bars(columns: list[tuple[object, ...]], instruments: Mapping[str, str]) -> pl.DataFrame:
    symbols, timestamps, *figures, counts = columns
    instrument, timestamp = _key(symbols, timestamps, instruments)
    series = [pl.Series(name, list(column), pl.String) for name, column in zip(BAR_FIGURES, figures, strict=True)]
    timeframe = pl.Series("timeframe", ["1m"] * len(instrument), pl.String)
    return pl.DataFrame([instrument, timeframe, timestamp, *series, pl.Series("trade_count", list(counts), pl.Int64)])
