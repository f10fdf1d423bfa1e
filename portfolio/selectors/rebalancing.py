"""What a rebalancing proposal is made from, and what its sales would realize; nothing is posted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.core.exceptions import ValidationError

from accounts.domain.plans import Basis
from marketdata.models import Instrument
from marketdata.selectors.prices import latest_closes
from portfolio.domain.exact import EXACT, ZERO, money
from portfolio.domain.lots import Closure, Lot, Method
from portfolio.domain.minor import unit_of
from portfolio.domain.rebalancing import Account, Asset, Proposal, Trade, Wishes, propose
from portfolio.domain.sales import Sale, closures_of
from portfolio.selectors.figures import Figures
from portfolio.selectors.plans import Planned, Stock, held_of, rates_into, stock_of
from portfolio.selectors.projections import rules_of


class Unpriced(ValidationError):
    """Something that is held, or to be bought, has no price or rate: no proposal can count on it."""

    def __init__(self, names: Iterable[str]) -> None:
        told = ", ".join(sorted(names))
        super().__init__(f"No price or rate is known of {told}; store one, or take it out of the targets.", code="unpriced")


class NothingToRebalance(ValidationError):
    """The account has no value above zero, so no weight comes to anything."""

    def __init__(self) -> None:
        super().__init__(
            "The account has no value above zero to share out; say how much comes in as new_cash.", code="nothing_to_rebalance"
        )


@dataclass(frozen=True, slots=True)
class Order:
    """One trade of a proposal: what it would close, and when its price is of."""

    trade: Trade
    instrument: Instrument
    priced_on: date
    closures: Sequence[Closure]

    @property
    def side(self) -> str:
        """Whether it buys or sells."""
        return "BUY" if self.trade.quantity > 0 else "SELL"

    def gain(self, *, long_term: bool | None = None) -> Decimal:
        """Return what it would realize in the instrument's currency, of one term alone or of both."""
        return sum((one.gain for one in self.closures if long_term in {None, one.long_term}), ZERO)

    def gain_in_base(self, *, long_term: bool) -> Decimal:
        """Return what it would realize in the account's currency, at the rate of its price."""
        return money(EXACT.multiply(self.gain(long_term=long_term), self.trade.asset.rate))


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """A proposal for an account, with the orders that make it up."""

    stock: Stock
    planned: Planned
    proposal: Proposal
    orders: Sequence[Order]

    def realized(self, *, long_term: bool) -> Decimal:
        """Return what all sales would realize of a term, in the account's currency."""
        return sum((order.gain_in_base(long_term=long_term) for order in self.orders), ZERO)

    def currencies(self) -> dict[str, Decimal]:
        """Return what the trades need of each currency (below zero), or bring."""
        flows: dict[str, Decimal] = {}
        for order in self.orders:
            code = order.instrument.money
            flows[code] = flows.get(code, ZERO) - order.trade.own
        return dict(sorted(flows.items()))


@dataclass(frozen=True, slots=True)
class _Priced:
    """Assets, their instruments, and the days their prices are of."""

    assets: Sequence[Asset]
    instruments: Mapping[str, Instrument]
    days: Mapping[str, date]


def rebalancing_of(figures: Figures, planned: Planned, wishes: Wishes, *, tax_aware: bool, at: datetime) -> Rebalancing:
    """Return the trades that would bring an account nearer to an allocation.

    :raises Unpriced: if something that is held or to be bought has no price or rate
    :raises NothingToRebalance: if the account has no value above zero
    """
    stock = stock_of(figures)
    if stock.missing:
        raise Unpriced(stock.missing)
    if stock.total + wishes.new_cash <= 0:
        raise NothingToRebalance
    priced = _priced(stock, planned, at.astimezone(UTC).date())
    proposal = propose(planned.plan, Account(stock.total, stock.cash, priced.assets), wishes)
    closures = _closures(figures, proposal.trades, tax_aware=tax_aware, at=at)
    orders = [
        Order(trade, priced.instruments[trade.asset.key], priced.days[trade.asset.key], closures.get(trade.asset.key, ()))
        for trade in proposal.trades
    ]
    return Rebalancing(stock, planned, proposal, orders)


def _priced(stock: Stock, planned: Planned, today: date) -> _Priced:
    """Return what is held and what may be bought, at the last known prices and rates."""
    instruments = {str(one.instrument_id): one.instrument for one in stock.positions}
    assets, days = [], {}
    for one, held in zip(stock.positions, stock.holdings, strict=True):
        rate = stock.rates[one.instrument.money]
        assets.append(Asset(held, one.market_price or ZERO, one.instrument.multiplier, rate, one.instrument.active))
        days[held.key] = one.priced_on or today
    wanted = {key: one for key, one in _wanted(stock, planned).items() if key not in instruments}
    closes = latest_closes(instrument_ids=[one.pk for one in wanted.values()], day=today)
    rates = rates_into(stock.account.base_currency, {one.money for one in wanted.values()}, today)
    lacking = set()
    for key, instrument in wanted.items():
        close = closes.get(instrument.pk)
        if close is None or close.value <= 0:
            lacking.add(instrument.key)
        elif instrument.money not in rates:
            lacking.add(f"{instrument.money}/{stock.account.base_currency}")
        else:
            price = EXACT.multiply(close.value, unit_of(instrument.currency)[1])
            assets.append(Asset(held_of(instrument, ZERO, ZERO), price, instrument.multiplier, rates[instrument.money]))
            days[key] = close.day
    if lacking:
        raise Unpriced(lacking)
    return _Priced(assets, instruments | wanted, days)


def _wanted(stock: Stock, planned: Planned) -> dict[str, Instrument]:
    """Return the instruments that may have to be bought: those with a target, and those of categories nothing is held in."""
    plan = planned.plan
    if plan.basis is Basis.INSTRUMENT:
        return {key: one for key, one in planned.instruments.items() if one.active and plan.weights.get(key)}
    if plan.basis is not Basis.TAXONOMY:
        return {}
    active = {str(one.instrument_id) for one in stock.positions if one.instrument.active}
    filled = {name for held in stock.holdings if held.value > 0 and held.key in active for name in plan.places(held)}
    empty = {name for name, weight in plan.weights.items() if weight and name not in filled}
    return {key: one for key, one in planned.instruments.items() if one.active and empty & plan.shares.get(key, {}).keys()}


def _closures(figures: Figures, trades: Iterable[Trade], *, tax_aware: bool, at: datetime) -> dict[str, list[Closure]]:
    """Return what the sales of a proposal would close, by instrument."""
    account = figures.account
    sales = {trade.asset.key: Sale(trade.asset.key, -trade.quantity, -trade.own, at) for trade in trades if trade.quantity < 0}
    if not sales:
        return {}
    lots: dict[str, list[Lot]] = {}
    for row in figures.lots():
        if str(row.instrument_id) in sales:
            lot = Lot(row.opened_at, row.sequence, row.remaining, row.cost, row.quantity, row.missing, row.tacked_days)
            lots.setdefault(str(row.instrument_id), []).append(lot)
    method, rules = Method(account.cost_basis_method), rules_of(account)
    return {
        key: closures_of(sale, sorted(lots.get(key, []), key=lambda lot: lot[:2]), method, rules, tax_aware=tax_aware)
        for key, sale in sales.items()
    }


def chooses_lots(method: str) -> bool:
    """Say whether an account's method lets the lots of a sale be chosen."""
    return method == Method.SPECIFIC
