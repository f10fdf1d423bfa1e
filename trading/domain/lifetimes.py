"""Until when an order that waits may leave for its broker: none leaves on a day that it was not placed for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trading.domain.drafts import OrderDraft
from trading.domain.hours import Hours
from trading.domain.orders import TimeInForce


def leaves_until(draft: OrderDraft, placed: datetime, sessions: Sequence[Hours]) -> datetime | None:
    """Return the end of the session that an order is for, the opening of it for one to be filled then; none: it stands.

    `sessions` are those of its exchange around the time that it was placed, in their order.

    >>> from datetime import UTC
    >>> from decimal import Decimal
    >>> from trading.domain.orders import Side
    >>> day = Hours(datetime(2024, 5, 6, 13, 30, tzinfo=UTC), datetime(2024, 5, 6, 20, tzinfo=UTC))
    >>> order = OrderDraft(side=Side.BUY, quantity=Decimal(1), time_in_force=TimeInForce.DAY)
    >>> leaves_until(order, datetime(2024, 5, 6, 15, tzinfo=UTC), [day]).isoformat()
    '2024-05-06T20:00:00+00:00'
    """
    if draft.time_in_force is TimeInForce.GTC:
        return None
    opening = draft.time_in_force is TimeInForce.OPG
    ends = (each.open_at if opening else each.end(extended=draft.extended_hours) for each in sessions)
    return next((end for end in ends if end > placed), None)
