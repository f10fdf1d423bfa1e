"""Units that come from another account, or go to one: with the lots they were held in, where the entry tells those.

A transfer between accounts of one's own carries its lots in `data.lots` of what arrives: `[{"opened_at": "2020-03-01T15:00:00Z",
"quantity": "5", "cost": "500", "currency": "USD"}]`. They keep their dates and cost. Without them there is one lot, opened on
arrival at `data.cost`, else at the price of the entry, else at that of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from portfolio.domain import actions
from portfolio.domain.book import Book, Holding
from portfolio.domain.daybook import Transfer
from portfolio.domain.entries import Entry
from portfolio.domain.exact import ZERO, money, share, units
from portfolio.domain.lots import Lot, Method
from portfolio.domain.numbers import amount_in, number_in


class Carried(NamedTuple):
    """A lot that came along with its date and its cost; `tacked`: days that count as held before."""

    opened_at: datetime
    quantity: Decimal
    cost: Decimal
    currency: str
    tacked: int = 0


def transfer(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post units that came from another account, or went to one, with the cost they carry; no gain is made."""
    if entry.cash:
        book.flow(entry, entry.cash)
    stated = stated_value(entry, holding)
    book.page.transfers.append(Transfer(holding.key, entry.quantity, entry.currency, stated, external=True, group=entry.group))
    lots = lots_carried(entry) if entry.quantity > 0 else []
    if lots:
        for lot in lots:
            _arrive(book, entry, holding, lot)
    else:
        _move(book, entry, holding, stated)
    book.moved(holding)


def lots_carried(entry: Entry) -> list[Carried]:
    """Return the lots that arrive with an entry; none unless all of them make sense and add up to its units."""
    rows = entry.data.get("lots") if entry.data else None
    if not isinstance(rows, list):
        return []
    lots = [_carried(row, entry) for row in rows]
    found = [lot for lot in lots if lot is not None]
    whole = len(found) == len(lots) and sum((lot.quantity for lot in found), ZERO) == entry.quantity
    return sorted(found) if whole else []


def stated_value(entry: Entry, holding: Holding) -> Decimal | None:
    """Return what an entry says its units are worth: by its price, else by its cost; none if it says neither."""
    if entry.price is not None:
        return money(abs(entry.quantity) * entry.price * holding.listing.multiplier)
    return amount_in(entry.data, "cost")


def value_of(book: Book, entry: Entry, holding: Holding, stated: Decimal | None) -> Decimal:
    """Return what units are worth: as stated, else at the price of the day, in the currency of the entry."""
    price = book.price_of(holding) if stated is None else None
    if stated is not None or price is None:
        return stated or ZERO
    value = money(abs(entry.quantity) * price * holding.listing.multiplier)
    return book.into(entry.currency, actions.in_currency(entry, holding.currency), value)


def _move(book: Book, entry: Entry, holding: Holding, stated: Decimal | None) -> None:
    """Take units out with their lots, or open one for those that come."""
    left = entry.quantity
    if left < 0 < holding.quantity:
        going = min(-left, holding.quantity)
        named = book.named_by(entry)
        cost = sum((part.cost for part in holding.take(going, book.method, named)), ZERO)
        left += going
        told = amount_in(entry.data, "cost")
        if book.method is Method.AVERAGE and named and told is not None and not left:
            _keep_to(holding, cost, book.into(holding.currency, entry, told))
    if left:
        carried = amount_in(entry.data, "cost")
        value = carried if carried is not None else value_of(book, entry, holding, stated)
        cost = share(book.into(holding.currency, entry, value), left, entry.quantity)
        book.trade(entry._replace(quantity=left), holding, -cost if left > 0 else cost, missing=left < 0)


def _keep_to(holding: Holding, taken: Decimal, told: Decimal) -> None:
    """Let the cost leave that the entry tells, which is what arrives elsewhere, whatever the average has become since."""
    if holding.quantity and holding.cost + taken >= told:
        holding.cost += taken - told


def _arrive(book: Book, entry: Entry, holding: Holding, lot: Carried) -> None:
    """Open a lot that came along; units that were sold before they came are closed by it."""
    cost = book.into(holding.currency, actions.in_currency(entry, lot.currency), lot.cost)
    book.arrive(entry, holding, Lot(lot.opened_at, entry.sequence, lot.quantity, cost, lot.quantity, tacked=lot.tacked))


def _carried(row: Any, entry: Entry) -> Carried | None:
    """Return the lot a row tells, none if it makes no sense."""
    if not isinstance(row, Mapping):
        return None
    quantity, cost, tacked = number_in(row, "quantity"), amount_in(row, "cost"), row.get("tacked_days", 0)
    try:
        opened_at = datetime.fromisoformat(row.get("opened_at", ""))
    except (TypeError, ValueError):
        return None
    if not quantity or cost is None or not isinstance(tacked, int) or tacked < 0:
        return None
    if opened_at.tzinfo is None or opened_at > entry.occurred_at:
        return None
    return Carried(opened_at.astimezone(UTC), units(quantity), cost, str(row.get("currency") or entry.currency), tacked)
