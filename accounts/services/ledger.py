"""Write to an account's ledger: post, reverse, correct. Nothing else writes there, and nothing there is ever changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DatabaseError

from accounts.domain.alike import check_all
from accounts.domain.ledger import EntryDraft, EntryKind, check_texts
from accounts.models import Account, Appended, LedgerEntry, Link, User
from accounts.models.ledger import appended, as_row
from accounts.models.tenancy import acting_as
from accounts.services.accounts import AccountClosed
from marketdata.services.instruments import follow

FIGURES = ("kind", "occurred_at", "instrument_id", "quantity", "price", "cash", "currency", "fee", "tax", "data")
CLOSED = "BR001"  # raised by ledger_append
TRANSFERS = "transfers"  # the source of both ends of a transfer between accounts of one person


class ConflictingEntry(ValidationError):
    """The source's id is known with other figures: one of the two is wrong."""


class AlreadyReversed(ValidationError):
    """The entry has been taken back once; taking it back twice would pay twice."""


class NotReversible(ValidationError):
    """The entry is a reversal itself, or not in this account."""


class EndOfTransfer(ValidationError):
    """The entry is one end of a transfer: what it says, the other end says, too."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a draft: `created`, `known`, `conflicting`, or `skipped` because another of its batch was refused."""

    outcome: str
    entry_id: UUID | None
    sequence: int | None


def post_entry(*, account: Account, draft: EntryDraft, actor: User) -> LedgerEntry:
    """Write one entry at the head of the account's ledger; the same source and external id are written once.

    :raises EntryRefused: if the draft breaks the rules of its kind, by field
    :raises ConflictingEntry: if that id is known with other figures
    :raises AccountClosed: if the account is closed
    """
    done = _post(account=account, draft=draft, actor=actor)
    if done.outcome == "created":
        return LedgerEntry.as_appended(draft, done, account_id=account.pk, actor_id=actor.pk)
    return _known(account=account, draft=draft, actor=actor)


def record_entry(*, account: Account, draft: EntryDraft, actor: User) -> Posted:
    """Write one entry as `post_entry` does, in one round trip, and say whether it is new.

    :raises EntryRefused: if the draft breaks the rules of its kind, by field
    :raises ConflictingEntry: if that id is known with other figures
    :raises AccountClosed: if the account is closed
    """
    done = _post(account=account, draft=draft, actor=actor)
    return Posted(done.outcome, done.entry_id, done.sequence)


def post_entries(
    *, account: Account, drafts: Sequence[EntryDraft], actor: User, partial: bool = False, links: Sequence[Link] = ()
) -> list[Posted]:
    """Write many entries in their order under one lock: all or none, or with `partial` the good ones.

    `links` names, draft by draft, the entry that a draft takes back (it must be its mirror image) or replaces.

    :raises EntryRefused: if a draft breaks the rules of its kind; check the drafts one by one to go on without it
    :raises AccountClosed: if the account is closed
    """
    fresh, repeats = _without_repeats(drafts)
    at_odds = [
        first is not None and bool(differences(drafts[first], draft)) for draft, first in zip(drafts, repeats, strict=True)
    ]
    if any(at_odds) and not partial:
        return [Posted("conflicting" if odd else "skipped", None, None) for odd in at_odds]
    kept = [link for link, first in zip(links, repeats, strict=True) if first is None] if links else ()
    done = iter(write(account=account, drafts=fresh, actor=actor, partial=partial, links=kept))
    posted: list[Posted] = []
    for first, odd in zip(repeats, at_odds, strict=True):
        if first is None:
            posted.append(next(done))
        elif odd:
            posted.append(Posted("conflicting", None, None))
        else:
            posted.append(replace(posted[first], outcome=posted[first].outcome.replace("created", "known")))
    return posted


