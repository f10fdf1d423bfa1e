"""Orders on their way to brokers, each sent once: the rows are the queue, and a message only makes somebody look sooner.

An order is written down with its client order id before anything leaves. Whoever sends claims its row for a while, marks it as
sent, and commits that; then it sends, and takes the answer down. Whoever dies on the way leaves a row that says how far it came:
one that is not marked never left. What was marked is asked for by its client order id, until the broker answers.

What left and was not answered is never sent again: if the broker answers that it never got it, the order ends as REJECTED, and
members are told. What was marked by somebody who died may never have left at all; once the broker answers that it has no such
order, it is sent, under the same id, which a broker takes once.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.models import Account
from accounts.models.tenancy import acting_as
from portfolio.domain.exact import EXACT, plain
from portfolio.selectors.market import SYSTEM
from trading.adapters.base import Broker, BrokerAway, BrokerFailed, BrokerOrder, BrokerRefused, OutcomeUnknown, Ticket
from trading.domain.hours import span_of
from trading.domain.legs import EXITS
from trading.domain.orders import Event, EventKind, PositionEffect, Sending
from trading.models import Door, Order, OrderEvent
from trading.selectors.paper import hours_of, ticket_of
from trading.services.answers import take_down, tell_rejected
from trading.services.closing import left_to_close, orders_before
from trading.services.connections import Clock, open_broker, why_misplaced
from trading.services.delays import put_off, reasons_of
from trading.services.groups import lock_group, settle_group
from trading.services.order_rows import Cause, lock_orders, record_events
from trading.services.pairs import leader_of, rider_of
from trading.services.refusals import NotAsThingsStand
from trading.services.risk import refuse_stopped

LEASE = timedelta(seconds=10)  # how long whoever has claimed a row has it for itself, and a pause between questions
QUIET = timedelta(seconds=16)  # what is not there so long after it left did not arrive: nobody waits longer for an answer
SOON = timedelta(seconds=1)  # until an order is looked at again that waits for others to be canceled
SURE = timedelta(seconds=30)  # as long after it left it is given up, if it was seen to leave
WANTED = timedelta(minutes=5)  # for so long an order is sent whose sender died
MOST_ATTEMPTS = 20
BATCH = 100

log = logging.getLogger(__name__)
Opener = Callable[[Account, str, Clock], Broker]


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that is somebody's for a while."""

    order_id: UUID
    account_id: UUID
    owner_id: UUID


