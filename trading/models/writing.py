"""Rows of orders, their events and fills, stored together in one trip."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, models

from accounts.models import Account
from marketdata.models import Instrument
from trading.models.orders import SENDING_COLUMNS, STATE_COLUMNS, Order

EventRow = Mapping[str, Any]  # the columns of an order event by name: hundreds are written at once, and none is looked at again


@dataclass(slots=True)
class FillRow:
    """The columns of a fill, which is lighter than the model: hundreds are written at once."""

    id: UUID
    account_id: UUID
    order_id: UUID
    broker: str
    execution_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    recorded_at: datetime
    entry_id: UUID


def store(
    *,
    new: Sequence[Order] = (),
    moved: Sequence[Order] = (),
    events: Sequence[EventRow] = (),
    fills: Sequence[FillRow] = (),
) -> bool:
    """Store new orders, orders that are locked and have moved, and what is added to them; all or none.

    It returns False, and nothing is stored, where the account of a new order has used its client order id before.
    """
    rows = (_ORDER.of(new), _MOVING.of(moved), events, fills)
    with connection.cursor() as cursor:
        cursor.execute("SELECT trading_store(%s, %s, %s, %s)", [_written(some) for some in rows])
        done: bool = cursor.fetchone()[0]
    if done:
        for row in new:
            row._state.adding, row._state.db = False, connection.alias
    return done


def locked(account: Account, ids: Iterable[UUID], *, skip_locked: bool) -> list[Order]:
    """Return orders of an account with their instruments, in their order, locked until the transaction ends.

    An instrument is made once, however many of the orders are for it.
    """
    orders, instruments = [], dict[UUID, Instrument]()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK + (" SKIP LOCKED" if skip_locked else ""), [account.pk, list(ids)])
        for row in cursor.fetchall():
            order = Order.from_db(connection.alias, _ORDER.names, row[: len(_ORDER.names)])
            if order.instrument_id not in instruments:
                values = row[len(_ORDER.names) :]
                instruments[order.instrument_id] = Instrument.from_db(connection.alias, _INSTRUMENT.names, values)
            order.account, order.instrument = account, instruments[order.instrument_id]
            orders.append(order)
    return orders


def _written(rows: Sequence[object]) -> str | None:
    """Return rows as `trading_store` reads them: the columns by name, numbers as texts."""
    return orjson.dumps(rows, default=str).decode() if rows else None


class _Columns:
    """Some columns of a model, and how a row's are read."""

    def __init__(self, model: type[models.Model], only: Collection[str] = ()) -> None:
        fields = [each for each in model._meta.concrete_fields if not only or each.attname in only]
        self.names = [each.attname for each in fields]
        self.columns = [str(each.column) for each in fields]
        self.values = attrgetter(*self.names)

    def of(self, rows: Sequence[models.Model]) -> list[dict[str, Any]]:
        """Return the columns of rows by name."""
        return [dict(zip(self.columns, self.values(row), strict=True)) for row in rows]

    def selected(self, table: str) -> str:
        """Return them as a query names them."""
        return ", ".join(f"{table}.{column}" for column in self.columns)


_ORDER, _INSTRUMENT = _Columns(Order), _Columns(Instrument)
_MOVING = _Columns(Order, {"id", "account_id", *STATE_COLUMNS, *SENDING_COLUMNS})
_LOCK = f"""
    SELECT {_ORDER.selected("o")}, {_INSTRUMENT.selected("i")}
    FROM trading_order o JOIN marketdata_instrument i ON i.id = o.instrument_id
    WHERE o.account_id = %s AND o.id = ANY (%s) ORDER BY o.id FOR UPDATE OF o
"""  # noqa: S608  # the names of columns
