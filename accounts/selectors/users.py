"""Who a secret belongs to, and what a person is invited to."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.domain.roles import Role
from accounts.models import ApiToken, User
from accounts.models.tenancy import ACTED, BEFORE, acting

COLUMNS = [field.column for field in User._meta.concrete_fields]
FIELDS = [field.attname for field in User._meta.concrete_fields]
QUERY = """
    with {before}, found as materialized (
        select {columns}, t.id as token_id, t.scopes, t.accounts, t.expires_at, t.last_used_at
        from app_token(%(digest)s) t join accounts_user u on u.id = t.user_id
        where t.expires_at is null or t.expires_at > %(at)s
    )
    select {acted}, found.* from found, before
"""
LIMIT = "case when found.accounts is null then '' else coalesce(nullif(array_to_string(found.accounts, ','), ''), 'none') end"
TOKEN = QUERY.format(
    before=BEFORE,
    columns=", ".join(f"u.{name}" for name in COLUMNS),
    acted=ACTED.format(person="found.id::text", accounts=LIMIT),
)
SECRET = re.compile(r"brk_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invited person is told: they can't see the account yet."""

    id: UUID
    account_id: UUID
    account_name: str
    role: str
    invited_by: str | None
    invited_at: datetime


def digest_of(secret: str) -> str:
    """Return what is stored of a token's secret; it has 256 random bits, so nothing slower than SHA-256 is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_token(*, secret: str, at: datetime) -> ApiToken | None:
    """Return the token of a secret with its user, unless it is unknown, revoked or expired; asked before anybody is known."""
    with acting_by_token(secret=secret, at=at) as token:
        return token


@contextmanager
def acting_by_token(*, secret: str, at: datetime) -> Iterator[ApiToken | None]:
    """Open the one transaction in which the database shows what a token may see: it is found, and acts, in one trip.

    It lends None, and nobody acts, where the secret is unknown, revoked or expired.

    :raises AnotherPerson: if the transaction at hand already acts for another user
    """
    if not SECRET.fullmatch(secret):
        yield None
        return
    with acting(TOKEN, {"digest": digest_of(secret), "at": at}) as found:
        yield _token(*found) if found is not None else None


def _token(*values: Any) -> ApiToken:
    """Return the token, with its user, of the columns of `TOKEN`."""
    user = User.from_db("default", FIELDS, values[: len(FIELDS)])
    key, scopes, accounts, expires_at, last_used_at = values[len(FIELDS) :]
    return ApiToken(id=key, user=user, scopes=scopes, accounts=accounts, expires_at=expires_at, last_used_at=last_used_at)


def invitations() -> list[Invitation]:
    """Return what the acting user is invited to, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, account_id, account_name, role, invited_by, invited_at from app_invitations() order by invited_at, id"
        )
        return [
            Invitation(key, account, name, Role(role).name, inviter, invited_at)
            for key, account, name, role, inviter, invited_at in cursor.fetchall()
        ]
