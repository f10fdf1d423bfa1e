"""The things tests of trading need, stored past the services, as an account's owner."""

import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from marketdata.models import Instrument
from tests.factories import post
from trading.domain.fills import Fill as Filled
from trading.domain.orders import Event, EventKind, PositionEffect, Side, apply, entry_kind
from trading.domain.sessions import config_hash
from trading.models import (
    Attachment,
    BacktestRun,
    Break,
    BrokerConnection,
    Decision,
    DecisionChange,
    Delivery,
    Evaluation,
    Fill,
    Order,
    OrderEvent,
    PerformanceAlert,
    RestrictedInstrument,
    RiskEvent,
    RiskLimits,
    Session,
    Signal,
    Strategy,
    TradeNote,
    TradeTag,
    TradingPause,
    Webhook,
)

AT = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)


def stored(model: type, account: Account, **fields: Any) -> Any:
    """Store a row of an account as its owner."""
    with acting_as(account.owner_id):
        return model.objects.create(account=account, **fields)


def make_strategy(user: Any, **fields: Any) -> Strategy:
    """Store a strategy of a person's own."""
    with acting_as(user.pk):
        return Strategy.objects.create(
            **{"user": user, "name": f"Strategy {uuid4().hex[:8]}", "created_at": AT, "updated_at": AT} | fields
        )


def make_session(account: Account, **fields: Any) -> Session:
    """Store a session of trading on paper."""
    made = {"execution_mode": "PAPER", "config_hash": config_hash({}), "actor": account.owner, "started_at": AT}
    return stored(Session, account, **made | fields)


def make_signal(account: Account, instrument: Instrument, **fields: Any) -> Signal:
    """Store a signal to buy."""
    made = {"instrument": instrument, "source": f"scanner {uuid4().hex[:8]}", "kind": "ENTER_LONG", "at": AT, "created_at": AT}
    return stored(Signal, account, **made | fields)


def make_decision(account: Account, instrument: Instrument, **fields: Any) -> Decision:
    """Store a decision to buy."""
    made = {"instrument": instrument, "at": AT, "choice": "BUY", "confidence": "0.8", "reasoning": "It is cheap."}
    return stored(Decision, account, **made | {"actor": account.owner, "created_at": AT, "updated_at": AT} | fields)


def make_change(decision: Decision, **fields: Any) -> DecisionChange:
    """Store a change of a decision."""
    made = {"decision": decision, "at": AT, "actor_id": decision.actor_id, "changes": {"confidence": ["0.8", "0.9"]}}
    return stored(DecisionChange, decision.account, **made | fields)


def make_evaluation(account: Account, instrument: Instrument, **fields: Any) -> Evaluation:
    """Store what a session made of a bar: nothing."""
    made = {"instrument": instrument, "bar": AT, "close": "10", "target": "0", "outcome": "NOTHING", "at": AT, "updated_at": AT}
    return stored(Evaluation, account, **made | fields)


def make_order(account: Account, instrument: Instrument, **fields: Any) -> Order:
    """Store an order to buy ten at the market, with its first event; it waits to be sent to the paper broker."""
    made: dict[str, Any] = {"client_order_id": uuid4().hex, "side": "BUY", "broker": "paper", "actor": account.owner}
    if "notional" not in fields:
        made["quantity"] = Decimal(10)
    with acting_as(account.owner_id):
        order = Order.objects.create(
            account=account, instrument=instrument, **made | {"created_at": AT, "updated_at": AT} | fields
        )
        _note(order, EventKind.CREATED)
    return order


def move_order(order: Order, *events: Event) -> Order:
    """Let events happen to an order, each recorded with it."""
    with acting_as(order.account.owner_id):
        for event in events:
            order.state = apply(order.state, event)
            order.events += 1
            order.ended_at = None if order.is_open else AT
            order.save()
            _note(order, event.kind)
    return order


def make_fill(order: Order, quantity: str = "10", price: str = "10", **fields: Any) -> Fill:
    """Store a fill of an order with its ledger entry, and the event that it is."""
    execution, at = fields.pop("execution_id", uuid4().hex), fields.pop("at", AT)
    filled = Filled(execution, Decimal(quantity), Decimal(price), at)
    side = Side(order.side)
    kind = entry_kind(side, PositionEffect(order.effect))
    signed = {"quantity": filled.quantity * side.sign, "price": filled.price, "occurred_at": at}
    entry: LedgerEntry = post(
        order.account, kind.value, instrument=order.instrument, source="fill", external_id=execution, **signed
    )
    move_order(order, Event(EventKind.FILLED, fill=filled))
    made = {"order": order, "broker": order.broker, "execution_id": execution, "at": at, "recorded_at": AT, "entry": entry}
    return stored(Fill, order.account, **made | {"quantity": filled.quantity, "price": filled.price} | fields)


def make_risk_event(account: Account, **fields: Any) -> RiskEvent:
    """Store a day's loss beyond the limit."""
    made = {"at": AT, "type": "DAILY_LOSS", "severity": "CRITICAL", "action_taken": "PAUSE", "recorded_at": AT}
    return stored(RiskEvent, account, **made | fields)


