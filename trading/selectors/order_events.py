"""What happened to orders, for whoever follows them: each event once, in the order of each order's life, none left out.

The ids of events grow with the time at which they were made, but one may be committed after another with a greater id. So whoever
follows looks a while back each time, and remembers what was there.
"""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from accounts.models import LedgerEntry, User
from portfolio.domain.exact import EXACT, ZERO
from portfolio.models import Position, Projection
from trading.domain.fills import Filled
from trading.domain.orders import OPEN, EventKind, OrderStatus, Sending
from trading.models import Fill, Order, OrderEvent

BACK = timedelta(seconds=30)  # for so long a transaction may go on after it has made an event
AGAIN = timedelta(seconds=10)  # before the last event of who comes back, from which events are told again
MOST, MOST_READ = 500, 10_000  # events at once, and ids that are looked through for them
VERSION = 7
MILLI = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """One event, and the order as it stood after it; of a fill, how much and at which price."""

    event: OrderEvent
    order: Order
    fill: Fill | None = None


@dataclass(slots=True)
class Follower:
    """How far somebody has heard of what happened in the accounts that they may see, or in some of them."""

    user_id: UUID
    since: datetime
    accounts: Collection[UUID] | None = None
    more: bool = False  # whether there was more than is told at once
    _seen: set[UUID] = field(default_factory=set)

    def skip(self) -> None:
        """Take what is there already for heard."""
        self._seen = {key for key, _, _ in self._there()}

    def hear(self, *, now: datetime) -> list[UUID]:
        """Return the ids of events that were not heard yet, and take them for heard; asked as the person."""
        there = self._there()
        new = _in_order([row for row in there if row[0] not in self._seen])
        given = new[:MOST]
        self.more = len(new) > MOST or len(there) == MOST_READ
        if self.more:
            self._seen.update(given)
            reached = made_at(given[-1] if given else there[-1][0])
            self.since = max(self.since, (reached or self.since) - (BACK if given else MILLI))
        else:
            self._seen, self.since = {key for key, _, _ in there}, now - BACK
        return given

    def _there(self) -> list[tuple[UUID, UUID, int]]:
        """Return the events since then: id, order, and which of its events."""
        rows = OrderEvent.objects.visible_to(User(pk=self.user_id)).filter(pk__gte=first_id(self.since))
        if self.accounts is not None:
            rows = rows.filter(account__in=list(self.accounts))
        return list(rows.order_by("pk").values_list("pk", "order_id", "sequence")[:MOST_READ])


def first_id(at: datetime) -> UUID:
    """Return the least id that something made at an instant can have.

    >>> first_id(datetime(2024, 5, 6, tzinfo=UTC))
    UUID('018f4b33-3c00-7000-8000-000000000000')
    """
    return UUID(int=(max((at - EPOCH) // MILLI, 0) << 80) | (VERSION << 76) | (2 << 62))


def made_at(key: UUID) -> datetime | None:
    """Return when an id was made, none if it does not say.

    >>> made_at(UUID("018f4b33-3c00-7000-8000-000000000000")).isoformat()
    '2024-05-06T00:00:00+00:00'
    """
    if key.version != VERSION:
        return None
    try:
        return EPOCH + (key.int >> 80) * MILLI
    except OverflowError:
        return None


def read_told(ids: Sequence[UUID]) -> list[Told]:
    """Return events by their ids, in that order, each with its order as it stood then; three questions at most."""
    rows = OrderEvent.objects.select_related("order__instrument", "order__account", "actor").in_bulk(list(ids))
    events = [rows[key] for key in ids if key in rows]
    behind = {event.order_id for event in events if event.order.events > event.sequence}
    filled = [event for event in events if event.kind == EventKind.FILLED]
    moved = OrderEvent.objects.filter(order__in=behind, kind=EventKind.FILLED).order_by("sequence") if behind else ()
    history: dict[UUID, list[OrderEvent]] = defaultdict(list)
    for one in moved:
        history[one.order_id].append(one)
    fills = _fills_of(filled)
    return [Told(event, _as_it_stood(event, history), fills.get(event.pk)) for event in events]


def held_after(fill: Fill) -> Decimal:
    """Return how much of the instrument was held after a fill; below zero for a short position."""
    account, instrument = fill.account_id, fill.order.instrument_id
    position = Position.objects.filter(account=account, instrument=instrument).values_list("quantity", flat=True).first()
    read = Projection.objects.filter(account=account).values_list("read_up_to", flat=True).first() or 0
    sequence = LedgerEntry.objects.values_list("sequence", flat=True).get(account=account, pk=fill.entry_id)
    between = LedgerEntry.objects.filter(account=account, instrument=instrument)
    between = between.filter(sequence__gt=min(read, sequence), sequence__lte=max(read, sequence))
    moved = between.aggregate(moved=Sum("quantity"))["moved"] or ZERO
    return EXACT.add(position or ZERO, moved if sequence > read else EXACT.minus(moved))


def _in_order(rows: Iterable[tuple[UUID, UUID, int]]) -> list[UUID]:
    """Return ids in the order of time, those of one order in the order of its life, whatever clocks say."""
    found = list(rows)
    lives: dict[UUID, deque[UUID]] = defaultdict(deque)
    for key, order, _ in sorted(found, key=lambda row: row[2]):
        lives[order].append(key)
    return [lives[order].popleft() for _, order, _ in found]


def _fills_of(events: Sequence[OrderEvent]) -> dict[UUID, Fill]:
    """Return the fills that events tell of, by the events' ids."""
    if not events:
        return {}
    names = {(event.order_id, event.data.get("execution_id")): event.pk for event in events}
    rows = Fill.objects.filter(order__in={event.order_id for event in events}).select_related("order")
    return {names[key]: row for row in rows if (key := (row.order_id, row.execution_id)) in names}


def _as_it_stood(event: OrderEvent, history: Mapping[UUID, Sequence[OrderEvent]]) -> Order:
    """Return an order as it stood after an event; what was asked for has never changed."""
    order = event.order
    if order.events <= event.sequence:
        return order
    then = copy.copy(order)
    filled = [one for one in history.get(order.pk, ()) if one.sequence <= event.sequence]
    state = Filled()
    for one in filled:
        quantity, price = (Decimal(str(one.data.get(name, 0))) for name in ("quantity", "price"))
        state = Filled(EXACT.add(state.quantity, quantity), EXACT.add(state.value, EXACT.multiply(quantity, price)), state.fee)
    then.status, then.events, then.updated_at = event.status, event.sequence, event.recorded_at
    then.filled_quantity, then.filled_value, then.average_price = state.quantity, state.value, state.average_price
    then.pending_cancel = event.kind == EventKind.CANCEL_REQUESTED
    then.pending_replace = event.kind == EventKind.REPLACE_REQUESTED
    is_open = OrderStatus(event.status) in OPEN
    then.ended_at = None if is_open else order.ended_at
    if event.status == OrderStatus.NEW and then.sending == Sending.SETTLED:
        then.sending = Sending.SENT
    return then
