"""Numbers that the data of an entry states as text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from portfolio.domain.exact import money


def number_in(data: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a positive number, or zero, that an entry's data states as text; none if it states nothing of use."""
    try:
        number = Decimal(str(data[name]))
    except (KeyError, ArithmeticError):
        return None
    return number if number.is_finite() and number >= 0 else None


def amount_in(data: Mapping[str, Any], name: str) -> Decimal | None:
    """Return an amount of money, zero or above, that an entry's data states as text; none if it states nothing of use."""
    amount = number_in(data, name)
    return None if amount is None else money(amount)
