"""Quotes as they come in, for whoever waits for those of some instruments: read by one listener for a whole process.

A listener that is slow is sent less, never late: of each instrument only the latest quote waits for it. While Redis is away
nothing comes by itself; what was missed is read from the database.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from marketdata.domain.money import plain
from marketdata.models.prices import LatestQuote

log = logging.getLogger(__name__)
CHANNEL = f"{settings.CACHES['default'].get('KEY_PREFIX', 'bedrock')}:quotes"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
MOST_TOLD = 200
TELL = Mapping[str, Any]
TEXT, MAY_LACK, NUMBER = (str,), (str, type(None)), (int,)
SHAPE = {
    **dict.fromkeys(("id", "instrument", "timestamp", "bid", "ask"), TEXT),
    **dict.fromkeys(("bid_size", "ask_size"), MAY_LACK),
    **dict.fromkeys(("at", "recorded"), NUMBER),
}


def redis_client() -> "redis.asyncio.Redis":
    """Return a connection that gives up soon: what is told here is in the database."""
    options: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5, "health_check_interval": 15}
    options["retry"] = Retry(NoBackoff(), 0)
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, **options)
    return client


def micros(at: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def stamp(at: datetime) -> str:
    """Return an instant as the API writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def latest_told(instrument_ids: Collection[UUID]) -> list[dict[str, Any]]:
    """Return the latest quotes of instruments as they are told."""
    rows = LatestQuote.objects.filter(instrument__in=list(instrument_ids)).select_related("instrument")
    return [
        {
            "id": str(row.instrument_id),
            "instrument": row.instrument.key,
            "timestamp": stamp(row.timestamp),
            "at": micros(row.timestamp),
            "bid": plain(row.bid),
            "ask": plain(row.ask),
            "bid_size": None if row.bid_size is None else plain(row.bid_size),
            "ask_size": None if row.ask_size is None else plain(row.ask_size),
            "recorded": micros(row.recorded_at),
        }
        for row in rows.order_by("recorded_at", "instrument")
    ]


def is_told(quote: object) -> bool:
    """Say whether something is a quote as `latest_told` writes it."""
    return isinstance(quote, dict) and all(type(quote.get(name)) in kinds for name, kinds in SHAPE.items())


class Mailbox:
    """What waits for one listener: the latest quote of each of its instruments, and nothing twice."""

    def __init__(self, wanted: Iterable[UUID]) -> None:
        self.wanted = frozenset(map(str, wanted))
        self.missed = False  # whether something may have come while nobody could hear it
        self._waiting: dict[str, TELL] = {}
        self._newest: dict[str, int] = {}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def want(self, wanted: Iterable[UUID]) -> None:
        """Take quotes of these instruments from now on; what waits of others is thrown away."""
        self.wanted = frozenset(map(str, wanted))
        self._waiting = {key: quote for key, quote in self._waiting.items() if key in self.wanted}
        self._newest = {key: at for key, at in self._newest.items() if key in self.wanted}

    def offer(self, quote: TELL) -> None:
        """Take a quote that is newer than the last one of its instrument."""
        key = quote["id"]
        if key in self.wanted and self._newest.get(key, 0) < quote["at"]:
            self._newest[key] = quote["at"]
            self._waiting[key] = quote
            self._some.set()

    def note_missed(self) -> None:
        """Say that the latest quotes should be read again."""
        self.missed = True
        self._some.set()

    async def take(self, *, within: float) -> list[TELL]:
        """Return what waits, as soon as something does; nothing if nothing comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._some.wait()
        self._some.clear()
        waiting, self._waiting = self._waiting, {}
        return sorted(waiting.values(), key=lambda quote: quote["recorded"])


class Box(Protocol):
    """What belongs to one listener: it is offered all that is told, and takes what is for it."""

    def offer(self, told: TELL, /) -> None:
        """Take it, if it is for the listener."""
        ...

    def note_missed(self) -> None:
        """Say that something may have come while nobody could hear it."""
        ...


AnyBox = TypeVar("AnyBox", bound=Box)


class Ear(Generic[AnyBox]):
    """Hears once of all that is told on a channel and offers it to the boxes; listens while there are any."""

    subject: ClassVar[str]

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.mailboxes: set[AnyBox] = set()
        self.hears = False
        self._listening: asyncio.Task[None] | None = None

    def box(self, wanted: Iterable[UUID]) -> AnyBox:
        """Return a box for what somebody wants to hear of."""
        raise NotImplementedError

    def makes_sense(self, told: object) -> bool:
        """Say whether something is what should be told on the channel."""
        raise NotImplementedError

    @asynccontextmanager
    async def mailbox(self, wanted: Iterable[UUID]) -> AsyncIterator[AnyBox]:
        """Open a box; while it is open, what is wanted comes in."""
        box = self.box(wanted)
        self.mailboxes.add(box)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            yield box
        finally:
            self.mailboxes.discard(box)
            if not self.mailboxes:
                self._listening.cancel()
                self._listening = None

    async def _listen(self) -> None:
        """Listen to Redis; where it is lost, go back to it and have everybody read what they missed."""
        pause = FIRST_PAUSE
        while True:
            client = redis_client()
            try:
                async with client.pubsub(ignore_subscribe_messages=False) as channel:
                    await channel.subscribe(self.channel)
                    while True:
                        message = await channel.get_message(timeout=30)
                        if message is not None:
                            pause = FIRST_PAUSE
                            self._hear(message)
            except (RedisError, OSError) as error:
                if self.hears:
                    log.warning("Redis is away (%s): nobody hears of %s.", error, self.subject)
            finally:
                self.hears = False
                with contextlib.suppress(RedisError, OSError):
                    await client.aclose()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Hand out what Redis says; from the word that we are subscribed on, nothing is missed."""
        if message["type"] == "subscribe":
            self.hears = True
            for box in self.mailboxes:
                box.note_missed()
        elif message["type"] == "message":
            try:
                came = orjson.loads(message["data"])
            except ValueError:
                came = None
            told = [each for each in came if self.makes_sense(each)] if isinstance(came, list) else []
            if not isinstance(came, list) or len(told) < len(came):
                log.warning("Something that is none of %s was told: %s", self.subject, message["data"][:MOST_TOLD])
            for box in self.mailboxes:
                for each in told:
                    box.offer(each)


class Hub(Ear[Mailbox]):
    """Hears of every quote once and hands it to the mailboxes that want it."""

    subject = "live quotes"

    def __init__(self, channel: str = CHANNEL) -> None:
        super().__init__(channel)

    def box(self, wanted: Iterable[UUID]) -> Mailbox:
        """Return a mailbox for quotes of instruments."""
        return Mailbox(wanted)

    def makes_sense(self, told: object) -> bool:
        """Say whether something is a quote."""
        return is_told(told)


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def hub() -> Hub:
    """Return the listener of this event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
