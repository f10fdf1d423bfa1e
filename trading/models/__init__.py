"""The tables of what is intended and why: strategies, decisions, orders, fills, limits."""

from trading.models.backtests import BacktestKind, BacktestRun, BacktestStatus
from trading.models.brokers import Break, BreakKind, BrokerConnection
from trading.models.decisions import Decision, DecisionChange
from trading.models.evaluations import Evaluation
from trading.models.journal import Attachment, PerformanceAlert, Trade, TradeNote, TradeTag
from trading.models.orders import Door, Fill, Order, OrderEvent, terms_of
from trading.models.risk import RestrictedInstrument, RiskEvent, RiskLimits, TradingHalt, TradingPause
from trading.models.sealed import SecretLost
from trading.models.signals import Signal
from trading.models.strategies import Session, Strategy
from trading.models.webhooks import Delivery, Webhook, WebhookTopic

__all__ = [
    "Attachment",
    "BacktestKind",
    "BacktestRun",
    "BacktestStatus",
    "Break",
    "BreakKind",
    "BrokerConnection",
    "Decision",
    "DecisionChange",
    "Delivery",
    "Door",
    "Evaluation",
    "Fill",
    "Order",
    "OrderEvent",
    "PerformanceAlert",
    "RestrictedInstrument",
    "RiskEvent",
    "RiskLimits",
    "SecretLost",
    "Session",
    "Signal",
    "Strategy",
    "Trade",
    "TradeNote",
    "TradeTag",
    "TradingHalt",
    "TradingPause",
    "Webhook",
    "WebhookTopic",
    "terms_of",
]
