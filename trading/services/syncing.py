"""What brokers know, brought in: how orders stand, which orders there are that we never placed, positions, cash and activities.

Polls and streams end here alike: a stream says that there is something to be asked, and what was asked is taken down.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from django.db.models import Q

from accounts.models import Account
from accounts.models.tenancy import acting_as
from portfolio.selectors.market import SYSTEM
from trading.adapters.base import BrokerFailed
from trading.domain.orders import OPEN, Sending
from trading.models import Break, BrokerConnection, Order
from trading.models.words import one_of
from trading.services.connections import Clock, open_broker
from trading.services.looking import look_at
from trading.services.sending import Opener

BACK = timedelta(minutes=10)  # how far back orders are listed once more: a broker's clock is not ours
CHUNK = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """An account whose broker is to be asked."""

    account_id: UUID
    owner_id: UUID
    broker: str


def watched(*, account_id: UUID | None = None) -> list[Watched]:
    """Return the accounts that have open orders at a broker, or a connection to one."""
    orders = Order.objects.using(SYSTEM).filter(one_of("status", OPEN), sending=Sending.SETTLED)
    links = BrokerConnection.objects.using(SYSTEM).filter(enabled=True).exclude(broker="paper")
    only = Q() if account_id is None else Q(account=account_id)
    names = ("account_id", "account__owner_id", "broker")
    found = {*orders.filter(only).values_list(*names).distinct(), *links.filter(only).values_list(*names)}
    return [Watched(*row) for row in sorted(found, key=str)]


def left_open(asked: Iterable[Watched], *, account_id: UUID | None = None) -> dict[tuple[UUID, str], int]:
    """Return how many breaks are open in accounts that have nothing at their broker any more, by account and broker.

    Nobody is asked about those, so they stay until somebody resolves them.
    """
    rows = Break.objects.using(SYSTEM).open().filter(Q() if account_id is None else Q(account=account_id))
    counted = Counter(rows.values_list("account_id", "broker"))
    for one in asked:
        counted.pop((one.account_id, one.broker), None)
    return dict(sorted(counted.items(), key=str))


def is_there(account_id: UUID) -> bool:
    """Say whether there is an account of this id, for those who run the site."""
    return Account.objects.using(SYSTEM).filter(pk=account_id).exists()


def chunks(found: Sequence[Watched]) -> Iterable[list[tuple[str, str, str]]]:
    """Yield accounts by chunks, as a message takes them; who waits for one broker keeps no account at another waiting."""
    for _, rows in groupby(sorted(found, key=attrgetter("broker")), attrgetter("broker")):
        some = [(str(one.account_id), str(one.owner_id), one.broker) for one in rows]
        for start in range(0, len(some), CHUNK):
            yield some[start : start + CHUNK]


def sync_account(one: Watched, *, clock: Clock, opener: Opener = open_broker) -> int:
    """Bring in how an account's orders stand; return how many fills are new. What fails is noted at its connection."""
    try:
        return bring_in(one, clock=clock, opener=opener)
    except BrokerFailed as failure:
        log.warning("The broker %s of account %s could not be asked: %s", one.broker, one.account_id, failure)
        return 0


def bring_in(one: Watched, *, clock: Clock, opener: Opener = open_broker) -> int:
    """Do what `sync_account` does, for whoever has to know whether it could be done.

    :raises BrokerFailed: if the broker cannot be asked; that is noted at the connection, too
    """
    with acting_as(one.owner_id):
        account = Account.objects.select_related("owner").get(pk=one.account_id)
        link = BrokerConnection.objects.filter(account=account, broker=one.broker).first()
    began = clock()
    since = _since(link, began)
    try:
        new = look_at(account=account, broker=one.broker, clock=clock, since=since - BACK, opener=opener)
    except BrokerFailed as failure:
        _note(one, link, error=str(failure))
        raise
    _note(one, link, read_until=began)
    return new


def _since(link: BrokerConnection | None, now: datetime) -> datetime:
    """Return until when a broker's orders have been read."""
    text = (link.cursor if link is not None else {}).get("orders")
    return datetime.fromisoformat(text) if text else now - timedelta(days=1)


def _note(one: Watched, link: BrokerConnection | None, *, read_until: datetime | None = None, error: str = "") -> None:
    """Note at a connection how far it has been read, or why it could not be; what was asked with another key does not count."""
    if link is None:
        return
    fields: dict[str, object] = {"last_error": error}
    if read_until is not None:
        fields |= {"synced_at": read_until, "cursor": {**link.cursor, "orders": read_until.isoformat()}}
    with acting_as(one.owner_id):
        BrokerConnection.objects.filter(pk=link.pk, updated_at=link.updated_at).update(**fields)
