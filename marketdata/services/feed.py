"""A live feed from its socket to the database: one task reads, one stores, and a bounded backlog lies between them.

When the backlog is full the reader stops reading, so the vendor's side of the connection fills up and he has to wait: nothing is
dropped here. What he drops then, or while the connection is lost, is a gap, and fetched from the history of the same provider.
Threads of their own store, fill and report: each has a connection to the database, and the socket is read meanwhile.
"""

import asyncio
import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.db.models import F

from marketdata.adapters.base import ProviderFailed, ProviderStalled
from marketdata.adapters.streams import History, QuoteStream, StreamFailed, StreamRefused
from marketdata.domain.quality import as_text
from marketdata.domain.streams import Backlog, Message
from marketdata.models.instruments import Instrument
from marketdata.services.live import Publisher
from marketdata.services.streams import Gap, Hold, Stored, note_gap_filled, note_state, open_state, store_batch

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Wanted = Callable[[], dict[str, Instrument]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How large batches are, how much may wait, and how long what takes; seconds, where nothing else is said."""

    batch: int = 2_000
    within: float = 0.2
    backlog: int = 20_000
    first_pause: float = 0.5
    longest_pause: float = 60.0
    beat: float = 5.0
    farewell: float = 10.0
    grant: float = 15.0
    overlap: timedelta = timedelta(minutes=1)  # fetched again before a gap, for what came out of order
    ahead: timedelta = timedelta(minutes=1)  # and after it, for clocks that differ


@dataclass(slots=True)
class Feed:
    """One provider's live feed. `wanted` says what is to be subscribed; it is asked at every beat."""

    stream: QuoteStream
    history: History | None
    wanted: Wanted
    clock: Callable[[], datetime]
    publisher: Publisher
    hold: Hold | None = None
    pace: Pace = field(default_factory=Pace)

    instruments: dict[str, Instrument] = field(default_factory=dict, init=False)  # what is subscribed, by its symbol
    known: dict[str, Instrument] = field(default_factory=dict, init=False)  # and what ever was: some of it may still come
    backlog: Backlog = field(init=False)
    through: datetime | None = field(default=None, init=False)
    gapless: bool = field(default=False, init=False)  # false from a lost connection on until its gap is filled
    connected: bool = field(default=False, init=False)
    full_told: int = field(default=0, init=False)
    _leaving: asyncio.Event = field(init=False)
    _given_up: threading.Event = field(default_factory=threading.Event, init=False)
    _threads: dict[str, ThreadPoolExecutor] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Feed until `leave` is called.

        :raises StreamRefused: if the vendor turns us away at the first try
        :raises StreamTaken: if another process has taken the feed over
        """
        self.backlog = Backlog(limit=self.pace.backlog, most=self.pace.batch)
        self._leaving = asyncio.Event()
        self._threads = {name: ThreadPoolExecutor(1, f"feed-{name}") for name in ("store", "fill", "report")}
        try:
            await self._in("report", self._open)
            async with asyncio.TaskGroup() as tasks:
                publishing = tasks.create_task(self.publisher.run())
                reading = tasks.create_task(self._read_until_told())
                beating = tasks.create_task(self._beat_until_told())
                storing = tasks.create_task(self._store_until_closed())
                await reading
                self.backlog.close()
                await storing
                await self.publisher.finish()
                for task in (publishing, beating):
                    task.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            await self._end()

    def leave(self) -> None:
        """Stop reading, store what has come, and end."""
        self._leaving.set()
        self._given_up.set()

    # --- reading ---------------------------------------------------------------------------------

    async def _read_until_told(self) -> None:
        """Hold the connection, and make it anew as often as it is lost."""
        leaving = asyncio.create_task(self._leaving.wait())
        holding = asyncio.create_task(self._hold_connection())
        try:
            await asyncio.wait({leaving, holding}, return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                holding.result()
        finally:
            for task in (leaving, holding):
                task.cancel()
            await asyncio.gather(leaving, holding, return_exceptions=True)
            await self.stream.close()

    async def _hold_connection(self) -> None:
        pause, tries, ever = self.pace.first_pause, 0, False
        while True:
            filling: asyncio.Task[None] | None = None
            try:
                if not self.instruments:
                    await self._await_instruments()
                await self.stream.connect()
                await self.stream.subscribe(list(self.instruments))
                filling = asyncio.create_task(self._fill_gap())
                await self._note_connected(again=ever)
                ever = True
                async for messages in self.stream.messages():
                    pause = self.pace.first_pause
                    await self.backlog.put(messages)
                    self._tell_when_full()
            except StreamFailed as failure:
                if isinstance(failure, StreamRefused):
                    if not ever:
                        raise
                    pause = self.pace.longest_pause
                tries += 1
                await self._note_lost(failure)
            finally:
                self.gapless = self.connected = False
                await self._stop_filling(filling)
                await self.stream.close()
            await asyncio.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
            pause = min(pause * 2, self.pace.longest_pause)

    async def _await_instruments(self) -> None:
        """Wait until somebody follows something that the feed has."""
        log.info("Stream %s: nobody follows anything that it has; waiting.", self.stream.name)
        while not self.instruments:
            await asyncio.sleep(self.pace.beat / 2)

    def _tell_when_full(self) -> None:
        """Say in the log that the vendor has to wait for us, once for each doubling of how often that was."""
        full = self.backlog.times_full
        if full > self.full_told * 2:
            self.full_told = full
            log.warning(
                "Stream %s: the backlog of %d messages is full (%d times); reading waits for the database.",
                self.stream.name, self.pace.backlog, full,
            )  # fmt: skip

    async def _note_connected(self, *, again: bool) -> None:
        self.connected = True
        log.info("Stream %s: connected, %d symbols.", self.stream.name, len(self.instruments))
        await self._report(connected_at=self.clock(), **({"reconnects": _one_more("reconnects")} if again else {}))

    async def _note_lost(self, failure: StreamFailed) -> None:
        log.warning("Stream %s: %s", self.stream.name, failure)
        await self._report(connected_at=None, last_error=as_text(failure))

    # --- gaps ------------------------------------------------------------------------------------

    async def _fill_gap(self) -> None:
        """Fetch what was missed before this connection, as often as it takes; the mark stands still until then."""
        await self._await_grant()  # only from then on does everything come by itself
        self._given_up = threading.Event()
        began, pause = self.clock(), self.pace.first_pause
        state = await self._in("fill", lambda: open_state(source=self.stream.name, at=began))
        start = (state.stored_through or began) - self.pace.overlap
        if self.history is None:
            log.warning("Stream %s: no history to fetch %s to %s from.", self.stream.name, state.stored_through, began)
            self.gapless = True
            return
        gap = Gap(self.stream.name, self.history, self.instruments, start, began + self.pace.ahead)
        while True:
            try:
                report = await self._in("fill", lambda: gap.fill(clock=self.clock, given_up=self._given_up))
                break
            except (ProviderFailed, ProviderStalled, OperationalError, InterfaceError) as failure:
                log.warning("Stream %s: the gap since %s is not filled yet: %s", self.stream.name, start, failure)
                await self._report(last_error=f"The gap since {start:%Y-%m-%d %H:%M:%S}Z is open: {as_text(failure)}")
            await asyncio.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
            pause = min(pause * 2, self.pace.longest_pause)
        if report is not None:
            through = max(began, self.through or began)
            await self._in("fill", lambda: note_gap_filled(source=self.stream.name, through=through))
            log.info("Stream %s: the gap since %s is filled, %d rows.", self.stream.name, start, report.stored)
            if gap.lacking:
                log.warning("Stream %s: gaps of these can't be filled: %s", self.stream.name, " ".join(gap.lacking))
                await self._report(last_error=f"Gaps can't be filled: {' '.join(gap.lacking)}")
            self.gapless = True

    async def _await_grant(self) -> None:
        """Wait until the vendor has confirmed what is subscribed; say so where that takes long."""
        while True:
            try:
                async with asyncio.timeout(self.pace.grant):
                    return await self.stream.granted()
            except TimeoutError:
                log.warning("Stream %s: the subscription is not confirmed.", self.stream.name)
                await self._report(last_error="The subscription is not confirmed.")

    async def _stop_filling(self, filling: "asyncio.Task[None] | None") -> None:
        if filling is not None:
            self._given_up.set()
            filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(filling, return_exceptions=True)

    # --- storing ---------------------------------------------------------------------------------

    async def _store_until_closed(self) -> None:
        """Store batch after batch, in the order in which they came."""
        while batch := await self.backlog.take(within=self.pace.within):
            stored = await self._store(batch)
            if stored is None:  # told to leave while the database is away: the next process fetches it
                return
            self.backlog.done(len(batch))
            if stored.through is not None:
                self.through = max(stored.through, self.through or stored.through)
            self.publisher.offer(self.known, stored.latest)

    async def _store(self, batch: Sequence[Message]) -> Stored | None:
        """Store one batch, however long the database is away."""
        pause = self.pace.first_pause
        patience = self.pace.farewell
        while True:
            try:
                return await self._in("store", self._storing(batch))
            except (OperationalError, InterfaceError) as error:
                log.warning("Stream %s: %d messages wait for the database: %s", self.stream.name, self.backlog.waiting, error)
            if self._leaving.is_set() and (patience := patience - pause) <= 0:
                log.warning("Stream %s: leaving without %d messages.", self.stream.name, self.backlog.waiting)
                return None
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.pace.beat)

    def _storing(self, batch: Sequence[Message]) -> Callable[[], Stored]:
        """Return what stores a batch; whether the mark may move is decided now, not when the thread comes to it."""
        gapless, known = self.gapless, self.known
        return lambda: store_batch(source=self.stream.name, messages=batch, instruments=known, at=self.clock(), advance=gapless)

    # --- looking after it ------------------------------------------------------------------------

    def _open(self) -> None:
        open_state(source=self.stream.name, at=self.clock())
        self.instruments = self.known = self.wanted()

    async def _beat_until_told(self) -> None:
        """Show life, keep the lock, and follow what is followed."""
        while True:
            await self._report(beat_at=self.clock(), waiting=self.backlog.waiting, most_waiting=self.backlog.most_waiting)
            try:
                if self.hold is not None:
                    await self._in("report", self.hold.keep)
                await self._subscribe_anew(await self._in("report", self.wanted))
            except (OperationalError, InterfaceError) as error:
                log.warning("Stream %s: the database is away: %s", self.stream.name, error)
            except StreamFailed:
                pass  # the reader hears of it, too
            await asyncio.sleep(self.pace.beat)

    async def _subscribe_anew(self, wanted: dict[str, Instrument]) -> None:
        """Subscribe what has come, and let go of what nobody follows any more."""
        more, less = wanted.keys() - self.instruments.keys(), self.instruments.keys() - wanted.keys()
        if not more and not less:
            return
        self.instruments, self.known = wanted, {**self.known, **wanted}
        if self.connected:
            if more:
                await self.stream.subscribe(sorted(more))
            if less:
                await self.stream.unsubscribe(sorted(less))
            log.info("Stream %s: %d symbols more, %d less.", self.stream.name, len(more), len(less))

    async def _report(self, **facts: Any) -> None:
        """Write down how the feed is doing; a database that is away is not told."""
        try:
            await self._in("report", lambda: note_state(source=self.stream.name, **facts))
        except (OperationalError, InterfaceError) as error:
            log.debug("Stream %s: %s", self.stream.name, error)

    async def _in(self, name: str, work: Callable[[], Answer]) -> Answer:
        """Do something in a thread that may wait for the database."""

        def fresh() -> Answer:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads[name], fresh)

    async def _end(self) -> None:
        """Say that nobody is connected, and let the threads go."""
        facts: dict[str, Any] = {"connected_at": None}
        if hasattr(self, "backlog"):
            facts |= {"waiting": self.backlog.waiting, "most_waiting": self.backlog.most_waiting}
        await self._report(**facts)
        self._given_up.set()
        for name in self._threads:
            await self._in(name, connections.close_all)
        for thread in self._threads.values():
            thread.shutdown(wait=False, cancel_futures=True)


def _one_more(column: str) -> Any:
    return F(column) + 1


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first of the exceptions of a group."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
