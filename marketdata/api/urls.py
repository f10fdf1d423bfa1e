"""The routes of market data, relative to /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from marketdata.api.actions import CorporateActionViewSet
from marketdata.api.archive import ArchiveSegmentViewSet
from marketdata.api.bars import BarViewSet
from marketdata.api.cache import CacheViewSet
from marketdata.api.fx import FxRateViewSet
from marketdata.api.instruments import InstrumentViewSet
from marketdata.api.providers import ProviderViewSet
from marketdata.api.quality import QualityIssueViewSet
from marketdata.api.quotes import QuoteViewSet
from marketdata.api.series_files import SeriesFileViewSet
from marketdata.api.streams import StreamStateViewSet
from marketdata.api.ticks import TickViewSet

router = SimpleRouter()
router.register("instruments", InstrumentViewSet, basename="instrument")
router.register("bars", BarViewSet, basename="bar")
router.register("quotes", QuoteViewSet, basename="quote")
router.register("ticks", TickViewSet, basename="tick")
router.register("fx-rates", FxRateViewSet, basename="fx-rate")
router.register("corporate-actions", CorporateActionViewSet, basename="corporate-action")
router.register("archive-segments", ArchiveSegmentViewSet, basename="archive-segment")
router.register("quality-issues", QualityIssueViewSet, basename="quality-issue")
router.register("providers", ProviderViewSet, basename="provider")
router.register("streams", StreamStateViewSet, basename="stream")

urlpatterns = [
    path("cache/", CacheViewSet.as_view({"get": "retrieve", "post": "create"}), name="cache"),
    path("series-files/", SeriesFileViewSet.as_view({"get": "export", "post": "create"}), name="series-file"),
    *router.urls,
]
