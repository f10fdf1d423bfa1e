"""Why orders wait that could not leave, or of which nobody could be asked: recorded once, however often it is tried again."""

from __future__ import annotations

import logging
from datetime import datetime
from itertools import takewhile
from typing import Any

from trading.domain.orders import Event, EventKind
from trading.models import Door, Order, OrderEvent
from trading.services.order_rows import Cause, record_events

MOST = 5  # reasons that are recorded one after another, should they change with every try
log = logging.getLogger(__name__)


def put_off(order: Order, detail: str, now: datetime, **columns: Any) -> None:
    """Leave an order for later, with an event that says why, unless one does: it is looked at again when its lease is over."""
    log.warning("Order %s waits: %s", order.pk, detail)
    known = reasons_of(order)
    is_new = order.is_open and detail not in known and len(known) < MOST
    cause = Cause(door=Door.BROKER, at=now, now=now, detail=detail)
    events = [Event(EventKind.PUT_OFF)] if is_new else []
    record_events(order=order, events=events, cause=cause, **{"claimed_at": now, **columns})


def reasons_of(order: Order) -> list[str]:
    """Return why an order was put off since anything else happened to it, the last first."""
    rows = OrderEvent.objects.filter(account=order.account_id, order=order.pk).order_by("-sequence")
    last = rows.values_list("kind", "detail")[:MOST]
    return [detail for _, detail in takewhile(lambda row: row[0] == EventKind.PUT_OFF, last)]
