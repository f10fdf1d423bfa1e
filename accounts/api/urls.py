"""The routes of people, accounts and what happened to them."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api.accounts import AccountViewSet
from accounts.api.bundles import AccountImportViewSet
from accounts.api.exports import CsvRenderer, ExportViewSet, JsonFileRenderer
from accounts.api.import_templates import InspectView, TemplateViewSet
from accounts.api.imports import ImportViewSet
from accounts.api.jobs import JobRunViewSet, JobViewSet
from accounts.api.ledger import LedgerViewSet
from accounts.api.memberships import InvitationViewSet, MembershipViewSet
from accounts.api.notifications import NotificationViewSet
from accounts.api.policies import PolicyViewSet
from accounts.api.targets import TargetViewSet
from accounts.api.taxonomies import ClassificationViewSet, TaxonomyViewSet
from accounts.api.tokens import LoginView, TokenViewSet
from accounts.api.users import MeView
from accounts.api.watchlists import WatchlistViewSet

# paths are written as Django's, so a malformed id matches no route
router = SimpleRouter(use_regex_path=False)
router.register("tokens", TokenViewSet, "token")
router.register("invitations", InvitationViewSet, "invitation")
router.register("watchlists", WatchlistViewSet, "watchlist")
router.register("notifications", NotificationViewSet, "notification")
router.register("import-templates", TemplateViewSet, "import-template")
router.register("account-imports", AccountImportViewSet, "account-import")
router.register("accounts", AccountViewSet, "account")
router.register("accounts/<uuid:account_id>/entries", LedgerViewSet, "entry")
router.register("accounts/<uuid:account_id>/imports", ImportViewSet, "import")
router.register("accounts/<uuid:account_id>/members", MembershipViewSet, "member")
router.register("accounts/<uuid:account_id>/jobs/<uuid:job_id>/runs", JobRunViewSet, "job-run")
router.register("accounts/<uuid:account_id>/jobs", JobViewSet, "job")
router.register("accounts/<uuid:account_id>/taxonomies", TaxonomyViewSet, "taxonomy")
router.register("accounts/<uuid:account_id>/classifications", ClassificationViewSet, "classification")
router.register("accounts/<uuid:account_id>/targets", TargetViewSet, "target")
router.register("accounts/<uuid:account_id>/policies", PolicyViewSet, "policy")

urlpatterns = [
    path("auth/token/", LoginView.as_view(), name="login"),
    path("accounts/<uuid:account_id>/export/", ExportViewSet.as_view({"get": "retrieve"}), name="export"),
    path(
        "accounts/<uuid:account_id>/export/ghostfolio/",
        ExportViewSet.as_view({"get": "ghostfolio"}, renderer_classes=[JsonFileRenderer]),
        name="export-ghostfolio",
    ),
    path(
        "accounts/<uuid:account_id>/export/portfolio-performance/",
        ExportViewSet.as_view({"get": "portfolio_performance"}, renderer_classes=[CsvRenderer]),
        name="export-portfolio-performance",
    ),
    path("import-guess/", InspectView.as_view(), name="import-guess"),
    path("me/", MeView.as_view(), name="me"),
    *router.urls,
]
