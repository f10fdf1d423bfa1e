"""Place, replace and cancel orders: whichever door they come by, this is the way, and it talks to no broker.

What is to be done is written down and committed; those who send find the rows, and a hint only makes them look sooner.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, ExecutionMode, User
from accounts.services.accounts import refuse_closed
from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ZERO, plain
from trading.domain.drafts import AT_ONCE, AUCTIONS, OrderDraft, Replacement, replaced
from trading.domain.hours import Span, check_hours, span_of
from trading.domain.legs import PlannedLeg, plan
from trading.domain.orders import Event, EventKind, OrderClass, OrderNotOpen, PositionEffect, Sending
from trading.domain.problems import Problem
from trading.domain.risk import Action, Breach, RiskRefused
from trading.models import Decision, Door, Order, Session, terms_of
from trading.selectors.paper import hours_around, hours_of
from trading.selectors.risk import PAPER
from trading.services.groups import lock_group, settle_group
from trading.services.locks import hold_trading
from trading.services.order_rows import SENDABLE, Cause, Origin, happen, lock_orders, save_orders, to_send, write_orders
from trading.services.refusals import NotAsThingsStand, as_validation, told
from trading.services.ringing import leave
from trading.services.risk import Assessment, assess, record_breaches
from trading.services.sessions import SessionEnded, refuse_ended


class NoBroker(ValidationError):
    """A live account without a broker: nobody would take its orders."""


class DecisionOfAnother(ValidationError):
    """The decision is about another instrument than the order."""


class RiskBreached(NotAsThingsStand):
    """Limits of the account forbid the order. That is on record: whoever undoes the transaction loses the record, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would become of an order: its legs, what it costs, which limits it would break, and when it would trade.

    Nothing was written.
    """

    assessment: Assessment
    legs: Sequence[PlannedLeg]
    broker: str
    span: Span

    @property
    def breaches(self) -> Sequence[Breach]:
        """The limits it would break."""
        return self.assessment.breaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """Who orders, by which door, when, and what for.

    `stands` is how the account was found to stand at that time, held since, where it was looked at along with the instrument.
    `after` are open orders that are to be canceled before it leaves: what they have spoken for is free for it.
    """

    actor: User
    door: Door
    at: datetime
    session: Session | None = None
    decision: Decision | None = None
    stands: str | None = None
    after: Collection[UUID] = ()


def preview_order(*, account: Account, instrument: Instrument, draft: OrderDraft, by: Ordering) -> Preview:
    """Return what would become of an order; broken limits are in the answer, what cannot be at all is refused as when placing.

    :raises ValidationError: by field
    :raises NotAsThingsStand: for how the position and other orders stand
    :raises NoBroker: if nobody would take it
    """
    found = _assessed(account, instrument, draft, by)
    span = span_of(found.draft, hours_of(instrument.exchange, by.at, by.at), by.at)
    return Preview(assessment=found, legs=plan(found.draft), broker=found.standing.broker, span=span)


def place_order(*, account: Account, instrument: Instrument, draft: OrderDraft, by: Ordering) -> list[Order]:
    """Place an order, with those that hang on it; return them, it first. It is sent once the transaction has ended.

    :raises ValidationError: by field, if it breaks a rule of its kind
    :raises NotAsThingsStand: for how the position and other orders stand
    :raises RiskBreached: if it would break a limit of the account; that is recorded, and may have paused the account
    :raises ClientOrderIdTaken: if the account has used the client order id before
    :raises NoBroker: if nobody would take it
    :raises AccountClosed: if the account is closed
    """
    found, rows = _place(account, instrument, draft, by)
    if found.breaches:
        _refuse(account, instrument, found, by)
    return rows


def replace_order(*, order: Order, change: Replacement, by: Ordering) -> Order:
    """Put another order in an open order's place, and return it: for what the first has not filled, with what is different.

    What was not sent yet is replaced at once; else the broker is asked, and one of the two stands when it has answered.

    :raises ValidationError: by field, if nothing would be different or the new order breaks a rule
    :raises NotAsThingsStand: if the order is not open, or waits for an answer already
    :raises RiskBreached: if the new order would break a limit of the account; that is recorded
    :raises ClientOrderIdTaken: if the account has used the client order id before
    :raises AccountClosed: if the account is closed
    """
    found, made = _replace(order, change, by)
    if made is None:
        _refuse(order.account, order.instrument, found, by)
    assert made is not None  # noqa: S101  # a refusal raises
    return made


@transaction.atomic
def cancel_order(*, order: Order, by: Ordering) -> Order:
    """Cancel an order: at once, if it was not sent yet; else the broker is asked, and `pending_cancel` says so meanwhile.

    Orders are canceled while trading is paused or halted, too, and when the account is closed. Asking twice changes nothing.

    :raises NotAsThingsStand: if the order has come to its end
    """
    order = lock_group(order)[order.pk]
    if order.pending_cancel:
        return order
    kind = EventKind.CANCELED if order.sending in SENDABLE else EventKind.CANCEL_REQUESTED
    cause = Cause(door=by.door, at=by.at, now=by.at, actor=by.actor)
    save_orders([order], happen(order, [Event(kind)], cause))
    settle_group(order=order, now=by.at)
    leave(to_send(order.account_id))
    return order


@transaction.atomic
def cancel_all(*, account: Account, by: Ordering) -> list[Order]:
    """Cancel all open orders of an account; return those that were canceled, or asked to be."""
    rows = Order.objects.open().filter(account=account, pending_cancel=False).order_by("pk")
    found = []
    for row in rows:
        order = lock_group(row)[row.pk]  # a leg may have gone with its entry, and another been filled
        if order.is_open and not order.pending_cancel:
            found.append(cancel_order(order=order, by=by))
    return found


def _place(account: Account, instrument: Instrument, draft: OrderDraft, by: Ordering) -> tuple[Assessment, list[Order]]:
    """Hold an order against its rules and limits, and write it down if it breaks none; one after another in an account.

    It is one trip to look, under the account's lock, and one to write: there is nothing that a savepoint would undo.
    """
    found = _assessed(account, instrument, draft, by, holding=True)
    if found.breaches:
        return found, []
    origin = _origin(found, draft, by)
    return found, write_orders(account=account, instrument=instrument, draft=found.draft, origin=origin, now=by.at)


@transaction.atomic
def _replace(order: Order, change: Replacement, by: Ordering) -> tuple[Assessment, Order | None]:
    """Write a replacement down, if it breaks no limit."""
    account = order.account
    hold_trading(account)
    old = lock_orders([order.pk])[order.pk]
    _refuse_unreplaceable(old, change)
    single = replace(old.draft, order_class=OrderClass.SIMPLE)
    with told():
        draft = replaced(single, change, filled=old.filled_quantity, terms=terms_of(old.instrument))
    _check_hours(draft, old.instrument, by.at)
    standing_in = [old.pk, *_siblings(old)]
    effect = PositionEffect(old.effect) if old.sending == Sending.HELD else None  # nothing is held yet of what it will close
    found = assess(account=account, instrument=old.instrument, draft=draft, at=by.at, without=standing_in, effect=effect)
    if found.draft.effect != old.effect:
        detail = "The position has changed since the order was placed; cancel it and place another."
        raise NotAsThingsStand({"quantity": ValidationError(detail, code="position_changed")}, "position_changed")
    if found.breaches:
        return found, None
    origin = replace(_origin(found, draft, by), replaces=old, broker=old.broker, session=old.session, decision=old.decision)
    made = write_orders(account=account, instrument=old.instrument, draft=found.draft, origin=origin, now=by.at)[0]
    kind = EventKind.REPLACED if old.sending in SENDABLE else EventKind.REPLACE_REQUESTED
    whole = EXACT.add(made.quantity or ZERO, old.filled_quantity)  # of the two, whatever the first is filled meanwhile
    data = {"by": str(made.pk), "filled": plain(old.filled_quantity), "whole": plain(whole)}
    cause = Cause(door=by.door, at=by.at, now=by.at, actor=by.actor, data=data)
    save_orders([old], happen(old, [Event(kind)], cause))
    return found, made


def _assessed(account: Account, instrument: Instrument, draft: OrderDraft, by: Ordering, *, holding: bool = False) -> Assessment:
    """Return what risk says of an order, after what can be said without it; `holding` the account's trading from then on."""
    refuse_closed(account)
    try:
        refuse_ended(by.session)
    except SessionEnded:  # a rule of its kind that is broken is said first
        with told():
            draft.check_either_way(terms_of(instrument))
        raise
    if by.decision is not None and by.decision.instrument_id != instrument.pk:
        detail = "The decision is about another instrument."
        raise DecisionOfAnother({"decision": ValidationError(detail, code="decision_of_another")})
    found = assess(
        account=account, instrument=instrument, draft=draft, at=by.at, without=by.after, holding=holding, stands=by.stands
    )
    _check_hours(draft, instrument, by.at)
    if account.execution_mode == ExecutionMode.LIVE and found.standing.broker == PAPER:
        raise NoBroker("The account is live and has no broker; connect one, or let it trade on paper.", code="no_broker")
    return found


