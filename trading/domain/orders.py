"""The words of orders and their life cycle: which status may follow which, and what each event does to an order."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from accounts.domain.ledger import EntryKind
from portfolio.domain.exact import EXACT, plain
from trading.domain.fills import NOTHING, Fill, Filled
from trading.domain.problems import Problem, Refused


class Side(enum.StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other way."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """What a quantity held changes by."""
        return 1 if self is Side.BUY else -1


class PositionEffect(enum.StrEnum):
    """Whether an order opens or adds to a position, or closes some of it; none crosses from long to short."""

    OPEN = "OPEN"
    CLOSE = "CLOSE"


class OrderType(enum.StrEnum):
    """At which price an order trades."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(enum.StrEnum):
    """How long an order stands."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    OPG = "OPG"
    CLS = "CLS"


class OrderClass(enum.StrEnum):
    """Whether an order comes with others."""

    SIMPLE = "SIMPLE"
    BRACKET = "BRACKET"
    OCO = "OCO"
    OTO = "OTO"


class OrderStatus(enum.StrEnum):
    """How far an order has come."""

    NEW = "NEW"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"


class Sending(enum.StrEnum):
    """How far an order has come on its way to the broker.

    HELD: it waits for the order it hangs on. PENDING: it is to be sent. SENT: it is under way. UNKNOWN: whether it arrived is to
    be asked for by its client order id, and it is never sent again. SETTLED: the broker knows it, or never will.
    """

    HELD = "HELD"
    PENDING = "PENDING"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    SETTLED = "SETTLED"


class EventKind(enum.StrEnum):
    """What happens to an order."""

    CREATED = "CREATED"
    RELEASED = "RELEASED"
    SENT = "SENT"
    PUT_OFF = "PUT_OFF"
    UNANSWERED = "UNANSWERED"
    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    TRAILED = "TRAILED"
    RESIZED = "RESIZED"
    FILLED = "FILLED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    CANCELED = "CANCELED"
    REPLACE_REQUESTED = "REPLACE_REQUESTED"
    REPLACE_REFUSED = "REPLACE_REFUSED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


_ENDS = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED})
_FILLS = frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})

# A status without a row is final. A fill may be heard of before the word that the order was accepted.
NEXT: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.NEW: frozenset({OrderStatus.ACCEPTED, OrderStatus.REJECTED}) | _FILLS | _ENDS,
    OrderStatus.ACCEPTED: frozenset({OrderStatus.REJECTED}) | _FILLS | _ENDS,
    OrderStatus.PARTIALLY_FILLED: _FILLS | _ENDS,
}
OPEN = frozenset(NEXT)
# Of these a fill may still be heard of that happened before the end: it is recorded, and the status stays.
TAKES_LATE_FILLS = _ENDS

STATUS_AFTER: Mapping[EventKind, OrderStatus] = {
    EventKind.ACCEPTED: OrderStatus.ACCEPTED,
    EventKind.CANCELED: OrderStatus.CANCELED,
    EventKind.REPLACED: OrderStatus.REPLACED,
    EventKind.REJECTED: OrderStatus.REJECTED,
    EventKind.EXPIRED: OrderStatus.EXPIRED,
}

_FLAGS: Mapping[EventKind, Mapping[str, Any]] = {
    EventKind.CANCEL_REQUESTED: {"pending_cancel": True},
    EventKind.CANCEL_REFUSED: {"pending_cancel": False},
    EventKind.REPLACE_REQUESTED: {"pending_replace": True},
    EventKind.REPLACE_REFUSED: {"pending_replace": False},
    EventKind.TRIGGERED: {"triggered": True},
}
_SIZED = frozenset({EventKind.RESIZED, EventKind.RELEASED})

ENTRY_KINDS: Mapping[tuple[Side, PositionEffect], EntryKind] = {
    (Side.BUY, PositionEffect.OPEN): EntryKind.BUY,
    (Side.SELL, PositionEffect.CLOSE): EntryKind.SELL,
    (Side.SELL, PositionEffect.OPEN): EntryKind.SHORT,
    (Side.BUY, PositionEffect.CLOSE): EntryKind.COVER,
}


class OrderNotOpen(Refused):
    """The order has come to its end, or is on its way there: what is asked of it comes too late."""

    by_state = True


class CrossesZero(Refused):
    """The order would close a position and open the opposite one."""

    by_state = True


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an order, with what it brings along.

    `complete`, of a fill: nothing more will come; it is asked of orders by notional alone, which know no quantity of their own.
    `quantity`, of an acceptance or a resizing: what the order is for from now on. `mark`: the high-water mark of a trailing stop.
    """

    kind: EventKind
    fill: Fill | None = None
    complete: bool = False
    quantity: Decimal | None = None
    mark: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderState:
    """How an order stands: what events change, and nothing else does."""

    status: OrderStatus = OrderStatus.NEW
    quantity: Decimal | None = None
    filled: Filled = NOTHING
    pending_cancel: bool = False
    pending_replace: bool = False
    triggered: bool = False
    high_water_mark: Decimal | None = None

    @property
    def is_open(self) -> bool:
        """Say whether something may still come of the order."""
        return self.status in OPEN

    @property
    def remaining(self) -> Decimal | None:
        """What is still to be filled: zero once the order has ended, none for an order by notional."""
        if not self.is_open:
            return Decimal(0)
        return None if self.quantity is None else EXACT.subtract(self.quantity, self.filled.quantity)


