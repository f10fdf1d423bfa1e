"""What was decided and why: written down, changed with a history, judged, and cleaned up by age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Account, User
from accounts.services.accounts import refuse_closed
from marketdata.models import Instrument
from trading.domain.decisions import DecisionDraft, changes
from trading.domain.outcomes import Choice, judge
from trading.domain.signals import SignalStatus
from trading.models import Decision, DecisionChange, Order, Session, Signal
from trading.services.decision_archives import put_away
from trading.services.refusals import told, unless_taken
from trading.services.sessions import refuse_ended
from trading.services.signals import settle_signal

SAID = ("at", "choice", "confidence", "reasoning", "entry_type", "indicators", "price", "stop_loss", "target", "metadata")
UNJUDGED: Mapping[str, Any] = {"verdict": "", "move": None, "judged_at": None, "judged_price": None}
REASON = 10_000


class DecisionKnown(ValidationError):
    """A decision of that source and id was written down before."""


class DecisionInUse(ValidationError):
    """Orders came of the decision: it stays, so that their reason can be found."""


@transaction.atomic
def record_decision(
    *,
    account: Account,
    instrument: Instrument,
    draft: DecisionDraft,
    actor: User,
    now: datetime,
    session: Session | None = None,
    signal: Signal | None = None,
    source: str = "manual",
    external_id: str = "",
    past: bool = False,
) -> Decision:
    """Write a decision down; the signal that it came of is taken by it. One of the past may be of a session that has ended.

    :raises DecisionKnown: if one of that source and id was written down before
    :raises NotAsThingsStand: if the signal was taken or dismissed, or its time is over
    :raises SessionEnded: if the session has ended
    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    if not past:
        refuse_ended(session)
    decision = drafted(
        account=account,
        instrument=instrument,
        draft=draft,
        actor=actor,
        now=now,
        session=session,
        source=source,
        external_id=external_id,
    )
    if signal is not None:
        decision.signal = settle_signal(signal=signal, status=SignalStatus.TAKEN, at=now)
    with unless_taken(DecisionKnown(f"{source} brought in a decision {external_id} before.", code="decision_known")):
        decision.save(force_insert=True)
    return decision


def drafted(*, draft: DecisionDraft, now: datetime, **columns: Any) -> Decision:
    """Return the row of a decision, which is not stored yet.

    :raises ValidationError: by field
    """
    with told():
        draft.check()
    decision = Decision(created_at=now, updated_at=now, **columns)
    _say(decision, draft)
    return decision


@transaction.atomic
def change_decision(*, decision: Decision, changed: Mapping[str, Any], actor: User, at: datetime, reason: str = "") -> Decision:
    """Change a decision, and keep in its history what it was, who changed it, and why; what changes nothing leaves no trace.

    Where it now says another choice or price it has to be judged anew.

    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(decision.account)
    decision = Decision.objects.select_for_update(of=("self",)).select_related("instrument", "account").get(pk=decision.pk)
    before = draft_of(decision)
    draft = replace(before, **{name: _frozen(changed[name]) for name in SAID if name in changed})
    with told():
        draft.check()
    differences = changes(_as_mapping(before), _as_mapping(draft))
    if differences:
        DecisionChange.objects.create(
            account_id=decision.account_id, decision=decision, at=at, actor=actor, changes=differences, reason=reason[:REASON]
        )
        _say(decision, draft)
        decision.updated_at = at
        if differences.keys() & {"choice", "price"}:  # it was judged by what it said before
            for name, nothing in UNJUDGED.items():
                setattr(decision, name, nothing)
        decision.save(update_fields=[*SAID, *UNJUDGED, "updated_at"])
    return decision


@transaction.atomic
def judge_decision(*, decision: Decision, price: Decimal, at: datetime) -> Decision:
    """Say whether a decision was right by a later price; the last judgement counts.

    :raises ValidationError: if it is not known what it cost when it was decided
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(decision.account)
    if decision.price is None:
        detail = "It is not known what it cost when it was decided; give the decision a price first."
        raise ValidationError({"price": ValidationError(detail, code="required")})
    found = judge(Choice(decision.choice), before=decision.price, after=price)
    decision.verdict, decision.move = found.verdict, found.move
    decision.judged_at, decision.judged_price = at, price
    decision.save(update_fields=[*UNJUDGED])
    return decision


@transaction.atomic
def delete_decision(*, decision: Decision, at: datetime) -> None:
    """Throw a decision away, with its history; both are put into the archive first.

    :raises DecisionInUse: if orders came of it
    """
    refuse_closed(decision.account)
    _throw_away(decision.account, Decision.objects.filter(account=decision.account_id, pk=decision.pk), at)
    if Decision.objects.filter(account=decision.account_id, pk=decision.pk).exists():
        raise DecisionInUse("Orders came of the decision; it stays with them.", code="decision_in_use")


@transaction.atomic
def clean_up_decisions(*, account: Account, before: datetime, at: datetime) -> int:
    """Throw an account's decisions of before an instant away, with their history, but for those that orders came of.

    All of it is put into the archive first. Return how many went.
    """
    refuse_closed(account)
    return _throw_away(account, Decision.objects.filter(account=account, at__lt=before), at)


def _throw_away(account: Account, rows: QuerySet[Decision], at: datetime) -> int:
    """Put decisions that no order came of into the archive, and delete them."""
    ordered = Order.objects.filter(account=account, decision=OuterRef("pk"))
    old = list(rows.filter(~Exists(ordered)).select_for_update(of=("self",)).values_list("pk", flat=True))
    if not old:
        return 0
    put_away(account=account, among=old, at=at)
    return Decision.objects.filter(account=account, pk__in=old).delete()[1].get(Decision._meta.label, 0)


def draft_of(decision: Decision) -> DecisionDraft:
    """Return what a decision says, as it could be written down again."""
    said = {name: getattr(decision, name) for name in SAID}
    return DecisionDraft(**said | {"choice": Choice(decision.choice), "indicators": tuple(decision.indicators)})


def _say(decision: Decision, draft: DecisionDraft) -> None:
    """Let a decision say what a draft does."""
    for name, value in _as_mapping(draft).items():
        setattr(decision, name, value)
    decision.clean_fields(exclude={"account", "instrument", "session", "signal", "actor"})


def _as_mapping(draft: DecisionDraft) -> dict[str, Any]:
    """Return what a draft says as columns hold it."""
    said = {name: getattr(draft, name) for name in SAID}
    return said | {"choice": draft.choice.value, "indicators": list(draft.indicators), "metadata": dict(draft.metadata)}


def _frozen(value: Any) -> Any:
    """Return a value as drafts hold it."""
    return tuple(value) if isinstance(value, list) else value