def make_pause(account: Account, **fields: Any) -> TradingPause:
    """Store a pause of an account's trading."""
    return stored(TradingPause, account, **{"reason": "The day's loss is 5 %.", "started_at": AT} | fields)


def make_connection(account: Account, **fields: Any) -> BrokerConnection:
    """Store a connection to Alpaca with credentials."""
    made = BrokerConnection(**{"account": account, "broker": "alpaca", "created_at": AT, "updated_at": AT} | fields)
    made.keep(key="PKTESTTESTTEST1234", secret="s3cret s3cret s3cret")
    with acting_as(account.owner_id):
        made.save()
    return made


def make_break(account: Account, **fields: Any) -> Break:
    """Store a difference of positions."""
    made = {"broker": "alpaca", "kind": "POSITION", "subject": uuid4().hex, "ours": "10", "theirs": "9"}
    return stored(Break, account, **made | {"found_at": AT, "last_found_at": AT} | fields)


def make_run(account: Account, instrument: Instrument, **fields: Any) -> BacktestRun:
    """Store a backtest that is queued."""
    made = {"strategy_kind": "sma_cross", "instruments": [instrument.pk], "start": "2020-01-01", "end": "2024-01-01"}
    return stored(BacktestRun, account, **made | {"cash": "10000", "actor": account.owner, "created_at": AT} | fields)


def make_webhook(account: Account, **fields: Any) -> Webhook:
    """Store an address that is told of fills."""
    made = Webhook(
        **{
            "account": account,
            "url": f"https://example.com/{uuid4().hex}",
            "topics": ["FILL"],
            "created_at": AT,
            "updated_at": AT,
        }
        | fields
    )
    made.keep("whsec")
    with acting_as(account.owner_id):
        made.save()
    return made


def make_delivery(webhook: Webhook, **fields: Any) -> Delivery:
    """Store a telling that is due."""
    made = {"webhook": webhook, "topic": "FILL", "event_id": uuid4(), "payload": {}, "created_at": AT, "next_try_at": AT}
    return stored(Delivery, webhook.account, **made | fields)


def make_picture(order: Order, **fields: Any) -> Attachment:
    """Store a picture to a trade."""
    made = {"name": "chart.png", "content_type": "image/png", "size": 4, "sha256": uuid4().hex * 2}
    return stored(Attachment, order.account, **made | {"order": order, "author": order.account.owner, "created_at": AT} | fields)


def make_png(text: str = "", *, width: int = 1, height: int = 1) -> bytes:
    """Return a picture that says it is so large, with a text in it that makes it one of its own."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    said, pixels = chunk(b"tEXt", b"Comment\0" + text.encode("latin-1")), chunk(b"IDAT", zlib.compress(b"\0" * 4))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + said + pixels + chunk(b"IEND", b"")


class Desk:
    """One of everything that an account can have of trading, the chain from strategy to fill walkable."""

    def __init__(self, account: Account, instrument: Instrument, *, at: datetime = AT) -> None:
        owner = account.owner
        self.strategy = make_strategy(owner)
        self.session = make_session(account, strategy=self.strategy)
        self.signal = make_signal(account, instrument, session=self.session)
        self.decision = make_decision(account, instrument, session=self.session, signal=self.signal)
        self.change = make_change(self.decision)
        chain = {"session": self.session, "signal": self.signal, "decision": self.decision}
        self.evaluation = make_evaluation(account, instrument, outcome="ORDERED", target="1", **chain)
        self.order = make_order(account, instrument, session=self.session, decision=self.decision, created_at=at)
        self.fill = make_fill(self.order, at=at)
        self.open_order = make_order(account, instrument, type="LIMIT", limit_price="9")
        self.limits = stored(RiskLimits, account, updated_at=AT)
        self.restricted = stored(RestrictedInstrument, account, instrument=instrument, created_at=AT)
        self.risk_event = make_risk_event(account, order=self.open_order)
        self.pause = make_pause(account, event=self.risk_event, resumed_at=AT, resumed_by=owner)
        self.connection = make_connection(account)
        self.difference = make_break(account)
        self.tag = stored(TradeTag, account, order=self.order, tag="breakout", created_at=AT)
        note = {"text": "Held too long.", "author": owner, "created_at": AT, "updated_at": AT}
        self.note = stored(TradeNote, account, order=self.order, **note)
        self.picture = make_picture(self.order)
        told = {"at": at, "window": 20, "win_rate": "0.5", "external_id": uuid4().hex, "recorded_at": AT}
        self.performance_alert = stored(PerformanceAlert, account, actor=owner, **told)
        self.run = make_run(account, instrument, strategy=self.strategy)
        self.webhook = make_webhook(account)
        self.delivery = make_delivery(self.webhook)


def event_of(order: Order) -> OrderEvent:
    """Return the last event of an order."""
    with acting_as(order.account.owner_id):
        return OrderEvent.objects.filter(order=order).latest("sequence")


def _note(order: Order, kind: EventKind) -> None:
    """Store the event that an order's row has just been changed with."""
    OrderEvent.objects.create(
        account_id=order.account_id,
        order=order,
        sequence=order.events,
        kind=kind,
        status=order.status,
        at=AT,
        recorded_at=AT,
        door="API",
    )
