"""Bars, quotes and trades as Alpaca writes them, and the tokens by which its clients turn pages.

What Alpaca says and we don't know is empty, or none where its clients take that: the exchange of a quote, the number of a trade.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketdata.domain.bars import Bar
from marketdata.models import Instrument
from trading.api.alpaca.words import stamp
from trading.selectors.alpaca_data import Place

LONGEST_TOKEN = 300
FIRST, LAST = datetime(1800, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)  # what is asked for lies in between
TAPES: Mapping[str, str] = {"XNYS": "A", "XNAS": "C", "XASE": "B", "ARCX": "B", "BATS": "B", "IEXG": "B"}


def bar_body(bar: Bar) -> dict[str, Any]:
    """Return a bar as Alpaca writes it."""
    return {
        "t": stamp(bar.timestamp),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": _size(bar.volume),
        "n": bar.trade_count,
        "vw": None if bar.vwap is None else float(bar.vwap),
    }


def quote_body(row: Mapping[str, Any], instrument: Instrument) -> dict[str, Any]:
    """Return a quote as Alpaca writes it."""
    return {
        "t": _time(row["timestamp"]),
        "ax": "",
        "ap": float(row["ask"]),
        "as": _size(row["ask_size"]),
        "bx": "",
        "bp": float(row["bid"]),
        "bs": _size(row["bid_size"]),
        "c": [],
        "z": TAPES.get(instrument.exchange, ""),
    }


def trade_body(row: Mapping[str, Any], instrument: Instrument) -> dict[str, Any]:
    """Return a trade as Alpaca writes it; its number is made of what it says, so that it is the same each time."""
    said, price, size = _time(row["timestamp"]), float(row["price"]), _size(row["size"])
    number = hashlib.blake2b(f"{said} {price} {size}".encode(), digest_size=6)
    return {
        "t": said,
        "x": "",
        "p": price,
        "s": size,
        "c": str(row["conditions"]).split(),
        "i": int.from_bytes(number.digest(), "big"),
        "z": TAPES.get(instrument.exchange, ""),
    }


def token_of(place: Place) -> str:
    """Return a place as a client carries it to the next page.

    >>> place_of(token_of(Place("AAPL", ("2024-05-06T14:30:00Z",))))
    Place(symbol='AAPL', key=('2024-05-06T14:30:00Z',))
    """
    return base64.urlsafe_b64encode("|".join((place.symbol, *place.key)).encode()).decode()


def place_of(token: str) -> Place | None:
    """Return the place that a client has carried here, none if it is no place."""
    try:
        symbol, at, *others = base64.urlsafe_b64decode(token[:LONGEST_TOKEN]).decode().split("|")
        given = datetime.fromisoformat(at)
        known = given.tzinfo is not None and FIRST <= given <= LAST
        return Place(symbol, (at, *(str(_finite(each)) for each in others))) if known else None
    except (ValueError, ArithmeticError, binascii.Error):
        return None


def _finite(text: str) -> Decimal:
    """Return a number of a place.

    :raises ValueError: if it is none
    """
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError("Not a number.")
    return number


def _size(number: Any) -> int | float:
    """Return a size: a whole number where it is one, and 0 where it is not known."""
    if number is None:
        return 0
    said = float(number)
    return int(said) if said.is_integer() else said


def _time(at: Any) -> str | None:
    """Return an instant as Alpaca writes it."""
    return stamp(datetime.fromisoformat(at) if isinstance(at, str) else at)
