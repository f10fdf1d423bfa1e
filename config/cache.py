"""The cache: JSON in Redis, and a dead Redis makes it an empty one."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import orjson
import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from marketdata.services.kept_line import KeptLine

log = logging.getLogger(__name__)
CHUNK = 500  # keys that are unlinked at once
GLOB = re.compile(r"([\\*?\[\]])")
PATIENCE = ("socket_timeout", "socket_connect_timeout")
GOOD_POLICIES = ("volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random")


class Damaged(RedisError):
    """Redis holds something under a key of ours that we never wrote."""


class Resting(RedisConnectionError):
    """Redis was away a moment ago, and is not asked again yet."""


class JsonSerializer:
    """Stores values as JSON: reading a pickle would run whatever code somebody wrote into Redis."""

    def dumps(self, value: Any) -> int | bytes:
        """Return what Redis keeps; whole numbers stay bare, so that Redis can count them up."""
        return value if type(value) is int else orjson.dumps(value)

    def loads(self, stored: bytes) -> Any:
        """Return the value that was stored.

        :raises Damaged: if it is none of ours
        """
        try:
            return int(stored)
        except ValueError:
            pass
        try:
            return orjson.loads(stored)
        except orjson.JSONDecodeError as error:
            raise Damaged(str(error)) from error


class JsonClient(RedisCacheClient):
    """Django's client, to which one damaged value costs no other."""

    _serializer: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writer: redis.Redis | None = None

    def get_client(self, key: Any = None, *, write: bool = False) -> redis.Redis:
        """Return a client; the one that writes is made once, for its connections are in a pool."""
        if not write:
            return super().get_client(key, write=write)
        if self._writer is None:
            self._writer = super().get_client(key, write=write)
        return self._writer

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return the values that are there and are ours, by key."""
        found = {}
        wanted = list(keys)
        for key, stored in zip(wanted, self.get_client(None).mget(wanted), strict=True):
            try:
                if stored is not None:
                    found[key] = self._serializer.loads(stored)
            except Damaged:
                continue
        return found


class Circuit:
    """Remembers for all threads of a process that Redis was away, so that not each of a page's questions waits for it."""

    def __init__(self) -> None:
        self.rests_until = 0.0
        self.lock = threading.Lock()

    def enter(self, rest: float) -> None:
        """Let one through after the rest, so that it finds out how Redis is, and everybody while it is well.

        :raises Resting: while it is not to be asked
        """
        if not self.rests_until:
            return
        with self.lock:
            if time.monotonic() < self.rests_until:
                raise Resting("It was away a moment ago.")
            if self.rests_until:
                self.rests_until = time.monotonic() + rest

    def trip(self, rest: float) -> None:
        """Note that Redis is away."""
        with self.lock:
            self.rests_until = time.monotonic() + rest

    def heal(self) -> None:
        """Note that Redis has answered."""
        self.rests_until = 0.0


_circuits: dict[str, Circuit] = {}  # by address: Django makes a cache for every thread


