"""The cache's namespaces: values with a lifetime, computed by one while others wait, forgotten by pattern.

A key is `namespace:part:part`, each part written so that none can pass for two or for a pattern. The version of a value's
shape stands in the key as well, so that new code never reads what old code stored. Whatever Redis does, the caller gets its
value: computed, where it is not kept.
"""

import logging
import math
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, cast
from uuid import uuid4

import orjson
from django.conf import settings
from redis.exceptions import RedisError

from marketdata.domain.packing import Unpackable, pack, unpack
from marketdata.services import cache_counts
from marketdata.services.cache_counts import backend

log = logging.getLogger(__name__)
T = TypeVar("T")
Parts = tuple[str, ...]
UNSAFE = re.compile(r"[^A-Za-z0-9._/^\0-]")
CHUNK = 500
POLL = 0.02  # seconds between two looks at what another computes
TOO_LARGE_FOR = 10  # seconds in which nobody waits for a value that was too large to keep
EAGERNESS = 1.0  # how early a value is renewed, in times that computing it took
NO_ORDER = "0" * 32

# A value is `{"o":"<order>","ms":<what it took>,"v":<packed>}`: the order stands where it can be compared as a text.
ORDER = slice(6, 38)
# Keep each value unless a newer one is there: KEYS are keys, ARGV is the lifetime, then pairs of order and value.
SET_NEWER = """
    local stored = 0
    for number, key in ipairs(KEYS) do
        local order, value = ARGV[2 * number], ARGV[2 * number + 1]
        local known = redis.call('GETRANGE', key, 0, 37)
        if string.sub(known, 1, 6) ~= '{"o":"' or string.sub(known, 7) <= order then
            redis.call('SET', key, value, 'PX', ARGV[1])
            stored = stored + 1
        end
    end
    return stored
"""
# Keep what the holder of the lock computed, and let go; KEYS are the value's and the lock's.
SET_HELD = """
    if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
    redis.call('DEL', KEYS[2])
    if ARGV[3] ~= '' then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2]) end
    return 1
"""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One kind of cached value; `shape` grows with every change of what a value looks like or how it is computed."""

    name: str
    shape: int = 1

    @property
    def seconds(self) -> int:
        """How long a value is kept."""
        return int(settings.CACHE_SECONDS[self.name])

    def key(self, *parts: object) -> str:
        """Return the key of a value, as Redis knows it."""
        return self.keys([parts])[parts]

    def keys(self, wanted: Iterable[tuple[object, ...]]) -> dict[tuple[object, ...], str]:
        """Return the keys of many values, by their parts."""
        start = backend.make_key(f"{self.name}:", self.shape)
        return {parts: start + joined(parts) for parts in wanted}


QUOTE = Namespace("quote")  # parts: symbol, exchange
ANALYSIS = Namespace("analysis")  # parts: kind, symbol, timestamp


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that was found."""

    value: Any
    left_ms: int
    took_ms: int

    def wants_renewal(self) -> bool:
        """Say, now and then before its end, that it is time: the later and the dearer the value, the more often."""
        return -self.took_ms * EAGERNESS * math.log(1.0 - random.random()) >= self.left_ms  # noqa: S311


TOO_LARGE, TOO_LARGE_TEXT = object(), b"null"


def joined(parts: Sequence[object]) -> str:
    """Return the parts of a key in letters that mean nothing to Redis, to keys or to patterns."""
    text = "\0".join(map(str, parts))
    if text.count("\0") >= max(len(parts), 1):
        raise ValueError("A part of a key has no character NUL.")
    if UNSAFE.search(text):
        text = UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
    return text.replace("\0", ":")


def get_or_compute(space: Namespace, *parts: object, compute: Callable[[], T], ttl: float | None = None) -> T:
    """Return the value of a key; if there is none, one computes it and the others wait, each for a moment only."""
    key, token = space.key(*parts), uuid4().hex
    try:
        found = _wait_or_lock(space, key, token)
    except RedisError:
        cache_counts.note(space.name, "away")
        return compute()
    if isinstance(found, Kept):
        return cast(T, found.value)
    if found is TOO_LARGE:
        return compute()
    kept = b""
    started = time.monotonic()
    try:
        value = compute()
        kept = _envelope(space, pack(value), took=time.monotonic() - started)
    finally:
        lifetime = ttl or space.seconds
        _let_go(key, token, kept, TOO_LARGE_FOR if kept == TOO_LARGE_TEXT else lifetime)
    return value


def get_many(space: Namespace, keys: Iterable[Sequence[object]]) -> dict[Parts, Any]:
    """Return the values that are kept, by the parts of their keys."""
    wanted = [tuple(map(str, parts)) for parts in keys]
    names = space.keys(wanted)
    found: dict[Parts, Any] = {}
    try:
        for chunk in _chunks(wanted):
            with backend.talk() as client:
                texts = cast(list[bytes | None], client.mget([names[parts] for parts in chunk]))
            for parts, text in zip(chunk, texts, strict=True):
                value = _opened(text)
                if value is not None:
                    found[parts] = value[0]
    except RedisError:
        cache_counts.note(space.name, "away")
    cache_counts.note(space.name, "hits", len(found))
    cache_counts.note(space.name, "misses", len(wanted) - len(found))
    return found


def set_many(space: Namespace, values: Mapping[Parts, tuple[str, Any]], ttl: float | None = None) -> int:
    """Keep values of (order, value) unless one with a later order is kept already; return how many were.

    The order is a text of 32 characters: with it, who has read the past can't overwrite what is there since.
    """
    return set_texts(space, {parts: (order, pack(value).decode()) for parts, (order, value) in values.items()}, ttl)


