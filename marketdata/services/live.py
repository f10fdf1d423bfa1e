"""Tell whoever listens what was just stored: over Redis, which may be away; it is told of what is in the database already."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import redis.asyncio
from redis.exceptions import RedisError

from marketdata.domain.money import plain
from marketdata.domain.streams import StreamQuote
from marketdata.models.instruments import Instrument
from marketdata.selectors.live import CHANNEL, micros, redis_client, stamp
from marketdata.services.streams import Latest

log = logging.getLogger(__name__)
SILENCE = 5.0  # seconds that a Redis which was away is left alone


class Publisher:
    """Sends the latest quotes to Redis, in a task of its own: whoever offers never waits.

    Of each instrument the last quote that is not sent yet is kept and no more, so that what waits is bounded.
    """

    def __init__(self, client: "redis.asyncio.Redis | None" = None, *, channel: str = CHANNEL) -> None:
        self.client, self.channel = client, channel
        self.sent = self.failures = 0
        self._waiting: dict[str, dict[str, Any]] = {}
        self._newest: dict[str, datetime] = {}
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, instruments: Mapping[str, Instrument], latest: Mapping[str, Latest]) -> None:
        """Take quotes that are committed; one that is older than what was sent before is passed over."""
        for symbol, (quote, recorded_at) in latest.items():
            instrument = instruments.get(symbol)
            if instrument is None:
                continue
            key = str(instrument.pk)
            if key in self._newest and quote.timestamp <= self._newest[key]:
                continue
            self._newest[key] = quote.timestamp
            self._waiting[key] = as_sent(instrument, quote, recorded_at)
        if self._waiting:
            self._idle.clear()
            self._some.set()

    async def run(self) -> None:
        """Send what is offered, until canceled."""
        client = self.client or redis_client()
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                waiting, self._waiting = self._waiting, {}
                if waiting:
                    await self._send(client, list(waiting.values()))
                if not self._waiting:
                    self._idle.set()
        finally:
            await client.aclose()

    async def finish(self) -> None:
        """Wait a moment for the last of it."""
        try:
            async with asyncio.timeout(1):
                await self._idle.wait()
        except TimeoutError:
            log.info("The last quotes were not told to Redis.")

    async def _send(self, client: "redis.asyncio.Redis", quotes: list[dict[str, Any]]) -> None:
        try:
            await client.publish(self.channel, orjson.dumps(quotes))
        except (RedisError, OSError) as error:
            if not self.failures:
                log.warning("Redis is away (%s): live quotes are not told, only stored.", error)
            self.failures += 1
            await asyncio.sleep(SILENCE)
        else:
            if self.failures:
                log.warning("Redis is back after %d failures.", self.failures)
            self.failures = 0
            self.sent += len(quotes)


def as_sent(instrument: Instrument, quote: StreamQuote, recorded_at: datetime) -> dict[str, Any]:
    """Return a quote as it is told."""
    return {
        "id": str(instrument.pk),
        "instrument": instrument.key,
        "timestamp": stamp(quote.timestamp),
        "at": micros(quote.timestamp),
        **{name: _plain(getattr(quote, name)) for name in ("bid", "ask", "bid_size", "ask_size")},
        "recorded": micros(recorded_at),
    }


def _plain(number: str | None) -> str | None:
    """Return a number as the API writes it; the ingest has found it to be one."""
    return None if number is None else plain(Decimal(number))