def _or_else(default: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wrap a cache method so that it answers `default(*arguments)` while Redis is away."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def forgiving(self: "ForgivingRedisCache", *args: Any, **kwargs: Any) -> Any:
            try:
                with self.talk():
                    return method(self, *args, **kwargs)
            except Resting:
                pass
            except RedisError as error:
                log.warning("The cache is away (%s): %s", type(error).__name__, error)
            return default(*args, **kwargs)

        return forgiving

    return decorate


class ForgivingRedisCache(RedisCache):
    """A cache that is empty while Redis is away. `incr`, `ping`, `ask` and `talk` raise: who counts must know it.

    After a failure it rests for some seconds: a page that asks ten times waits once.
    """

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = JsonClient
        self._circuit = _circuits.setdefault(str(server), Circuit())
        self._rest = float(params.get("REST", 5))
        options = params.get("OPTIONS", {})
        self._line = KeptLine(str(server), **{name: options[name] for name in PATIENCE if name in options})

    @contextmanager
    def talk(self) -> Iterator[redis.Redis]:
        """Lend the client to Redis; every trouble with it is a `RedisError`.

        :raises RedisError: if Redis is away, rests, or answers nonsense
        """
        self._circuit.enter(self._rest)
        try:
            yield self._cache.get_client(write=True)
        except (RedisConnectionError, RedisTimeoutError, InvalidResponse):
            self._circuit.trip(self._rest)
            raise
        except RedisError:
            self._circuit.heal()  # it did answer
            raise
        except (AttributeError, LookupError, OSError, ValueError) as error:  # what the client makes of nonsense
            self._circuit.trip(self._rest)
            raise InvalidResponse(str(error)) from error
        self._circuit.heal()

    def ask(self, *command: str | bytes | int) -> Any:
        """Return what Redis answers to a command over the line that is kept for what every request asks.

        :raises RedisError: if Redis is away, rests, or refuses
        """
        with self.talk():
            return self._line.ask(*command)

    @_or_else(lambda *_args, **_kwargs: False)
    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store a value unless the key has one; say whether it was stored."""
        return super().add(key, value, timeout, version)

    @_or_else(lambda _key, default=None, **_kwargs: default)
    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value of a key, or the default."""
        return super().get(key, default, version)

    @_or_else(lambda *_args, **_kwargs: None)
    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Store a value."""
        super().set(key, value, timeout, version)

    @_or_else(lambda *_args, **_kwargs: False)
    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep a value longer."""
        return super().touch(key, timeout, version)

    @_or_else(lambda *_args, **_kwargs: False)
    def delete(self, key: str, version: int | None = None) -> bool:
        """Forget a value."""
        return super().delete(key, version)

    @_or_else(lambda *_args, **_kwargs: {})
    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return the values that are there, by key."""
        return super().get_many(keys, version)

    @_or_else(lambda data, *_args, **_kwargs: list(data))
    def set_many(self, data: dict[str, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> list[str]:
        """Store values; return the keys that could not be stored."""
        return super().set_many(data, timeout, version)

    @_or_else(lambda *_args, **_kwargs: None)
    def delete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        """Forget values."""
        super().delete_many(keys, version)

    @_or_else(lambda *_args, **_kwargs: False)
    def has_key(self, key: str, version: int | None = None) -> bool:
        """Say whether a key has a value."""
        return super().has_key(key, version)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Count a key up.

        :raises ValueError: if the key has no value
        :raises RedisError: if nothing can be counted
        """
        name = self.make_and_validate_key(key, version)
        with self.talk() as client:
            there = client.exists(name)
            count = int(client.incr(name, delta)) if there else 0
        if not there:
            raise ValueError(f"The key '{key}' has no value to count up.")
        return count

    def ping(self) -> bool:
        """Ask Redis for an answer, at rest or not.

        :raises RedisError: if there is none
        """
        self._circuit.heal()
        with self.talk() as client:
            return bool(client.ping())

    def remark(self) -> str:
        """Return in words what is wrong with the way Redis makes room, or nothing.

        :raises RedisError: if it does not answer
        """
        with self.talk() as client:
            policy = str(client.info("memory").get("maxmemory_policy", ""))
        if policy in ("", *GOOD_POLICIES):
            return ""
        trouble = "the cache may fill it up" if policy == "noeviction" else "messages may be dropped with cached values"
        return f"maxmemory-policy is {policy}, {trouble}: set volatile-lru"

    def keys(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield each key of ours that matches a text, with its part behind prefix and version, which is what is compared.

        In the text `*` stands for anything and all else for itself. Keys are scanned: `KEYS` would stop everybody meanwhile.

        :raises RedisError: if Redis is away
        """
        is_ours = re.compile(rf"{re.escape(self.key_prefix)}:\d+:").match
        inside = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
        pattern = f"{literal(self.key_prefix)}:*:{'*'.join(map(literal, text.split('*')))}"
        with self.talk() as client:
            for raw in client.scan_iter(match=pattern, count=1000):
                key = raw.decode(errors="replace")
                found = is_ours(key)
                if found and inside.fullmatch(key, found.end()):
                    yield key, key[found.end() :]

    def unlink(self, text: str) -> int:
        """Forget the values of all versions whose keys match a text, as `keys` does; return how many there were.

        :raises RedisError: if Redis is away
        """
        gone, batch = 0, []
        with self.talk() as client:
            for key, _ in self.keys(text):
                batch.append(key)
                if len(batch) == CHUNK:
                    gone += int(client.unlink(*batch))
                    batch = []
            return gone + (int(client.unlink(*batch)) if batch else 0)


def literal(text: str) -> str:
    """Return a text so that a pattern of Redis takes each of its characters for itself."""
    return GLOB.sub(r"\\\1", text)
