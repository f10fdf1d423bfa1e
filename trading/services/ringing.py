"""Say in which accounts something has happened to orders, once it is committed: over Redis, which may be away."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from functools import cache
from uuid import UUID

import orjson
import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from trading.selectors.order_bells import CHANNEL

log = logging.getLogger(__name__)
SILENCE = 5.0  # seconds that a Redis which was away is left alone
PATIENCE = 0.5  # seconds that it has for an answer

_rest: dict[str, float] = {}


def ring(account_ids: Iterable[UUID]) -> None:
    """Have those who follow orders of accounts look at them, after the transaction at hand."""
    told = sorted({str(each) for each in account_ids})
    if told:
        transaction.on_commit(lambda: _tell(told), robust=True)


def _tell(accounts: list[str]) -> None:
    """Tell Redis, unless it was away a moment ago; whoever listens looks by themselves, only later."""
    if time.monotonic() < _rest.get("until", 0.0):
        return
    try:
        _client().publish(CHANNEL, orjson.dumps([{"account": each} for each in accounts]))
    except (RedisError, OSError) as error:
        _rest["until"] = time.monotonic() + SILENCE
        log.warning("Redis is away (%s): who follows orders hears of them later.", error)


@cache
def _client() -> redis.Redis:
    """Return the connections of this process."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )
