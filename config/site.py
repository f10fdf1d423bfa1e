"""The admin site: every member has one, and sees there what they may see."""

from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite

from config.throttles import ThrottledLoginForm


class Site(UnfoldAdminSite):
    """The site that members and operators share; row-level security decides what each of them finds."""

    login_form = ThrottledLoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Let every active user in."""
        return request.user.is_active
