"""Take transfers between accounts of one person back: both ends, or none."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.ledger import EntryKind
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry, User
from accounts.selectors.accounts import role_in
from accounts.services.ledger import TRANSFERS, is_end, reverse_entry


class NoSuchTransfer(ValidationError):
    """There is no transfer of that group in the account."""

    status = 404


class RoleTooLow(ValidationError):
    """The person may not write in the other account."""

    status = 403


@transaction.atomic
def take_back(*, entry: LedgerEntry, actor: User, reason: str = "", explanation: str = "") -> LedgerEntry:
    """Take an entry back, and with one end of a transfer the other, too; return what takes the entry back.

    :raises AlreadyReversed: if it was taken back before
    :raises NotReversible: if it is a reversal
    :raises RoleTooLow: if the person may not write in the other account of a transfer
    :raises AccountClosed: if one of the accounts is closed
    """
    if not is_end(entry) or entry.group is None:
        return reverse_entry(entry=entry, actor=actor, reason=reason, explanation=explanation)
    done = reverse_transfer(account=entry.account, group=entry.group, actor=actor, reason=reason, explanation=explanation)
    return next(one for one in done if one.reverses_id == entry.pk)


@transaction.atomic
def reverse_transfer(
    *, account: Account, group: UUID, actor: User, reason: str = "", explanation: str = ""
) -> tuple[LedgerEntry, LedgerEntry]:
    """Take both ends of a transfer back, and return the reversals: that of what left, and that of what arrived.

    :raises NoSuchTransfer: if the account has none of that group
    :raises AlreadyReversed: if it was taken back before
    :raises RoleTooLow: if the person may not write in the other account
    :raises AccountClosed: if one of the accounts is closed
    """
    outgoing, incoming = _ends(account, group, actor)
    for one in (outgoing.account, incoming.account):
        refuse_role(one, actor)
    ends = sorted((outgoing, incoming), key=lambda end: end.account_id)  # in the same order by whoever writes in two
    why = {"reason": reason, "explanation": explanation}
    taken = {end.account_id: reverse_entry(entry=end, actor=actor, **why) for end in ends}
    return taken[outgoing.account_id], taken[incoming.account_id]


def refuse_role(account: Account, actor: User) -> None:
    """Refuse a person who may not write in an account.

    :raises RoleTooLow: without the role TRADER
    """
    role = role_in(account, actor)
    if role is None or role < Role.TRADER:
        raise RoleTooLow("This takes the role TRADER in both accounts.", code="role_too_low")


def _ends(account: Account, group: UUID, actor: User) -> tuple[LedgerEntry, LedgerEntry]:
    """Return the entries of a transfer, as far as the person may see the accounts."""
    rows = LedgerEntry.objects.visible_to(actor).filter(group=group, source=TRANSFERS, reverses=None).select_related("account")
    found = {row.kind: row for row in rows}
    if account.pk not in {row.account_id for row in found.values()}:
        raise NoSuchTransfer("There is no such transfer.", code="no_such_transfer")
    if len(found) < 2:  # noqa: PLR2004
        raise RoleTooLow("The other end of the transfer is in an account that is not yours to write in.", code="role_too_low")
    return found[EntryKind.TRANSFER_OUT], found[EntryKind.TRANSFER_IN]
