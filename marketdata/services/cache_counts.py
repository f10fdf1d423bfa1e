"""How the cache does: each process counts what it finds and hands its counts to Redis every second in which it asks."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, cast

import redis
from django.conf import settings
from django.core.cache import cache as _default
from redis.exceptions import RedisError

EVENTS = ("hits", "misses", "waits", "damaged", "too_large", "away")
EVERY = 1.0  # seconds between two handings in
SAMPLE = 50  # values whose size is asked for
MOST = 200_000  # keys that are looked at


class Backend(Protocol):
    """What is asked of `config.cache`, which runs above all apps."""

    def make_key(self, key: str, version: int | None = None) -> str: ...  # noqa: D102
    def talk(self) -> AbstractContextManager[redis.Redis]: ...  # noqa: D102
    def keys(self, text: str) -> Iterator[tuple[str, str]]: ...  # noqa: D102
    def unlink(self, text: str) -> int: ...  # noqa: D102


backend = cast(Backend, _default)


@dataclass
class _Tally:
    """What this process has counted and not handed in yet."""

    counts: Counter[str] = field(default_factory=Counter)
    handed_in: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Counter[str]:
        """Return the counts and start over."""
        with self.lock:
            taken, self.counts = self.counts, Counter()
            self.handed_in = time.monotonic()
        return taken


_tally = _Tally()


@dataclass(frozen=True, slots=True)
class SpaceStatistics:
    """How one namespace does since its counts were reset; sizes are measured on a sample."""

    name: str
    seconds: int
    entries: int
    bytes: int
    hits: int = 0
    misses: int = 0
    waits: int = 0
    damaged: int = 0
    too_large: int = 0
    away: int = 0

    @property
    def rate(self) -> float | None:
        """The share of questions that found a value; none where nobody asked."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """How the cache does; the server's figures are those of all that it holds, messages among them."""

    spaces: tuple[SpaceStatistics, ...] = ()
    available: bool = True
    server: str = ""
    memory: int = 0
    memory_limit: int = 0
    policy: str = ""
    evicted: int = 0
    expired: int = 0
    complete: bool = True


def note(space: str, event: str, times: int = 1) -> None:
    """Count something that happened."""
    if not times:
        return
    with _tally.lock:
        _tally.counts[f"{space}:{event}"] += times
        due = time.monotonic() - _tally.handed_in > EVERY
    if due and event != "away":
        hand_in()


def hand_in() -> None:
    """Add what this process has counted to the counts of all."""
    taken = _tally.take()
    if not taken:
        return
    try:
        with backend.talk() as client:
            pipeline = client.pipeline(transaction=False)
            for name, times in taken.items():
                pipeline.hincrby(_key(), name, times)
            pipeline.execute()
    except RedisError:
        with _tally.lock:
            _tally.counts += taken  # for next time


def reset() -> None:
    """Start counting again, in all namespaces.

    :raises RedisError: if Redis is away
    """
    _tally.take()
    with backend.talk() as client:
        client.delete(_key())


def statistics() -> Statistics:
    """Return how the cache does; with Redis away, only that it is."""
    hand_in()
    try:
        with backend.talk() as client:
            counts = {name.decode(): int(times) for name, times in cast(dict[bytes, bytes], client.hgetall(_key())).items()}
            info = client.info()
            entries, sizes, complete = _measured(client)
    except (RedisError, ValueError):
        return Statistics(available=False)
    spaces = tuple(
        SpaceStatistics(
            name,
            seconds,
            entries[name],
            sizes[name],
            **{event: counts.get(f"{name}:{event}", 0) for event in EVENTS},
        )
        for name, seconds in settings.CACHE_SECONDS.items()
    )
    server = "Valkey" if info.get("server_name") == "valkey" or "valkey_version" in info else "Redis"
    return Statistics(
        spaces,
        server=f"{server} {info.get('valkey_version') or info.get('redis_version', '')}".strip(),
        memory=int(info.get("used_memory", 0)),
        memory_limit=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        evicted=int(info.get("evicted_keys", 0)),
        expired=int(info.get("expired_keys", 0)),
        complete=complete,
    )


def _measured(client: redis.Redis) -> tuple[Mapping[str, int], Mapping[str, int], bool]:
    """Return how many values each namespace has and how large they are about, and whether all keys were looked at."""
    entries: Counter[str] = Counter()
    some: dict[str, list[str]] = defaultdict(list)
    for looked, (key, inner) in enumerate(backend.keys("*")):
        if looked == MOST:
            return entries, _sizes(client, entries, some), False
        name = inner.partition(":")[0]
        if name in settings.CACHE_SECONDS and not key.endswith("~lock"):
            entries[name] += 1
            if len(some[name]) < SAMPLE:
                some[name].append(key)
    return entries, _sizes(client, entries, some), True


def _sizes(client: redis.Redis, entries: Counter[str], some: Mapping[str, list[str]]) -> Counter[str]:
    """Return the memory that the values of each namespace take, reckoned from some of them."""
    return Counter({name: _size(client, keys) * entries[name] // len(keys) for name, keys in some.items()})


def _size(client: redis.Redis, keys: list[str]) -> int:
    """Return the memory that some values take."""
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.memory_usage(key)
    return sum(size or 0 for size in pipeline.execute(raise_on_error=False) if not isinstance(size, Exception))


def _key() -> str:
    """Return where the counts are."""
    return backend.make_key("cache-counts:all", 1)