def set_texts(space: Namespace, texts: Mapping[Parts, tuple[str, str]], ttl: float | None = None) -> int:
    """Keep values that are JSON already and need no tags; all else as `set_many`."""
    lifetime, stored = int((ttl or space.seconds) * 1000), 0
    names = space.keys(texts)
    wrapped = [(names[parts], order, _envelope(space, text.encode(), order=order)) for parts, (order, text) in texts.items()]
    try:
        for chunk in _chunks(one for one in wrapped if one[2] != TOO_LARGE_TEXT):
            arguments: list[Any] = [lifetime]
            for _, order, text in chunk:
                arguments += (order, text)
            with backend.talk() as client:
                stored += int(cast(int, client.eval(SET_NEWER, len(chunk), *(name for name, *_ in chunk), *arguments)))
    except RedisError as error:
        log.warning("Values of %s are not kept: %s", space.name, error)
    return stored


def set_value(space: Namespace, *parts: object, value: Any, ttl: float | None = None) -> bool:
    """Keep one value; say whether it is kept."""
    return bool(set_many(space, {tuple(map(str, parts)): (NO_ORDER, value)}, ttl))


def forget(space: Namespace, *parts: object) -> bool:
    """Forget one value, and what is computed for it at this moment; say whether there was one.

    :raises RedisError: if Redis is away
    """
    key = space.key(*parts)
    with backend.talk() as client:
        gone = client.unlink(key)
        client.unlink(f"{key}~lock")
    return bool(gone)


def invalidate(space: Namespace, *parts: object) -> int:
    """Forget all values whose keys begin with these parts, and what is computed for them; return how many there were.

    :raises RedisError: if Redis is away
    """
    return (forget(space, *parts) if parts else 0) + backend.unlink(f"{space.name}:{joined([*parts, ''])}*")


def invalidate_matching(name: str, text: str = "*") -> int:
    """Forget the values of a namespace whose keys match a text, in which `*` stands for anything and all else for itself.

    :raises RedisError: if Redis is away
    """
    return backend.unlink(f"{name}:{text}")


def _wait_or_lock(space: Namespace, key: str, token: str) -> Kept | object | None:
    """Return what is kept, or nothing once the lock is ours."""
    stop = time.monotonic() + settings.CACHE_WAIT
    found, waited = _read(space, key), False
    while not _usable(found):
        late = found is None and time.monotonic() >= stop
        if _lock(key, token, by_force=late):
            found = None if found else _read_again(space, key, token)
            break
        if found:
            break  # another renews it
        cache_counts.note(space.name, "waits", not waited)
        waited = True
        time.sleep(POLL * (0.5 + random.random()))  # noqa: S311
        found = _read(space, key)
    cache_counts.note(space.name, "hits" if isinstance(found, Kept) else "misses")
    return found


def _usable(found: Kept | object | None) -> bool:
    """Say whether there is nothing to compute for the cache."""
    return found is TOO_LARGE or (isinstance(found, Kept) and not found.wants_renewal())


def _read_again(space: Namespace, key: str, token: str) -> Kept | object | None:
    """Return what another has computed between our look and our lock, and let go of that; nothing, if there is nothing."""
    found = _read(space, key, again=True)
    if found:
        _let_go(key, token, b"", 1)
    return found


def _read(space: Namespace, key: str, *, again: bool = False) -> Kept | object | None:
    """Return what is kept under a key; what is not ours counts as nothing."""
    with backend.talk() as client:
        pipeline = client.pipeline(transaction=False)
        pipeline.get(key)
        pipeline.pttl(key)
        text, left = pipeline.execute()
    if text == TOO_LARGE_TEXT:
        return TOO_LARGE
    opened = _opened(text)
    if opened is None:
        if text is not None and not again:
            cache_counts.note(space.name, "damaged")
        return None
    return Kept(opened[0], left, opened[1])


def _lock(key: str, token: str, *, by_force: bool) -> bool:
    """Take the lock of a key; by force after a holder that is dead or too slow, whose value is then not kept."""
    with backend.talk() as client:
        return bool(client.set(f"{key}~lock", token, nx=not by_force, px=int(settings.CACHE_LOCK * 1000)))


def _let_go(key: str, token: str, kept: bytes, lifetime: float) -> None:
    """Keep what was computed, if the lock is still ours, and let go of it."""
    try:
        with backend.talk() as client:
            client.eval(SET_HELD, 2, key, f"{key}~lock", token, int(lifetime * 1000), kept)
    except RedisError as error:
        log.warning("A value is not kept: %s", error)


def _envelope(space: Namespace, packed: bytes, *, took: float = 0.0, order: str = NO_ORDER) -> bytes:
    """Return the text that is kept of a packed value, `null` for one that is too large."""
    text = b'{"o":"%b","ms":%d,"v":%b}' % (order.encode(), took * 1000, packed)
    if len(text) > settings.CACHE_LARGEST:
        cache_counts.note(space.name, "too_large")
        log.warning(
            "A value of %s has %d bytes and is not kept: CACHE_LARGEST is %d", space.name, len(text), settings.CACHE_LARGEST
        )
        return TOO_LARGE_TEXT
    return text


def _opened(text: bytes | None) -> tuple[Any, int] | None:
    """Return the value in a text and what it took to compute; None if it is no text of ours."""
    if text is None or not text.startswith(b'{"o":"'):
        return None
    try:
        whole = unpack(text) if b'"$' in text else orjson.loads(text)
        return whole["v"], int(whole["ms"])
    except (Unpackable, KeyError, TypeError, ValueError):
        return None


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield values, so many at a time."""
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