def post_along(
    *, drafts: Sequence[EntryDraft], ids: Sequence[str], store: Callable[[str], list[list[Any]] | None]
) -> list[Posted] | None:
    """Write entries of one account, none of them twice, and in the same trip what belongs to them; all or none.

    `store` is given the drafts under the ids that they shall have, as `ledger_append` reads them. It has that called, and returns
    what it answers, or None where all entries are new and their instruments followed; this returns None then, too.

    :raises EntryRefused: if a draft breaks the rules of its kind
    :raises AccountClosed: if the account is closed
    """
    check_all(drafts)
    rows = [as_row(draft, entry_id=entry_id) for draft, entry_id in zip(drafts, ids, strict=True)]
    with _told():
        answers = store(f"[{','.join(rows)}]")
    if answers is None:
        return None
    done = [appended(*answer) for answer in answers]
    _follow(drafts, done)
    return [Posted(row.outcome, row.entry_id, row.sequence) for row in done]


def is_end(entry: LedgerEntry) -> bool:
    """Say whether an entry is one end of a transfer between accounts of one person."""
    ends = {EntryKind.TRANSFER_OUT, EntryKind.TRANSFER_IN}
    return entry.source == TRANSFERS and entry.group is not None and entry.reverses_id is None and entry.kind in ends


def reverse_entry(*, entry: LedgerEntry, actor: User, reason: str = "", explanation: str = "") -> LedgerEntry:
    """Take one entry back by posting its mirror image, at the time it is said to have happened.

    Doors ask `transfers.take_back`, which leaves no end of a transfer without the other.

    :raises AlreadyReversed: if it was taken back before
    :raises NotReversible: if it is a reversal
    """
    mirror, link = mirrored(entry, reason=reason, explanation=explanation), Link(reverses=entry.pk)
    done = _append(account_id=entry.account_id, actor=actor, drafts=[mirror], links=[link])[0]
    _refuse_outcome(done, entry)
    return LedgerEntry.as_appended(mirror, done, account_id=entry.account_id, actor_id=actor.pk, link=link)


def correct_entry(
    *, entry: LedgerEntry, draft: EntryDraft, actor: User, reason: str = "", explanation: str = ""
) -> tuple[LedgerEntry, LedgerEntry]:
    """Take an entry back and post another in its place, linked to it; return the reversal and the replacement.

    :raises EntryRefused: if the new entry breaks the rules of its kind, by field
    :raises AlreadyReversed: if the entry was taken back before
    :raises NotReversible: if it is a reversal
    :raises EndOfTransfer: if it is one end of a transfer
    :raises ConflictingEntry: if the new entry's id is known
    """
    if is_end(entry):
        told = f"Entry #{entry.sequence} is one end of a transfer: take it back, which takes back both ends, and transfer anew."
        raise EndOfTransfer(told, code="end_of_transfer")
    draft.check()
    draft = replace(
        draft, reason_primary=draft.reason_primary or reason, reason_explanation=draft.reason_explanation or explanation
    )
    drafts = [mirrored(entry, reason=reason, explanation=explanation), draft]
    links = [Link(reverses=entry.pk), Link(corrects=entry.pk)]
    done = _append(account_id=entry.account_id, actor=actor, drafts=drafts, links=links)
    _refuse_outcome(done[0], entry)
    if done[1].outcome != "created":
        raise conflict(account=entry.account, draft=draft, actor=actor)
    _follow(drafts, done)
    reversal, replacement = (
        LedgerEntry.as_appended(one, row, account_id=entry.account_id, actor_id=actor.pk, link=link)
        for one, row, link in zip(drafts, done, links, strict=True)
    )
    return reversal, replacement


def write(
    *, account: Account, drafts: Sequence[EntryDraft], actor: User, partial: bool = False, links: Sequence[Link] = ()
) -> list[Posted]:
    """Check drafts and append them, in one round trip where their instruments are known to be followed."""
    for index, draft in enumerate(drafts):
        if not (links and links[index].reverses):  # the mirror image of what passed needs no check, and would not pass
            draft.check()
    if not drafts:
        return []
    done = _append(account_id=account.pk, actor=actor, drafts=drafts, links=links, partial=partial)
    _follow(drafts, done)
    return [Posted(row.outcome, row.entry_id, row.sequence) for row in done]


