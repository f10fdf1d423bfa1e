"""Our records beside a broker's: positions, cash, orders, activities. A difference is kept as a break; nothing is corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import cash_balance
from marketdata.models import Instrument
from portfolio.models import Position
from portfolio.services.projections import catch_up
from trading.adapters.alpaca import symbol_of
from trading.adapters.base import Activity, Broker, BrokerOrder, Holding
from trading.domain.orders import OPEN, Sending
from trading.models import Break, BreakKind, Fill, Order
from trading.services.breaks import open_break, resolve_gone
from trading.services.connections import Clock, open_broker
from trading.services.sending import Opener
from trading.services.syncing import Watched, sync_account

BACK = timedelta(days=30)
MOMENT = timedelta(minutes=1)
MOST_ROUNDS = 3
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found in one account: how many differences are open after it, and why it could not be looked at."""

    account_id: UUID
    broker: str
    open_breaks: int


@dataclass(frozen=True, slots=True)
class _Side:
    """An account, its broker, and the time at which both are looked at."""

    account: Account
    broker: str
    now: datetime

    def note(self, kind: BreakKind, subject: str, **fields: object) -> str:
        """Keep a difference, and return its subject."""
        open_break(account=self.account, broker=self.broker, kind=kind, subject=subject, now=self.now, **fields)  # type: ignore[arg-type]
        return subject

    def gone(self, kind: BreakKind, still: set[str]) -> None:
        """Take those for resolved that are not there any more."""
        resolve_gone(account=self.account, broker=self.broker, kind=kind, still=still, now=self.now)


@dataclass(frozen=True, slots=True)
class _Statement:
    """What a broker says that an account has."""

    holdings: Sequence[Holding] | None
    cash: dict[str, Decimal] | None
    orders: Sequence[BrokerOrder]
    activities: Sequence[Activity]


def reconcile_watched(one: Watched, *, clock: Clock, opener: Opener = open_broker) -> Reconciled:
    """Bring in what an account's broker knows, then compare.

    :raises BrokerFailed: if the broker cannot be asked
    """
    with acting_as(one.owner_id):
        account = Account.objects.select_related("owner").get(pk=one.account_id)
    sync = partial(sync_account, one, clock=clock, opener=opener)
    return reconcile_account(account=account, broker=one.broker, clock=clock, opener=opener, sync=sync)


def reconcile_account(
    *, account: Account, broker: str, clock: Clock, opener: Opener = open_broker, sync: Callable[[], object] = lambda: None
) -> Reconciled:
    """Compare an account's records with its broker's, keep what differs, and take for resolved what does not any more.

    `sync` brings in what the broker knows. What trades meanwhile is no difference: it is asked again until nothing has moved.

    :raises BrokerFailed: if the broker cannot be asked
    """
    with acting_as(account.owner_id):
        asked = opener(account, broker, clock)
    before = None
    for _ in range(MOST_ROUNDS):
        sync()
        now = clock()
        with acting_as(account.owner_id):
            known = _known(account, broker)
        told = _statement(asked, known, now)
        if asked.local or before == (told.holdings, told.cash):
            break
        before = told.holdings, told.cash
    catch_up(account_id=account.pk, at=now)
    with acting_as(account.owner_id):
        side = _Side(account, broker, now)
        if told.holdings is not None:
            side.gone(BreakKind.POSITION, _positions(side, told.holdings))
        if told.cash is not None:
            side.gone(BreakKind.CASH, _cash(side, told.cash))
        if not asked.local:
            side.gone(BreakKind.ORDER, _orders(side, told.orders, known))
            side.gone(BreakKind.FILL, _fills(side, told.orders))
        side.gone(BreakKind.ACTIVITY, _activities(side, told.activities))
        left = Break.objects.open().filter(account=account, broker=broker).count()
    return Reconciled(account.pk, broker, left)


def _known(account: Account, broker: str) -> dict[str, str]:
    """Return the broker's ids of our open orders, by ours."""
    rows = Order.objects.open().filter(account=account, broker=broker, sending=Sending.SETTLED).exclude(broker_order_id="")
    return dict(rows.values_list("client_order_id", "broker_order_id"))


def _statement(asked: Broker, known: dict[str, str], now: datetime) -> _Statement:
    """Return what a broker says that an account has."""
    cash = asked.cash()
    return _Statement(
        asked.holdings(),
        None if cash is None else dict(cash),
        () if asked.local else asked.look(known, since=now - BACK),
        asked.activities(since=now - BACK),
    )


def _positions(side: _Side, holdings: Sequence[Holding]) -> set[str]:
    """Keep the positions that differ, and return their subjects."""
    held = Position.objects.open().filter(account=side.account).select_related("instrument")
    ours: dict[str, tuple[Decimal, Instrument]] = {}
    for position in held:
        name = symbol_of(position.instrument.listing) or position.instrument.key
        ours[_plain(name)] = (position.quantity, position.instrument)
    theirs = {_plain(one.symbol): one.quantity for one in holdings}
    found = set()
    for symbol in sorted(ours.keys() | theirs.keys()):
        quantity, instrument = ours.get(symbol, (Decimal(0), None))
        if quantity != theirs.get(symbol, Decimal(0)):
            fields = {"ours": quantity, "theirs": theirs.get(symbol, Decimal(0)), "instrument": instrument}
            found.add(side.note(BreakKind.POSITION, symbol, **fields))
    return found


