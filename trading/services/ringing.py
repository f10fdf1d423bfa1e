"""Say what is worth a look, once it is committed: over Redis, which may be away or forget, so that nothing hangs on it.

Who follows orders hears in which accounts something has happened to them. A hint has a worker look sooner: what it finds then is
in the database, and the clock has it found without the hint, too. While a hint waits for its worker another one of the same
would find nothing more; none is sent.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from marketdata.services.kept_line import KeptLine
from trading.selectors.order_bells import CHANNEL

log = logging.getLogger(__name__)
SILENCE = 5.0  # seconds that a Redis which was away is left alone
PATIENCE = 0.5  # seconds that it has for an answer
WAITS = 3  # seconds for which a hint holds back others of its kind, should no worker begin to look
# tells who listens, if there is something to tell, and says whether a hint waits for nobody else yet
TELL = """
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return KEYS[1] and redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[3]) and 1 or 0
"""


@dataclass(frozen=True, slots=True)
class Hint:
    """A task, and what it is to look at."""

    task: str
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Where Redis notes that it waits for a worker."""
        return f"{CHANNEL}:hint:{self.task}:{json.dumps(self.arguments, sort_keys=True)}"


def ring(account_ids: Iterable[UUID], *, hint: Hint | None = None) -> None:
    """Have those who follow orders of accounts look at them, after the transaction at hand; and leave a hint along with it."""
    told = sorted({str(each) for each in account_ids})
    if told or hint:
        transaction.on_commit(lambda: _tell(told, hint), robust=True)


def leave(hint: Hint) -> None:
    """Have a task started after the transaction at hand; if the message is lost, the clock starts it."""
    ring((), hint=hint)


def heard(hint: Hint) -> None:
    """Note that a worker begins to look: what is committed from now on takes a hint of its own."""
    if not _resting():
        try:
            _line().ask("DEL", hint.key)
        except (RedisError, OSError) as error:
            _rest_after(error)


def _tell(accounts: list[str], hint: Hint | None) -> None:
    """Tell Redis, unless it was away a moment ago; whoever listens looks by themselves, only later."""
    if _resting():
        return
    try:
        message = orjson.dumps([{"account": each} for each in accounts]) if accounts else b""
        keys = [] if hint is None else [hint.key]
        first = _line().ask("EVAL", TELL, len(keys), *keys, CHANNEL, message, WAITS)
        if hint is not None and first:  # nobody reads what the message says of its arguments
            current_app.send_task(hint.task, kwargs=dict(hint.arguments), ignore_result=True, argsrepr="", kwargsrepr="")
    except (OperationalError, RedisError, OSError) as error:
        _rest_after(error)


def _resting() -> bool:
    """Say whether Redis was away a moment ago, for messages as well: nobody waits for that twice."""
    return time.monotonic() < getattr(current_app, "silent_until", 0.0)


def _rest_after(error: Exception) -> None:
    """Leave Redis alone for a while."""
    current_app.silent_until = time.monotonic() + SILENCE
    log.warning("Redis is away (%s): who follows orders, and who sends them, hears of them later.", error)


@cache
def _line() -> KeptLine:
    """Return the line that is kept for it; where it is lost, another takes its place."""
    return KeptLine(settings.REDIS_URL, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
