"""Rows of orders, their events and fills, stored together in one trip."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection, models
from uuid_utils import uuid7

from accounts.models import Account, User
from marketdata.models import Instrument
from portfolio.domain.exact import plain
from trading.models.orders import SENDING_COLUMNS, STATE_COLUMNS, Door, Order

EventRow = Mapping[str, Any]  # the columns of an order event by name: hundreds are written at once, and none is looked at again


class FillRow(NamedTuple):
    """A fill and its event as `trading_post` reads them, by their places: hundreds are written at once."""

    id: str
    entry_id: str
    order_id: UUID
    execution_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    event_id: str
    sequence: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What fills of one account have in common: by whom they are posted, of which broker, by which door and when."""

    account: Account
    actor: User
    broker: str
    door: Door
    now: datetime


class Answer(NamedTuple):
    """Whether fills are stored, what the ledger answers unless all is new and followed, and whether mail of fills is wished."""

    stored: bool
    answers: list[list[Any]] | None
    wished: bool


def store(
    *,
    new: Sequence[Order] = (),
    moved: Sequence[Order] = (),
    events: Sequence[EventRow] = (),
) -> bool:
    """Store new orders, orders that are locked and have moved, and what is added to them; all or none.

    It returns False, and nothing is stored, where the account of a new order has used its client order id before.
    """
    rows = (_ORDER.of(new), _MOVING.of(moved), events, ())
    with connection.cursor() as cursor:
        cursor.execute("SELECT trading_store(%s, %s, %s, %s)", [_written(some) for some in rows])
        done: bool = cursor.fetchone()[0]
    if done:
        for row in new:
            row._state.adding, row._state.db = False, connection.alias
    return done


def post(by: Filling, *, drafts: str, fills: Sequence[FillRow], moved: Sequence[Order], events: Sequence[EventRow]) -> Answer:
    """Post fills with their ledger entries, their orders as they have moved, and what else happened to these, in one trip.

    `drafts` are the entries as `ledger_append` reads them. Where it refuses one, nothing is stored.
    """
    said = orjson.dumps([tuple(row) for row in fills], default=plain).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stored, answers, wished FROM trading_post(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [by.account.pk, by.actor.pk, by.broker, by.door, by.now, drafts, said, _written(_MOVING.of(moved)), _written(events)],
        )
        stored, answers, wished = cursor.fetchone()
    return Answer(stored, None if answers is None else orjson.loads(answers), wished)


def new_id() -> str:
    """Return an id for a row that is written in a moment: each is greater than the one before."""
    return str(uuid7())


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
