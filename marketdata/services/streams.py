"""What a live feed writes down: its batches, how far everything is stored, and what it missed.

A batch is committed before the mark `stored_through` moves, and the mark stands still from the moment a connection is lost until
the gap is filled: whoever starts after a crash finds in it where to fetch from. What is fetched twice is stored once.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, connections
from django.db.models import F, Value
from django.db.models.functions import Greatest

from marketdata.adapters.base import Page, ProviderAway, ProviderFailed, ProviderLacks
from marketdata.adapters.patience import in_time
from marketdata.adapters.streams import History, QuoteStream
from marketdata.domain.quality import Dataset, finding
from marketdata.domain.streams import Garbled, Message, StreamBar, StreamQuote, StreamTrade, frame_of
from marketdata.models.instruments import Instrument
from marketdata.models.providers import InstrumentSource, StreamState
from marketdata.services import ingest
from marketdata.services.ingest import IngestReport
from marketdata.services.quality import Found, record_findings

KINDS: Mapping[type[Any], Dataset] = {StreamQuote: Dataset.QUOTES, StreamTrade: Dataset.TICKS, StreamBar: Dataset.BARS}
MOST_GARBLED = 100  # of a batch that are written down one by one; the others are counted
PAGE_SECONDS = 30.0
LONGEST_ERROR = 300
HOLD = "SELECT pg_try_advisory_lock(hashtextextended('marketdata_stream:' || %s, 0))"
HOLDER = """
    SELECT activity.application_name, activity.backend_start
    FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND (classid::bigint << 32 | objid::bigint) = hashtextextended('marketdata_stream:' || %s, 0)
