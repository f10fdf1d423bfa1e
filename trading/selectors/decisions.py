"""From a decision back to what was seen, and on to what came of it: one chain that can be walked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trading.models import Decision, Fill, Order, Session, Signal, Strategy


@dataclass(frozen=True, slots=True)
class Chain:
    """What led to a decision, and what came of it."""

    strategy: Strategy | None
    session: Session | None
    signal: Signal | None
    decision: Decision
    orders: Sequence[Order]
    fills: Sequence[Fill]


def chain_of(decision: Decision) -> Chain:
    """Return the chain of a decision: its orders with their legs and replacements, oldest first, and all their fills."""
    orders = list(Order.objects.filter(account=decision.account_id, decision=decision.pk).order_by("created_at", "pk"))
    fills = Fill.objects.filter(account=decision.account_id, order__in=orders).select_related("entry").order_by("at", "pk")
    found = Decision.objects.select_related("session__strategy", "signal", "instrument").get(pk=decision.pk)
    strategy = found.session.strategy if found.session else None
    return Chain(strategy, found.session, found.signal, found, orders, list(fills))
