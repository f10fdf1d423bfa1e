"""What a broker says of an order, taken down: acceptance, fills with their entries, and its end, in one transaction.

It may be taken down again, and by several at once, from an answer, a look or a stream: the rows are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, Topic
from portfolio.domain.exact import plain
from trading.adapters.base import BrokerOrder
from trading.domain.orders import Event, EventKind, OrderStatus, Sending
from trading.models import BreakKind, Door, Order
from trading.models.writing import Filling, FillRow, Known, locked
from trading.services.breaks import Difference, open_break
from trading.services.fills import Execution, enter_fills, store_filled
from trading.services.groups import settle_group
from trading.services.order_rows import Cause, Sheet, happen, happen_each, lock_orders
from trading.services.pairs import rider_of
from trading.services.telling import tell_members
from trading.services.watching import to_watch

ENDS = {
    OrderStatus.CANCELED: EventKind.CANCELED,
    OrderStatus.EXPIRED: EventKind.EXPIRED,
    OrderStatus.REJECTED: EventKind.REJECTED,
    OrderStatus.REPLACED: EventKind.REPLACED,
}
BEGUN = frozenset({OrderStatus.NEW})


@transaction.atomic
def take_down(*, account: Account, order_id: UUID, answer: BrokerOrder, now: datetime) -> list[FillRow]:
    """Write down how a broker says that an order stands, and return the fills that are new.

    What cannot have been filled is kept as a difference, for a person to look at.
    """
    try:
        return _taken(account, _with_legs({order_id: answer}), now)
    except ValidationError as refusal:
        order = lock_orders([order_id])[order_id]
        _keep_difference(account, order, answer, refusal, now)
        return _taken(account, _with_legs({order_id: answer}), now, with_fills=False)


def take_down_all(*, account: Account, answers: Mapping[UUID, BrokerOrder], now: datetime) -> list[FillRow]:
    """Write down how one broker says that orders stand, all in one transaction; return the fills that are new.

    Orders that somebody else is at are left for the next look: one of them does not hold the others up.
    """
    try:
        return _taken(account, _with_legs(answers), now, waiting=False)
    except ValidationError:  # one of them cannot be as it says; the others can
        return [
            fill
            for order_id, answer in answers.items()
            for fill in take_down(account=account, order_id=order_id, answer=answer, now=now)
        ]


def tell_rejected(order: Order, detail: str, now: datetime) -> None:
    """Tell members that nobody will carry an order out: what it was to open, or to close, stays as it is."""
    much = "" if order.quantity is None else f" {order.quantity.normalize():f}"
    what = f"{order.side}{much} {order.instrument.key} ({order.type}, order {order.client_order_id})"
    tell_members(account=order.account, title="an order was rejected", body=f"{what}: {detail}", at=now, topic=Topic.ALERT)


def _with_legs(answers: Mapping[UUID, BrokerOrder]) -> dict[UUID, BrokerOrder]:
    """Return answers with what they say of orders that went along with others."""
    found = dict(answers)
    for order_id, answer in answers.items():
        rider = rider_of(Order.objects.get(pk=order_id)) if answer.legs else None
        if rider is not None:
            found[rider.pk] = answer.legs[0]
    return found


def _taken(
    account: Account, answers: Mapping[UUID, BrokerOrder], now: datetime, *, with_fills: bool = True, waiting: bool = True
) -> list[FillRow]:
    """Put answers down and store them, all or none.

    :raises ValidationError: if a fill cannot have been
    """
    names = [fill.execution_id for answer in answers.values() for fill in answer.fills] if with_fills else []
    with locked(account, answers.keys(), waiting=waiting, executions=names) as (orders, known):
        answers = {key: answer for key, answer in answers.items() if waiting or key in orders}
        return _stored(account, orders, answers, now, known if with_fills else None) if answers else []


def _stored(
    account: Account, orders: Mapping[UUID, Order], answers: Mapping[UUID, BrokerOrder], now: datetime, known: Known | None
) -> list[FillRow]:
    """Put answers about locked orders down and store them, with their fills unless nobody has asked which are `known`.

    :raises ValidationError: if a fill cannot have been
    """
    sheet, entered = Sheet(), None
    for order_id, answer in answers.items():
        _begin(sheet, orders[order_id], answer, now)
    if known is not None:
        executions = [
            Execution(order_id, fill, answer.complete and number == len(answer.fills))
            for order_id, answer in answers.items()
            for number, fill in enumerate(answer.fills, 1)
        ]
        broker = next(iter(orders.values())).broker
        by = Filling(account=account, actor=account.owner, broker=broker, door=Door.BROKER, now=now)
        entered = enter_fills(sheet, orders, executions, known, by=by)
    for order_id, answer in answers.items():
        _end(sheet, orders[order_id], answer, now)
    fills = store_filled(sheet, entered, hint=to_watch(account.pk, account.owner_id))
    for order in orders.values():
        if order.role:
            settle_group(order=order, now=now)
    return fills


def _begin(sheet: Sheet, order: Order, answer: BrokerOrder, now: datetime) -> None:
    """Put down that the broker has the order, and how far its stop has come."""
    steps: list[tuple[Event, Cause]] = []
    first = min((fill.at for fill in answer.fills), default=answer.at) if order.status in BEGUN else answer.at
    cause = Cause(door=Door.BROKER, at=min(first, answer.at), now=now)
    if order.status in BEGUN and answer.status is not OrderStatus.REJECTED:
        quantity = answer.quantity if order.quantity is None and answer.quantity else None
        steps.append((Event(EventKind.ACCEPTED, quantity=quantity), cause))
    if order.is_open and answer.mark is not None and answer.mark != order.high_water_mark:
        steps.append((Event(EventKind.TRAILED, mark=answer.mark), replace(cause, data={"mark": plain(answer.mark)})))
    if order.is_open and answer.triggered and not order.triggered:
        steps.append((Event(EventKind.TRIGGERED), replace(cause, detail=answer.trigger)))
    columns: dict[str, Any] = {}
    if order.sending != Sending.SETTLED or not order.broker_order_id:
        columns = {"sending": Sending.SETTLED, "claimed_at": None}
        columns |= {} if order.broker_order_id else {"broker_order_id": answer.broker_order_id}
    if steps or columns:
        sheet.put(order, happen_each(order, steps), columns)


def _end(sheet: Sheet, order: Order, answer: BrokerOrder, now: datetime) -> None:
    """Put down that an order has come to its end, once all of its fills are there."""
    end = ENDS.get(answer.status)
    if end is not None and order.is_open and answer.missing <= 0:
        cause = Cause(door=Door.BROKER, at=max(answer.at, order.created_at), now=now, detail=answer.detail)
        sheet.put(order, happen(order, [Event(end)], cause))
        if end is EventKind.REJECTED:
            tell_rejected(order, answer.detail or f"{order.broker} rejected it.", now)


def _keep_difference(account: Account, order: Order, answer: BrokerOrder, refusal: ValidationError, now: datetime) -> None:
    """Open a break for fills that cannot have been."""
    difference = Difference(
        kind=BreakKind.FILL,
        subject=order.client_order_id,
        detail="; ".join(refusal.messages),
        ours=order.filled_quantity,
        theirs=answer.filled_quantity,
        instrument=order.instrument,
        order=order,
    )
    open_break(account=account, broker=order.broker, difference=difference, now=now)
