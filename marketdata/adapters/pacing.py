"""How often a source is asked, and how long is waited before it is asked again."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The clock that waiting goes by, how it is waited, and where chance comes from: tests hand in others."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

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


_buckets: dict[tuple[str, float, Callable[[], float]], Bucket] = {}
_buckets_lock = threading.Lock()


def bucket_of(name: str, per_minute: float, clock: Callable[[], float] = time.monotonic) -> Bucket:
    """Return the bucket that all of this process share who ask a source."""
    with _buckets_lock:
        return _buckets.setdefault((name, per_minute, clock), Bucket(per_minute, clock=clock))
