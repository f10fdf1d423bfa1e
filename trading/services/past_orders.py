"""Orders of the past, as files tell of them: stored as they ended, many at once, with their events and what was filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Account, User
from accounts.services.ledger import post_entries
from trading.domain.fills import Fill as Filled
from trading.models import Door, Order
from trading.models.writing import EventRow, FillRow, store
from trading.services.fills import ConflictingFill, draft_of, row_of, step_of
from trading.services.order_rows import Cause, ClientOrderIdTaken, created, happen_each
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
    events: list[EventRow] = []
    for order in orders:
        events.append(created(order, Cause(door=Door.IMPORT, at=order.created_at, now=now, actor=actor)))
        events += happen_each(order, [step_of(one, Door.IMPORT, now) for one in fills[order.pk]])
    rows = _post(account, [(order, one) for order in orders for one in fills[order.pk]], actor, now)
    if not store(new=orders, events=events, fills=rows):
        raise ClientOrderIdTaken("Another order has one of these ids; an id is used once.", code="client_order_id_taken")
    ring([account.pk])


def _post(account: Account, filled: Sequence[tuple[Order, Filled]], actor: User, now: datetime) -> list[FillRow]:
    """Post the ledger entries of fills, and return the rows that name them."""
    drafts = [draft_of(one, order) for order, one in filled]
    posted = post_entries(account=account, drafts=drafts, actor=actor)
    ids = [entry.entry_id for entry in posted if entry.entry_id is not None and entry.outcome == "created"]
    if len(ids) < len(drafts):
        detail = "The ledger has an entry of one of these fills already; take that back first."
        raise ConflictingFill(detail, code="conflicting_fill")
    return [row_of(one, order, BROKER, entry_id, now) for (order, one), entry_id in zip(filled, ids, strict=True)]
