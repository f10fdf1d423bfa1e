"""How often a source is asked, and how long is waited before it is asked again.

The rate is that of all processes together, as long as Redis can be reached: it keeps, for each source, when the next request may
be sent, by its own clock. Without it every process keeps to the rate by itself; the vendor then says when it is too much.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import time as wall_clock
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

MINUTE = 60.0
# One request more, where ARGV[1] is 1, or one taken back: `next` is when all that was sent is paid for, `until` when the source's
# own pause is over; in milliseconds. The answer is how long to wait. Both are forgotten when they no longer matter.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gap, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'next', 'until')
local upto, rest = math.max(tonumber(held[1]) or 0, now), tonumber(held[2]) or 0
local wait = math.max(0, upto - (burst - 1) * gap - now, rest - now)
upto = upto + gap * tonumber(ARGV[1])
redis.call('HSET', KEYS[1], 'next', string.format('%.3f', upto))
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(upto, rest) - now) + 1000)
return math.ceil(wait)
"""
PAUSE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'next', 'until')
local rest = math.max(tonumber(held[2]) or 0, now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'until', string.format('%.3f', rest))
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(tonumber(held[1]) or 0, rest) - now) + 1000)
return 0
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """The clock that waiting goes by, how it is waited, where chance comes from, and what time it is: tests hand in others."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    wall: Callable[[], float] = wall_clock

    def backoff(self, attempt: int, *, base: float = 0.5, cap: float = 8.0) -> float:
        """Return how long to wait after an attempt that failed: anything up to a bound that doubles each time.

        Many who failed together must not come back together.
        """
        return self.chance() * min(cap, base * 2.0**attempt)


class Bucket:
    """As many requests a minute as a source allows, some of them at once."""

    def __init__(self, per_minute: float, *, burst: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.burst, self.clock = per_minute / MINUTE, min(burst, per_minute), clock
        self._tokens, self._at, self._not_before = self.burst, clock(), 0.0
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take leave to send one request, and return how many seconds to wait before it is sent."""
        with self._lock:
            now = self.clock()
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_second)
            self._at = now
            self._tokens -= 1
            return max(0.0, -self._tokens / self.per_second, self._not_before - now)

    def give_back(self) -> None:
        """Return a leave that was not used."""
        with self._lock:
            self._tokens = min(self.burst, self._tokens + 1)

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long: the source said so."""
        with self._lock:
            self._not_before = max(self._not_before, self.clock() + seconds)


class SharedBucket(Bucket):
    """A bucket that all processes share through Redis; while that is away it is a bucket of this process."""

    def __init__(self, name: str, per_minute: float, *, burst: float = 10.0) -> None:
        super().__init__(per_minute, burst=burst)
        self.key = cache.make_key(f"pace:{name}")
        self._gap = 1000 / self.per_second

    def take(self) -> float:
        """Take leave to send one request, and return how many seconds to wait before it is sent."""
        return max(super().take(), self._ask(TAKE, 1, self._gap, self.burst) / 1000)

    def give_back(self) -> None:
        """Return a leave that was not used."""
        super().give_back()
        self._ask(TAKE, -1, self._gap, self.burst)

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long, in whatever process: the source said so."""
        super().pause(seconds)
        self._ask(PAUSE, seconds * 1000)

    def _ask(self, script: str, *values: float) -> float:
        """Return what a script answers, 0 if Redis is away: then this process alone is what can be held to."""
        shared: Any = cache
        try:
            with shared.talk() as client:
                return float(client.eval(script, 1, self.key, *values))
        except RedisError:
            return 0.0


_buckets: dict[tuple[str, float, Callable[[], float]], Bucket] = {}
_buckets_lock = threading.Lock()


def bucket_of(name: str, per_minute: float, clock: Callable[[], float] = time.monotonic) -> Bucket:
    """Return the bucket that all share who ask a source; one that goes by a clock of its own is this process's alone."""
    with _buckets_lock:
        key = (name, per_minute, clock)
        if key not in _buckets:
            shared = clock is time.monotonic
            _buckets[key] = SharedBucket(name, per_minute) if shared else Bucket(per_minute, clock=clock)
        return _buckets[key]
