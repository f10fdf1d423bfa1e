"""Our records beside a broker's: positions, cash, orders, activities. A difference is kept as a break; nothing is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import cash_balance
from marketdata.models import Instrument
from portfolio.models import Position
from portfolio.services.projections import catch_up
from trading.adapters.alpaca import symbol_of
from trading.adapters.base import Activity, Broker, BrokerOrder, Holding
from trading.models import Break, BreakKind, Order
from trading.services.breaks import open_break, resolve_gone
from trading.services.connections import Clock, open_broker
from trading.services.sending import Opener
from trading.services.syncing import Watched, sync_account

BACK = timedelta(days=30)


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


def reconcile_watched(one: Watched, *, clock: Clock, opener: Opener = open_broker) -> Reconciled:
    """Bring in what an account's broker knows, then compare.

    :raises BrokerFailed: if the broker cannot be asked
    """
    with acting_as(one.owner_id):
        account = Account.objects.select_related("owner").get(pk=one.account_id)
    sync_account(one, clock=clock, opener=opener)
    return reconcile_account(account=account, broker=one.broker, clock=clock, opener=opener)


def reconcile_account(*, account: Account, broker: str, clock: Clock, opener: Opener = open_broker) -> Reconciled:
    """Compare an account's records with its broker's, keep what differs, and take for resolved what does not any more.

    :raises BrokerFailed: if the broker cannot be asked
    """
    now = clock()
    with acting_as(account.owner_id):
        asked = opener(account, broker, clock)
    holdings, cash, orders, others = _statement(asked, now)
    catch_up(account_id=account.pk, at=now)
    with acting_as(account.owner_id):
        side = _Side(account, broker, now)
        if holdings is not None:
            side.gone(BreakKind.POSITION, _positions(side, holdings))
        if cash is not None:
            side.gone(BreakKind.CASH, _cash(side, cash))
        side.gone(BreakKind.ORDER, _orders(side, orders))
        side.gone(BreakKind.ACTIVITY, _activities(side, others))
        left = Break.objects.open().filter(account=account, broker=broker).count()
    return Reconciled(account.pk, broker, left)


def _statement(
    asked: Broker, now: datetime
) -> tuple[Sequence[Holding] | None, dict[str, Decimal] | None, Sequence[BrokerOrder], Sequence[Activity]]:
    """Return what a broker says that an account has."""
    cash = asked.cash()
    return (
        asked.holdings(),
        None if cash is None else dict(cash),
        [] if asked.local else asked.look([], since=now - BACK),
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


def _orders(side: _Side, orders: Sequence[BrokerOrder]) -> set[str]:
    """Keep the orders that the broker has and we never placed, or that are filled otherwise; return their ids."""
    ids = [one.client_order_id for one in orders]
    ours = {order.client_order_id: order for order in Order.objects.filter(account=side.account, client_order_id__in=ids)}
    found = set()
    for one in orders:
        order = ours.get(one.client_order_id)
        if order is None:
            detail = f"The order for {one.symbol} was placed past us; its fills are not in the ledger."
            found.add(side.note(BreakKind.ORDER, one.client_order_id, detail=detail, theirs=one.filled_quantity))
        elif order.filled_quantity != one.filled_quantity:
            fields = {"ours": order.filled_quantity, "theirs": one.filled_quantity, "order": order}
            found.add(side.note(BreakKind.ORDER, one.client_order_id, **fields))
    return found


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
