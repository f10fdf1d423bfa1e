"""Our records beside a broker's: positions, cash, orders, activities. A difference is kept as a break; nothing is corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import cash_balance
from marketdata.models import Instrument
from portfolio.domain.exact import ZERO
from portfolio.models import Position
from portfolio.services.projections import catch_up
from trading.adapters.base import Activity, Broker, BrokerOrder, Holding
from trading.domain.alpaca_symbols import at_alpaca
from trading.domain.orders import OPEN, Sending
from trading.models import Break, BreakKind, Fill, Order
from trading.services.breaks import LONGEST, Difference, Subject, open_break, resolve_gone
from trading.services.connections import Clock, open_broker
from trading.services.sending import Opener
from trading.services.syncing import Watched, bring_in

BACK = timedelta(days=30)
MOMENT = timedelta(minutes=1)
ON_ITS_WAY = timedelta(minutes=15)  # for so long what became of an order may be asked for; then it is a difference like others
WHOLE = frozenset({BreakKind.POSITION, BreakKind.CASH})  # of these a broker tells all that there is
MOST_ROUNDS = 5
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found in one account: how many differences are open after it, and why it could not be looked at."""

    account_id: UUID
    broker: str
    open_breaks: int


@dataclass(slots=True)
class _Comparison:
    """What differs between an account and its broker at a time.

    `under_way`: orders of which nobody knows yet what the broker has of them. `moving`: the differences that may come of them
    alone. `compared`: the kinds of differences that were looked for. `heard`: the orders and activities that both sides told of.
    """

    account: Account
    broker: str
    now: datetime
    under_way: dict[UUID, Order]
    found: dict[Subject, Difference] = field(default_factory=dict)
    moving: set[Subject] = field(default_factory=set)
    compared: set[BreakKind] = field(default_factory=set)
    heard: set[Subject] = field(default_factory=set)

    def note(self, kind: BreakKind, subject: str, *, moving: bool = False, **fields: Any) -> None:
        """Put a difference down."""
        one = Difference(kind=kind, subject=subject[:LONGEST], **fields)
        self.found[one.key] = one
        if moving or (one.order is not None and one.order.pk in self.under_way):
            self.moving.add(one.key)

    def is_gone(self, kept: Break) -> bool:
        """Say whether a difference that was found before is not there any more; what is not told of after a month still is."""
        key = kept.kind, kept.subject
        if kept.kind not in self.compared or key in self.found:
            return False
        return kept.kind in WHOLE or key in self.heard or (kept.kind == BreakKind.ORDER and kept.order_id is not None)


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
    sync = partial(bring_in, one, clock=clock, opener=opener)
    return reconcile_account(account=account, broker=one.broker, clock=clock, opener=opener, sync=sync)


def reconcile_account(
    *, account: Account, broker: str, clock: Clock, opener: Opener = open_broker, sync: Callable[[], object] = lambda: None
) -> Reconciled:
    """Compare an account's records with its broker's, keep what differs, and take for resolved what does not any more.

    `sync` brings in what the broker knows. What is merely under way is no difference: one stands that is the same in two
    comparisons, one after the other. What moves on is left to the next hour.

    :raises BrokerFailed: if the broker cannot be asked
    """
    with acting_as(account.owner_id):
        asked = opener(account, broker, clock)
    last: dict[Subject, Difference] = {}
    for _ in range(MOST_ROUNDS):
        seen = _compared(account, broker, asked, clock, sync)
        standing = [one for key, one in seen.found.items() if last.get(key) == one]
        if len(standing) == len(seen.found):
            break
        last = seen.found
    with acting_as(account.owner_id):
        for one in standing:
            if one.key not in seen.moving:
                open_break(account=account, broker=broker, difference=one, now=seen.now)
        for kept in Break.objects.open().filter(account=account, broker=broker).select_related("order"):
            if seen.is_gone(kept):
                resolve_gone(difference=kept, now=seen.now)
        left = Break.objects.open().filter(account=account, broker=broker).count()
    return Reconciled(account.pk, broker, left)


def _compared(account: Account, broker: str, asked: Broker, clock: Clock, sync: Callable[[], object]) -> _Comparison:
    """Return what differs now.

    What is under way is read first: of an order that has arrived by then, `sync` brings everything in.
    """
    with acting_as(account.owner_id):
        under_way = _under_way(account, broker, clock())
    sync()
    now = clock()
    with acting_as(account.owner_id):
        known = _known(account, broker)
    told = _statement(asked, known, now)
    catch_up(account_id=account.pk, at=now)
    seen = _Comparison(account, broker, now, under_way)
    with acting_as(account.owner_id):
        if not asked.local:
            _orders(seen, told.orders, known)
            _fills(seen, told.orders)
        if told.holdings is not None:
            _positions(seen, told.holdings)
        if told.cash is not None:
            _cash(seen, told.cash)
        _activities(seen, told.activities)
    return seen


def _under_way(account: Account, broker: str, now: datetime) -> dict[UUID, Order]:
    """Return the orders that left and were not answered yet: their fills come in once they are."""
    rows = Order.objects.filter(account=account, broker=broker, sending__in=(Sending.SENT, Sending.UNKNOWN))
    return {order.pk: order for order in rows.filter(submitted_at__gt=now - ON_ITS_WAY).select_related("instrument")}


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


def _positions(seen: _Comparison, holdings: Sequence[Holding]) -> None:
    """Note the positions that differ."""
    seen.compared.add(BreakKind.POSITION)
    held = Position.objects.open().filter(account=seen.account).select_related("instrument")
    ours = {_symbol(position.instrument): (position.quantity, position.instrument) for position in held}
    theirs = {_plain(one.symbol): one.quantity for one in holdings}
    moving = {_symbol(order.instrument) for order in seen.under_way.values()}
    for symbol in sorted(ours.keys() | theirs.keys()):
        quantity, instrument = ours.get(symbol, (ZERO, None))
        if quantity != theirs.get(symbol, ZERO):
            figures = {"ours": quantity, "theirs": theirs.get(symbol, ZERO)}
            seen.note(BreakKind.POSITION, symbol, **figures, instrument=instrument, moving=symbol in moving)


