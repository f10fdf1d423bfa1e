"""What brokers filled, posted exactly once: the fill, its ledger entry and how its order stands commit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, Level, Topic, User
from accounts.services.ledger import post_entries
from trading.domain import fills as domain
from trading.domain.orders import Event, EventKind, PositionEffect, Side
from trading.domain.posting import entry_of
from trading.models import Door, Fill, Order
from trading.services.order_rows import Cause, Sheet, happen, lock_orders
from trading.services.telling import tell_members

MOST_TOLD = 20


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
) -> list[Fill]:
    """Post the fills of an account's orders that are not known yet, all or none; return the fills that are new.

    It may be called again with the same executions, by whomever: each is posted once. `actor` is the member who acts.

    :raises ConflictingFill: if an execution is known with other figures, or of another order
    :raises NotAsThingsStand: if an order would be filled beyond its quantity, or was rejected
    """
    orders = lock_orders({one.order_id for one in executions})  # before the known ones are read: two at once see each other
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
) -> list[Fill]:
    """Do what `post_fills` does with orders that are locked, and put down what is to be stored in the same transaction."""
    fresh = _fresh(account, executions, broker)
    if not fresh:
        return []
    for one in fresh:
        figures = {"execution_id": one.fill.execution_id, "quantity": f"{one.fill.quantity:f}", "price": f"{one.fill.price:f}"}
        cause = Cause(door=door, at=one.fill.at, now=now, data=figures)
        event = Event(EventKind.FILLED, fill=one.fill, complete=one.complete)
        sheet.put(orders[one.order_id], happen(orders[one.order_id], [event], cause))
    rows = _post(account, fresh, orders, broker, actor, now)
    sheet.fills += rows
    if door is not Door.IMPORT:  # what files bring in is long over
        _tell(account, rows, now)
    return rows


def _tell(account: Account, rows: Sequence[Fill], now: datetime) -> None:
    """Write to those who wish mail about fills."""
    told = [
        f"{row.order.side} {row.quantity.normalize():f} {row.order.instrument.key} at {row.price.normalize():f} "
        f"{row.order.instrument.currency}, fee {row.fee.normalize():f}: order {row.order.client_order_id} is {row.order.status}"
        for row in rows[:MOST_TOLD]
    ]
    more = [f"and {len(rows) - MOST_TOLD} more"] if len(rows) > MOST_TOLD else []
    title = "an order was filled" if len({row.order_id for row in rows}) == 1 else "orders were filled"
    tell_members(account=account, title=title, body="\n".join([*told, *more]), at=now, level=Level.INFO, topic=Topic.FILL)


def _fresh(account: Account, executions: Sequence[Execution], broker: str) -> list[Execution]:
    """Return the executions that are not known yet, each once."""
    ids = [one.fill.execution_id for one in executions]
    stored = Fill.objects.filter(account=account, broker=broker, execution_id__in=ids) if ids else Fill.objects.none()
    figures_of = stored.values_list("execution_id", "order_id", "quantity", "price", "fee")
    known: dict[str, tuple[object, ...]] = {name: tuple(figures) for name, *figures in figures_of}
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
) -> list[Fill]:
    """Post the ledger entries of executions, and return the fills that name them."""
    drafts = [
        entry_of(
            one.fill,
            side=Side(orders[one.order_id].side),
            effect=PositionEffect(orders[one.order_id].effect),
            order_id=one.order_id,
            instrument_id=orders[one.order_id].instrument_id,
            currency=orders[one.order_id].instrument.currency,
            multiplier=orders[one.order_id].instrument.multiplier,
        )
        for one in executions
    ]
    posted = post_entries(account=account, drafts=drafts, actor=actor)
    ids = [entry.entry_id for entry in posted if entry.entry_id is not None and entry.outcome in {"created", "known"}]
    if len(ids) < len(drafts):
        detail = "The ledger has an entry of one of these executions with other figures; compare with the broker's records."
        raise ConflictingFill(detail, code="conflicting_fill")
    return [
        Fill(
            account=account,
            order=orders[one.order_id],
            broker=broker,
            execution_id=one.fill.execution_id,
            quantity=one.fill.quantity,
            price=one.fill.price,
            fee=one.fill.fee,
            at=one.fill.at,
            recorded_at=now,
            entry_id=entry_id,
        )
        for one, entry_id in zip(executions, ids, strict=True)
    ]
