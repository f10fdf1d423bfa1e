"""What has become of the orders of a chaos run: our records beside the broker's, and beside each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import ledger_faults
from portfolio.models import Position
from portfolio.services.projections import catch_up
from trading.models import Break, Fill, Order, OrderEvent

ZERO = Decimal(0)
NEVER_SENT = {"CANCELED", "REPLACED"}  # so an order may end that never left
WORDS = {"filled": "FILLED", "canceled": "CANCELED", "replaced": "REPLACED"}


@dataclass(frozen=True)
class Records:
    """What we have written down of an account."""

    orders: Sequence[Order]
    fills: Sequence[Fill]
    entries: Sequence[LedgerEntry]
    events: Sequence[OrderEvent]
    held: Decimal
    breaks: Sequence[Break]


def records_of(account: Account, now: datetime) -> Records:
    """Read everything; positions are derived from the ledger first."""
    catch_up(account_id=account.pk, at=now)
    with acting_as(account.owner_id):
        return Records(
            list(Order.objects.filter(account=account)),
            list(Fill.objects.filter(account=account)),
            list(LedgerEntry.objects.filter(account=account, source="fill")),
            list(OrderEvent.objects.filter(account=account).order_by("order", "sequence")),
            sum(Position.objects.filter(account=account).values_list("quantity", flat=True), ZERO),
            list(Break.objects.filter(account=account).order_by("found_at")),
        )


def lost(ours: Records, there: Mapping[str, Any], wanted: Collection[str]) -> list[str]:
    """Return what was taken and is not there: orders with us or at the broker, fills, and entries of fills."""
    known = {order.client_order_id for order in ours.orders}
    at_broker = {order["client_order_id"] for order in there["orders"]}
    fills, entries = {fill.execution_id for fill in ours.fills}, {entry.external_id for entry in ours.entries}
    never_sent = {order.client_order_id for order in ours.orders if order.status in NEVER_SENT and not order.broker_order_id}
    said = {fill["id"] for fill in there["fills"]}
    return [
        *(f"order {name} with us" for name in sorted(set(wanted) - known)),
        *(f"order {name} at the broker" for name in sorted(known - at_broker - never_sent)),
        *(f"fill {name}" for name in sorted(said - fills)),
        *(f"entry of fill {name}" for name in sorted(fills - entries)),
    ]


def trails(ours: Records, names: Collection[str]) -> list[str]:
    """Return what happened to orders that something told names, step by step, for whoever looks for the cause."""
    steps: dict[Any, list[str]] = defaultdict(list)
    for event in ours.events:
        steps[event.order_id].append(f"{event.at:%T} {event.kind}{f' ({event.detail})' if event.detail else ''}")
    told = {word.strip(":,") for name in names for word in name.split()}
    return [f"{order.client_order_id}: {'; '.join(steps[order.pk])}" for order in ours.orders if order.client_order_id in told]


def doubled(ours: Records, there: Mapping[str, Any]) -> list[str]:
    """Return what is there twice."""
    counted = {
        "order at the broker": (order["client_order_id"] for order in there["orders"]),
        "order": (order.client_order_id for order in ours.orders),
        "fill": (fill.execution_id for fill in ours.fills),
        "entry of fill": (entry.external_id for entry in ours.entries),
    }
    return [f"{what} {name}" for what, names in counted.items() for name, count in Counter(names).items() if count > 1]


def stuck(orders: Sequence[Order]) -> list[str]:
    """Return the orders that have not come to their end, or are still on their way to it."""
    return [
        f"order {order.client_order_id}: {order.status} {order.sending}"
        for order in orders
        if order.is_open or order.sending != "SETTLED" or order.pending_cancel or order.pending_replace
    ]


def wrong(ours: Records, there: Mapping[str, Any]) -> list[str]:
    """Return which records disagree with each other or with the broker's."""
    told = list(_by_order(ours, there))
    said = [(Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1), Decimal(fill["price"])) for fill in there["fills"]]
    quantity, cash = sum((one for one, _ in said), ZERO), -sum((one * price for one, price in said), ZERO)
    for what, mine, theirs in (
        ("position derived", ours.held, quantity),
        ("position in the ledger", sum((entry.quantity for entry in ours.entries), ZERO), quantity),
        ("cash in the ledger", sum((entry.cash for entry in ours.entries), ZERO), cash),
        ("fills we made up", len({fill.execution_id for fill in ours.fills} - {fill["id"] for fill in there["fills"]}), 0),
        ("faults of the ledger's chain", len(ledger_faults()), 0),
    ):
        if mine != theirs:
            told.append(f"{what}: {mine} with us, {theirs} at the broker")
    return told + [_told(one) for one in ours.breaks]


def _told(one: Break) -> str:
    """Return a difference that was found in the middle of all: what it was about, and what became of it."""
    figures = f"{_plain(one.ours)} with us, {_plain(one.theirs)} at the broker" if one.ours != one.theirs else ""
    became = f"gone at {one.resolved_at:%T}: {one.resolution}" if one.resolved_at is not None else "open"
    return f"break {one.kind} {one.subject} at {one.found_at:%T} ({'; '.join(filter(None, (figures, one.detail)))}), {became}"


def _plain(figure: Decimal | None) -> str:
    """Return a figure as people write it."""
    return "none" if figure is None else f"{figure.normalize():f}"


def _by_order(ours: Records, there: Mapping[str, Any]) -> Iterator[str]:
    """Yield the orders whose row, events, fills, entries and broker do not say the same."""
    theirs = {order["client_order_id"]: order for order in there["orders"]}
    filled: dict[Any, Decimal] = defaultdict(Decimal)
    entered: dict[str, Decimal] = defaultdict(Decimal)
    events: dict[Any, list[OrderEvent]] = defaultdict(list)
    for fill in ours.fills:
        filled[fill.order_id] += fill.quantity
    for entry in ours.entries:
        entered[entry.data["order"]] += entry.quantity
    for event in ours.events:
        events[event.order_id].append(event)
    for order in ours.orders:
        there_too = theirs.get(order.client_order_id, {"filled_qty": "0", "status": order.status.lower()})
        sums = {order.filled_quantity, filled[order.pk], entered[str(order.pk)], Decimal(there_too["filled_qty"])}
        steps = events[order.pk]
        agree = [event.sequence for event in steps] == list(range(1, order.events + 1)) and steps[-1].status == order.status
        if len(sums) > 1 or WORDS.get(there_too["status"]) != order.status or not agree:
            quantities = ", ".join(f"{one:f}" for one in sorted(sums))
            told = f"{order.status} with us, {there_too['status']} at the broker; filled {quantities}; {len(steps)} events"
            yield f"order {order.client_order_id}: {told}"