def _check_hours(draft: OrderDraft, instrument: Instrument, at: datetime) -> None:
    """Refuse an order that cannot be given at this time: all others wait for their session.

    :raises ValidationError: by field
    """
    if draft.time_in_force in AT_ONCE | AUCTIONS:
        with told():
            check_hours(draft, hours_around(instrument.exchange, at), at)


def _origin(found: Assessment, draft: OrderDraft, by: Ordering) -> Origin:
    """Return where an order comes from, with what it cost then."""
    price = found.standing.price
    return Origin(
        actor=by.actor,
        door=by.door,
        broker=found.standing.broker,
        session=by.session,
        decision=by.decision,
        reference_price=price.to(draft.side) if price else None,
    )


def _refuse(account: Account, instrument: Instrument, found: Assessment, by: Ordering) -> None:
    """Record which limits an order would break, and refuse it.

    :raises RiskBreached: always
    """
    record_breaches(
        account=account, breaches=found.breaches, standing=found.standing, at=by.at, actor=by.actor, instrument=instrument
    )
    refusal = as_validation(RiskRefused(tuple(found.breaches)))
    first = next((one for one in found.breaches if one.action is Action.PAUSE), found.breaches[0])
    raise RiskBreached(refusal, first.rule.lower())


def _refuse_unreplaceable(order: Order, change: Replacement) -> None:
    """Refuse to replace an order that has ended, waits for an answer, or is about to take another's place itself.

    An exit that waits for its entry will be for what that fills: no other quantity of it can be asked for.

    :raises NotAsThingsStand: by name
    """
    with told():
        if not order.is_open:
            raise OrderNotOpen([Problem("status", "order_not_open", f"The order is {order.status}; place another.")])
        if order.sending == Sending.HELD and change.quantity not in {None, order.quantity}:
            detail = "It waits for its entry and will be for what that fills; change the quantity of the entry."
            raise OrderNotOpen([Problem("quantity", "waits_for_entry", detail)])
        if order.pending_cancel or order.pending_replace or order.sending in {Sending.SENT, Sending.UNKNOWN}:
            detail = "The broker has not answered yet; wait for it, or cancel the order."
            raise OrderNotOpen([Problem("status", "order_pending", detail)])
        first = order.replaces
        if first is not None and first.is_open:
            detail = "The order takes another's place, and the broker has not answered yet; wait for it."
            raise OrderNotOpen([Problem("status", "order_pending", detail)])


def _siblings(order: Order) -> list[UUID]:
    """Return the other exits that would close the same position."""
    if not order.parent_id and not order.role:
        return []
    root = order.parent_id or order.pk
    rows = Order.objects.filter(account=order.account_id, parent=root).exclude(pk=order.pk)
    return [root, *rows.values_list("pk", flat=True)] if order.effect == "CLOSE" else []