class Task(enum.Enum):
    """What a broker is to be told, or asked."""

    SUBMIT = enum.auto()
    REPLACE = enum.auto()
    CANCEL = enum.auto()
    ASK = enum.auto()


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done about an order, and by whom.

    `order_id` is the order that the answer is about; `again` says that it may have left before. `together` are the orders that
    may move with it.
    """

    task: Task
    ticket: Ticket
    broker: Broker
    order_id: UUID
    together: Collection[UUID]
    broker_order_id: str = ""
    again: bool = False


def claim_orders(*, now: datetime, limit: int = BATCH, account_id: UUID | None = None) -> list[Claim]:
    """Claim orders that a broker is to be told of, or asked about; several claims at once share them out."""
    waiting = Q(claimed_at__isnull=True) | Q(claimed_at__lte=now - LEASE)
    with transaction.atomic(using=SYSTEM):
        rows = Order.objects.using(SYSTEM).filter(waiting)
        if account_id is not None:
            rows = rows.filter(account=account_id)
        found: list[Order] = []
        for some in (rows.unsettled(), rows.filter(pending_cancel=True, sending=Sending.SETTLED)):
            locked = some.select_for_update(skip_locked=True, of=("self",)).select_related("account")
            found += locked.order_by(F("claimed_at").asc(nulls_first=True), "id")[: limit - len(found)]
        Order.objects.using(SYSTEM).filter(pk__in=[order.pk for order in found]).update(claimed_at=now)
    return [Claim(order.pk, order.account_id, order.account.owner_id) for order in found]


def send_orders(
    *,
    clock: Clock,
    limit: int = BATCH,
    account_id: UUID | None = None,
    opener: Opener = open_broker,
    on_step: Callable[[str], None] = lambda _step: None,
) -> int:
    """Tell brokers what they are to be told, and ask what is to be asked; return how many orders were seen to."""
    claims = claim_orders(now=clock(), limit=limit, account_id=account_id)
    on_step("claimed")
    for claim in claims:
        try:
            deliver(claim, clock=clock, opener=opener, on_step=on_step)
        except Exception:  # one order does not hold the others up; its lease runs out, and it is looked at again
            log.exception("Order %s could not be seen to", claim.order_id)
    return len(claims)


def deliver(claim: Claim, *, clock: Clock, opener: Opener = open_broker, on_step: Callable[[str], None]) -> None:
    """See to one claimed order."""
    job = _begin(claim, clock, opener)
    on_step("marked")
    if job is None:
        return
    if job.broker.local:
        with acting_as(claim.owner_id):
            order = lock_orders(job.together)[claim.order_id]
            if job.task is Task.REPLACE and not _is_for_the_rest(order, job.broker, clock):
                return  # somebody filled the other one meanwhile
            done = _do(job)
            on_step("sent")
            _finish(claim, job, done, clock())
            on_step("recording")
    else:
        done = _do(job)
        on_step("sent")
        with acting_as(claim.owner_id):
            _finish(claim, job, done, clock())
            on_step("recording")
    on_step("recorded")


def _begin(claim: Claim, clock: Clock, opener: Opener) -> Job | None:
    """Decide what is to be done about an order, and commit that it is under way."""
    now = clock()
    with acting_as(claim.owner_id):
        together = lock_group(Order.objects.get(pk=claim.order_id))
        order = together[claim.order_id]
        leader = leader_of(order)
        if leader is not None and leader.sending != Sending.SETTLED:
            return None  # it goes with it
        task = _task(order)
        leaves = task in {Task.SUBMIT, Task.REPLACE}
        if task is None or (leaves and any(stays(order, now) for stays in (_has_ended, _is_misplaced, _is_stopped, _waits))):
            return None
        asked = order if leader is None or task is not Task.ASK else leader
        try:
            broker = opener(order.account, order.broker, clock)
        except BrokerFailed as failure:
            put_off(order, str(failure), now)
            return None
        if not leaves:
            return Job(task, ticket_of(asked), broker, asked.pk, list(together), order.broker_order_id)
        if task is Task.REPLACE and not _is_for_the_rest(order, broker, clock):
            return None
        return _marked(order, task, broker, now, together)


def _marked(order: Order, task: Task, broker: Broker, now: datetime, together: Collection[UUID]) -> Job:
    """Write down that an order leaves, and the one that goes along with it, and return what is to be done."""
    again, rider = order.attempts > 0, rider_of(order) if task is Task.SUBMIT and broker.pairs else None
    for one in filter(None, (order, rider)):
        columns = {"sending": Sending.SENT, "attempts": one.attempts + 1, "submitted_at": now, "claimed_at": now}
        told = [] if one.attempts and reasons_of(one) else [Event(EventKind.SENT)]  # once, however often nobody is reached
        record_events(order=one, events=told, cause=_cause(now), **columns)
    old = order.replaces
    order.refresh_from_db(fields=["quantity"])
    ticket = replace(
        ticket_of(order),
        partner=ticket_of(rider) if rider is not None else None,
        keeps_quantity=task is Task.REPLACE and old is not None and old.quantity == order.quantity,
    )
    return Job(task, ticket, broker, order.pk, list(together), old.broker_order_id if old is not None else "", again)


def _task(order: Order) -> Task | None:
    """Return what is to be done about an order as it stands."""
    if order.sending == Sending.SETTLED:
        return Task.CANCEL if order.pending_cancel and order.broker_order_id else None
    if order.sending in {Sending.SENT, Sending.UNKNOWN}:
        return Task.ASK
    if order.sending != Sending.PENDING or not order.is_open:
        return None
    return Task.REPLACE if order.replaces is not None and order.replaces.broker_order_id else Task.SUBMIT


def _is_stopped(order: Order, _now: datetime) -> bool:
    """Say whether an order may not leave now; it waits, and what closes a position may pass a pause."""
    try:
        refuse_stopped(account=order.account, closing=order.effect == PositionEffect.CLOSE)
    except NotAsThingsStand:
        return True
    return False


def _has_ended(order: Order, now: datetime) -> bool:
    """Let an order end that waited until its day was over, and say whether it was so; the exits of a position go on."""
    if order.role in EXITS:
        return False
    sessions = hours_of(order.instrument.exchange, order.created_at, order.created_at)
    until = span_of(order.draft, sessions, order.created_at).ends
    if until is None or now < until:
        return False
    detail = "The day that it was for was over before it could leave; place it again if it is still wanted."
    _end(order, EventKind.EXPIRED, detail, now)
    return True


def _is_misplaced(order: Order, now: datetime) -> bool:
    """Let an order end that was stored when its account was not any more what it was placed in, and say whether it was so."""
    why = why_misplaced(order)
    if why:
        _end(order, EventKind.REJECTED, f"{why} It was not sent; place it again if it is still wanted.", now)
    return bool(why)


def _waits(order: Order, now: datetime) -> bool:
    """Say whether an order cannot leave that was to wait for others to be canceled; after that it is for no more than is left."""
    behind = orders_before(order) if order.events > 1 else ()  # that it waits is an event
    if not behind:
        return False
    left = left_to_close(order, behind, now)
    if left is None:
        record_events(order=order, events=[], cause=_cause(now), claimed_at=now - LEASE + SOON)
        return True
    if left <= 0:
        _end(order, EventKind.CANCELED, "Nothing is left of the position that it could close.", now)
    elif order.quantity is not None and left < order.quantity:
        detail = f"{plain(left)} of the position are left to be closed."
        record_events(order=order, events=[Event(EventKind.RESIZED, quantity=left)], cause=_cause(now, detail))
    return left <= 0


def _is_for_the_rest(order: Order, broker: Broker, clock: Clock) -> bool:
    """Say whether an order can take another's place, after it has been made smaller by what that one filled meanwhile."""
    assert order.replaces is not None  # noqa: S101  # it replaces one
    old = lock_orders([order.replaces.pk])[order.replaces.pk]
    if broker.local and (answer := broker.find(old.client_order_id)) is not None:
        take_down(account=old.account, order_id=old.pk, answer=answer, now=clock())
    old.refresh_from_db()
    order.refresh_from_db(fields=["quantity"])  # its group may have made it smaller
    asked = OrderEvent.objects.filter(order=old.pk, kind=EventKind.REPLACE_REQUESTED, data__by=str(order.pk)).first()
    whole = asked.data.get("whole") if asked is not None else None
    left = order.quantity if whole is None else EXACT.subtract(Decimal(whole), old.filled_quantity)
    if not old.is_open or (left is not None and left <= 0):
        _end(order, EventKind.REJECTED, "The order whose place it was to take has come to its end.", clock())
        return False
    if order.quantity is not None and left is not None and left < order.quantity:
        less = EXACT.subtract(order.quantity, left)
        detail = f"{less.normalize():f} of the order whose place it takes were filled meanwhile."
        record_events(order=order, events=[Event(EventKind.RESIZED, quantity=left)], cause=_cause(clock(), detail))
    return True


