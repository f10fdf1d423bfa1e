"""The routes of figures, relative to /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from portfolio.api.beancount import BeancountViewSet
from portfolio.api.contributions import ContributionViewSet
from portfolio.api.corporate_actions import ActionProposalViewSet
from portfolio.api.cost_basis import CostBasisViewSet
from portfolio.api.household import HouseholdSnapshotViewSet, HouseholdViewSet
from portfolio.api.income import IncomeViewSet
from portfolio.api.lot_choices import LotChoiceViewSet
from portfolio.api.missing import MissingAcquisitionViewSet
from portfolio.api.performance import PerformanceViewSet
from portfolio.api.performance_report import PerformanceReportViewSet
from portfolio.api.plans import DriftViewSet, RebalanceViewSet
from portfolio.api.policies import PolicyCheckViewSet
from portfolio.api.positions import ClosureViewSet, LotViewSet, PositionViewSet
from portfolio.api.reports import SECTIONS, ReportViewSet
from portfolio.api.returns import DrawdownViewSet, MonthlyReturnsViewSet
from portfolio.api.rolling import RollingViewSet
from portfolio.api.snapshots import SnapshotViewSet
from portfolio.api.streams import QuoteStreamView
from portfolio.api.summary import SummaryViewSet
from portfolio.api.trades import TradesPerformanceViewSet, TradeThresholdsViewSet
from portfolio.api.transfers import TransferViewSet

router = SimpleRouter(use_regex_path=False)
router.register("accounts/<uuid:account_id>/positions", PositionViewSet, "position")
router.register("accounts/<uuid:account_id>/lots", LotViewSet, "lot")
router.register("accounts/<uuid:account_id>/closures", ClosureViewSet, "closure")
router.register("accounts/<uuid:account_id>/snapshots", SnapshotViewSet, "snapshot")

urlpatterns = [
    path(
        "accounts/<uuid:account_id>/entries/<uuid:entry_id>/lots/",
        LotChoiceViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="entry-lots",
    ),
    path(
        "accounts/<uuid:account_id>/cost-basis/",
        CostBasisViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="cost-basis",
    ),
    path("accounts/<uuid:account_id>/transfers/", TransferViewSet.as_view({"post": "create"}), name="transfer"),
    path(
        "accounts/<uuid:account_id>/transfers/<uuid:group>/reverse/",
        TransferViewSet.as_view({"post": "reverse"}),
        name="transfer-reverse",
    ),
    path(
        "accounts/<uuid:account_id>/corporate-actions/",
        ActionProposalViewSet.as_view({"get": "list"}),
        name="action-proposal-list",
    ),
    path(
        "accounts/<uuid:account_id>/corporate-actions/<uuid:pk>/apply/",
        ActionProposalViewSet.as_view({"post": "apply"}),
        name="action-proposal-apply",
    ),
    path(
        "accounts/<uuid:account_id>/corporate-actions/<uuid:pk>/dismiss/",
        ActionProposalViewSet.as_view({"post": "dismiss"}),
        name="action-proposal-dismiss",
    ),
    path(
        "accounts/<uuid:account_id>/missing-acquisitions/",
        MissingAcquisitionViewSet.as_view({"get": "list"}),
        name="missing-acquisition-list",
    ),
    path(
        "accounts/<uuid:account_id>/export/beancount/",
        BeancountViewSet.as_view({"get": "retrieve"}),
        name="export-beancount",
    ),
    path("accounts/<uuid:account_id>/drift/", DriftViewSet.as_view({"get": "retrieve"}), name="drift"),
    path("accounts/<uuid:account_id>/rebalance/", RebalanceViewSet.as_view({"post": "create"}), name="rebalance"),
    path("accounts/<uuid:account_id>/policy-checks/", PolicyCheckViewSet.as_view({"get": "retrieve"}), name="policy-checks"),
    path("accounts/<uuid:account_id>/summary/", SummaryViewSet.as_view({"get": "retrieve"}), name="summary"),
    path("accounts/<uuid:account_id>/performance/", PerformanceViewSet.as_view({"get": "retrieve"}), name="performance"),
    path(
        "accounts/<uuid:account_id>/trades-performance/",
        TradesPerformanceViewSet.as_view({"get": "retrieve"}),
        name="trades-performance",
    ),
    path(
        "accounts/<uuid:account_id>/trade-thresholds/",
        TradeThresholdsViewSet.as_view({"get": "retrieve", "put": "update", "patch": "partial_update"}),
        name="trade-thresholds",
    ),
    path("accounts/<uuid:account_id>/income/", IncomeViewSet.as_view({"get": "retrieve"}), name="income"),
    path("accounts/<uuid:account_id>/rolling/", RollingViewSet.as_view({"get": "retrieve"}), name="rolling"),
    path("accounts/<uuid:account_id>/drawdowns/", DrawdownViewSet.as_view({"get": "retrieve"}), name="drawdowns"),
    path(
        "accounts/<uuid:account_id>/monthly-returns/", MonthlyReturnsViewSet.as_view({"get": "retrieve"}), name="monthly-returns"
    ),
    path(
        "accounts/<uuid:account_id>/contributions/",
        ContributionViewSet.as_view({"get": "retrieve"}),
        name="contributions",
    ),
    *(
        path(f"household/{name}/", HouseholdViewSet.as_view({"get": name}), name=f"household-{name}")
        for name in ("summary", "positions", "performance")
    ),
    path("household/snapshots/", HouseholdSnapshotViewSet.as_view({"get": "snapshots"}), name="household-snapshots"),
    *(
        path(f"accounts/<uuid:account_id>/reports/{name}/", ReportViewSet.as_view({"get": name}), name=f"report-{name}")
        for name in SECTIONS
    ),
    path(
        "accounts/<uuid:account_id>/reports/performance/",
        PerformanceReportViewSet.as_view({"get": "retrieve"}),
        name="report-performance",
    ),
    path("stream/quotes/", QuoteStreamView.as_view(), name="stream-quotes"),
    *router.urls,
]
