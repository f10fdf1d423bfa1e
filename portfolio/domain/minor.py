"""Entries in the small coin that exchanges quote in (pence, agorot, cents): kept in the currency it is a part of.

A hundred pence are a pound, exactly. So an account never holds pence: prices quoted in them are divided where they come in, and
so is an entry that was written in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from marketdata.domain.money import MINOR_UNITS, major_unit
from portfolio.domain.entry import Entry
from portfolio.domain.exact import EXACT, plain
from portfolio.domain.numbers import number_in


def in_major(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries with those in a small coin in its currency."""
    return [_in_major(entry) if entry.currency in MINOR_UNITS else entry for entry in entries]


def _in_major(entry: Entry) -> Entry:
    """Return an entry in a small coin in its currency; the rate it states is of that, too."""
    currency, unit = major_unit(entry.currency)
    data: dict[str, Any] = dict(entry.data)
    for name in ("gross", "cost"):
        amount = number_in(data, name)
        if amount is not None:
            data[name] = plain(EXACT.multiply(amount, unit))
    rate = number_in(data, "fx_rate")
    if rate is not None:
        data["fx_rate"] = plain(EXACT.divide(rate, unit))
    price = None if entry.price is None else EXACT.multiply(entry.price, unit)
    cash, fee, tax = (EXACT.multiply(amount, unit) for amount in (entry.cash, entry.fee, entry.tax))
    return entry._replace(currency=currency, price=price, cash=cash, fee=fee, tax=tax, data=data)


def unit_of(currency: str) -> tuple[str, Decimal]:
    """Return the currency that prices quoted in a code are kept in, and what one of them is worth there."""
    return major_unit(currency) if currency in MINOR_UNITS else (currency, Decimal(1))
