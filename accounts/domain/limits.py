"""What a ledger can hold: how long a text, how precise a number and how large a record may be."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

MOST_DATA = 64 * 1024
DEEPEST_DATA = 10
MOST_TAGS = 50
# control characters but tab and line feed, what turns the direction of writing round, and half a surrogate pair
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def problem_of_text(text: str, *, most: int) -> str | None:
    r"""Return what is wrong with a text, None if nothing is.

    >>> problem_of_text("two\nlines", most=100)
    >>> problem_of_text("bell\x07", most=100)
    'Leave out control characters; only tabs and line breaks are taken.'
    """
    if len(text) > most:
        return f"The text has {len(text):,} characters; at most {most:,} are taken."
    if UNPRINTABLE.search(text):
        return "Leave out control characters; only tabs and line breaks are taken."
    return None


def problem_of_number(number: Decimal, *, digits: int, places: int) -> str | None:
    """Return what is wrong with a number, None if it is stored as it is.

    >>> problem_of_number(Decimal("0.50"), digits=15, places=10)
    >>> problem_of_number(Decimal("NaN"), digits=15, places=10)
    'This is no number.'
    """
    if not number.is_finite():
        return "This is no number."
    if number and number.adjusted() >= digits:
        return f"The number is too large: at most {digits} digits before the point are taken."
    exponent = int(number.as_tuple().exponent)
    if exponent < -places and int(number.normalize().as_tuple().exponent) < -places:
        return f"The number is too precise: at most {places} decimals are taken."
    return None


def problem_of_tags(tags: Sequence[str], *, most: int) -> str | None:
    """Return what is wrong with tags, None if nothing is."""
    if len(tags) > MOST_TAGS:
        return f"At most {MOST_TAGS} tags are taken."
    if not all(tags):
        return "A tag can't be empty."
    return next(filter(None, (problem_of_text(tag, most=most) for tag in tags)), None)


def problem_of_data(data: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a record of data, None if JSON carries it as it is."""
    if not data:
        return None
    level: list[Any] = [data]
    for _ in range(DEEPEST_DATA):
        problem = next(filter(None, map(_problem_of_node, level)), None)
        if problem:
            return problem
        level = [child for node in level for child in _children(node)]
        if not level:
            break
    else:
        return f"The data are nested deeper than {DEEPEST_DATA} levels."
    if len(json.dumps(data, ensure_ascii=False).encode()) > MOST_DATA:
        return f"The data take more than {MOST_DATA:,} bytes."
    return None


def _problem_of_node(node: Any) -> str | None:
    """Return what is wrong with a value itself, whatever it holds."""
    if isinstance(node, float) and not Decimal(node).is_finite():
        return "The data hold something that is no number."
    if isinstance(node, str):
        return problem_of_text(node, most=MOST_DATA)
    if isinstance(node, Mapping):
        return next(filter(None, map(_problem_of_key, node)), None)
    if not isinstance(node, list | tuple | int | float | type(None)):
        return f"The data hold a {type(node).__name__}, which JSON has no form for; write it as a text."
    return None


def _problem_of_key(key: Any) -> str | None:
    """Return what is wrong with the name of a value."""
    return problem_of_text(key, most=MOST_DATA) if isinstance(key, str) else "The names in the data must be texts."


def _children(node: Any) -> Iterator[Any]:
    """Yield the values inside a value."""
    if isinstance(node, Mapping):
        yield from node.values()
    elif isinstance(node, list | tuple):
        yield from node
