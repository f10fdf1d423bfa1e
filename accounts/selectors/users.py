"""Who a secret belongs to, and what a person is invited to."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.domain.roles import Role
from accounts.models import ApiToken, User

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
    if not SECRET.fullmatch(secret):
        return None
    found: list[Any] = list(  # users with the columns of their token
        User.objects.raw(
            "select u.*, t.id as token_id, t.scopes, t.accounts, t.expires_at, t.last_used_at "
            "from app_token(%s) t join accounts_user u on u.id = t.user_id",
            [digest_of(secret)],
        )
    )
    if not found or (found[0].expires_at is not None and found[0].expires_at <= at):
        return None
    user = found[0]
    return ApiToken(
        id=user.token_id,
        user=user,
        scopes=user.scopes,
        accounts=user.accounts,
        expires_at=user.expires_at,
        last_used_at=user.last_used_at,
    )


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
