"""The two exits of a position at a broker that takes them as one: the take profit leads, and the stop loss rides along with it.

A broker counts every open order against what is held, and would refuse the second of two exits that went one by one. What is said
of the leader on its way there is true of the rider; once the broker has them, each is an order with an id of its own.
"""

from __future__ import annotations

from django.db.models import Q

from trading.adapters.paper import NAME as PAPER
from trading.domain.legs import LegRole
from trading.domain.orders import OrderStatus, Sending
from trading.models import Order
from trading.services.order_rows import lock_orders

NEW_THERE = Q(replaces__isnull=True) | Q(replaces__broker_order_id="")


def rider_of(order: Order) -> Order | None:
    """Return the stop loss that goes along with a take profit, locked; none if the broker has it already, or there is none."""
    if order.role != LegRole.TAKE_PROFIT or order.broker == PAPER:
        return None
    rows = Order.objects.unsettled().open().filter(NEW_THERE, account=order.account_id, broker_order_id="")
    found = rows.filter(parent=order.parent_id or order.pk, role=LegRole.STOP_LOSS).order_by("-pk").values_list("pk", flat=True)
    key = found.first()
    return None if key is None else lock_orders([key])[key]


def leader_of(order: Order) -> Order | None:
    """Return the take profit that a stop loss rides with, as long as the broker has not shown it; none if it goes alone."""
    if order.role != LegRole.STOP_LOSS or order.broker == PAPER or order.broker_order_id or order.sending == Sending.SETTLED:
        return None
    if order.replaces is not None and order.replaces.broker_order_id:
        return None
    root = order.parent_id
    rows = Order.objects.filter(Q(pk=root) | Q(parent=root), account=order.account_id, role=LegRole.TAKE_PROFIT)
    return rows.exclude(status=OrderStatus.REPLACED).select_related("account", "instrument").order_by("-pk").first()
