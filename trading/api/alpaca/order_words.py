"""Orders as Alpaca writes and reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from trading.api.alpaca.errors import BadField, Refusal
from trading.api.alpaca.symbols import class_of, symbol_of
from trading.api.alpaca.words import choice, digits, flag, number, stamp
from trading.domain.drafts import OrderDraft, Replacement, StopLoss, TakeProfit
from trading.domain.orders import OrderClass, OrderStatus, OrderType, Sending, Side, TimeInForce
from trading.models import Order

SIDES = {side.lower(): side for side in Side}
TYPES = {kind.lower(): kind for kind in OrderType}
TIMES = {time.lower(): time for time in TimeInForce}
ORDER_CLASSES = {"": OrderClass.SIMPLE, **{kind.lower(): kind for kind in OrderClass}}
INTENTS = frozenset({"buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})
MULTI_LEG = "mleg"
NEW_WORDS: Mapping[str, str] = {
    Sending.HELD: "held",
    Sending.PENDING: "accepted",
    Sending.SENT: "pending_new",
    Sending.UNKNOWN: "pending_new",
    Sending.SETTLED: "new",
}
ENDED_AT: Mapping[str, str] = {
    OrderStatus.FILLED: "filled_at",
    OrderStatus.EXPIRED: "expired_at",
    OrderStatus.CANCELED: "canceled_at",
    OrderStatus.REJECTED: "failed_at",
    OrderStatus.REPLACED: "replaced_at",
}


def status_of(order: Order) -> str:
    """Return Alpaca's word for how an order stands: `accepted` until it is sent, `new` once the broker has it."""
    if order.pending_cancel:
        return "pending_cancel"
    if order.pending_replace:
        return "pending_replace"
    if order.status == OrderStatus.NEW:
        return NEW_WORDS[order.sending]
    return "new" if order.status == OrderStatus.ACCEPTED else order.status.lower()


def intent_of(order: Order) -> str:
    """Return what an order does to a position, such as `sell_to_close`."""
    return f"{order.side}_to_{order.effect}".lower()


def order_row(order: Order, *, legs: Sequence[Order] | None = None, replaced_by: UUID | None = None) -> dict[str, Any]:
    """Return an order as Alpaca tells it; without legs it says null."""
    ends = dict.fromkeys(ENDED_AT.values())
    if order.status in ENDED_AT:
        ends[ENDED_AT[order.status]] = stamp(order.ended_at)
    return {
        "id": order.pk,
        "client_order_id": order.client_order_id,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at),
        "submitted_at": stamp(order.created_at),  # what lists are in the order of
        **ends,
        "expires_at": None,
        "replaced_by": replaced_by,
        "replaces": order.replaces_id,
        "asset_id": order.instrument_id,
        "symbol": symbol_of(order.instrument),
        "asset_class": class_of(order.instrument),
        "notional": digits(order.notional),
        "qty": digits(order.quantity),
        "filled_qty": digits(order.filled_quantity),
        "filled_avg_price": digits(order.average_price),
        "order_class": "" if order.order_class == OrderClass.SIMPLE else order.order_class.lower(),
        "order_type": order.type.lower(),
        "type": order.type.lower(),
        "side": order.side.lower(),
        "position_intent": intent_of(order),
        "time_in_force": order.time_in_force.lower(),
        "limit_price": digits(order.limit_price),
        "stop_price": digits(order.stop_price),
        "status": status_of(order),
        "extended_hours": order.extended_hours,
        "legs": [order_row(leg) for leg in legs] if legs else None,
        "trail_percent": digits(order.trail_percent),
        "trail_price": digits(order.trail_price),
        "hwm": digits(order.high_water_mark),
        "subtag": None,
        "source": None,
    }


