"""The keys of people's programs: made, shown once, used, revoked."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from accounts.models import ApiToken, Scope, User
from accounts.selectors.accounts import visible_account_ids
from accounts.selectors.users import digest_of

ALPHABET = string.ascii_lowercase + string.digits
USE_NOTED_EVERY = timedelta(minutes=1)
ORDER = [Scope.READ, Scope.TRADE, Scope.MANAGE]


class WiderThanItself(ValidationError):
    """A token makes no token that may do more, reach further or live longer than it does itself."""

    status = 403


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token with its secret, which nobody can show again."""

    token: ApiToken
    secret: str


@transaction.atomic
def issue_token(
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    at: datetime,
    accounts: Sequence[UUID] | None = None,
    expires_at: datetime | None = None,
    by: ApiToken | None = None,
) -> Issued:
    """Make a token for a person; asked for `by` another token, it may be no wider than that.

    :raises ValidationError: by field, if an account is not theirs or the expiry lies behind
    :raises WiderThanItself: if the asking token may do less
    """
    if by is not None:
        accounts = accounts if accounts is not None else by.accounts
        expires_at = expires_at or by.expires_at
        _refuse_wider(by, scopes, accounts, expires_at)
    if accounts is not None and visible_account_ids(user, list(accounts)) != set(accounts):
        raise ValidationError(
            {"accounts": ValidationError("One of the accounts is not there, or not yours.", code="unknown_account")}
        )
    if expires_at is not None and expires_at <= at:
        raise ValidationError({"expires_at": ValidationError("The token would have expired already.", code="expired")})
    prefix = "brk_" + "".join(secrets.choice(ALPHABET) for _ in range(8))
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        user=user,
        name=name,
        prefix=prefix,
        digest=digest_of(secret),
        scopes=[scope for scope in ORDER if scope in scopes],
        accounts=sorted(set(accounts)) if accounts is not None else None,
        created_at=at,
        expires_at=expires_at,
    )
    token.clean_fields(exclude={"user"})
    token.save(force_insert=True)
    return Issued(token, secret)


@transaction.atomic
def revoke_token(*, token: ApiToken, at: datetime) -> ApiToken:
    """End a token for good; revoking it twice changes nothing."""
    token.revoked_at = token.revoked_at or at
    token.save(update_fields=["revoked_at"])
    return token


def is_fresh(token: ApiToken, *, at: datetime) -> bool:
    """Say whether it was written down a moment ago that a token was used."""
    return token.last_used_at is not None and token.last_used_at > at - USE_NOTED_EVERY


def note_use(*, token: ApiToken, at: datetime) -> None:
    """Write down that a token was used, at most once a minute."""
    if not is_fresh(token, at=at):
        unused = Q(last_used_at__isnull=True) | Q(last_used_at__lte=at - USE_NOTED_EVERY)
        ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=at)


def _refuse_wider(by: ApiToken, scopes: Sequence[str], accounts: Sequence[UUID] | None, expires_at: datetime | None) -> None:
    """Refuse a token that would outdo the one that asks for it."""
    highest = max(map(ORDER.index, map(Scope, by.scopes)))
    further = by.accounts is not None and (accounts is None or not set(accounts) <= set(by.accounts))
    longer = by.expires_at is not None and (expires_at is None or expires_at > by.expires_at)
    if max(map(ORDER.index, map(Scope, scopes))) > highest or further or longer:
        raise WiderThanItself("A token makes no token that may do more, reach further or live longer.", code="wider_than_itself")
