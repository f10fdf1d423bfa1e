"""Who calls by Alpaca's headers, and which account they mean.

The secret key is the secret of one of our tokens. The key id is the id of an account; or the token's own id or prefix, where the
token reaches one account alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from rest_framework import authentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Account, ApiToken, Scope, User
from accounts.selectors.accounts import accounts_of
from trading.api.alpaca.errors import FORBIDDEN, UNKNOWN_CALLER, Refusal
from trading.api.alpaca.words import as_uuid

KEY_ID, SECRET_KEY = "APCA-API-KEY-ID", "APCA-API-SECRET-KEY"  # names of headers
RANK = {Scope.READ: 1, Scope.TRADE: 2, Scope.MANAGE: 3}
PREFIX = 12  # characters of a secret that its token is known by
UNAUTHORIZED = "request is not authorized"


def credentials_of(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the key id and the secret that a request shows: Alpaca's two headers, Basic, or Bearer (a secret alone).

    >>> credentials_of({"Authorization": "Bearer s"})
    ('', 's')
    """
    key, secret = headers.get(KEY_ID, ""), headers.get(SECRET_KEY, "")
    if secret:
        return key.strip(), secret.strip()
    kind, _, said = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return "", said.strip()
    if kind.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(said.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret


def secret_of(headers: Mapping[str, str]) -> str:
    """Return the secret that a request shows, empty if it shows none."""
    return credentials_of(headers)[1]


def account_of(user: User, token: ApiToken, *, key: str, secret: str) -> Account:
    """Return the account that a key id means, with the user's role in it.

    :raises Refusal: if it means none of those that the token reaches, or leaves open which
    """
    reached = accounts_of(user)
    if token.accounts is not None:
        reached = reached.filter(pk__in=token.accounts)
    if key in {"", str(token.pk), secret[:PREFIX]}:
        found = list(reached.order_by("closed_on", "pk"))
        still_open = [one for one in found if one.closed_on is None] or found
        if len(still_open) == 1:
            return still_open[0]
        told = "the token reaches several accounts: give the id of one of them as the key id" if found else UNAUTHORIZED
        raise Refusal(FORBIDDEN, told)
    account_id = as_uuid(key)
    account = reached.filter(pk=account_id).first() if account_id else None
    if account is None:
        raise Refusal(UNKNOWN_CALLER, UNAUTHORIZED)
    return account


class KeyAuthentication(authentication.BaseAuthentication):
    """The token that the middleware found by the secret key; sessions don't count here."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the user and the token that the middleware acts for."""
        token: ApiToken | None = getattr(request._request, "token", None)
        return (token.user, token) if token else None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client to send."""
        return 'Basic realm="alpaca"'


class KeyPermission(BasePermission):
    """Somebody is known, and the token has the scope: `read` to look, else the view's `write_scope`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say yes, or refuse.

        :raises Refusal: if nobody is known, or the scope is too low
        """
        token: Any = request.auth
        if token is None:
            raise Refusal(UNKNOWN_CALLER, UNAUTHORIZED)
        refuse_scope(token, Scope.READ if request.method in SAFE_METHODS else getattr(view, "write_scope", Scope.TRADE))
        return True


def refuse_scope(token: Any, needed: Scope) -> None:
    """Refuse a token that may do less.

    :raises Refusal: naming the scope
    """
    if max((RANK[Scope(scope)] for scope in token.scopes), default=0) < RANK[needed]:
        raise Refusal(FORBIDDEN, f"the token lacks the scope {needed.value}")
