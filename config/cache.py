"""The cache: JSON in Redis, and a dead Redis makes it an empty one."""

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import orjson
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


class JsonSerializer:
    """Stores values as JSON: reading a pickle would run whatever code somebody wrote into Redis."""

    def dumps(self, value: Any) -> int | bytes:
        """Return what Redis keeps; whole numbers stay bare, so that Redis can count them up."""
        return value if type(value) is int else orjson.dumps(value)

    def loads(self, stored: bytes) -> Any:
        """Return the value that was stored."""
        try:
            return int(stored)
        except ValueError:
            return orjson.loads(stored)


def _or_else(default: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wrap a cache method so that it answers `default(*arguments)` while Redis is away."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def forgiving(self: "ForgivingRedisCache", *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except RedisError as error:
                log.warning("The cache is away (%s): %s", type(error).__name__, error)
                return default(*args, **kwargs)

        return forgiving

    return decorate


class ForgivingRedisCache(RedisCache):
    """A cache that is empty while Redis is away. `incr` and `ping` alone raise: who counts must know that nothing counts."""

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

    def ping(self) -> bool:
        """Ask Redis for an answer.

        :raises RedisError: if there is none
        """
        return bool(self._cache.get_client().ping())
