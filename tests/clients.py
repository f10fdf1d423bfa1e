"""Callers of the API: a browser's session, a program's token, or nobody known; each from an address of its own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from rest_framework.test import APIClient

from accounts.models import User
from accounts.models.tenancy import acting_as
from accounts.services.tokens import Issued, issue_token

_addresses = count(int(datetime.now(UTC).timestamp() * 1000))


def nobody(**headers: str) -> APIClient:
    """Return a client without a name, from an address nobody else has (throttles count by address)."""
    number = next(_addresses)
    return APIClient(REMOTE_ADDR=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", **headers)


def browser(user: User) -> APIClient:
    """Return a client with a session of the user."""
    client = nobody()
    client.force_login(user)
    return client


def program(user: User, scopes: Sequence[str] = ("manage",), accounts: Sequence[UUID] | None = None, **fields: Any) -> APIClient:
    """Return a client with a token of the user."""
    return bearer(make_token(user, scopes, accounts, **fields).secret)


def bearer(secret: str) -> APIClient:
    """Return a client that shows a secret as its token."""
    return nobody(HTTP_AUTHORIZATION=f"Bearer {secret}")


def make_token(user: User, scopes: Sequence[str] = ("manage",), accounts: Sequence[UUID] | None = None, **fields: Any) -> Issued:
    """Store a token of the user."""
    with acting_as(user.pk):
        return issue_token(user=user, name="test", scopes=scopes, accounts=accounts, at=datetime.now(UTC), **fields)