def _cash(side: _Side, theirs: dict[str, Decimal]) -> set[str]:
    """Keep the currencies whose cash differs, and return them."""
    ours = cash_balance(account=side.account, at=side.now)
    return {
        side.note(BreakKind.CASH, currency, ours=ours.get(currency, Decimal(0)), theirs=theirs.get(currency, Decimal(0)))
        for currency in sorted(ours.keys() | theirs.keys())
        if ours.get(currency, Decimal(0)) != theirs.get(currency, Decimal(0))
    }


def _orders(side: _Side, orders: Sequence[BrokerOrder], known: dict[str, str]) -> set[str]:
    """Keep the orders that one of the two does not know, or takes for open when the other does not; return their ids."""
    ours, found = _ours(side, orders), set()
    under_way = Order.objects.filter(account=side.account, sending__in=(Sending.SENT, Sending.UNKNOWN)).exists()
    for one in orders:
        order = ours.get(one.broker_order_id)
        if order is None:
            if not (under_way and side.now - one.at < MOMENT):  # it may be on its way into our records
                detail = f"The order for {one.symbol} was placed past us; its fills are not in the ledger."
                found.add(side.note(BreakKind.ORDER, one.client_order_id, detail=detail, theirs=one.filled_quantity))
        elif one.status in OPEN and not order.is_open:
            detail = f"The order is open at {side.broker}, and {order.status} in our records; cancel it there."
            found.add(side.note(BreakKind.ORDER, order.client_order_id, detail=detail, order=order))
    told = {one.broker_order_id for one in orders}
    rows = Order.objects.open().filter(account=side.account, broker=side.broker, client_order_id__in=list(known))
    for order in rows.exclude(broker_order_id__in=told):
        detail = f"The order is open in our records, and {side.broker} does not know it."
        found.add(side.note(BreakKind.ORDER, order.client_order_id, detail=detail, order=order))
    return found


def _fills(side: _Side, orders: Sequence[BrokerOrder]) -> set[str]:
    """Keep the orders whose executions are not the same ones, and return their ids, with those of orders not told of."""
    ours = _ours(side, orders)
    rows = Fill.objects.filter(account=side.account, broker=side.broker, order__in=[order.pk for order in ours.values()])
    posted: dict[UUID, set[str]] = defaultdict(set)
    for order_id, execution in rows.values_list("order_id", "execution_id"):
        posted[order_id].add(execution)
    seen = {order.client_order_id for order in ours.values()}
    still = Break.objects.open().filter(account=side.account, broker=side.broker, kind=BreakKind.FILL)
    found = {subject for subject in still.values_list("subject", flat=True) if subject not in seen}
    for one in orders:
        order = ours.get(one.broker_order_id)
        if order is None:
            continue
        there, here = {fill.execution_id for fill in one.fills}, posted[order.pk]
        parts = (("not in our records", there - here), (f"not in {side.broker}'s", here - there))
        detail = "; ".join(f"{what}: {', '.join(sorted(ids)[:MOST_NAMED])}" for what, ids in parts if ids)
        if detail or order.filled_quantity != one.filled_quantity:
            fields = {"ours": order.filled_quantity, "theirs": one.filled_quantity, "order": order, "detail": detail}
            found.add(side.note(BreakKind.FILL, order.client_order_id, **fields, instrument=order.instrument))
    return found


def _ours(side: _Side, orders: Sequence[BrokerOrder]) -> dict[str, Order]:
    """Return our orders by the broker's ids: it gives orders that went along with another client order ids of its own."""
    rows = Order.objects.filter(account=side.account, broker=side.broker).select_related("instrument")
    names, ids = [one.client_order_id for one in orders], [one.broker_order_id for one in orders]
    found = {order.client_order_id: order for order in rows.filter(client_order_id__in=names)}
    ours = {one.broker_order_id: found[one.client_order_id] for one in orders if one.client_order_id in found}
    return ours | {order.broker_order_id: order for order in rows.filter(broker_order_id__in=ids)}


def _activities(side: _Side, others: Sequence[Activity]) -> set[str]:
    """Keep the activities of which the ledger has no entry by their ids, and return these."""
    ids = [one.id for one in others]
    known = set(LedgerEntry.objects.filter(account=side.account, external_id__in=ids).values_list("external_id", flat=True))
    return {
        side.note(
            BreakKind.ACTIVITY,
            one.id,
            detail=f"{one.kind} {one.symbol} {one.detail}".strip(),
            theirs=one.amount,
            data=dict(one.data),
        )
        for one in others
        if one.id not in known
    }


def _plain(symbol: str) -> str:
    """Return a symbol as positions name it, pairs without their stroke."""
    return symbol.replace("/", "")
