"""What a broker says of an order, taken down: acceptance, fills with their entries, and its end, in one transaction.

It may be taken down again, and by several at once, from an answer, a look or a stream: the rows are the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account
from trading.adapters.base import BrokerOrder
from trading.domain.orders import Event, EventKind, OrderStatus, Sending
from trading.models import BreakKind, Door, Fill, Order
from trading.services.breaks import open_break
from trading.services.fills import Execution, post_fills
from trading.services.groups import settle_group
from trading.services.order_rows import Cause, lock_orders, record_events
from trading.services.watching import wake_watch

ENDS = {
    OrderStatus.CANCELED: EventKind.CANCELED,
    OrderStatus.EXPIRED: EventKind.EXPIRED,
    OrderStatus.REJECTED: EventKind.REJECTED,
    OrderStatus.REPLACED: EventKind.REPLACED,
}
BEGUN = frozenset({OrderStatus.NEW})


@transaction.atomic
def take_down(*, account: Account, order_id: UUID, answer: BrokerOrder, now: datetime) -> list[Fill]:
    """Write down how a broker says that an order stands, and return the fills that are new."""
    order = lock_orders([order_id])[order_id]
    _begin(order, answer, now)
    fills = _fill(account, order, answer, now)
    end = ENDS.get(answer.status)
    order = lock_orders([order_id])[order_id]
    if end is not None and order.is_open and answer.missing <= 0:
        cause = Cause(door=Door.BROKER, at=max(answer.at, order.created_at), now=now, detail=answer.detail)
        record_events(order=order, events=[Event(end)], cause=cause)
    settle_group(order=order, now=now)
    if fills:
        wake_watch(account)
    return fills


def _begin(order: Order, answer: BrokerOrder, now: datetime) -> None:
    """Write down that the broker has the order, and how far its stop has come."""
    events: list[Event] = []
    if order.status in BEGUN and answer.status is not OrderStatus.REJECTED:
        events.append(Event(EventKind.ACCEPTED, quantity=answer.quantity if order.quantity is None and answer.quantity else None))
    if order.is_open and answer.mark is not None and answer.mark != order.high_water_mark:
        events.append(Event(EventKind.TRAILED, mark=answer.mark))
    if order.is_open and answer.triggered and not order.triggered:
        events.append(Event(EventKind.TRIGGERED))
    columns: dict[str, Any] = {}
    if order.sending != Sending.SETTLED or not order.broker_order_id:
        columns = {"sending": Sending.SETTLED, "claimed_at": None}
        columns |= {} if order.broker_order_id else {"broker_order_id": answer.broker_order_id}
    first = min((fill.at for fill in answer.fills), default=answer.at)
    accepted = order.status in BEGUN
    cause = Cause(door=Door.BROKER, at=min(first, answer.at) if accepted else answer.at, now=now)
    record_events(order=order, events=events, cause=cause, **columns)


def _fill(account: Account, order: Order, answer: BrokerOrder, now: datetime) -> list[Fill]:
    """Post the fills that are new; what cannot have been is kept as a difference, for a person to look at."""
    last = len(answer.fills) - 1
    executions = [Execution(order.pk, fill, answer.complete and number == last) for number, fill in enumerate(answer.fills)]
    if not executions:
        return []
    try:
        with transaction.atomic():
            return post_fills(account=account, executions=executions, broker=order.broker, actor=account.owner, now=now)
    except ValidationError as refusal:
        open_break(
            account=account,
            broker=order.broker,
            kind=BreakKind.FILL,
            subject=order.client_order_id,
            now=now,
            detail="; ".join(refusal.messages),
            ours=order.filled_quantity,
            theirs=answer.filled_quantity,
            instrument=order.instrument,
            order=order,
        )
        return []
