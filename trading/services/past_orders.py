"""Orders of the past, as files tell of them: stored as they ended, many at once, with their events and what was filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Account, User
from trading.domain.fills import Fill as Filled
from trading.models import Door, Order
from trading.models.writing import Filling, store
from trading.services.fills import ConflictingFill, Execution, fill_orders, store_filled
from trading.services.order_rows import Cause, ClientOrderIdTaken, Sheet, created
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
    executions = [Execution(order.pk, one) for order in orders for one in fills[order.pk]]
    by = Filling(account=account, actor=actor, broker=BROKER, door=Door.IMPORT, now=now)
    events = [created(order, Cause(door=Door.IMPORT, at=order.created_at, now=now, actor=actor)) for order in orders]
    entered = fill_orders({order.pk: order for order in orders}, executions, by=by)
    if not store(new=orders, events=events):
        raise ClientOrderIdTaken("Another order has one of these ids; an id is used once.", code="client_order_id_taken")
    if executions and store_filled(Sheet(), entered) != entered.rows:
        detail = "The ledger has an entry of one of these fills already; take that back first."
        raise ConflictingFill(detail, code="conflicting_fill")
    ring([account.pk])
