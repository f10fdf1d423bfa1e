"""Numbers and times as Alpaca writes and reads them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from marketdata.domain.money import plain
from trading.api.alpaca.errors import BadField

LONGEST = 60
YEARS = range(1800, 2201)
T = TypeVar("T")
TRUE, FALSE = {"true", "1", "t"}, {"false", "0", "f", ""}


def stamp(at: datetime | None) -> str | None:
    """Return an instant in RFC 3339, without zeros that say nothing.

    >>> stamp(datetime(2024, 5, 6, 14, 30, 0, 250000, tzinfo=UTC))
    '2024-05-06T14:30:00.25Z'
    """
    if at is None:
        return None
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "Z"


def digits(number: Decimal | None) -> str | None:
    """Return a number as text, without zeros that say nothing.

    >>> digits(Decimal("1.500")), digits(Decimal("100"))
    ('1.5', '100')
    """
    return None if number is None else plain(number)


def number(value: Any, name: str) -> Decimal | None:
    """Return a number that a client wrote as text or as a JSON number; a float by its shortest spelling.

    :raises BadField: if it is none
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal) or len(str(value)) > LONGEST:
        raise BadField(f"{name} must be a number")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise BadField(f"{name} must be a number") from None
    if not found.is_finite() or abs(found.adjusted()) > LONGEST:
        raise BadField(f"{name} must be a number")
    return found


def instant(value: str | None, name: str) -> datetime | None:
    """Return the instant that a text says: RFC 3339, or a day, which begins at midnight UTC.

    :raises BadField: if it is none
    """
    if not value:
        return None
    try:
        if len(value) == len("2024-05-06"):
            return datetime.combine(date.fromisoformat(value), time(), UTC)
        found = datetime.fromisoformat(value.strip().replace(" ", "+"))  # a plus sign that was not escaped
    except ValueError:
        raise BadField(f"{name} must be a time in RFC 3339, or a day as YYYY-MM-DD") from None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        raise BadField(f"{name} is out of range") from None


def day(value: str | None, name: str) -> date | None:
    """Return the day that a text says.

    :raises BadField: if it is none
    """
    if not value:
        return None
    try:
        found = date.fromisoformat(value[: len("2024-05-06")])
    except ValueError:
        raise BadField(f"{name} must be a day as YYYY-MM-DD") from None
    if found.year not in YEARS:
        raise BadField(f"{name} must be a day from {YEARS[0]} to {YEARS[-1]}")
    return found


def flag(value: Any, name: str, *, default: bool = False) -> bool:
    """Return a truth value.

    :raises BadField: if it is none
    """
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    said = str(value).lower()
    if said not in TRUE | FALSE:
        raise BadField(f"{name} must be true or false")
    return said in TRUE


def choice(value: str | None, name: str, words: Mapping[str, T], default: str = "") -> T:
    """Return what one of some words means.

    :raises BadField: if it is none of them
    """
    said = str(value or default).lower()
    if said not in words:
        raise BadField(f"{name} must be one of {', '.join(filter(None, words))}")
    return words[said]


def whole(value: str | None, name: str, *, default: int, most: int) -> int:
    """Return a whole number from 1 to the most there may be.

    :raises BadField: if it is none
    """
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > len(str(most)) or not 1 <= int(value) <= most:
        raise BadField(f"{name} must be a whole number from 1 to {most}")
    return int(value)


def listed(value: str | None) -> list[str]:
    """Return the words of a text that separates them by commas."""
    return [word for each in (value or "").split(",") if (word := each.strip())]


def as_uuid(text: str) -> uuid.UUID | None:
    """Return the id that a text is, none if it is no id."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