def apply(state: OrderState, event: Event) -> OrderState:
    """Return how an order stands after an event.

    :raises OrderNotOpen: if the event cannot follow on the order's status
    :raises Overfilled: if the order would be filled beyond its quantity

    >>> apply(OrderState(quantity=Decimal(5)), Event(EventKind.ACCEPTED)).status
    <OrderStatus.ACCEPTED: 'ACCEPTED'>
    """
    if event.kind is EventKind.FILLED:
        if event.fill is None:
            raise Refused([Problem("fill", "required", "Say what was filled.")])
        return fill(state, event.fill, complete=event.complete)
    target = STATUS_AFTER.get(event.kind)
    if target is not None:
        return _move(state, event, target)
    if not state.is_open:
        raise _too_late(state, event.kind)
    return _note(state, event)


def fill(state: OrderState, one: Fill, *, complete: bool = False) -> OrderState:
    """Return how an order stands after a fill; `complete` as events have it.

    :raises OrderNotOpen: if the order was rejected
    :raises Overfilled: if the order would be filled beyond its quantity
    """
    if not state.is_open and state.status not in TAKES_LATE_FILLS:
        raise _too_late(state, EventKind.FILLED)
    filled = state.filled.plus(one, most=state.quantity)
    if not state.is_open:
        return replace(state, filled=filled)
    whole = complete if state.quantity is None else filled.quantity == state.quantity
    if whole:
        return replace(state, filled=filled, status=OrderStatus.FILLED, pending_cancel=False, pending_replace=False)
    return OrderState(  # most fills are parts
        OrderStatus.PARTIALLY_FILLED,
        state.quantity,
        filled,
        state.pending_cancel,
        state.pending_replace,
        state.triggered,
        state.high_water_mark,
    )


def tells_nothing_new(state: OrderState, event: Event) -> bool:
    """Say whether an event need not be recorded: brokers repeat themselves, and an acceptance may come after a fill.

    >>> tells_nothing_new(OrderState(OrderStatus.FILLED), Event(EventKind.ACCEPTED))
    True
    """
    target = STATUS_AFTER.get(event.kind)
    if target is None:
        return False
    return state.status is target or (target is OrderStatus.ACCEPTED and state.status is not OrderStatus.NEW)


def effect_of(side: Side, quantity: Decimal, held: Decimal) -> PositionEffect:
    """Return what an order does to a position; `held` is signed, and less what other open orders will close of it.

    :raises CrossesZero: if it would do both

    >>> effect_of(Side.SELL, Decimal(2), held=Decimal(5)), effect_of(Side.SELL, Decimal(2), held=Decimal(0))
    (<PositionEffect.CLOSE: 'CLOSE'>, <PositionEffect.OPEN: 'OPEN'>)
    """
    if held * side.sign >= 0:
        return PositionEffect.OPEN
    if quantity > abs(held):
        what = "long" if held > 0 else "short"
        detail = f"Only {plain(abs(held))} can be closed of the {what} position; close it first, then open the opposite one."
        raise CrossesZero([Problem("quantity", "crosses_zero", detail)])
    return PositionEffect.CLOSE


def entry_kind(side: Side, effect: PositionEffect) -> EntryKind:
    """Return what a fill of an order is in the ledger."""
    return ENTRY_KINDS[side, effect]


def _move(state: OrderState, event: Event, target: OrderStatus) -> OrderState:
    """Return the state after an event that is about the status."""
    if target not in NEXT.get(state.status, frozenset()):
        raise _too_late(state, event.kind)
    quantity = state.quantity if event.quantity is None else event.quantity
    moved = replace(state, status=target, quantity=quantity)
    return moved if moved.is_open else replace(moved, pending_cancel=False, pending_replace=False)


def _note(state: OrderState, event: Event) -> OrderState:
    """Return the state after an event that leaves the status as it is."""
    if event.kind is EventKind.REPLACE_REQUESTED and (state.pending_cancel or state.pending_replace):
        what = "canceled" if state.pending_cancel else "replaced"
        raise OrderNotOpen([Problem("status", "order_pending", f"The order is being {what}; wait for the broker's answer.")])
    if event.kind is EventKind.TRAILED:
        return replace(state, high_water_mark=event.mark)
    if event.kind in _SIZED and event.quantity is not None:
        return replace(state, quantity=event.quantity)
    return replace(state, **_FLAGS.get(event.kind, {}))


def _too_late(state: OrderState, kind: EventKind) -> OrderNotOpen:
    """Return the refusal of an event that cannot follow."""
    word = kind.replace("_", " ").lower()
    detail = f"The order is {state.status}; '{word}' cannot follow on that."
    return OrderNotOpen([Problem("status", "order_not_open", detail)])