def mirrored(entry: LedgerEntry, *, reason: str, explanation: str) -> EntryDraft:
    """Return the mirror image of an entry: the same happening with every sign turned round.

    :raises EntryRefused: if the reason is too long or holds control characters
    """
    check_texts(reason_primary=reason, reason_explanation=explanation)
    same = EntryDraft(
        kind=EntryKind(entry.kind),
        occurred_at=entry.occurred_at,
        currency=entry.currency,
        instrument_id=entry.instrument_id,
        quantity=entry.quantity,
        price=entry.price,
        cash=entry.cash,
        fee=entry.fee,
        tax=entry.tax,
        data=entry.data,
        reason_primary=reason,
        reason_explanation=explanation,
        tags=tuple(entry.tags),
        source="reversal",
        group=entry.group,
    )
    return turned(same)


def turned(draft: EntryDraft) -> EntryDraft:
    """Return a draft with every sign turned round."""
    return replace(draft, quantity=-draft.quantity, cash=-draft.cash, fee=-draft.fee, tax=-draft.tax)


def differences(known: LedgerEntry | EntryDraft, draft: EntryDraft) -> list[str]:
    """Return the names of the figures in which a draft differs from what is known."""
    return [name.removesuffix("_id") for name in FIGURES if getattr(known, name) != getattr(draft, name)]


def conflict(*, account: Account, draft: EntryDraft, actor: User) -> ConflictingEntry:
    """Return the refusal of a draft whose id is known with other figures, naming those that differ."""
    known = _known(account=account, draft=draft, actor=actor)
    names = differences(known, draft) or ["nothing"]
    return ConflictingEntry(
        f"{draft.external_id} of {draft.source} is entry #{known.sequence} already, with another {', '.join(names)}. "
        "Correct that entry, or give this one an id of its own.",
        code="conflicting_entry",
    )


def _post(*, account: Account, draft: EntryDraft, actor: User) -> Appended:
    """Write one entry in one round trip, refusing an id that is known with other figures."""
    draft.check()
    done = _append(account_id=account.pk, actor=actor, drafts=[draft])
    if done[0].outcome == "conflicting":
        raise conflict(account=account, draft=draft, actor=actor)
    _follow([draft], done)
    return done[0]


def _append(
    *, account_id: UUID, actor: User, drafts: Sequence[EntryDraft], links: Sequence[Link] = (), partial: bool = False
) -> list[Appended]:
    """Call the ledger's one writer."""
    with _told():
        return LedgerEntry.objects.append(account_id=account_id, actor_id=actor.pk, drafts=drafts, links=links, partial=partial)


@contextmanager
def _told() -> Iterator[None]:
    """Turn the refusals of the ledger's one writer into ours."""
    try:
        yield
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) == CLOSED:
            raise AccountClosed("The account is closed; its ledger takes no more entries.", code="account_closed") from error
        raise


def _known(*, account: Account, draft: EntryDraft, actor: User) -> LedgerEntry:
    """Return the entry that has the id of a draft."""
    with acting_as(actor.pk):
        return LedgerEntry.objects.get(account=account, source=draft.source, external_id=draft.external_id)


def _refuse_outcome(done: Appended, entry: LedgerEntry) -> None:
    if done.outcome == "reversed":
        raise AlreadyReversed(f"Entry #{entry.sequence} was taken back before.", code="already_reversed")
    if done.outcome == "unknown":
        raise NotReversible(f"Entry #{entry.sequence} is a reversal itself; post the entry anew instead.", code="not_reversible")


def _follow(drafts: Sequence[EntryDraft], done: Sequence[Appended]) -> None:
    """Have the prices of newly held instruments fetched from now on."""
    held = {
        draft.instrument_id: draft.occurred_at
        for draft, row in zip(drafts, done, strict=True)
        if draft.instrument_id and not row.followed
    }
    if held:
        follow(instrument_ids=held, at=min(held.values()))


def _without_repeats(drafts: Sequence[EntryDraft]) -> tuple[list[EntryDraft], list[int | None]]:
    """Return the drafts whose id comes for the first time, and for each draft the place of the one it repeats."""
    first: dict[tuple[str, str], int] = {}
    fresh, repeats = [], []
    for index, draft in enumerate(drafts):
        key = (draft.source, draft.external_id)
        known = first.setdefault(key, index) if draft.external_id else index
        repeats.append(None if known == index else known)
        if known == index:
            fresh.append(draft)
    return fresh, repeats
