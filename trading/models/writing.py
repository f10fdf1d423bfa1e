"""Rows of orders, their events and fills, stored together in one trip."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import DatabaseError, connection, models, transaction
from django.db.transaction import TransactionManagementError
from uuid_utils import uuid7

from accounts.models import Account, User
from accounts.models.prepared import prepared
from marketdata.models import Instrument
from trading.models.orders import SENDING_COLUMNS, STATE_COLUMNS, Door, Order

Known = dict[str, tuple[UUID, Decimal, Decimal, Decimal]]  # by the broker's id: the order, and quantity, price and fee
EventRow = Mapping[str, Any]  # the columns of an order event by name: hundreds are written at once, and none is looked at again


class FillRow(NamedTuple):
    """A fill and its event in the order in which `trading_post` takes their columns: hundreds are written at once."""

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
    told = [{name: value for name, value in row.items() if value is not None} for row in _ORDER.of(new)]  # most have few
    rows = (told, _MOVING.of(moved), events)
    with prepared() as cursor:
        cursor.execute("SELECT trading_store(%s, %s, %s)", [_written(some) for some in rows])
        done: bool = cursor.fetchone()[0]
    if done:
        for row in new:
            row._state.adding, row._state.db = False, connection.alias
    return done


def post(by: Filling, *, drafts: str, fills: Sequence[FillRow], moved: Sequence[Order], events: Sequence[EventRow]) -> Answer:
    """Post fills with their ledger entries, their orders as they have moved, and what else happened to these, in one trip.

    `drafts` are the entries as `ledger_append` reads them. Where it refuses one, nothing is stored.
    """
    columns = list(zip(*fills, strict=True))
    said = [(_texts if name == "execution_id" else _array)(column) for name, column in zip(FillRow._fields, columns, strict=True)]
    rest = (_written(_MOVING.of(moved)), _written(events))
    with prepared() as cursor:
        cursor.execute(_POST, [by.account.pk, by.actor.pk, by.broker, by.door, by.now, drafts, *said, *rest])
        stored, answers, wished = cursor.fetchone()
    return Answer(stored, None if answers is None else orjson.loads(answers), wished)


def new_order(values: Mapping[str, Any], **related: models.Model | None) -> Order:
    """Return the row of an order that is not stored yet, of its columns and the rows that these are keys of, by their names.

    What is not given is as the model has it. It is made as rows are that are read: by names it takes three times as long.
    """
    keys = {f"{name}_id": row.pk for name, row in related.items() if row is not None}
    order = Order.from_db(connection.alias, _ORDER.names, list({**_BLANK, **values, **keys}.values()))
    order._state.adding = True
    order._state.fields_cache.update({name: row for name, row in related.items() if row is not None})
    return order


def new_id() -> str:
    """Return an id for a row that is written in a moment: each is greater than the one before."""
    return str(uuid7())


@contextmanager
def locked(
    account: Account, ids: Collection[UUID], *, waiting: bool, broker: str | None = None, executions: Sequence[str] = ()
) -> Iterator[tuple[dict[UUID, Order], Known]]:
    """Lend orders of an account with their instruments, locked until the transaction ends, and the fills that are known by then.

    They come in their order, unless `waiting` without those that somebody else is at. `executions` are the ids that a broker has
    for fills; if none is named it is that of the orders. What is done with them is undone if it fails: the savepoint for that
    takes no trip of its own.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Orders are locked in a transaction.")
    keys, point = list(ids), ""
    try:
        with prepared() as first, prepared() as second:
            with connection.wrap_database_errors, connection.connection.pipeline():
                point = transaction.savepoint()
                first.execute(_LOCK, [account.pk, keys, waiting])
                second.execute(_KNOWN, [account.pk, broker, keys[0], _texts(executions)])
            orders, known = _orders(account, first.fetchall()), {name: tuple(figures) for name, *figures in second.fetchall()}
        yield orders, known
    except Exception:
        if point:
            _undo(point)
        raise


def _undo(point: str) -> None:
    """Go back to a savepoint; where that is gone, nothing of the transaction stays."""
    transaction.set_rollback(False)
    try:
        transaction.savepoint_rollback(point)
    except DatabaseError:
        transaction.set_rollback(True)


def _orders(account: Account, rows: Iterable[Sequence[Any]]) -> dict[UUID, Order]:
    """Return orders of an account by their ids. An instrument is made once, however many of the orders are for it."""
    orders, instruments, width, alias = dict[UUID, Order](), dict[UUID, Instrument](), len(_ORDER.names), connection.alias
    for row in rows:
        order = Order.from_db(alias, _ORDER.names, row[:width])
        instrument = instruments.get(order.instrument_id)
        if instrument is None:
            instrument = instruments[order.instrument_id] = Instrument.from_db(alias, _INSTRUMENT.names, row[width:])
        order.account, order.instrument = account, instrument
        orders[order.pk] = order
    return orders


def _array(values: Sequence[object]) -> str:
    """Return values that need no escapes as PostgreSQL writes an array."""
    return f"{{{orjson.dumps(values, default=str).decode()[1:-1]}}}"  # its quotes are JSON's


def _texts(values: Iterable[str]) -> str:
    """Return texts as PostgreSQL writes an array."""
    return "{" + ",".join(['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]) + "}"


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
_BLANK = {field.attname: None if field.primary_key else field.get_default() for field in Order._meta.concrete_fields}
_MOVING = _Columns(Order, {"id", "account_id", *STATE_COLUMNS, *SENDING_COLUMNS})
_LOCK = f"""
    SELECT {_ORDER.selected("o")}, {_INSTRUMENT.selected("i")}
    FROM trading_locked(%s, %s, %s) o JOIN marketdata_instrument i ON i.id = o.instrument_id
"""  # noqa: S608  # the names of columns
_KNOWN = "SELECT execution_id, order_id, quantity, price, fee FROM trading_known(%s, %s, %s, %s)"
_POST = f"SELECT stored, answers, wished FROM trading_post({', '.join(['%s'] * (8 + len(FillRow._fields)))})"  # noqa: S608