def _cash(seen: _Comparison, theirs: dict[str, Decimal]) -> None:
    """Note the currencies whose cash differs."""
    seen.compared.add(BreakKind.CASH)
    ours = cash_balance(account=seen.account, at=seen.now)
    moving = {order.instrument.currency for order in seen.under_way.values()}
    for currency in sorted(ours.keys() | theirs.keys()):
        figures = {"ours": ours.get(currency, ZERO), "theirs": theirs.get(currency, ZERO)}
        if figures["ours"] != figures["theirs"]:
            seen.note(BreakKind.CASH, currency, **figures, moving=currency in moving)


def _orders(seen: _Comparison, orders: Sequence[BrokerOrder], known: dict[str, str]) -> None:
    """Note the orders that one of the two does not know, or takes for open when the other does not."""
    seen.compared.add(BreakKind.ORDER)
    ours = _ours(seen, orders)
    for one in orders:
        order = ours.get(one.broker_order_id)
        if order is None:
            detail = f"The order for {one.symbol} was placed past us; its fills are not in the ledger."
            moving = bool(seen.under_way) and seen.now - one.at < MOMENT  # it may be on its way into our records
            seen.note(BreakKind.ORDER, one.client_order_id, detail=detail, theirs=one.filled_quantity, moving=moving)
        elif one.status in OPEN and not order.is_open:
            detail = f"The order is open at {seen.broker}, and {order.status} in our records; cancel it there."
            seen.note(BreakKind.ORDER, order.client_order_id, detail=detail, order=order)
    told = {one.broker_order_id for one in orders}
    rows = Order.objects.open().filter(account=seen.account, broker=seen.broker, client_order_id__in=list(known))
    for order in rows.exclude(broker_order_id__in=told):
        detail = f"The order is open in our records, and {seen.broker} does not know it."
        seen.note(BreakKind.ORDER, order.client_order_id, detail=detail, order=order)


def _fills(seen: _Comparison, orders: Sequence[BrokerOrder]) -> None:
    """Note the orders whose executions are not the same ones.

    An order whose last executions the broker does not show yet, a moment after it, is under way like one that was not answered.
    """
    seen.compared.add(BreakKind.FILL)
    ours = _ours(seen, orders)
    rows = Fill.objects.filter(account=seen.account, broker=seen.broker, order__in=[order.pk for order in ours.values()])
    posted: dict[UUID, set[str]] = defaultdict(set)
    for order_id, execution in rows.values_list("order_id", "execution_id"):
        posted[order_id].add(execution)
    seen.heard |= {(kind, order.client_order_id) for order in ours.values() for kind in (BreakKind.FILL, BreakKind.ORDER)}
    for one in orders:
        order = ours.get(one.broker_order_id)
        if order is None:
            continue
        if one.missing > 0 and seen.now - one.at < MOMENT:
            seen.under_way[order.pk] = order
        there, here = {fill.execution_id for fill in one.fills}, posted[order.pk]
        parts = (("not in our records", there - here), (f"not in {seen.broker}'s", here - there))
        detail = "; ".join(f"{what}: {', '.join(sorted(ids)[:MOST_NAMED])}" for what, ids in parts if ids)
        if detail or order.filled_quantity != one.filled_quantity:
            fields: dict[str, Any] = {
                "ours": order.filled_quantity,
                "theirs": one.filled_quantity,
                "instrument": order.instrument,
            }
            seen.note(BreakKind.FILL, order.client_order_id, detail=detail, order=order, **fields)


def _ours(seen: _Comparison, orders: Sequence[BrokerOrder]) -> dict[str, Order]:
    """Return our orders by the broker's ids: it gives orders that went along with another client order ids of its own."""
    rows = Order.objects.filter(account=seen.account, broker=seen.broker).select_related("instrument")
    names, ids = [one.client_order_id for one in orders], [one.broker_order_id for one in orders]
    found = {order.client_order_id: order for order in rows.filter(client_order_id__in=names)}
    ours = {one.broker_order_id: found[one.client_order_id] for one in orders if one.client_order_id in found}
    return ours | {order.broker_order_id: order for order in rows.filter(broker_order_id__in=ids)}


def _activities(seen: _Comparison, others: Sequence[Activity]) -> None:
    """Note the activities of which the ledger has no entry by their ids."""
    seen.compared.add(BreakKind.ACTIVITY)
    kept = Break.objects.open().filter(account=seen.account, broker=seen.broker, kind=BreakKind.ACTIVITY)
    ids = {one.id for one in others} | set(kept.values_list("subject", flat=True))
    known = set(LedgerEntry.objects.filter(account=seen.account, external_id__in=ids).values_list("external_id", flat=True))
    seen.heard |= {(BreakKind.ACTIVITY, name) for name in known}
    for one in others:
        if one.id not in known:
            detail = f"{one.kind} {one.symbol} {one.detail}".strip()
            seen.note(BreakKind.ACTIVITY, one.id, detail=detail, theirs=one.amount, data=dict(one.data))


def _symbol(instrument: Instrument) -> str:
    """Return an instrument's symbol as positions name it."""
    return _plain(at_alpaca(instrument.symbol, instrument.exchange, instrument.asset_class) or instrument.key)


def _plain(symbol: str) -> str:
    """Return a symbol as positions name it, pairs without their stroke."""
    return symbol.replace("/", "")
