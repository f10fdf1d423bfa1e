"""Entries and books for tests of the domain, without a database."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from portfolio.domain.book import NO_RULES, Book
from portfolio.domain.derivation import Derivation, derive
from portfolio.domain.entries import Entry, Listing, in_order
from portfolio.domain.lots import Method, Rules
from portfolio.domain.positions import fold
from portfolio.domain.pricing import Market, Points

SHARE, OTHER, FOREIGN, CALL = "share", "other", "foreign", "call"
LISTINGS = {SHARE: Listing("USD"), OTHER: Listing("USD"), FOREIGN: Listing("EUR"), CALL: Listing("USD", Decimal(100))}
_sequences = count(1)


def at(text: str) -> datetime:
    """Return an instant: a day, at noon, or a day and a time."""
    return datetime.fromisoformat(text if "T" in text else f"{text}T12:00").replace(tzinfo=UTC)


def entry(kind: str, when: str, instrument: str | None = None, **fields: Any) -> Entry:
    """Return an entry; numbers may be strings, and the cash of a trade follows from them."""
    for name in ("quantity", "cash", "fee", "tax"):
        fields[name] = Decimal(str(fields.get(name, 0)))
    if "price" in fields:
        fields["price"] = Decimal(str(fields["price"]))
    multiplier = fields.pop("multiplier", Decimal(1))
    if kind in {"BUY", "SELL", "SHORT", "COVER"} and not fields["cash"]:
        fields["cash"] = -fields["quantity"] * fields["price"] * multiplier - fields["fee"] - fields["tax"]
    defaults = {"price": None, "currency": "USD", "data": {}, "group": None, "reverses": None, "id": str(uuid4())}
    return Entry(
        **defaults | {"sequence": next(_sequences), "kind": kind, "occurred_at": at(when), "instrument": instrument} | fields
    )


def prices(closes: Mapping[str, Any]) -> Points:
    """Return points from closes by day."""
    return Points.of({date.fromisoformat(day).toordinal(): Decimal(str(close)) for day, close in closes.items()})


def book(
    *,
    method: str = "FIFO",
    closes: Mapping[str, Mapping[str, Any]] | None = None,
    rates: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    base: str = "USD",
    named: Mapping[str, str] | None = None,
    listings: Mapping[str, Listing] = LISTINGS,
    rules: Rules = NO_RULES,
) -> Book:
    """Return an empty book with a market."""
    market = Market(
        {instrument: prices(values) for instrument, values in (closes or {}).items()},
        {pair: prices(values) for pair, values in (rates or {}).items()},
    )
    return Book(base, Method(method), listings, market, named or {}, rules)


def folded(*entries: Entry, **market: Any) -> Book:
    """Return a book after entries, in the order of happening."""
    return fold(book(**market), in_order(entries))


def derived(*entries: Entry, margin: bool = False, **market: Any) -> Derivation:
    """Return what follows from entries."""
    return derive(book(**market), in_order(entries), margin=margin)


def costs(lots: Iterable[Any]) -> list[Decimal]:
    """Return the costs of lots or parts."""
    return [lot.cost for lot in lots]
