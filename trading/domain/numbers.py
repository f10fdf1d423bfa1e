"""Numbers as requests write them: as a number of JSON or as a text."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

MOST_PLACES = 18  # before the point, and zeros behind it: an exponent is short to write and long to compute with


def read_number(written: Any) -> Decimal | None:
    """Return the number that is written; none if it is none, or larger or smaller than anything that is traded.

    >>> read_number("12.50"), read_number(True), read_number("1e999999")
    (Decimal('12.50'), None, None)
    """
    if isinstance(written, bool):
        return None
    try:
        found = Decimal(str(written))
    except InvalidOperation:
        return None
    if not found.is_finite():
        return None
    if not found:
        return Decimal(0)
    return found if abs(found.adjusted()) <= MOST_PLACES else None
