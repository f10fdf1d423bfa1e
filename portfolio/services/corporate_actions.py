"""Post what companies did to the shares an account held, or decide that it shall not be posted.

Entries have the source "corporate-actions" and the action's id, so nothing is posted twice; what somebody posted by hand, or
took back, is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account, LedgerEntry, User
from accounts.models.tenancy import acting_as
from accounts.services.ledger import post_entry
from marketdata.domain.actions import ActionKind
from portfolio.domain.proposals import SOURCE, Said
from portfolio.selectors.corporate_actions import DISMISSED, Proposal, Status, proposals
from portfolio.selectors.market import SYSTEM
from portfolio.services.locks import hold
from portfolio.services.projections import catch_up

CHANGES_NO_UNITS = frozenset({ActionKind.CASH_DIVIDEND, ActionKind.SYMBOL_CHANGE, ActionKind.DELISTING})


class NoSuchAction(ValidationError):
    """No such action concerns what the account held."""

    status = 404


class NotToPost(ValidationError):
    """The action is not to be posted: it is in the ledger, was dismissed, or its day has not come."""


@transaction.atomic
def apply_action(
    *, account: Account, action_id: UUID, actor: User, at: datetime, said: Said | None = None
) -> tuple[Sequence[LedgerEntry], bool]:
    """Post the entries that an action asks for; return them, and whether they are new.

    :raises NoSuchAction: if none of that id concerns what the account held
    :raises NotToPost: if it was posted by hand or dismissed, or its day has not come
    :raises ValidationError: if something has to be said first
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    proposal = _find(account, action_id, at, said)
    if proposal.status is Status.POSTED:
        return proposal.posted, False
    if proposal.status is not Status.PROPOSED:
        raise NotToPost(WHY_NOT[proposal.status], code=f"action_{proposal.status}")
    if proposal.problem:
        raise ValidationError({proposal.field: ValidationError(proposal.problem, code="not_proposed")})
    return _post(account, proposal, actor), True


@transaction.atomic
def dismiss_action(*, account: Account, action_id: UUID, actor: User, at: datetime, reason: str = "") -> LedgerEntry:
    """Decide that an action shall not be posted, by a note in the ledger; taking that back proposes it again.

    :raises NoSuchAction: if none of that id concerns what the account held
    :raises NotToPost: if it is in the ledger, or was dismissed before
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    proposal = _find(account, action_id, at, None)
    if proposal.status not in {Status.PROPOSED, Status.UPCOMING}:
        raise NotToPost(WHY_NOT[proposal.status], code=f"action_{proposal.status}")
    action = proposal.action
    dismissals = LedgerEntry.objects.filter(account=account, source=SOURCE, external_id__startswith=f"{action_id}:{DISMISSED}")
    draft = EntryDraft(
        kind=EntryKind.NOTE,
        occurred_at=min(datetime.combine(action.ex_date, time(), UTC), at),
        currency=action.instrument.money,
        instrument_id=action.instrument_id,
        notes=f"{action.kind} of {action.instrument.key} on {action.ex_date} is not to be posted.",
        reason_explanation=reason,
        source=SOURCE,
        external_id=f"{action_id}:{DISMISSED}:{dismissals.count() + 1}",
        data={"action": action.kind, "dismisses": str(action_id)},
    )
    return post_entry(account=account, draft=draft, actor=actor)


def apply_due(*, account_id: UUID, at: datetime) -> str:
    """Post all that is proposed for an account, as its owner, and say what was done; figures follow in between."""
    account = Account.objects.using(SYSTEM).select_related("owner").get(pk=account_id)
    catch_up(account_id=account_id, at=at)
    tried: set[UUID] = set()
    waiting: list[Proposal] = []
    again = True
    while again:
        found = proposals(account=account, today=at.astimezone(UTC).date(), using=SYSTEM)
        waiting = [one for one in found if one.status is Status.PROPOSED]
        again = False
        for proposal in waiting:
            if proposal.problem or proposal.action.pk in tried:
                continue
            with acting_as(account.owner_id):
                _post(account, proposal, account.owner)
            tried.add(proposal.action.pk)
            if proposal.action.kind not in CHANGES_NO_UNITS:  # what comes later finds other units
                again = True
                break
        catch_up(account_id=account_id, at=at)
    unclear = sum(1 for one in waiting if one.problem)
    return f"{len(tried)} posted" + (f", {unclear} to be looked at" if unclear else "")


def _find(account: Account, action_id: UUID, at: datetime, said: Said | None) -> Proposal:
    """Return what is proposed of one action."""
    found = proposals(account=account, today=at.astimezone(UTC).date(), action_id=action_id, said=said)
    if not found:
        raise NoSuchAction("No such action concerns what the account held.", code="no_such_action")
    return found[0]


def _post(account: Account, proposal: Proposal, actor: User) -> list[LedgerEntry]:
    """Post the entries of a proposal, all or none."""
    with transaction.atomic():
        return [post_entry(account=account, draft=draft, actor=actor) for draft in proposal.drafts]


WHY_NOT = {
    Status.UPCOMING: "Its day has not come.",
    Status.BY_HAND: "Somebody posted it by hand: an entry of that kind, instrument and day is there.",
    Status.DISMISSED: "It was dismissed, or taken back; post it by hand, or take the dismissal back.",
    Status.POSTED: "It is in the ledger; reverse its entries instead.",
}