def _do(job: Job) -> BrokerOrder | BrokerFailed | None:
    """Speak to the broker, and return what it says."""
    try:
        if job.task is Task.CANCEL:
            return job.broker.cancel(job.ticket, job.broker_order_id)
        if job.task is Task.ASK:
            return job.broker.find(job.ticket.client_order_id)
        if job.task is Task.REPLACE:
            return job.broker.replace(job.ticket, job.broker_order_id)
        return job.broker.submit(job.ticket)
    except BrokerRefused as refusal:
        return _known_there(job, refusal) if refusal.duplicate or job.again else refusal
    except BrokerFailed as failure:
        return failure


def _known_there(job: Job, refusal: BrokerRefused) -> BrokerOrder | BrokerFailed:
    """Return the order that the broker has under the id already: it arrived before."""
    try:
        return job.broker.find(job.ticket.client_order_id) or refusal
    except BrokerFailed as failure:
        return OutcomeUnknown(str(failure))


def _finish(claim: Claim, job: Job, done: BrokerOrder | BrokerFailed | None, now: datetime) -> None:
    """Take down what came of it."""
    order = lock_orders(job.together)[claim.order_id]
    leaves = job.task in {Task.SUBMIT, Task.REPLACE}
    if isinstance(done, BrokerOrder):
        take_down(account=order.account, order_id=job.order_id, answer=done, now=now)
        _replaced(order, now, EventKind.REPLACED)
        if job.order_id != order.pk:  # what it rode with is there
            _never_came(lock_orders([order.pk])[order.pk], now)
    elif done is None:
        _never_came(order, now)
    elif isinstance(done, BrokerRefused):
        _refused(order, job, done, now)
    elif isinstance(done, OutcomeUnknown) and leaves:
        _on_its_way(order, [Event(EventKind.UNANSWERED)], str(done), now, sending=Sending.UNKNOWN, claimed_at=now)
    elif isinstance(done, BrokerAway) and leaves:
        for one in filter(None, (order, rider_of(order))):
            put_off(one, str(done), now, sending=Sending.PENDING)
    else:
        put_off(order, str(done), now)


