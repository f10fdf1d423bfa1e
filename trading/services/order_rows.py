"""The rows of orders: written with their first event, and changed by events alone. All else that trades goes through here.

Whoever calls decides: rules, risk and the market's hours are looked at before, sending and posting comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from uuid_utils.compat import uuid7

from accounts.models import Account, User
from marketdata.models import Instrument
from trading.domain.drafts import OrderDraft
from trading.domain.legs import PlannedLeg, plan
from trading.domain.orders import Event, EventKind, OrderState, OrderStatus, Sending, apply, tells_nothing_new
from trading.models import Decision, Door, Order, OrderEvent, Session
from trading.models.writing import EventRow, new_order, store
from trading.services.refusals import told
from trading.services.ringing import Hint, ring

SENDABLE = frozenset({Sending.HELD, Sending.PENDING})
SEND = "trading.tasks.send_orders"


class ClientOrderIdTaken(ValidationError):
    """The account has used the client order id before: an id is used once, whatever became of its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who places an order, by which door, and what for."""

    actor: User
    door: Door
    broker: str
    session: Session | None = None
    decision: Decision | None = None
    reference_price: Decimal | None = None
    replaces: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why an event happens to an order: by which door or person it came, and what is known of it."""

    door: Door
    at: datetime
    now: datetime
    actor: User | None = None
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    external_id: str = ""


def write_orders(*, account: Account, instrument: Instrument, draft: OrderDraft, origin: Origin, now: datetime) -> list[Order]:
    """Write an order down, with the orders that hang on it, before anything leaves; return them, it first. It takes one trip.

    Without a client order id each gets one of ours; legs get theirs from their own ids. Those who send look once it is committed.

    :raises ClientOrderIdTaken: if the account has used the id before
    """
    rows: list[Order] = []
    for leg in plan(draft):
        rows.append(_row(account, instrument, leg, origin, now, parent=rows[0] if rows else None))
    detail = f"The account has an order {rows[0].client_order_id} already; an id is used once."
    cause = Cause(door=origin.door, at=now, now=now, actor=origin.actor)
    if not store(new=rows, events=[created(row, cause) for row in rows]):
        raise ClientOrderIdTaken({"client_order_id": ValidationError(detail, code="client_order_id_taken")})
    ring([account.pk], hint=to_send(account.pk))
    return rows


def to_send(account_id: UUID) -> Hint:
    """Return the hint for those who send: if it is lost they find the rows all the same."""
    return Hint(SEND, {"account_id": str(account_id)})


@transaction.atomic
def record_events(*, order: Order, events: Sequence[Event], cause: Cause, **columns: Any) -> Order:
    """Let events happen to an order, each recorded with it, and return it as it then stands.

    `columns` are those of its way to the broker (`sending`, `broker_order_id`, ...), which change along. What tells nothing new,
    or was heard before by its external id, is passed over.

    :raises NotAsThingsStand: if an event cannot follow on how the order stands
    """
    order = lock_orders([order.pk])[order.pk]
    heard = (
        bool(cause.external_id)
        and OrderEvent.objects.filter(account=order.account_id, order=order, external_id=cause.external_id).exists()
    )
    made = [] if heard else happen(order, events, cause)
    save_orders([order], made, columns)
    return order


def lock_orders(ids: Iterable[UUID]) -> dict[UUID, Order]:
    """Return orders as they are now, locked until the transaction ends, always in the same order."""
    rows = Order.objects.select_for_update(of=("self",)).select_related("account", "instrument")
    return {order.pk: order for order in rows.filter(pk__in=list(ids)).order_by("pk")}


def happen(order: Order, events: Iterable[Event], cause: Cause) -> list[EventRow]:
    """Let events happen to a locked order and return their rows; `save_orders` stores both.

    :raises NotAsThingsStand: if an event cannot follow on how the order stands
    """
    return happen_each(order, [(event, cause) for event in events])


