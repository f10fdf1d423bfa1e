"""The chain that a decision is a link of, as a page shows it: each step leads to its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from marketdata.admin.base import page_of, time_html
from marketdata.domain.display import money_text, percent_text, price_text, quantity_text
from trading.models import Fill, Order, Trade
from trading.selectors.decisions import Chain

TONES = {"RIGHT": "up", "WRONG": "down", "Win": "up", "Loss": "down", "FILLED": "up", "REJECTED": "down"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain: what kind it is, what it says, where its record is, and whether it is good news."""

    kind: str
    title: str
    note: str = ""
    link: str = ""
    when: str = ""
    tone: str = ""


def steps_of(chain: Chain) -> list[Step]:
    """Return the steps of a chain, from the strategy to the outcome; what is missing is said to be."""
    return [
        *_led(chain),
        *_orders(chain.orders),
        *_fills(chain.fills),
        *_outcomes(chain),
    ]


def _led(chain: Chain) -> Iterator[Step]:
    """Yield what led to the decision, and the decision itself."""
    if chain.strategy is not None:
        yield Step("Strategy", chain.strategy.name, chain.strategy.kind, page_of(chain.strategy))
    if chain.session is not None:
        session = chain.session
        note = f"{session.execution_mode}, configuration {session.config_hash[:12]}"
        yield Step("Session", session.name or "Session", note, page_of(session), time_html(session.started_at))
    signal, decision = chain.signal, chain.decision
    if signal is not None:
        note = f"by {signal.source}" + (f", strength {percent_text(signal.strength)}" if signal.strength is not None else "")
        yield Step("Signal", signal.kind.replace("_", " ").capitalize(), note, page_of(signal), time_html(signal.at))
    title = f"{decision.choice} {decision.instrument.key}"
    note = f"confidence {percent_text(decision.confidence)}"
    yield Step("Decision", title, note, "", time_html(decision.at))


def _orders(orders: Sequence[Order]) -> Iterator[Step]:
    """Yield the orders that came of it."""
    if not orders:
        yield Step("Order", "No order came of it")
    for order in orders:
        size = quantity_text(order.quantity) if order.quantity is not None else f"an amount of {order.notional}"
        title = f"{order.side} {size}, {order.type.replace('_', ' ').lower()}"
        note = f"{order.status.replace('_', ' ').lower()}" + (f", {order.role.replace('_', ' ').lower()}" if order.role else "")
        yield Step("Order", title, note, page_of(order), time_html(order.created_at), TONES.get(order.status, ""))


def _fills(fills: Sequence[Fill]) -> Iterator[Step]:
    """Yield what was filled, and the entries of the ledger that it was posted as."""
    for fill in fills:
        title = f"{quantity_text(fill.quantity)} at {price_text(fill.price)}"
        yield Step("Fill", title, f"fee {price_text(fill.fee)}" if fill.fee else "", page_of(fill), time_html(fill.at))
        yield Step("Ledger", str(fill.entry), "", page_of(fill.entry), time_html(fill.entry.occurred_at))


def _outcomes(chain: Chain) -> Iterator[Step]:
    """Yield what became of it: of the trades that came of it, and of the price."""
    decision = chain.decision
    for trade in chain.trades:
        currency, net = trade.order.instrument.currency, trade.found.trip.net
        title = trade.record.outcome.capitalize() if trade.record.outcome else "Open"
        note = (
            f"{money_text(net, currency, signed=True)} {currency} after fees"
            if trade.found.trip.exits
            else "nothing is closed yet"
        )
        note += f", {money_text(trade.r_multiple)} R" if trade.r_multiple is not None else ""
        page = page_of(Trade(pk=trade.id))
        yield Step("Outcome", title, note, page, time_html(trade.record.exit_timestamp), TONES.get(title, ""))
    if decision.verdict:
        moved = f"the price moved {percent_text(decision.move, signed=True)} the way that was decided for"
        note = moved if decision.move is not None else ""
        yield Step(
            "Outcome", decision.verdict.capitalize(), note, "", time_html(decision.judged_at), TONES.get(decision.verdict, "")
        )
    elif not chain.trades:
        yield Step("Outcome", "Nothing came of it yet")
