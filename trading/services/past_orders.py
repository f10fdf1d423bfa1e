"""Orders of the past, as files tell of them: stored as they ended, many at once, with their events and what was filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Account, User
from accounts.services.ledger import post_entries
from trading.domain.fills import Fill as Filled
from trading.domain.orders import Event, EventKind, OrderStatus, PositionEffect, Side
from trading.domain.posting import entry_of
from trading.models import Door, Fill, Order, OrderEvent
from trading.models.writing import store
from trading.services.fills import ConflictingFill
from trading.services.order_rows import Cause, ClientOrderIdTaken, happen
from trading.services.ringing import ring

BROKER = "import"


@transaction.atomic
def post_past(
    *, account: Account, orders: Sequence[Order], fills: Mapping[UUID, Sequence[Filled]], actor: User, now: datetime
) -> None:
    """Store orders that nobody sends any more, and post their fills: entries, fills and events commit together.

    :raises ClientOrderIdTaken: if the account has used one of their ids before
    :raises ConflictingFill: if the ledger knows one of them with other figures
    :raises NotAsThingsStand: if an order would be filled beyond its quantity
    """
    if not orders:
        return
    events: list[OrderEvent] = []
    for order in orders:
        events.append(_created(order, actor, now))
        for one in fills[order.pk]:
            figures = {"execution_id": one.execution_id, "quantity": f"{one.quantity:f}", "price": f"{one.price:f}"}
            cause = Cause(door=Door.IMPORT, at=one.at, now=now, data=figures)
            events += happen(order, [Event(EventKind.FILLED, fill=one)], cause)
    rows = _post(account, [(order, one) for order in orders for one in fills[order.pk]], actor, now)
    if not store(new=orders, events=events, fills=rows):
        raise ClientOrderIdTaken("Another order has one of these ids; an id is used once.", code="client_order_id_taken")
    ring([account.pk])


def _created(order: Order, actor: User, now: datetime) -> OrderEvent:
    """Return the first event of an order."""
    return OrderEvent(
        account_id=order.account_id,
        order=order,
        sequence=order.events,
        kind=EventKind.CREATED.value,
        status=OrderStatus.NEW.value,
        at=order.created_at,
        recorded_at=now,
        door=Door.IMPORT,
        actor=actor,
    )


def _post(account: Account, filled: Sequence[tuple[Order, Filled]], actor: User, now: datetime) -> list[Fill]:
    """Post the ledger entries of fills, and return the rows that name them."""
    drafts = [
        entry_of(
            one,
            side=Side(order.side),
            effect=PositionEffect(order.effect),
            order_id=order.pk,
            instrument_id=order.instrument_id,
            currency=order.instrument.currency,
            multiplier=order.instrument.multiplier,
        )
        for order, one in filled
    ]
    posted = post_entries(account=account, drafts=drafts, actor=actor)
    ids = [entry.entry_id for entry in posted if entry.entry_id is not None and entry.outcome == "created"]
    if len(ids) < len(drafts):
        detail = "The ledger has an entry of one of these fills already; take that back first."
        raise ConflictingFill(detail, code="conflicting_fill")
    return [
        Fill(
            account=account,
            order=order,
            broker=BROKER,
            execution_id=one.execution_id,
            quantity=one.quantity,
            price=one.price,
            fee=one.fee,
            at=one.at,
            recorded_at=now,
            entry_id=entry_id,
        )
        for (order, one), entry_id in zip(filled, ids, strict=True)
    ]
