"""What a ledger can hold: how long a text, how precise a number and how large a record may be."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
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
    if len(text) <= most and text.isprintable():
        return None
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
    """Return what is wrong with a record of data, None if JSON carries it as it is.

    >>> problem_of_data({"venue": "XNAS", "legs": [1, 2.5, None]})
    """
    problem = _problem_of_value(data, room=DEEPEST_DATA) if data else None
    if problem is None and data and len(json.dumps(data, ensure_ascii=False).encode()) > MOST_DATA:
        return f"The data take more than {MOST_DATA:,} bytes."
    return problem


def _problem_of_value(value: Any, *, room: int) -> str | None:
    """Return what is wrong with a value and all in it, `room` levels deep."""
    if isinstance(value, str):
        return problem_of_text(value, most=MOST_DATA)
    if isinstance(value, Mapping | list | tuple):
        return _problem_of_container(value, room=room)
    if isinstance(value, float) and not math.isfinite(value):
        return "The data hold something that is no number."
    if not isinstance(value, int | float | type(None)):
        return f"The data hold a {type(value).__name__}, which JSON has no form for; write it as a text."
    return None


def _problem_of_container(container: Mapping[Any, Any] | Sequence[Any], *, room: int) -> str | None:
    """Return what is wrong with the names and values in a container."""
    if not room:
        return f"The data are nested deeper than {DEEPEST_DATA} levels."
    values: Iterable[Any] = container
    if isinstance(container, Mapping):
        if not all(isinstance(name, str) for name in container):
            return "The names in the data must be texts."
        values = chain(container.keys(), container.values())
    return next(filter(None, (_problem_of_value(value, room=room - 1) for value in values)), None)
