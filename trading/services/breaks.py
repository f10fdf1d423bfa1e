"""Differences between a broker's records and ours: kept until somebody resolves them. History is never edited for one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, Level, Topic, User
from marketdata.models import Instrument
from trading.models import Break, BreakKind, Order
from trading.services.telling import tell_members


class AlreadyResolved(ValidationError):
    """Somebody has resolved the difference before."""


@transaction.atomic
def open_break(  # noqa: PLR0913
    *,
    account: Account,
    broker: str,
    kind: BreakKind,
    subject: str,
    now: datetime,
    detail: str = "",
    ours: Decimal | None = None,
    theirs: Decimal | None = None,
    instrument: Instrument | None = None,
    order: Order | None = None,
    data: dict[str, Any] | None = None,
) -> Break:
    """Note a difference; one that is open already is brought up to date. Members are told of a new one."""
    told = {"detail": detail, "ours": ours, "theirs": theirs, "last_found_at": now, "data": data or {}}
    made, new = Break.objects.get_or_create(
        account=account,
        broker=broker,
        kind=kind,
        subject=subject[:200],
        resolved_at=None,
        defaults={**told, "found_at": now, "instrument": instrument, "order": order},
    )
    if new:
        body = detail or f"{subject}: we have {ours}, {broker} has {theirs}."
        tell_members(
            account=account,
            title=f"{kind.label} differs from {broker}'s records",
            body=body,
            at=now,
            level=Level.WARNING,
            topic=Topic.ALERT,
        )
        return made
    for name, value in told.items():
        setattr(made, name, value)
    made.save(update_fields=list(told))
    return made


@transaction.atomic
def resolve_break(*, difference: Break, actor: User | None, resolution: str, now: datetime) -> Break:
    """Take a difference for resolved, saying how; without an actor, because it is gone.

    :raises AlreadyResolved: if it was
    """
    difference = Break.objects.select_for_update(of=("self",)).get(pk=difference.pk)
    if difference.resolved_at is not None:
        raise AlreadyResolved("The difference has been resolved already.", code="already_resolved")
    difference.resolved_at, difference.resolved_by, difference.resolution = max(now, difference.found_at), actor, resolution
    difference.save(update_fields=["resolved_at", "resolved_by", "resolution"])
    return difference


def resolve_gone(*, account: Account, broker: str, kind: BreakKind, still: set[str], now: datetime) -> int:
    """Take those differences of a kind for resolved that are not there any more; return how many."""
    gone = Break.objects.open().filter(account=account, broker=broker, kind=kind).exclude(subject__in=still)
    return gone.update(resolved_at=now, resolution="The records agree again.")
