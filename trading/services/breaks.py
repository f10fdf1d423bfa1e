"""Differences between a broker's records and ours: kept until somebody resolves them. History is never edited for one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, LedgerEntry, Level, Topic, User
from marketdata.models import Instrument
from trading.models import Break, BreakKind, Order
from trading.services.telling import tell_members

LONGEST = 200  # characters of a subject
MOST_TOLD = 5
Subject = tuple[str, str]  # a kind, and what it is about


class AlreadyResolved(ValidationError):
    """Somebody has resolved the difference before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a broker's records and ours say differently of a subject: an instrument, a currency, an order, an activity."""

    kind: BreakKind
    subject: str
    detail: str = ""
    ours: Decimal | None = None
    theirs: Decimal | None = None
    instrument: Instrument | None = None
    order: Order | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Subject:
        """What it is about."""
        return self.kind, self.subject


@transaction.atomic
def open_break(*, account: Account, broker: str, difference: Difference, now: datetime) -> Break:
    """Note a difference; one that is open already is brought up to date. Members are told of a new one."""
    one, kind = difference, BreakKind(difference.kind)
    told = {"detail": one.detail, "ours": one.ours, "theirs": one.theirs, "last_found_at": now, "data": dict(one.data)}
    made, new = Break.objects.get_or_create(
        account=account,
        broker=broker,
        kind=kind,
        subject=one.subject,
        resolved_at=None,
        defaults={**told, "found_at": now, "instrument": one.instrument, "order": one.order},
    )
    if new:
        tell_members(
            account=account,
            title=f"{kind.label} differs from {broker}'s records",
            body=one.detail or f"{one.subject}: we have {one.ours}, {broker} has {one.theirs}.",
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


def resolve_gone(*, difference: Break, now: datetime) -> None:
    """Take a difference for resolved that is not there any more, saying what made it go."""
    with suppress(AlreadyResolved):  # somebody was faster
        resolve_break(difference=difference, actor=None, resolution=f"The records agree again: {_why_gone(difference)}", now=now)


def _why_gone(difference: Break) -> str:
    """Say on which side something has changed since a difference was last seen."""
    kind, since, order = difference.kind, difference.last_found_at, difference.order
    entries = LedgerEntry.objects.filter(account=difference.account_id)
    if kind == BreakKind.ACTIVITY:
        found = entries.filter(external_id=difference.subject)
    elif kind == BreakKind.CASH:
        found = entries.filter(currency=difference.subject, recorded_at__gt=since)
    elif order is not None:
        found = entries.filter(data__order=str(order.pk), recorded_at__gt=since)
    else:
        only = {"instrument__isnull": False} if difference.instrument_id is None else {"instrument": difference.instrument_id}
        found = entries.filter(**only, recorded_at__gt=since)
    if posted := list(found.order_by("sequence")[: MOST_TOLD + 1]):
        named = ", ".join(f"{entry.kind} {entry.external_id or entry.pk}" for entry in posted[:MOST_TOLD])
        return f"the ledger has got {named}{' and more' if len(posted) > MOST_TOLD else ''}."
    if order is not None and order.updated_at > since:
        return f"our order is {order.status} now."
    return f"{difference.broker}'s have changed, and ours have not."