def _never_came(order: Order, now: datetime) -> None:
    """See to an order that the broker answers it never got."""
    left = order.submitted_at or order.created_at
    if order.sending == Sending.SETTLED or now - left < QUIET:
        return
    if order.pending_cancel:
        _end(order, EventKind.CANCELED, "The broker never got it.", now)
    elif order.sending == Sending.SENT and now - left <= WANTED and order.attempts < MOST_ATTEMPTS:
        detail = "Whoever was to send it died, and the broker never got it; it is sent under the same id."
        _on_its_way(order, [Event(EventKind.UNANSWERED)], detail, now, sending=Sending.PENDING, claimed_at=None)
    elif now - left >= SURE:
        detail = "The broker never got it, and it is not sent again; place it anew if it is still wanted."
        _end(order, EventKind.REJECTED, detail, now)


def _on_its_way(order: Order, events: list[Event], detail: str, now: datetime, **columns: Any) -> None:
    """Write down how far an order has come on its way, and so the one that goes along with it."""
    for one in filter(None, (order, rider_of(order))):
        record_events(order=one, events=events, cause=_cause(now, detail), **columns)


def _refused(order: Order, job: Job, refusal: BrokerRefused, now: datetime) -> None:
    """Take a broker's no down."""
    if job.task is Task.CANCEL and refusal.code == "not_found":
        _end(order, EventKind.CANCELED, f"The broker does not know the order: {refusal.detail}", now)
        return
    if job.task is Task.CANCEL:
        if order.is_open and order.pending_cancel:
            record_events(
                order=order, events=[Event(EventKind.CANCEL_REFUSED)], cause=_cause(now, refusal.detail), claimed_at=None
            )
        return
    if job.task is Task.ASK:
        put_off(order, refusal.detail, now)
        return
    _end(order, EventKind.REJECTED, refusal.detail, now)


def _end(order: Order, kind: EventKind, detail: str, now: datetime) -> None:
    """Let an order end that no broker has, with the one that was to go along with it."""
    for one in filter(None, (order, rider_of(order))):
        if one.is_open:
            record_events(order=one, events=[Event(kind)], cause=_cause(now, detail), sending=Sending.SETTLED, claimed_at=None)
    if kind is EventKind.REJECTED:
        tell_rejected(order, detail, now)
    _replaced(order, now, EventKind.REPLACE_REFUSED, detail)
    settle_group(order=order, now=now)


def _replaced(order: Order, now: datetime, kind: EventKind, detail: str = "") -> None:
    """Tell the order whose place was to be taken."""
    if order.replaces_id is None:
        return
    old = lock_orders([order.replaces_id])[order.replaces_id]
    if old.is_open and old.pending_replace:
        record_events(order=old, events=[Event(kind)], cause=_cause(now, detail))


def _cause(now: datetime, detail: str = "") -> Cause:
    return Cause(door=Door.BROKER, at=now, now=now, detail=detail)