"""


class StreamTaken(Exception):
    """Another process holds the feed; it says which."""


class Latest(NamedTuple):
    """The last quote of an instrument in a batch, and when it was recorded."""

    quote: StreamQuote
    recorded_at: datetime


@dataclass(slots=True)
class Stored:
    """What came of a batch."""

    stored: int = 0
    known: int = 0
    refused: int = 0
    through: datetime | None = None
    latest: dict[str, Latest] = field(default_factory=dict)


def wanted_instruments(*, stream: QuoteStream, keys: Sequence[str] = ()) -> dict[str, Instrument]:
    """Return what a feed is asked for, by the feed's own symbols: some instruments, or all that are followed.

    An instrument that names its sources is left out where the feed is none of them.
    """
    instruments = Instrument.objects.followed()
    if keys:
        pairs = {tuple(key.rsplit(":", 1)) for key in keys}
        named = Instrument.objects.filter(symbol__in=[symbol for symbol, _ in pairs], active=True)
        instruments = named.filter(exchange__in=[exchange for _, exchange in pairs])
        rows = [each for each in instruments.order_by("pk") if (each.symbol, each.exchange) in pairs]
    else:
        rows = list(instruments.order_by("pk"))
    sources: dict[UUID, dict[str, str]] = {}
    for source in InstrumentSource.objects.filter(instrument__in=[row.pk for row in rows]):
        sources.setdefault(source.instrument_id, {})[source.provider] = source.symbol
    wanted: dict[str, Instrument] = {}
    for row in rows:
        own = sources.get(row.pk)
        if own is None or stream.name in own:
            symbol = (own or {}).get(stream.name) or stream.symbol_of(row.listing)
            if symbol:
                wanted.setdefault(symbol, row)
    return wanted


def store_batch(
    *, source: str, messages: Sequence[Message], instruments: Mapping[str, Instrument], at: datetime, advance: bool
) -> Stored:
    """Store messages by the ingest and count them; `advance` moves the mark to the latest of them, once they are committed."""
    result = Stored()
    ids = {symbol: str(instrument.pk) for symbol, instrument in instruments.items()}
    kinds: dict[type[Any], list[Any]] = {}
    garbled: list[Garbled] = []
    for message in messages:
        if isinstance(message, Garbled):
            garbled.append(message)
        elif message.symbol not in ids:
            garbled.append(Garbled(repr(message), f"nobody has asked for {message.symbol!r}"))
        else:
            kinds.setdefault(type(message), []).append(message)
    for kind, came in kinds.items():
        rows = _last_of_each_instant(came) if kind is StreamQuote else came
        result.known += len(came) - len(rows)
        _store_kind(result, KINDS[kind], source, rows, ids, at)
    _note_garbled(source, garbled, at)
    result.refused += len(garbled)
    _count(source, len(messages), result, at, advance=advance)
    return result


def _last_of_each_instant(quotes: Sequence[StreamQuote]) -> list[StreamQuote]:
    """Return the last quote of each microsecond: vendors count nanoseconds, and the histories that fill gaps do the same."""
    return list({(quote.symbol, quote.timestamp): quote for quote in quotes}.values())


def _store_kind(result: Stored, dataset: Dataset, source: str, rows: Sequence[Any], ids: Mapping[str, str], at: datetime) -> None:
    """Store the messages of one kind and add what came of them."""
    report = ingest.store_frame(dataset=dataset, source=source, frame=frame_of(dataset, rows, ids), recorded_at=at)
    refused = {each.index for each in report.refused}
    result.stored += report.stored
    result.known += report.known
    result.refused += len(refused)
    if isinstance(report.last, datetime):
        through = min(report.last, at)  # a clock that is ahead of ours must not hide a gap
        result.through = max(through, result.through or through)
    if dataset is Dataset.QUOTES:
        for index, quote in enumerate(rows):
            before = result.latest.get(quote.symbol)
            if index not in refused and (before is None or quote.timestamp > before.quote.timestamp):
                result.latest[quote.symbol] = Latest(quote, at)


def _note_garbled(source: str, garbled: Sequence[Garbled], at: datetime) -> None:
    """Write down what was no message."""
    found = [
        Found(finding("not_a_row", index=index, value=each.text, detail=each.reason[:LONGEST_ERROR]), {"message": each.text})
        for index, each in enumerate(garbled[:MOST_GARBLED])
    ]
    record_findings(dataset=Dataset.QUOTES, source=source, found=found, at=at)


def _count(source: str, received: int, result: Stored, at: datetime, *, advance: bool) -> None:
    """Add a batch to the state of its feed."""
    changes: dict[str, Any] = {
        "received": F("received") + received,
        "stored": F("stored") + result.stored,
        "refused": F("refused") + result.refused,
        "last_message_at": at,
    }
    if advance and result.through is not None:
        changes["stored_through"] = Greatest(F("stored_through"), Value(result.through))
    StreamState.objects.filter(provider=source).update(**changes)


def open_state(*, source: str, at: datetime) -> StreamState:
    """Return the state of a feed; the first time it begins here, and nothing before is missed."""
    state, _ = StreamState.objects.get_or_create(provider=source, defaults={"stored_through": at})
    if state.stored_through is None:
        state.stored_through = at
        state.save(update_fields=["stored_through"])
    return state


def note_state(*, source: str, **facts: Any) -> None:
    """Write down how a feed is doing."""
    if "last_error" in facts:
        facts["last_error"] = facts["last_error"][:LONGEST_ERROR]
    StreamState.objects.filter(provider=source).update(**facts)


def note_gap_filled(*, source: str, through: datetime) -> None:
    """Write down that nothing is missing up to a time."""
    moved = Greatest(F("stored_through"), Value(through))
    StreamState.objects.filter(provider=source).update(stored_through=moved, gaps_filled=F("gaps_filled") + 1)


@dataclass(frozen=True, slots=True)
class Gap:
    """What a feed may have missed: the quotes and trades of some instruments, by the feed's symbols, in [start, end).

    `lacking` says what the history will never have.
    """

    source: str
    history: History
    instruments: Mapping[str, Instrument]
    start: datetime
    end: datetime
    lacking: list[str] = field(default_factory=list)

    def fill(self, *, clock: Callable[[], datetime], given_up: threading.Event) -> IngestReport | None:
        """Fetch and store it; None if it was given up meanwhile. One that can't be had keeps no other from being filled.

        :raises ProviderFailed: if the source of histories can't answer
        :raises ProviderStalled: if it does not answer in time
        """
        total, failure = IngestReport(), None
        self.lacking.clear()
        for symbol, instrument in self.instruments.items():
            listing = replace(instrument.listing, symbol=symbol)
            for ask, store in ((self.history.quotes, ingest.store_quotes), (self.history.ticks, ingest.store_ticks)):
                keep = partial(store, source=self.source, common={"instrument": instrument})
                try:
                    for page in self._pages(partial(ask, listing, self.start, self.end)):
                        if given_up.is_set():
                            return None
                        total += keep(rows=page.rows, recorded_at=clock())
                except ProviderAway:
                    raise
                except ProviderFailed as refusal:
                    failure = self._noted(refusal) or failure
        if failure is not None:
            raise failure
        return total

    def _pages(self, ask: Callable[[], Iterable[Page]]) -> Iterator[Page]:
        """Yield what the history hands out."""
        for page in in_time(ask, PAGE_SECONDS):
            if not isinstance(page, Page):
                raise ProviderFailed(f"Handed out a {type(page).__name__} instead of a page.")
            yield page

    def _noted(self, refusal: ProviderFailed) -> ProviderFailed | None:
        """Write down what will never be had; return a refusal that may be another one the next time."""
        if not isinstance(refusal, ProviderLacks):
            return refusal
        self.lacking.append(str(refusal))
        return None


@contextmanager
def sole_holder(source: str) -> Any:
    """Be the one process that holds a feed, for as long as the connection to the database lasts; yields what looks after that.

    :raises StreamTaken: if another one does, by name
    """
    own = connections.create_connection("default")
    own.settings_dict = own.settings_dict | {"NAME": connection.settings_dict["NAME"], "ATOMIC_REQUESTS": False}
    own.inc_thread_sharing()  # the thread that reports looks after it
    hold = Hold(source, own)
    try:
        hold.take()
        yield hold
    finally:
        own.close()


class Hold:
    """The lock of a feed, on a connection of its own that lives as long as the process."""

    def __init__(self, source: str, own: Any) -> None:
        self.source, self.own = source, own

    def take(self) -> None:
        """Take the lock.

        :raises StreamTaken: if another process has it
        """
        with self.own.cursor() as cursor:
            name = f"stream_quotes {self.source} pid {os.getpid()} on {socket.gethostname()}"[:63]
            cursor.execute("SELECT set_config('application_name', %s, false)", [name])
            cursor.execute(HOLD, [self.source])
            if cursor.fetchone()[0]:
                return
            cursor.execute(HOLDER, [self.source])
            holder = cursor.fetchone()
        who = f"{holder[0]} (since {holder[1]:%Y-%m-%d %H:%M:%S}Z)" if holder else "another process"
        raise StreamTaken(f"The stream {self.source} is held by {who}. Stop that one first, or leave it to it.")

    def keep(self) -> None:
        """Look whether the connection is still there, and take the lock anew where it was lost.

        :raises StreamTaken: if another process has got it meanwhile
        """
        if self.own.connection is not None and self.own.is_usable():
            return
        self.own.close()
        self.take()
