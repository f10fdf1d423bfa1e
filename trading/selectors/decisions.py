"""From a decision back to what was seen, and on to what came of it: one chain that can be walked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trading.models import Decision, Fill, Order, Session, Signal, Strategy
from trading.selectors.journal_details import Trade, told
from trading.selectors.journal_pages import trades_moved_by


@dataclass(frozen=True, slots=True)
class Chain:
    """What led to a decision, and what came of it: orders, fills, and the trades that they opened or closed."""

    strategy: Strategy | None
    session: Session | None
    signal: Signal | None
    decision: Decision
    orders: Sequence[Order]
    fills: Sequence[Fill]
    trades: Sequence[Trade]


def chain_of(decision: Decision, *, at: datetime) -> Chain:
    """Return the chain of a decision: its orders with their legs and replacements, oldest first, and all that came of them."""
    orders = list(Order.objects.filter(account=decision.account_id, decision=decision.pk).order_by("created_at", "pk"))
    fills = Fill.objects.filter(account=decision.account_id, order__in=orders).select_related("entry").order_by("at", "pk")
    found = Decision.objects.select_related("account", "session__strategy", "signal", "instrument").get(pk=decision.pk)
    strategy = found.session.strategy if found.session else None
    filled = list(fills) if orders else []
    trades = _trades(found, orders, at) if filled else []
    return Chain(strategy, found.session, found.signal, found, orders, filled, trades)


def _trades(decision: Decision, orders: Sequence[Order], at: datetime) -> list[Trade]:
    """Return the trades that orders opened or closed."""
    return told(decision.account, trades_moved_by(decision.account, orders), at=at)
