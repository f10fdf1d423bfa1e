"""Values as JSON and back, to the last digit: what JSON has no type for is written with a tag.

>>> unpack(pack({"price": Decimal("1.10"), "on": date(2024, 1, 2)}))
{'price': Decimal('1.10'), 'on': datetime.date(2024, 1, 2)}
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

WIDEST = 2**53  # a larger whole number is a float to many who read JSON
DEEPEST = 100


class Unpackable(ValueError):
    """The value is of a type that is not kept, or is no JSON of ours."""


def pack(value: Any) -> bytes:
    """Return a value as JSON; tuples come back as lists, instants in UTC.

    :raises Unpackable: if there is something in it that would not come back as it is
    """
    return orjson.dumps(_tagged(value, 0))


def unpack(text: bytes) -> Any:
    """Return the value that was packed.

    :raises Unpackable: if the text is no JSON, or has a tag that nobody writes
    """
    try:
        return _untagged(orjson.loads(text))
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as error:
        raise Unpackable(f"The text is no packed value: {error}") from error


def _tagged(value: Any, depth: int) -> Any:
    """Return a value of JSON's own types, tags where there is no such type."""
    if depth > DEEPEST:
        raise Unpackable("The value is nested too deeply.")
    kind = type(value)
    if value is None or kind in (str, bool):
        return value
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if isinstance(value, (list, tuple)):
        return [_tagged(one, depth + 1) for one in value]
    if isinstance(value, Mapping):
        if not all(type(name) is str for name in value):
            raise Unpackable("The names of a mapping must be texts.")
        inner = {name: _tagged(one, depth + 1) for name, one in value.items()}
        return {"$o": inner} if len(inner) == 1 and next(iter(inner)).startswith("$") else inner
    raise Unpackable(f"A {kind.__name__} is not kept in JSON: hand in what it is made of.")


def _whole(value: int) -> Any:
    return value if -WIDEST < value < WIDEST else {"$i": str(value)}


def _real(value: float) -> float:
    if not math.isfinite(value):
        raise Unpackable("JSON has no such float.")
    return value


def _instant(value: datetime) -> dict[str, str]:
    if value.tzinfo is None:
        raise Unpackable("A time without its offset is no instant.")
    return {"$t": value.astimezone(UTC).isoformat()}


_SCALARS: dict[type, Callable[[Any], Any]] = {
    int: _whole,
    float: _real,
    Decimal: lambda value: {"$d": str(value)},
    datetime: _instant,
    date: lambda value: {"$day": value.isoformat()},
    UUID: lambda value: {"$u": str(value)},
}
_TAGS: dict[str, Callable[[Any], Any]] = {
    "$i": int,
    "$d": Decimal,
    "$t": datetime.fromisoformat,
    "$day": date.fromisoformat,
    "$u": UUID,
}


def _untagged(value: Any) -> Any:
    """Return a value with its own types, from one of JSON's."""
    if type(value) is list:
        return [_untagged(one) for one in value]
    if type(value) is not dict:
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name == "$o":
            return {key: _untagged(one) for key, one in inner.items()}
        if name.startswith("$"):
            if name not in _TAGS:
                raise Unpackable(f"There is no tag {name[:20]}.")
            return _TAGS[name](inner)
    return {name: _untagged(one) for name, one in value.items()}
