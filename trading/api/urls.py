"""The routes of what is intended, and why."""

from rest_framework.routers import SimpleRouter

from trading.api.decisions import DecisionViewSet
from trading.api.sessions import SessionViewSet
from trading.api.signals import SignalViewSet
from trading.api.strategies import StrategyViewSet

# paths are written as Django's, so a malformed id matches no route
router = SimpleRouter(use_regex_path=False)
router.register("strategies", StrategyViewSet, "strategy")
router.register("accounts/<uuid:account_id>/sessions", SessionViewSet, "session")
router.register("accounts/<uuid:account_id>/signals", SignalViewSet, "signal")
router.register("accounts/<uuid:account_id>/decisions", DecisionViewSet, "decision")

urlpatterns = [*router.urls]
