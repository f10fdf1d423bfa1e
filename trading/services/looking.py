"""Looks at brokers: how the orders stand that they have, taken down many at once.

What was taken down is committed chunk by chunk: whoever dies on the way has lost no more than one, which is asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import Q

from accounts.models import Account
from accounts.models.tenancy import acting_as
from trading.adapters.base import Broker, BrokerOrder
from trading.domain.orders import OPEN, Sending
from trading.models import Order
from trading.models.words import one_of
from trading.services.answers import take_down, take_down_all
from trading.services.connections import Clock, open_broker
from trading.services.groups import lock_group
from trading.services.sending import Opener

TOGETHER = 25  # answers that are taken down in one transaction

log = logging.getLogger(__name__)
LATE = timedelta(minutes=15)  # for so long fills may be heard of that an order had before its end


def look_at(
    *,
    account: Account,
    broker: str,
    clock: Clock,
    since: datetime,
    opener: Opener = open_broker,
    on_step: Callable[[str], None] = lambda _step: None,
) -> int:
    """Ask how an account's open orders stand, and take it down; return how many fills are new.

    Orders that somebody else is at are left for the next look. One whose answer cannot be taken down holds none of the others up.

    :raises BrokerFailed: if it cannot be told now
    """
    with acting_as(account.owner_id):
        rows = Order.objects.filter(account=account, broker=broker, sending=Sending.SETTLED)
        rows = rows.filter(one_of("status", OPEN) | Q(ended_at__gte=clock() - LATE)).exclude(broker_order_id="")
        known = dict(rows.values_list("client_order_id", "broker_order_id"))
        orders = dict(rows.values_list("client_order_id", "pk"))
        asked = opener(account, broker, clock)
    if asked.local:
        return _one_by_one(partial(_look_at_own, account, order_id, name, asked, clock) for name, order_id in orders.items())
    answers = asked.look(known, since=since)
    on_step("looked")
    ours = {orders[answer.client_order_id]: answer for answer in answers if answer.client_order_id in orders}
    keys, new = list(ours), 0
    for start in range(0, len(keys), TOGETHER):
        some = {key: ours[key] for key in keys[start : start + TOGETHER]}
        new += _taken(account, some, clock, on_step)
    return new


def _look_at_own(account: Account, order_id: UUID, client_order_id: str, broker: Broker, clock: Clock) -> int:
    """Work a paper order on, under its lock: what is computed is what is recorded."""
    with acting_as(account.owner_id):
        lock_group(Order.objects.get(pk=order_id))
        answer = broker.find(client_order_id)
        return 0 if answer is None else len(take_down(account=account, order_id=order_id, answer=answer, now=clock()))


def _taken(account: Account, answers: Mapping[UUID, BrokerOrder], clock: Clock, on_step: Callable[[str], None]) -> int:
    """Take answers down together or, where that fails, each by itself; return how many fills are new."""
    try:
        with acting_as(account.owner_id):
            new = len(take_down_all(account=account, answers=answers, now=clock()))
            on_step("taking")
    except Exception as error:
        if len(answers) == 1:
            raise
        log.warning("Answers about account %s could not be taken down together: %s", account.pk, error)
        return _one_by_one(partial(_taken, account, {key: answer}, clock, on_step) for key, answer in answers.items())
    on_step("taken")
    return new


def _one_by_one(steps: Iterable[Callable[[], int]]) -> int:
    """Do what is in a transaction each, and return how many fills are new; what failed is raised once all else is done."""
    new, failures = 0, []
    for step in steps:
        try:
            new += step()
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return new
