"""The gate every API that hangs off an account stands behind, and its like for what belongs to one person."""

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from accounts.domain.roles import Role
from accounts.models import Account, ApiToken, Scope, User
from accounts.selectors.accounts import account_of
from accounts.services.accounts import refuse_closed


class AccountScopedViewSet(GenericViewSet):
    """The base of every view below `accounts/<uuid:account_id>/`: strangers find nothing, viewers write nothing.

    Before the view runs, `self.account` is the account (with the caller's `role`), or the answer is 404: for a stranger,
    and for a token that is limited to other accounts, the same as for an id that never was. A write needs `write_role`,
    or what `roles` says for the action, else 403, and an account that is open, else 409, unless `works_when_closed`
    names the action. Rows come through `get_queryset()`, which keeps those of this account that the user may see.
    """

    write_role: Role = Role.TRADER
    write_scope: Scope = Scope.TRADE
    roles: dict[str, Role] = {}
    works_when_closed: frozenset[str] = frozenset()
    lookup_value_converter = "uuid"
    account: Account

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in as far as their role reaches."""
        super().initial(request, *args, **kwargs)
        if "account_id" in kwargs:
            self.account = self.load_account(kwargs["account_id"])
            self.check_role()

    def load_account(self, account_id: UUID) -> Account:
        """Return the account, if the caller may see it.

        :raises Http404: if there is none, or not for this caller
        """
        token = token_of(self.request)
        if token is not None and token.accounts is not None and account_id not in token.accounts:
            raise Http404
        account = self.find_account(caller(self.request), account_id)
        if account is None:
            raise Http404
        return account

    def find_account(self, user: User, account_id: UUID) -> Account | None:
        """Return the account with the user's role, None for a stranger."""
        return account_of(user, account_id)

    def check_role(self) -> None:
        """Refuse a write that the caller's role does not reach, or in an account that is closed."""
        safe = self.request.method in SAFE_METHODS
        self.require(self.roles.get(self.action, Role.VIEWER if safe else self.write_role))
        if not safe and self.action not in self.works_when_closed:
            refuse_closed(self.account)

    def require(self, role: Role) -> None:
        """Refuse a caller whose role in the account is lower.

        :raises PermissionDenied: naming the role that is needed
        """
        if self.account.role < role:  # type: ignore[attr-defined]
            raise PermissionDenied(f"This takes the role {role.name} in the account.", code="role_too_low")

    def get_queryset(self) -> QuerySet:
        """Return the rows of the account."""
        rows: Any = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return rows.visible_to(caller(self.request)).filter(account=self.account)


class PersonalViewSet(GenericViewSet):
    """The base of every view on what belongs to the caller alone."""

    write_scope: Scope = Scope.TRADE
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet:
        """Return the caller's own rows."""
        rows: Any = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return rows.visible_to(caller(self.request))


def caller(request: Request) -> User:
    """Return the person who asks; the permissions have let nobody else in."""
    return cast(User, request.user)


def token_of(request: Request) -> ApiToken | None:
    """Return the token that the person asks with, or None for a session."""
    return cast("ApiToken | None", request.auth)


def refuse_limited_token(request: Request) -> None:
    """Refuse a token that is limited to some accounts where its owner would get at others.

    :raises PermissionDenied: if it is
    """
    token = token_of(request)
    if token is not None and token.accounts is not None:
        raise PermissionDenied("The token is limited to some accounts.", code="token_limited")
