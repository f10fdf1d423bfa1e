"""What brokers filled, posted exactly once: the fill, its ledger entry and how its order stands commit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from accounts.domain.ledger import EntryDraft
from accounts.models import Account, Level, Topic, User
from accounts.services.ledger import post_entries
from trading.domain import fills as domain
from trading.domain.orders import Event, EventKind, PositionEffect, Side
from trading.domain.posting import entry_of
from trading.models import Door, Order
from trading.models.writing import FillRow
from trading.services.order_rows import Cause, Sheet, happen_each, lock_orders
from trading.services.telling import tell_members

MOST_TOLD = 20
KNOWN = """
    SELECT execution_id, order_id, quantity, price, fee FROM trading_fill
    WHERE account_id = %s AND broker = %s AND execution_id = ANY (%s)
"""


class ConflictingFill(ValidationError):
    """The broker's execution id is known with other figures: one of the two is wrong."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill and the order it is of; `complete` says that an order by amount will not be filled further."""

    order_id: UUID
    fill: domain.Fill
    complete: bool = False


@transaction.atomic
def post_fills(
    *,
    account: Account,
    executions: Sequence[Execution],
    broker: str,
    actor: User,
    now: datetime,
    door: Door = Door.BROKER,
) -> list[FillRow]:
    """Post the fills of an account's orders that are not known yet, all or none; return the fills that are new.

    It may be called again with the same executions, by whomever: each is posted once. `actor` is the member who acts.

    :raises ConflictingFill: if an execution is known with other figures, or of another order
    :raises NotAsThingsStand: if an order would be filled beyond its quantity, or was rejected
    """
    # before the known ones are read: two at once see each other
    orders = lock_orders({one.order_id for one in executions}, account=account)
    sheet = Sheet()
    rows = enter_fills(sheet, orders, account=account, executions=executions, broker=broker, actor=actor, now=now, door=door)
    sheet.store()
    return rows


def enter_fills(
    sheet: Sheet,
    orders: Mapping[UUID, Order],
    *,
    account: Account,
    executions: Sequence[Execution],
    broker: str,
    actor: User,
    now: datetime,
    door: Door = Door.BROKER,
) -> list[FillRow]:
    """Do what `post_fills` does with orders that are locked, and put down what is to be stored in the same transaction."""
    fresh = _fresh(account, executions, broker)
    if not fresh:
        return []
    steps: dict[UUID, list[tuple[Event, Cause]]] = {}
    for one in fresh:
        steps.setdefault(one.order_id, []).append(step_of(one.fill, door, now, complete=one.complete))
    for order_id, some in steps.items():
        sheet.put(orders[order_id], happen_each(orders[order_id], some))
    rows = _post(account, fresh, orders, broker, actor, now)
    sheet.fills += rows
    if door is not Door.IMPORT:  # what files bring in is long over
        _tell(account, rows, orders, now)
    return rows


def step_of(fill: domain.Fill, door: Door, now: datetime, *, complete: bool = False) -> tuple[Event, Cause]:
    """Return what a fill does to its order, and why."""
    figures = {"execution_id": fill.execution_id, "quantity": f"{fill.quantity:f}", "price": f"{fill.price:f}"}
    return Event(EventKind.FILLED, fill=fill, complete=complete), Cause(door=door, at=fill.at, now=now, data=figures)


def draft_of(fill: domain.Fill, order: Order) -> EntryDraft:
    """Return the ledger entry of a fill of an order."""
    return entry_of(
        fill,
        side=Side(order.side),
        effect=PositionEffect(order.effect),
        order_id=order.pk,
        instrument_id=order.instrument_id,
        currency=order.instrument.currency,
        multiplier=order.instrument.multiplier,
    )


def row_of(fill: domain.Fill, order: Order, broker: str, entry_id: UUID, now: datetime) -> FillRow:
    """Return the row of a fill."""
    return FillRow(
        id=uuid7(),
        account_id=order.account_id,
        order_id=order.pk,
        broker=broker,
        execution_id=fill.execution_id,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        at=fill.at,
        recorded_at=now,
        entry_id=entry_id,
    )


def _tell(account: Account, rows: Sequence[FillRow], orders: Mapping[UUID, Order], now: datetime) -> None:
    """Write to those who wish mail about fills."""
    told = [
        f"{order.side} {row.quantity.normalize():f} {order.instrument.key} at {row.price.normalize():f} "
        f"{order.instrument.currency}, fee {row.fee.normalize():f}: order {order.client_order_id} is {order.status}"
        for row, order in ((row, orders[row.order_id]) for row in rows[:MOST_TOLD])
    ]
    more = [f"and {len(rows) - MOST_TOLD} more"] if len(rows) > MOST_TOLD else []
    title = "an order was filled" if len({row.order_id for row in rows}) == 1 else "orders were filled"
    tell_members(account=account, title=title, body="\n".join([*told, *more]), at=now, level=Level.INFO, topic=Topic.FILL)


def _fresh(account: Account, executions: Sequence[Execution], broker: str) -> list[Execution]:
    """Return the executions that are not known yet, each once."""
    if not executions:
        return []
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [account.pk, broker, [one.fill.execution_id for one in executions]])
        known: dict[str, tuple[object, ...]] = {name: tuple(figures) for name, *figures in cursor.fetchall()}
    fresh: list[Execution] = []
    for one in executions:
        figures = (one.order_id, one.fill.quantity, one.fill.price, one.fill.fee)
        if one.fill.execution_id not in known:
            known[one.fill.execution_id] = figures
            fresh.append(one)
        elif known[one.fill.execution_id] != figures:
            detail = f"The execution {one.fill.execution_id} is known with other figures; compare with the broker's records."
            raise ConflictingFill(detail, code="conflicting_fill")
    return fresh


def _post(
    account: Account, executions: Sequence[Execution], orders: Mapping[UUID, Order], broker: str, actor: User, now: datetime
) -> list[FillRow]:
    """Post the ledger entries of executions, and return the fills that name them."""
    drafts = [draft_of(one.fill, orders[one.order_id]) for one in executions]
    posted = post_entries(account=account, drafts=drafts, actor=actor)
    ids = [entry.entry_id for entry in posted if entry.entry_id is not None and entry.outcome in {"created", "known"}]
    if len(ids) < len(drafts):
        detail = "The ledger has an entry of one of these executions with other figures; compare with the broker's records."
        raise ConflictingFill(detail, code="conflicting_fill")
    return [row_of(one.fill, orders[one.order_id], broker, entry_id, now) for one, entry_id in zip(executions, ids, strict=True)]
