"""Messages that have a worker look sooner: what it finds then is in the database, and is found without them, too."""

from __future__ import annotations

import logging
import time

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

SILENCE = 5.0  # seconds in which no message is sent after one could not be

log = logging.getLogger(__name__)


def hint(task: str, **arguments: object) -> None:
    """Have a task started after the transaction at hand; if the message is lost, the clock starts it."""
    transaction.on_commit(lambda: _send(task, arguments), robust=True)


def _send(task: str, arguments: dict[str, object]) -> None:
    """Send the message, unless there was nobody to take one a moment ago: nobody waits for that twice."""
    if time.monotonic() < getattr(current_app, "silent_until", 0.0):
        return
    try:
        current_app.send_task(task, kwargs=arguments, ignore_result=True, argsrepr="", kwargsrepr="")  # nobody reads those
    except (OperationalError, RedisError) as error:
        current_app.silent_until = time.monotonic() + SILENCE
        log.warning("No message for %s could be sent: %s", task, error)
