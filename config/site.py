"""The admin site: every active user has one, and finds there what they may see."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe
from unfold.sites import UnfoldAdminSite

from config.cachepage import cache_page
from config.dashboard import start_page
from config.health import health
from config.planpage import plan_page
from config.reportpage import report_page
from config.throttles import ThrottledLoginForm


class LoginForm(ThrottledLoginForm):
    """The login of members and operators alike."""

    def confirm_login_allowed(self, user: Any) -> None:
        """Let every active user in; Django's own form asks for staff."""
        AuthenticationForm.confirm_login_allowed(self, user)


class Site(UnfoldAdminSite):
    """The site that members and operators share: its pages are gated, and row-level security stands below the gate."""

    login_form = LoginForm
    index_template = "bedrock/start.html"
    index_title = "Overview"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Let every active user in."""
        return request.user.is_active

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Wrap a page so that its times are those of who looks, until it is rendered."""

        def at_home(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if "\x00" in unquote(request.META.get("QUERY_STRING", "")):
                raise BadRequest("No text holds the character NUL.")  # PostgreSQL would say so, as a fault of ours
            zone = getattr(request.user, "time_zone", "UTC")
            with timezone.override(ZoneInfo(zone)):
                response = view(request, *args, **kwargs)
                return response.render() if isinstance(response, TemplateResponse) else response

        return super().admin_view(at_home, cacheable)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the apps and their pages; asking every page who may do what waits until somebody reads the answer."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def extra_urls(self) -> list[URLPattern]:
        """Add the pages of targets, of reports, of the system's health and of the cache."""
        return [
            path("targets/", self.admin_view(self.targets), name="targets"),
            path("reports/", self.admin_view(self.reports), name="reports"),
            path("health/", self.admin_view(self.health), name="health"),
            path("cache/", self.admin_view(self.cache), name="cache"),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the figures of one of the user's accounts."""
        return super().index(request, start_page(request) | (extra_context or {}))

    def health(self, request: HttpRequest) -> HttpResponse:
        """Show operators how each part of the system is."""
        if not request.user.is_superuser:
            raise PermissionDenied
        report = json.loads(require_safe(health)(request).content)
        context = {"title": "Health", "well": report.pop("ok"), "parts": report}
        return TemplateResponse(request, "bedrock/health.html", self.each_context(request) | context)

    def cache(self, request: HttpRequest) -> HttpResponse:
        """Show operators how the cache does."""
        return cache_page(request, self.each_context(request))

    def targets(self, request: HttpRequest) -> HttpResponse:
        """Show how far one of the user's accounts is from its targets."""
        return plan_page(request, self.each_context(request))

    def reports(self, request: HttpRequest) -> HttpResponse:
        """Show which reports there are of one of the user's accounts, or answer with one."""
        return report_page(request, self.each_context(request))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer nothing: the navigation is short, and results kept in a cache would outlive a membership."""
        return HttpResponse()
