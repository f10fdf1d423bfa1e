"""Questions to an account's ledger."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connections
from django.db.models import Sum

from accounts.models import Account, LedgerEntry, LedgerHead
from accounts.models.ledger import LedgerQuerySet

SYSTEM = "system"  # verification walks the ledgers of everybody


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """The first bad entry of a ledger, and what is wrong with it."""

    account_id: UUID
    sequence: int
    detail: str


@dataclass(frozen=True, slots=True)
class LedgerState:
    """A ledger that was verified: how many entries it has, and its fault if there is one."""

    account_id: UUID
    account_name: str
    entries: int
    fault: LedgerFault | None


def entries_at(*, account: Account, sequence: int) -> LedgerQuerySet:
    """Return the ledger as it stood when it had so many entries."""
    return LedgerEntry.objects.filter(account=account, sequence__lte=sequence).order_by("sequence")


def entries_known_at(*, account: Account, at: datetime) -> LedgerQuerySet:
    """Return the entries that were recorded by an instant: what was believed then."""
    return LedgerEntry.objects.filter(account=account, recorded_at__lte=at).order_by("sequence")


def cash_balance(*, account: Account, at: datetime) -> dict[str, Decimal]:
    """Return the cash the account's ledger adds up to at an instant, by currency."""
    entries = LedgerEntry.objects.filter(account=account, occurred_at__lte=at).order_by("currency")
    return {row["currency"]: row["total"] for row in entries.values("currency").annotate(total=Sum("cash"))}


def ledger_faults(*, account_id: UUID | None = None) -> dict[UUID, LedgerFault]:
    """Walk the chains of all ledgers, or of one, and return the first bad entry of each that has one."""
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute("select account_id, sequence, fault from ledger_faults(%s)", [account_id])
        return {row[0]: LedgerFault(*row) for row in cursor.fetchall()}


def verified_ledgers(*, account_id: UUID | None = None) -> list[LedgerState]:
    """Walk the chains of all ledgers, or of one, and return what was found in each."""
    faults = ledger_faults(account_id=account_id)
    heads = LedgerHead.objects.using(SYSTEM).select_related("account").order_by("account")
    if account_id is not None:
        heads = heads.filter(account=account_id)
    found = [LedgerState(head.account_id, head.account.name, head.sequence, faults.pop(head.account_id, None)) for head in heads]
    # entries whose head is gone belong to a ledger all the same
    return found + [LedgerState(fault.account_id, "", 0, fault) for fault in faults.values()]
