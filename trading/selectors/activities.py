"""What happened to an account, in one row of time: executions of its orders, and all other entries of its ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Q
from django.db.models.expressions import OrderBy

from accounts.domain.ledger import EntryKind
from accounts.models import Account, LedgerEntry
from portfolio.domain.exact import EXACT, ZERO
from trading.models import Fill

POSTED = "fill"  # the source of entries that are executions of orders
UNTOLD = (EntryKind.VALUATION, EntryKind.LIABILITY, EntryKind.NOTE)  # nothing moved


@dataclass(frozen=True, slots=True)
class Asked:
    """Which activities: those of fills, those of entries (none: no such ones), in a time, from a row on."""

    fills: bool = True
    entries: Q | None = None
    after: datetime | None = None
    until: datetime | None = None
    start: datetime | None = None
    newest_first: bool = True
    beyond: tuple[datetime, UUID] | None = None
    limit: int = 100


Activity = Fill | LedgerEntry


def activities(account: Account, asked: Asked) -> list[Activity]:
    """Return a page of activities in the order of time."""
    found: list[tuple[datetime, UUID, Activity]] = []
    if asked.fills:
        fills = Fill.objects.filter(_within("at", asked), account=account).select_related("order", "order__instrument")
        found += [(row.at, row.pk, row) for row in fills.order_by(*_order("at", asked))[: asked.limit]]
    if asked.entries is not None:
        entries = LedgerEntry.objects.filter(asked.entries, _within("occurred_at", asked), account=account)
        entries = entries.exclude(source=POSTED, reverses__isnull=True).exclude(kind__in=UNTOLD).select_related("instrument")
        found += [(row.occurred_at, row.pk, row) for row in entries.order_by(*_order("occurred_at", asked))[: asked.limit]]
    found.sort(key=lambda one: one[:2], reverse=asked.newest_first)
    return [one[2] for one in found[: asked.limit]]


def place_of(account: Account, key: UUID) -> tuple[datetime, UUID] | None:
    """Return where an activity stands in the row of time, none if there is no such one."""
    fill = Fill.objects.filter(account=account, pk=key).values_list("at", "pk").first()
    return fill or LedgerEntry.objects.filter(account=account, pk=key).values_list("occurred_at", "pk").first()


def filled_until(account: Account, fills: Sequence[Fill]) -> Mapping[UUID, Decimal]:
    """Return how much of its order had been filled after each fill, by fill; one question for all."""
    rows = Fill.objects.filter(account=account, order__in={fill.order_id for fill in fills}).order_by("at", "pk")
    sums: dict[UUID, Decimal] = defaultdict(lambda: ZERO)
    found = {}
    for key, order_id, quantity in rows.values_list("pk", "order_id", "quantity"):
        sums[order_id] = EXACT.add(sums[order_id], quantity)
        found[key] = sums[order_id]
    return found


def _within(column: str, asked: Asked) -> Q:
    """Return the condition on the time of a row."""
    found = Q()
    if asked.start is not None:
        found &= Q(**{f"{column}__gte": asked.start})
    if asked.after is not None:
        found &= Q(**{f"{column}__gt": asked.after})
    if asked.until is not None:
        found &= Q(**{f"{column}__lt": asked.until})
    if asked.beyond is not None:
        at, key = asked.beyond
        word = "lt" if asked.newest_first else "gt"
        found &= Q(**{f"{column}__{word}": at}) | Q(**{column: at, f"pk__{word}": key})
    return found


def _order(column: str, asked: Asked) -> list[OrderBy]:
    if asked.newest_first:
        return [F(column).desc(), F("pk").desc()]
    return [F(column).asc(), F("pk").asc()]
