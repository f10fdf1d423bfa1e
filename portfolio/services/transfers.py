"""Move units or cash between accounts that one person trades in: what leaves one arrives in the other with lots, dates and cost.

Both entries share a group and an external id. Posting the same transfer again finds it; both are taken back together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account, LedgerEntry, User
from accounts.services.ledger import TRANSFERS, ConflictingEntry, post_entry
from accounts.services.transfers import refuse_role
from marketdata.models import Instrument
from portfolio.domain.entries import DEPARTURE, Place
from portfolio.domain.exact import ZERO, plain
from portfolio.domain.lots import Choice, Lot, Method, Part, leveled, take
from portfolio.selectors.books import ledger_of, stands
from portfolio.services.locks import hold

LAST = 2**62  # in the order of recording
MOST_LOTS = 350  # with all their digits, they are as much as the data of an entry holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to move: units of an instrument, or cash in a currency; `lots` for an account that chooses them."""

    occurred_at: datetime
    instrument: Instrument | None = None
    quantity: Decimal = ZERO
    cash: Decimal = ZERO
    currency: str = ""
    lots: Sequence[Choice] = ()
    notes: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Transferred:
    """Both ends of a transfer; `created` is false where it was known."""

    group: UUID
    outgoing: LedgerEntry
    incoming: LedgerEntry
    created: bool


@transaction.atomic
def transfer(*, source: Account, target: Account, order: Order, actor: User) -> Transferred:
    """Move units, or cash, from one account to another; the same external id moves them once.

    :raises RoleTooLow: if the person may not write in the other account
    :raises ValidationError: by field, if the accounts are one, or there is not that much to move
    :raises ConflictingEntry: if the external id is known with other figures
    :raises AccountClosed: if one of the accounts is closed
    """
    if source.pk == target.pk:
        raise ValidationError({"to": ValidationError("Both accounts are the same one.", code="same_account")})
    for account in (source, target):
        refuse_role(account, actor)
    hold(source, target)
    known = (
        LedgerEntry.objects.filter(account=source, source=TRANSFERS, external_id=order.external_id) if order.external_id else None
    )
    first = known.first() if known is not None else None
    if first is not None:
        return _known(first, target, order)
    rows = _rows(source, order)
    group = uuid4()
    drafts = [(source, _leaving(order, rows, group, target)), (target, _arriving(order, rows, group, source))]
    drafts.sort(key=lambda end: end[0].pk)  # ledgers are locked in the same order by whoever writes in two
    posted = {account.pk: post_entry(account=account, draft=draft, actor=actor) for account, draft in drafts}
    return Transferred(group, posted[source.pk], posted[target.pk], created=True)


def _known(outgoing: LedgerEntry, target: Account, order: Order) -> Transferred:
    """Return a transfer that was posted before, if it is the one that is asked for."""
    instrument = order.instrument.pk if order.instrument else None
    asked = (instrument, -order.quantity, -order.cash, order.occurred_at)
    incoming = LedgerEntry.objects.filter(
        account=target, source=TRANSFERS, external_id=order.external_id, group=outgoing.group
    ).first()
    same = asked == (outgoing.instrument_id, outgoing.quantity, outgoing.cash, outgoing.occurred_at)
    if incoming is None or not same or outgoing.group is None:
        told = f"{order.external_id} is another transfer already, entry #{outgoing.sequence}. Give this one an id of its own."
        raise ConflictingEntry(told, code="conflicting_entry")
    if not stands(outgoing) or not stands(incoming):
        told = f"The transfer {order.external_id} was taken back; give a new one an id of its own."
        raise ConflictingEntry(told, code="already_reversed")
    return Transferred(outgoing.group, outgoing, incoming, created=False)