def draft_of(body: Mapping[str, Any]) -> OrderDraft:
    """Return the order that a body asks for.

    :raises Refusal: if a field is missing or makes no sense
    """
    if str(body.get("order_class") or "").lower() == MULTI_LEG or body.get("legs"):
        raise Refusal(422, "orders of several options (mleg) are not supported")
    kind = choice(_text(body, "order_class"), "order_class", ORDER_CLASSES)
    profit, loss = _leg(body, "take_profit"), _leg(body, "stop_loss")
    limit = number(body.get("limit_price"), "limit_price")
    take_profit = _take_profit(profit)
    if kind is OrderClass.OCO and take_profit is not None and limit == take_profit.limit_price:
        limit = None  # the same price said twice
    for name in ("side", "type", "time_in_force"):
        if not body.get(name) and not (name == "side" and body.get("position_intent")):
            raise BadField(f"{name} is required")
    return OrderDraft(
        side=_side(body),
        type=choice(_text(body, "type"), "type", TYPES),
        time_in_force=choice(_text(body, "time_in_force"), "time_in_force", TIMES),
        order_class=kind,
        quantity=number(body.get("qty"), "qty"),
        notional=number(body.get("notional"), "notional"),
        limit_price=limit,
        stop_price=number(body.get("stop_price"), "stop_price"),
        trail_price=number(body.get("trail_price"), "trail_price"),
        trail_percent=number(body.get("trail_percent"), "trail_percent"),
        extended_hours=flag(body.get("extended_hours"), "extended_hours"),
        client_order_id=_text(body, "client_order_id"),
        take_profit=take_profit,
        stop_loss=_stop_loss(loss),
    )


def intent_asked(body: Mapping[str, Any]) -> str:
    """Return what the order is meant to do to the position, nothing where the body does not say.

    :raises BadField: if it is no intent, or one of the other side
    """
    said = _text(body, "position_intent").lower()
    if said and (said not in INTENTS or (body.get("side") and not said.startswith(_text(body, "side").lower()))):
        raise BadField("position_intent must be one of buy_to_open, buy_to_close, sell_to_open, sell_to_close, as the side says")
    return said


def change_of(body: Mapping[str, Any], order: Order) -> Replacement:
    """Return what a body asks to be different; `trail` is a price or a percentage as the order has it.

    :raises Refusal: if a field makes no sense
    """
    trail = number(body.get("trail"), "trail")
    by_percent = order.trail_percent is not None
    time = _text(body, "time_in_force")
    return Replacement(
        quantity=number(body.get("qty"), "qty"),
        limit_price=number(body.get("limit_price"), "limit_price"),
        stop_price=number(body.get("stop_price"), "stop_price"),
        trail_price=None if by_percent else trail,
        trail_percent=trail if by_percent else None,
        time_in_force=choice(time, "time_in_force", TIMES) if time else None,
        client_order_id=_text(body, "client_order_id"),
    )


def _side(body: Mapping[str, Any]) -> Side:
    """Return the side: that of the intent, where it alone is given."""
    return choice(_text(body, "side") or intent_asked(body).partition("_")[0], "side", SIDES)


def _take_profit(said: Mapping[str, Any] | None) -> TakeProfit | None:
    if said is None:
        return None
    price = number(said.get("limit_price"), "take_profit.limit_price")
    if price is None:
        raise BadField("take_profit.limit_price is required")
    return TakeProfit(price)


def _stop_loss(said: Mapping[str, Any] | None) -> StopLoss | None:
    if said is None:
        return None
    price = number(said.get("stop_price"), "stop_loss.stop_price")
    if price is None:
        raise BadField("stop_loss.stop_price is required")
    return StopLoss(price, number(said.get("limit_price"), "stop_loss.limit_price"))


def _leg(body: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    said = body.get(name)
    if said is not None and not isinstance(said, Mapping):
        raise BadField(f"{name} must be an object")
    return said


def _text(body: Mapping[str, Any], name: str) -> str:
    said = body.get(name)
    if said is None:
        return ""
    if not isinstance(said, str):
        raise BadField(f"{name} must be a text")
    return said
