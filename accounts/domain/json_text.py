"""JSON as files carry it, with exact numbers: the digits that were written are the number, no float stands in between."""

import json
from decimal import Decimal
from typing import Any, NoReturn

from marketdata.domain.money import plain

MAX_DEPTH = 30
MAX_DIGITS = 400
SIMPLE = frozenset((str, int, bool, type(None)))  # what is written as it always is
NAME = frozenset((str,))
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def read_json(text: str) -> Any:
    """Return what a JSON text says; numbers with a point or an exponent as decimals.

    :raises ValueError: if it is none, gives a key twice, nests too deeply, or holds a number or character beyond all limits

    >>> read_json('{"price": 445.10, "shares": 10}')
    {'price': Decimal('445.10'), 'shares': 10}
    """
    try:
        value = json.loads(
            text, parse_float=_decimal, parse_int=_whole, parse_constant=_no_constant, object_pairs_hook=_without_repeats
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check(value, text_has_escapes="\\u" in text)
    return value


def write_json(value: Any) -> str:
    """Return a value as JSON, always in the same way: keys sorted, numbers in plain digits, nothing escaped without need.

    >>> write_json({"b": Decimal("12.50"), "a": ["é", None, True]})
    '{"a": ["é", null, true], "b": 12.5}'
    """
    if _is_simple(value):
        return _encode(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_encode(str(name))}: {write_json(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_json, value)) + "]"
    if isinstance(value, float):
        value = Decimal(repr(value))
    return plain(value) if isinstance(value, Decimal) else _encode(value)


def storable(value: Any) -> Any:
    """Return a value with decimals that a JSON column keeps: as a number where a float is that very number, else as a text.

    >>> storable([Decimal("0.1"), Decimal("0.12345678901234567890")])
    [0.1, '0.1234567890123456789']
    """
    if isinstance(value, dict):
        return {name: storable(child) for name, child in value.items()}
    if isinstance(value, list):
        return [storable(child) for child in value]
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else plain(value)
    return value


def _is_simple(value: Any) -> bool:
    """Say whether a value holds no number with a point, and nothing else that wants looking at."""
    kind = type(value)
    if kind is dict:
        if not NAME.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in SIMPLE
    return SIMPLE.issuperset(map(type, value)) or all(map(_is_simple, value))


def _decimal(digits: str) -> Decimal:
    number = Decimal(digits)
    if len(digits) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError("a number in it is beyond all limits")
    return number


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number in it is beyond all limits")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it gives a key twice")
    return found


def _check(value: Any, *, text_has_escapes: bool) -> None:
    """Refuse what can't be stored: too many levels, and characters that only an escape can smuggle in."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                inner += [*node.keys(), *node.values()] if text_has_escapes else node.values()
            elif isinstance(node, list):
                inner += node
            elif isinstance(node, str) and not is_text(node):
                raise ValueError("it holds a character that can't be stored")
        if not inner:
            return
        level = inner
    raise ValueError("it is nested too deeply")


def is_text(text: str) -> bool:
    """Say whether every character of a text can be stored: neither NUL nor half a surrogate pair.

    >>> is_text("naïve"), is_text(chr(0xD800))
    (True, False)
    """
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
