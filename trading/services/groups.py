"""Orders that belong together: after one of them has moved, what follows for the others is done, until they agree."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from trading.domain.legs import StepKind, follow_up
from trading.domain.orders import Event, EventKind, Sending
from trading.models import Door, Order
from trading.services.order_rows import SENDABLE, Cause, happen, lock_orders, save_orders

ROUNDS = 10  # far more than any group needs


@transaction.atomic
def settle_group(*, order: Order, now: datetime) -> list[Order]:
    """Do what follows from how the orders of a group stand, and return those that were moved.

    Exits that waited are released for what the entry filled, or canceled with it; when one exit has ended, the other is canceled;
    while one is partly filled, the other is made smaller. What the broker knows already is asked of the broker.
    """
    moved: dict[UUID, Order] = {}
    if not order.role:
        return []
    for _ in range(ROUNDS):
        group = lock_orders(group_of(order))
        steps = follow_up([one.member for one in group.values()])
        changed = [one for step in steps if (one := _do(group[step.key], step.kind, step.quantity, now))]  # type: ignore[index]
        if not changed:
            break
        moved |= {one.pk: one for one in changed}
    return list(moved.values())


def lock_group(order: Order) -> dict[UUID, Order]:
    """Return an order with those it belongs to and the one whose place it takes, locked until the transaction ends.

    Whoever moves one of them may have to move the others: all are locked first, so that no two wait for each other.
    """
    ids = {*group_of(order)} if order.role else {order.pk}
    if order.replaces_id is not None:
        ids.add(order.replaces_id)
    return lock_orders(ids)


def group_of(order: Order) -> Collection[UUID]:
    """Return the ids of the orders that an order belongs to, itself included."""
    root = order.parent_id or order.pk
    return list(
        Order.objects.filter(Q(pk=root) | Q(parent=root), account=order.account_id).order_by("pk").values_list("pk", flat=True)
    )


def _do(order: Order, kind: StepKind, quantity: object, now: datetime) -> Order | None:
    """Do one thing to a locked order; none if it has been done, or is under way."""
    cause = Cause(door=Door.GROUP, at=now, now=now)
    columns: dict[str, object] = {}
    if kind is StepKind.RELEASE:
        events = [Event(EventKind.RELEASED, quantity=quantity)]  # type: ignore[arg-type]
        columns["sending"] = Sending.PENDING
    elif kind is StepKind.RESIZE:
        events = [Event(EventKind.RESIZED, quantity=quantity)]  # type: ignore[arg-type]
    elif order.sending in SENDABLE:
        events = [Event(EventKind.CANCELED)]
    elif order.pending_cancel:
        return None
    else:
        events = [Event(EventKind.CANCEL_REQUESTED)]
    save_orders([order], happen(order, events, cause), columns)
    return order