def _rows(source: Account, order: Order) -> list[dict[str, Any]]:
    """Return the lots that leave, by the source's method as of the time of leaving, as the ledger keeps them."""
    if order.instrument is None:
        return []
    place = Place(order.occurred_at.astimezone(UTC), DEPARTURE, LAST)
    book = ledger_of(source).before(place).book()
    holding = book.holdings.get(str(order.instrument.pk))
    held = holding.quantity if holding is not None else ZERO
    if holding is None or order.quantity > held:
        told = f"{plain(max(held, ZERO))} were held at that time, less than {plain(order.quantity)}."
        raise ValidationError({"quantity": ValidationError(told, code="more_than_held")})
    _refuse_choices(order, holding.lots, book.method)
    if book.method is Method.AVERAGE:
        holding.lots = leveled(holding.lots, holding.cost)
    parts, _ = take(holding.lots, order.quantity, book.method, cost=holding.cost, named=order.lots)
    if len(parts) > MOST_LOTS:
        most = plain(sum((part.quantity for part in parts[:MOST_LOTS]), ZERO))
        told = f"These units lie in {len(parts)} lots, and an entry tells {MOST_LOTS}: move {most} at once, then the rest."
        raise ValidationError({"quantity": ValidationError(told, code="too_many_lots")})
    return [_row(part, holding.currency) for part in parts]


def _refuse_choices(order: Order, lots: Sequence[Lot], method: Method) -> None:
    """Refuse chosen lots that are not there, and a choice where the method leaves none."""
    if order.lots and method is Method.AVERAGE:
        told = "The account averages its costs; there is no lot to choose."
        raise ValidationError({"lots": ValidationError(told, code="method_not_specific")})
    for choice in order.lots:
        held = sum((lot.quantity for lot in lots if choice.names(lot)), ZERO)
        if not held or (choice.quantity is not None and choice.quantity > held):
            told = f"{plain(held)} were held of the lot of entry #{choice.sequence}."
            raise ValidationError({"lots": ValidationError(told, code="unknown_lot")})


def _row(part: Part, currency: str) -> dict[str, Any]:
    """Return a part of a lot as both entries of a transfer tell it."""
    row: dict[str, Any] = {
        "sequence": part.lot.sequence,
        "opened_on": part.lot.opened_at.date().isoformat(),
        "opened_at": part.lot.opened_at.isoformat(),
        "quantity": plain(part.quantity),
        "cost": plain(part.cost),
        "currency": currency,
    }
    return row | ({"tacked_days": part.lot.tacked} if part.lot.tacked else {})


def _leaving(order: Order, rows: Sequence[dict[str, Any]], group: UUID, target: Account) -> EntryDraft:
    """Return what leaves the source: it names the lots that go."""
    told = ("sequence", "opened_on", "opened_at", "quantity", "tacked_days")
    named = [{name: row[name] for name in told if name in row} for row in rows]
    return _draft(order, EntryKind.TRANSFER_OUT, group, -1, {"to": str(target.pk), "lots": named} | _cost(rows))


def _arriving(order: Order, rows: Sequence[dict[str, Any]], group: UUID, source: Account) -> EntryDraft:
    """Return what arrives in the target: it tells the lots that come, with date and cost."""
    told = [{name: value for name, value in row.items() if name not in {"sequence", "opened_on"}} for row in rows]
    return _draft(order, EntryKind.TRANSFER_IN, group, 1, {"from_account": str(source.pk), "lots": told} | _cost(rows))


def _cost(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the cost of all lots, where there are any."""
    return {"cost": plain(sum((Decimal(row["cost"]) for row in rows), ZERO))} if rows else {}


def _draft(order: Order, kind: EntryKind, group: UUID, sign: int, data: dict[str, Any]) -> EntryDraft:
    """Return one end of a transfer."""
    return EntryDraft(
        kind=kind,
        occurred_at=order.occurred_at,
        currency=order.instrument.money if order.instrument else order.currency,
        instrument_id=order.instrument.pk if order.instrument else None,
        quantity=sign * order.quantity,
        cash=sign * order.cash,
        notes=order.notes,
        source=TRANSFERS,
        external_id=order.external_id or str(group),
        group=group,
        data={name: value for name, value in data.items() if value},
    )
