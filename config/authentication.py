"""Who calls the API, and whether their token's scope reaches what they ask. `config.middleware` has found the caller already."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import authentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope, User

if TYPE_CHECKING:  # the views' own module reads this one through the settings
    from rest_framework.views import APIView

RANK = {Scope.READ: 1, Scope.TRADE: 2, Scope.MANAGE: 3}


class BearerAuthentication(authentication.BaseAuthentication):
    """The token of the `Authorization: Bearer` header; it outweighs a session."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the user and the token that the middleware acts for."""
        token: ApiToken | None = getattr(request._request, "token", None)
        return (token.user, token) if token else None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client to send."""
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session; its writes need the CSRF token."""


class ScopedPermission(BasePermission):
    """Somebody is known, and a token has the scope: `read` to look, to write the view's `write_scope`, else `manage`."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Say yes, or raise what is missing."""
        if not request.user or isinstance(request.user, AnonymousUser):
            raise NotAuthenticated("Log in, or send a token as Authorization: Bearer.")
        token: Any = request.auth
        if token is None:
            return True
        needed = Scope.READ if request.method in SAFE_METHODS else getattr(view, "write_scope", Scope.MANAGE)
        if max((RANK[Scope(scope)] for scope in token.scopes), default=0) < RANK[needed]:
            raise PermissionDenied(f"The token lacks the scope {needed.value}.", code="scope_too_low")
        return True