def happen_each(order: Order, steps: Iterable[tuple[Event, Cause]]) -> list[EventRow]:
    """Let events happen to a locked order, each for a cause of its own, as `happen` does."""
    made: list[EventRow] = []
    state = order.state
    with told():
        for event, cause in steps:
            if tells_nothing_new(state, event):
                continue
            state = apply(state, event)
            if not state.is_open and order.ended_at is None:
                order.ended_at = cause.at
            order.updated_at = cause.now
            made.append(_event(order, order.events + len(made) + 1, event.kind, state.status, cause, first=not made))
    if made:
        stand(order, state, order.events + len(made))
    return made


def stand(order: Order, state: OrderState, events: int) -> None:
    """Let a locked order stand as its events, so many by now, have left it."""
    order.state, order.events = state, events
    if not order.is_open and order.sending in SENDABLE:
        order.sending = Sending.SETTLED  # it ended before it was sent


def created(order: Order, cause: Cause) -> EventRow:
    """Return the first event of an order."""
    return _event(order, 1, EventKind.CREATED, OrderStatus.NEW, cause, first=True)


def save_orders(orders: Sequence[Order], events: Sequence[EventRow], columns: Mapping[str, Any] | None = None) -> None:
    """Store locked orders with what has just happened to them."""
    sheet = Sheet()
    for order in orders:
        sheet.put(order, [event for event in events if event["order_id"] == order.pk], columns or {})
    sheet.store()


@dataclass(slots=True)
class Sheet:
    """What happens to locked orders in one transaction, put down first and stored at once."""

    moved: dict[UUID, Order] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)

    def put(self, order: Order, events: Sequence[EventRow], columns: Mapping[str, Any] | None = None) -> None:
        """Put down what has happened to an order, and how it goes on to its broker."""
        for name, value in (columns or {}).items():
            setattr(order, name, value)
        if events or columns:
            self.moved[order.pk] = order
        self.events += events

    def store(self) -> None:
        """Store everything, and have those who follow the orders look at them."""
        if self.moved:
            store(moved=list(self.moved.values()), events=self.events)
            ring(event["account_id"] for event in self.events)


def _row(
    account: Account, instrument: Instrument, leg: PlannedLeg, origin: Origin, now: datetime, *, parent: Order | None
) -> Order:
    """Return the row of one order of a group; what takes the place of another belongs where that does."""
    draft, key = leg.draft, uuid7()
    before = origin.replaces
    order_class, role, sending = draft.order_class.value, leg.role or "", leg.sending
    if before is not None:
        order_class, role = before.order_class, before.role
        parent = before.parent or (before if role else None)
        sending = Sending.HELD if before.sending == Sending.HELD else sending
    said = {
        "id": key, "client_order_id": draft.client_order_id or str(key), "order_class": order_class, "role": role,
        "side": draft.side, "effect": draft.effect, "type": draft.type, "time_in_force": draft.time_in_force,
        "quantity": draft.quantity, "notional": draft.notional, "limit_price": draft.limit_price, "stop_price": draft.stop_price,
        "trail_price": draft.trail_price, "trail_percent": draft.trail_percent, "extended_hours": draft.extended_hours,
        "reference_price": origin.reference_price, "door": origin.door, "broker": origin.broker, "sending": sending,
        "status": OrderStatus.NEW, "created_at": now, "updated_at": now,
    }  # fmt: skip
    return new_order(
        said,
        account=account,
        instrument=instrument,
        parent=parent,
        replaces=before,
        session=origin.session,
        decision=origin.decision,
        actor=origin.actor,
    )


def _event(order: Order, sequence: int, kind: EventKind, status: OrderStatus, cause: Cause, *, first: bool) -> EventRow:
    """Return the row of what has just happened to an order."""
    return {
        "id": uuid7(),
        "account_id": order.account_id,
        "order_id": order.pk,
        "sequence": sequence,
        "kind": kind,
        "status": status,
        "at": cause.at,
        "recorded_at": cause.now,
        "door": cause.door,
        "actor_id": None if cause.actor is None else cause.actor.pk,
        "detail": cause.detail,
        "data": dict(cause.data),
        "external_id": cause.external_id if first else "",
    }
