"""The routes of figures, relative to /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from portfolio.api.performance import PerformanceViewSet
from portfolio.api.positions import ClosureViewSet, LotViewSet, PositionViewSet
from portfolio.api.snapshots import SnapshotViewSet
from portfolio.api.streams import QuoteStreamView
from portfolio.api.summary import SummaryViewSet

router = SimpleRouter(use_regex_path=False)
router.register("accounts/<uuid:account_id>/positions", PositionViewSet, "position")
router.register("accounts/<uuid:account_id>/lots", LotViewSet, "lot")
router.register("accounts/<uuid:account_id>/closures", ClosureViewSet, "closure")
router.register("accounts/<uuid:account_id>/snapshots", SnapshotViewSet, "snapshot")

urlpatterns = [
    path("accounts/<uuid:account_id>/summary/", SummaryViewSet.as_view({"get": "retrieve"}), name="summary"),
    path("accounts/<uuid:account_id>/performance/", PerformanceViewSet.as_view({"get": "retrieve"}), name="performance"),
    path("stream/quotes/", QuoteStreamView.as_view(), name="stream-quotes"),
    *router.urls,
]
