"""Orders as clients see them who think of a group as one order with legs: which order leads it, and which hang on it now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Account
from trading.domain.legs import LegRole
from trading.domain.orders import OrderClass, OrderStatus
from trading.models import Order

# what leads a group, or has taken the leader's place
LEADS = Q(parent__isnull=True) | Q(role=LegRole.ENTRY) | Q(order_class=OrderClass.OCO, role=LegRole.TAKE_PROFIT)


def rolled_up(rows: QuerySet[Order], matching: Q) -> QuerySet[Order]:
    """Leave out the legs that are shown with the order that leads them, because that one matches, too."""
    group = Q(pk=OuterRef("parent")) | Q(parent=OuterRef("parent"))
    leader = Order.objects.filter(group, LEADS, matching, account=OuterRef("account")).exclude(status=OrderStatus.REPLACED)
    return rows.filter(LEADS | ~Exists(leader))


def legs_of(account: Account, orders: Sequence[Order]) -> dict[UUID, list[Order]]:
    """Return the orders that hang on those of some orders that lead a group, as they stand now; one question for all."""
    leaders = {one.parent_id or one.pk: one for one in orders if leads(one)}
    found: dict[UUID, list[Order]] = defaultdict(list)
    if not leaders:
        return found
    rows = Order.objects.filter(account=account, parent__in=list(leaders)).exclude(status=OrderStatus.REPLACED)
    for row in rows.select_related("instrument").order_by("pk"):
        if row.parent_id is not None and not _takes_the_lead(row):
            found[leaders[row.parent_id].pk].append(row)
    return found


def leads(order: Order) -> bool:
    """Say whether an order leads a group now."""
    return bool(order.role) and order.status != OrderStatus.REPLACED and (order.parent_id is None or _takes_the_lead(order))


def replaced_by(account: Account, orders: Sequence[Order]) -> dict[UUID, UUID]:
    """Return which order has taken the place of each of some orders that were replaced; one question for all."""
    gone = [one.pk for one in orders if one.status == OrderStatus.REPLACED]
    if not gone:
        return {}
    rows = Order.objects.filter(account=account, replaces__in=gone).exclude(status=OrderStatus.REJECTED)
    return dict(rows.values_list("replaces_id", "pk"))


def _takes_the_lead(order: Order) -> bool:
    """Say whether an order within a group stands where the first one stood."""
    is_first_of_oco = order.order_class == OrderClass.OCO and order.role == LegRole.TAKE_PROFIT
    return order.role == LegRole.ENTRY or is_first_of_oco
