"""The cells of an old portfolio.db as values: SQLite keeps whatever was written, so each is looked at."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

LONGEST = 100
PLACES = Decimal(1).scaleb(-10)
LARGEST = Decimal(10) ** 15
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


class BadCell(ValueError):
    """The cell holds no such value; `column` says which one."""

    def __init__(self, column: str, detail: str) -> None:
        self.column = column
        super().__init__(f"{column}: {detail}")


def number(value: object, column: str) -> Decimal:
    """Return a number; what a float says is what its shortest spelling says, to the tenth place.

    :raises BadCell: if it is none

    >>> number(150.05, "bid"), number("12.5", "bid"), number(0.1 + 0.2, "bid"), number(7, "size")
    (Decimal('150.05'), Decimal('12.5'), Decimal('0.3'), Decimal('7'))
    """
    found = None
    if isinstance(value, float) and math.isfinite(value) and abs(value) < LARGEST:
        found = Decimal(repr(value)).quantize(PLACES).normalize()
    elif isinstance(value, int):
        found = Decimal(value)
    elif isinstance(value, str) and len(value) <= LONGEST:
        found = _written(value)
    if found is None or not found.is_finite() or abs(found) >= LARGEST or found.adjusted() < -LONGEST:
        raise BadCell(column, f"{told(value)} is no number.")
    return found if found.as_tuple().exponent <= 0 else found.quantize(Decimal(1))  # type: ignore[operator]


def _written(text: str) -> Decimal | None:
    """Return the number that a text is, if it is one."""
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None


def moment(value: object, column: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """Return an instant, and whether its text named its offset; one that does not is of the given zone.

    :raises BadCell: if it is none

    >>> moment("2024-01-02 15:04:05", "timestamp", ZoneInfo("UTC"))
    (datetime.datetime(2024, 1, 2, 15, 4, 5, tzinfo=datetime.timezone.utc), False)
    >>> moment("2024-01-02T15:04:05.5+01:00", "timestamp", ZoneInfo("UTC"))[0].hour
    14
    """
    if isinstance(value, str) and MOMENT.fullmatch(value):
        try:
            found = datetime.fromisoformat(value)
            aware = found if found.tzinfo else found.replace(tzinfo=zone)
            return aware.astimezone(UTC), found.tzinfo is not None
        except (ValueError, OverflowError):
            pass
    raise BadCell(column, f"{told(value)} is no time such as 2024-01-02 15:04:05.")


def word(value: object, column: str) -> str:
    """Return a short text.

    :raises BadCell: if it is none, is empty, or too long for one
    """
    text = value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if not text or len(text) > LONGEST or not text.isprintable():
        raise BadCell(column, f"{told(value)} is no name of at most {LONGEST} letters.")
    return text


def told(value: object) -> str:
    r"""Return a value as it is told to people, however long it is.

    >>> told(None), told("x" * 99)[-6:], told(b"\0" * 99)
    ('nothing', 'xxx...', '99 bytes')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = repr(value[: LONGEST + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST // 2 else f"{text[: LONGEST // 2]}..."
