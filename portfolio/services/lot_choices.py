"""Choose the lots that a sale closes, after it was posted: the choice is a note in the ledger, and the last one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account, LedgerEntry, User
from accounts.services.ledger import post_entry
from portfolio.domain.choices import lots_named
from portfolio.domain.entries import place_of
from portfolio.domain.exact import ZERO, plain
from portfolio.domain.lots import Choice, Closure, Lot, Method, chosen
from portfolio.selectors.books import Ledger, ledger_of
from portfolio.services.locks import hold

CLOSING = frozenset(
    {
        EntryKind.SELL,
        EntryKind.COVER,
        EntryKind.BUY,
        EntryKind.SHORT,
        EntryKind.OPTION_EXERCISE,
        EntryKind.OPTION_ASSIGNMENT,
        EntryKind.OPTION_EXPIRATION,
    }
)


class ChoosesNoLots(ValidationError):
    """The entry closes no lots, or the account's method leaves nothing to choose."""


@dataclass(frozen=True, slots=True)
class Choosable:
    """The lots an entry could close, oldest first; those that are chosen for it, and what it closes by now."""

    entry: LedgerEntry
    closing: Decimal
    lots: Sequence[Lot]
    choices: Sequence[Choice]
    closures: Sequence[Closure]


def lots_for(*, entry: LedgerEntry, account: Account) -> Choosable:
    """Return the lots that an entry can close, and what it closes as things stand.

    :raises ChoosesNoLots: if it closes none
    """
    return _choosable(ledger_of(account), entry)


@transaction.atomic
def choose_lots(*, account: Account, entry: LedgerEntry, lots: Sequence[Choice], actor: User) -> LedgerEntry:
    """Choose the lots that an entry closes, all at once; what they leave open the oldest close. No lots: take choices back.

    :raises ChoosesNoLots: if the entry closes no lots, or the account's method is not SPECIFIC
    :raises ValidationError: by field, if a lot is not there or the quantities do not fit
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    if account.cost_basis_method != Method.SPECIFIC:
        told = f"The account closes lots by {account.cost_basis_method}; change its method to SPECIFIC to choose them."
        raise ChoosesNoLots(told, code="method_not_specific")
    choosable = _choosable(ledger_of(account), entry)
    _check(choosable, lots)
    draft = EntryDraft(
        kind=EntryKind.NOTE,
        occurred_at=entry.occurred_at,
        currency=entry.currency,
        instrument_id=entry.instrument_id,
        notes=f"Lots chosen for entry #{entry.sequence}.",
        source="lots",
        data={"closes": {"sequence": entry.sequence, "lots": [_row(choice) for choice in lots]}},
    )
    return post_entry(account=account, draft=draft, actor=actor)


def _choosable(ledger: Ledger, entry: LedgerEntry) -> Choosable:
    """Return what an entry can close and does."""
    posted = ledger.entry(entry.sequence)
    if posted is None or posted.instrument is None or entry.kind not in CLOSING:
        raise ChoosesNoLots(f"Entry #{entry.sequence} closes no lots, or was taken back.", code="closes_no_lots")
    holding = ledger.before(place_of(posted)).book().holdings.get(posted.instrument)
    lots = holding.lots if holding is not None and holding.quantity * posted.quantity < 0 else []
    if not lots:
        raise ChoosesNoLots(f"Entry #{entry.sequence} closes no lots: none were open then.", code="closes_no_lots")
    held = sum((abs(lot.quantity) for lot in lots), ZERO)
    closures = [one for one in ledger.book().closures if one.closing == entry.sequence]
    return Choosable(entry, min(abs(posted.quantity), held), lots, lots_named(posted), closures)


def _check(choosable: Choosable, choices: Sequence[Choice]) -> None:
    """Refuse lots that are not there, and quantities that do not fit."""
    for choice in choices:
        named = [lot for lot in choosable.lots if choice.names(lot)]
        if not named:
            known = ", ".join(f"#{lot.sequence} of {lot.opened_at.date()}" for lot in choosable.lots[:10])
            raise _wrong(f"No lot of entry #{choice.sequence} was open then; there were {known}.", "unknown_lot")
    steps = chosen(choosable.lots, choices)
    for choice in choices:
        asked = sum((one.quantity or ZERO for one in choices if one.sequence == choice.sequence), ZERO)
        held = sum((abs(lot.quantity) for lot in choosable.lots if lot.sequence == choice.sequence), ZERO)
        if asked > held:
            raise _wrong(f"{plain(held)} were left of the lot of entry #{choice.sequence}, less than chosen.", "lot_too_small")
    total = sum((taken or ZERO for _, taken in steps), ZERO)
    if total > choosable.closing and any(choice.quantity is not None for choice in choices):
        raise _wrong(f"The entry closes {plain(choosable.closing)}, the lots chosen are {plain(total)}.", "more_than_closed")


def _wrong(detail: str, code: str) -> ValidationError:
    """Return the refusal of the lots."""
    return ValidationError({"lots": ValidationError(detail, code=code)})


def _row(choice: Choice) -> dict[str, object]:
    """Return a choice as the ledger keeps it."""
    row: dict[str, object] = {"sequence": choice.sequence}
    if choice.quantity is not None:
        row["quantity"] = plain(choice.quantity)
    if choice.opened_on is not None:
        row["opened_on"] = choice.opened_on.isoformat()
    return row
