"""Bounds that the owners of an account want it to keep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, Policy, PolicyKind
from accounts.services.planning import held, hold, save

NAMED = "a policy of that kind; change it instead"
MOST = Decimal(1)


@transaction.atomic
def create_policy(*, account: Account, kind: str, threshold: Decimal, at: datetime, enabled: bool = True) -> Policy:
    """Set a bound for an account.

    :raises NameTaken: if the account has one of that kind
    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    return _save(Policy(account=account, kind=kind, threshold=threshold, enabled=enabled, created_at=at))


@transaction.atomic
def change_policy(*, policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """Set another bound, or switch it off or on.

    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    :raises Gone: if it was deleted meanwhile
    """
    policy = held(policy, policy.account)
    for name in {"threshold", "enabled"} & changes.keys():
        setattr(policy, name, changes[name])
    return _save(policy)


@transaction.atomic
def delete_policy(*, policy: Policy) -> None:
    """Throw a bound away.

    :raises AccountClosed: if the account is closed
    """
    hold(policy.account)
    policy.delete()


def _save(policy: Policy) -> Policy:
    """Store a bound that is a share."""
    policy.clean_fields(exclude={"account"})
    if not 0 <= policy.threshold <= MOST:
        shown = PolicyKind(policy.kind).label.lower()
        told = f"The {shown} is a share from 0 to 1, such as 0.25."
        raise ValidationError({"threshold": ValidationError(told, code="out_of_range")})
    return save(policy, named=NAMED)
