"""What brokers filled, posted exactly once: the fill, its ledger entry and how its order stands commit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from accounts.domain.ledger import EntryDraft
from accounts.models import Account, Level, Topic, User
from accounts.services.ledger import post_along
from trading.domain import fills as domain
from trading.domain.orders import OrderState, PositionEffect, Side, fill
from trading.domain.posting import Entries
from trading.models import Door, Order
from trading.models.writing import Answer, Filling, FillRow, Known, locked, new_id, post
from trading.services.order_rows import Sheet, stand
from trading.services.refusals import told
from trading.services.ringing import Hint, ring
from trading.services.telling import tell_members

MOST_TOLD = 20


class ConflictingFill(ValidationError):
    """The broker's execution id is known with other figures: one of the two is wrong."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill and the order it is of; `complete` says that an order by amount will not be filled further."""

    order_id: UUID
    fill: domain.Fill
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """Fills of locked orders that are to be posted, with their ledger entries in the same order."""

    by: Filling
    orders: Mapping[UUID, Order]
    rows: list[FillRow]
    drafts: list[EntryDraft]


def post_fills(
    *,
    account: Account,
    executions: Sequence[Execution],
    broker: str,
    actor: User,
    now: datetime,
    door: Door = Door.BROKER,
) -> list[FillRow]:
    """Post the fills of an account's orders that are not known yet, all or none; return the fills that are new.

    It is done in the transaction at hand, and may be done again with the same executions, by whomever: each is posted once.
    `actor` is the member who acts.

    :raises ConflictingFill: if an execution is known with other figures, or of another order
    :raises NotAsThingsStand: if an order would be filled beyond its quantity, or was rejected
    """
    if not executions:
        return []
    by = Filling(account=account, actor=actor, broker=broker, door=door, now=now)
    ids, names = {one.order_id for one in executions}, [one.fill.execution_id for one in executions]
    with locked(account, ids, waiting=True, broker=broker, executions=names) as (orders, known):
        sheet = Sheet()
        return store_filled(sheet, enter_fills(sheet, orders, executions, known, by=by))


def enter_fills(
    sheet: Sheet, orders: Mapping[UUID, Order], executions: Sequence[Execution], known: Known, *, by: Filling
) -> Entered | None:
    """Put down the fills of locked orders that are not `known` yet; `store_filled` posts them. None if there are none.

    :raises ConflictingFill: if an execution is known with other figures, or of another order
    :raises NotAsThingsStand: if an order would be filled beyond its quantity, or was rejected
    """
    fresh = _fresh(executions, known)
    if not fresh:
        return None
    entered = fill_orders(orders, fresh, by=by)
    sheet.moved |= {one.order_id: orders[one.order_id] for one in fresh}
    return entered


def fill_orders(orders: Mapping[UUID, Order], executions: Sequence[Execution], *, by: Filling) -> Entered:
    """Let locked orders be filled, and return what is to be posted.

    :raises NotAsThingsStand: if an order would be filled beyond its quantity, or was rejected
    """
    entered, going = Entered(by, orders, [], []), dict[UUID, _Going]()
    with told():
        for one in executions:
            its = going.get(one.order_id)
            if its is None:
                its = going[one.order_id] = _begun(orders[one.order_id])
            its.state, its.events = fill(its.state, one.fill, complete=one.complete), its.events + 1
            if not its.state.is_open and its.order.ended_at is None:
                its.order.ended_at = one.fill.at
            entered.rows.append(_row(one, its))
            entered.drafts.append(its.entries.of(one.fill))
    for its in going.values():
        stand(its.order, its.state, its.events)
        its.order.updated_at = by.now
    return entered


def store_filled(sheet: Sheet, entered: Entered | None, *, hint: Hint | None = None) -> list[FillRow]:
    """Store a sheet with fills that were entered: they, their entries and how their orders stand, all or none, in one trip.

    It returns the fills; whose entry the ledger has already is the fill of that one. `hint` is left where there are some.

    :raises ConflictingFill: if the ledger knows one of them with other figures; nothing is stored
    """
    if entered is None:
        sheet.store()
        return []
    done = Answer(stored=False, answers=None, wished=False)

    def store(drafts: str) -> list[list[Any]] | None:
        nonlocal done
        moved = list(sheet.moved.values())
        done = post(entered.by, drafts=drafts, fills=entered.rows, moved=moved, events=sheet.events)
        return done.answers

    rows = entered.rows
    posted = post_along(drafts=entered.drafts, ids=[row.entry_id for row in rows], store=store)
    if not done.stored:
        detail = "The ledger has an entry of one of these executions with other figures; compare with the broker's records."
        raise ConflictingFill(detail, code="conflicting_fill")
    if posted is not None:
        rows = [row._replace(entry_id=str(entry.entry_id)) for row, entry in zip(rows, posted, strict=True)]
    ring([entered.by.account.pk], hint=hint)
    if done.wished and entered.by.door is not Door.IMPORT:  # what files bring in is long over
        _tell(entered)
    return rows


@dataclass(slots=True)
class _Going:
    """An order that is being filled: how it stands by now, and how its fills are entered."""

    order: Order
    state: OrderState
    events: int
    entries: Entries


def _begun(order: Order) -> _Going:
    """Return an order before its first fill of many."""
    entries = Entries.of_order(
        side=Side(order.side),
        effect=PositionEffect(order.effect),
        order_id=order.pk,
        instrument_id=order.instrument_id,
        currency=order.instrument.currency,
        multiplier=order.instrument.multiplier,
    )
    return _Going(order, order.state, order.events, entries)


def _row(one: Execution, its: _Going) -> FillRow:
    """Return a fill that has left its order so."""
    fill = one.fill
    figures = (fill.execution_id, fill.quantity, fill.price, fill.fee, fill.at)
    return FillRow(new_id(), new_id(), one.order_id, *figures, new_id(), its.events, its.state.status)


def _tell(entered: Entered) -> None:
    """Write to those who wish mail about fills."""
    rows = entered.rows
    told = [
        f"{order.side} {row.quantity.normalize():f} {order.instrument.key} at {row.price.normalize():f} "
        f"{order.instrument.currency}, fee {row.fee.normalize():f}: order {order.client_order_id} is {order.status}"
        for row, order in ((row, entered.orders[row.order_id]) for row in rows[:MOST_TOLD])
    ]
    more = [f"and {len(rows) - MOST_TOLD} more"] if len(rows) > MOST_TOLD else []
    title = "an order was filled" if len({row.order_id for row in rows}) == 1 else "orders were filled"
    body, by = "\n".join([*told, *more]), entered.by
    tell_members(account=by.account, title=title, body=body, at=by.now, level=Level.INFO, topic=Topic.FILL)


def _fresh(executions: Sequence[Execution], known: Known) -> list[Execution]:
    """Return the executions that are not known yet, each once."""
    seen, fresh = dict(known), list[Execution]()
    for one in executions:
        figures = (one.order_id, one.fill.quantity, one.fill.price, one.fill.fee)
        before = seen.setdefault(one.fill.execution_id, figures)
        if before is figures:
            fresh.append(one)
        elif before != figures:
            detail = f"The execution {one.fill.execution_id} is known with other figures; compare with the broker's records."
            raise ConflictingFill(detail, code="conflicting_fill")
    return fresh
