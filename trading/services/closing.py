"""Close a position whose open orders are being canceled: the order is written down at once, and leaves when they have ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from accounts.models import Account
from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ZERO
from trading.domain.drafts import OrderDraft
from trading.domain.orders import Event, EventKind, Side
from trading.models import Order, OrderEvent
from trading.services.order_rows import Cause, record_events
from trading.services.orders import Ordering, place_order
from trading.services.standing import standing_now

BEHIND = "behind"  # in the data of an event: the orders that an order waits for
WAITS = "It leaves when the open orders for the instrument are canceled, for what is left of the position then."


def close_after_cancels(*, account: Account, instrument: Instrument, draft: OrderDraft, by: Ordering) -> list[Order]:
    """Place the order that closes a position; where brokers are still asked to cancel orders for it, it waits for their answers.

    It raises what `place_order` does.
    """
    ending = Order.objects.open().filter(account=account, instrument=instrument, pending_cancel=True).order_by("pk")
    after = list(ending.values_list("pk", flat=True))
    rows = place_order(account=account, instrument=instrument, draft=draft, by=replace(by, after=after))
    if not after:
        return rows
    cause = Cause(door=by.door, at=by.at, now=by.at, actor=by.actor, detail=WAITS, data={BEHIND: list(map(str, after))})
    return [record_events(order=rows[0], events=[Event(EventKind.PUT_OFF)], cause=cause)]


def orders_before(order: Order) -> list[str]:
    """Return which orders an order was to wait for."""
    rows = OrderEvent.objects.filter(account=order.account_id, order=order.pk, kind=EventKind.PUT_OFF, data__has_key=BEHIND)
    told = rows.first()
    return told.data[BEHIND] if told is not None else []


def left_to_close(order: Order, before: Collection[str], now: datetime) -> Decimal | None:
    """Return how much of a position is left for an order, none while one of those `before` it is being canceled."""
    if Order.objects.open().filter(account=order.account_id, pk__in=before, pending_cancel=True).exists():
        return None
    found = standing_now(account=order.account, at=now, instrument=order.instrument, without=[order.pk])
    held = EXACT.multiply(found.held, Decimal(-Side(order.side).sign))
    return max(EXACT.subtract(held, found.reserves.closing.get(order.instrument_id, ZERO)), ZERO)
