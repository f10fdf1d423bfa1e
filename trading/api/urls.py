"""The routes of what is intended, and why."""

from typing import Any

from django.urls import path
from rest_framework.routers import SimpleRouter

from trading.api.backtests import BacktestViewSet
from trading.api.brokers import BreakViewSet, ConnectionViewSet
from trading.api.decisions import DecisionViewSet
from trading.api.evaluations import EvaluationViewSet
from trading.api.fills import FillViewSet
from trading.api.journal import JournalViewSet, TradeRecordViewSet
from trading.api.order_stream import OrderStreamView
from trading.api.orders import OrderViewSet
from trading.api.risk import PauseViewSet, PositionSizeViewSet, ResumeViewSet, RiskEventViewSet, RiskLimitsViewSet
from trading.api.sessions import SessionViewSet
from trading.api.signals import SignalViewSet
from trading.api.strategies import StrategyViewSet
from trading.api.trading_files import TradingFileViewSet
from trading.api.webhooks import DeliveryViewSet, WebhookViewSet

# paths are written as Django's, so a malformed id matches no route
orders, router = SimpleRouter(use_regex_path=False), SimpleRouter(use_regex_path=False)
orders.register("accounts/<uuid:account_id>/orders", OrderViewSet, "order")
router.register("strategies", StrategyViewSet, "strategy")
router.register("accounts/<uuid:account_id>/sessions", SessionViewSet, "session")
router.register("accounts/<uuid:account_id>/evaluations", EvaluationViewSet, "evaluation")
router.register("accounts/<uuid:account_id>/signals", SignalViewSet, "signal")
router.register("accounts/<uuid:account_id>/decisions", DecisionViewSet, "decision")
router.register("accounts/<uuid:account_id>/fills", FillViewSet, "fill")
router.register("accounts/<uuid:account_id>/trade-records", TradeRecordViewSet, "trade-record")
router.register("accounts/<uuid:account_id>/journal", JournalViewSet, "journal")
router.register("accounts/<uuid:account_id>/backtests", BacktestViewSet, "backtest")
router.register("accounts/<uuid:account_id>/risk-events", RiskEventViewSet, "risk-event")
router.register("accounts/<uuid:account_id>/broker-connections", ConnectionViewSet, "broker-connection")
router.register("accounts/<uuid:account_id>/breaks", BreakViewSet, "break")
router.register("accounts/<uuid:account_id>/webhooks", WebhookViewSet, "webhook")
router.register("accounts/<uuid:account_id>/deliveries", DeliveryViewSet, "delivery")

LIMITS: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update"}

urlpatterns = [
    *orders.urls,  # first: nothing is asked for as often
    path("accounts/<uuid:account_id>/risk-limits/", RiskLimitsViewSet.as_view(LIMITS), name="risk-limits"),
    path("accounts/<uuid:account_id>/pause/", PauseViewSet.as_view({"get": "retrieve", "post": "pause"}), name="trading-pause"),
    path("accounts/<uuid:account_id>/resume/", ResumeViewSet.as_view({"post": "resume"}), name="trading-resume"),
    path("accounts/<uuid:account_id>/position-size/", PositionSizeViewSet.as_view({"get": "retrieve"}), name="position-size"),
    path("stream/orders/", OrderStreamView.as_view(), name="stream-orders"),
    path(
        "accounts/<uuid:account_id>/trading-files/",
        TradingFileViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="trading-files",
    ),
    *router.urls,
]
