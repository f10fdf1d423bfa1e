"""A line to Redis that stays open: for what is asked with every request, and is to cost no more than its trip."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry


class KeptLine:
    """One connection for each thread, opened when something is asked for the first time; none is shared with a forked process."""

    def __init__(self, url: str, **patience: float) -> None:
        """Remember where Redis is, and how many seconds it has (`socket_timeout`, `socket_connect_timeout`)."""
        # a pool reads the address, and lends nothing: it would count the lines of threads that are long over
        pool = redis.ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0), **patience)
        self._open = partial(pool.connection_class, **pool.connection_kwargs)
        self._own = threading.local()

    def ask(self, *command: str | bytes | int) -> Any:
        """Return what Redis answers to a command. Where the line was lost it is opened anew, and the command given once more.

        :raises RedisError: if there is no answer, or a refusal
        """
        line = self._line()
        try:
            return _answer(line, command)
        except RedisConnectionError:  # it may have been closed long ago, from the other end
            return _answer(line, command)

    def _line(self) -> AbstractConnection:
        """Return the connection of this thread, in this process."""
        own, process = self._own, os.getpid()
        if getattr(own, "process", None) != process:
            own.line, own.process = self._open(), process
        line: AbstractConnection = own.line
        return line


def _answer(line: AbstractConnection, command: tuple[str | bytes | int, ...]) -> Any:
    """Return what Redis answers; a line that fails is closed, and opens with the next command."""
    try:
        line.send_command(*command)
        return line.read_response()
    except ResponseError:
        raise
    except BaseException:  # a worker's time may be over between question and answer: the next must not be told this one's
        line.disconnect()
        raise
