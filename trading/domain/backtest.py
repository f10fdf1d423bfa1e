"""A strategy run over the past: bars in, fills, trades and equity out. No clock, no files, no database, no orders.

What happens in a bar is known after it: decisions are made on its close and done at the open of the next one. Amounts are exact
decimals; the curve of the equity is exact as well, value by value. A long position is paid in full; one that is short keeps
twice its proceeds aside, so that neither borrows.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.exact import EXACT, MONEY_PLACES, ONE, ZERO, Fixed, money
from trading.domain.backtest_costs import Costs
from trading.domain.backtest_steps import Cause, Exits, Market, Phase, Step, steps_of
from trading.domain.strategies.base import Strategy, plan_of

Times = NDArray[np.int64]


class Sizing(enum.StrEnum):
    """How large a full position is: units, money, a part of the equity, or a part of it that the stop may cost."""

    UNITS = "UNITS"
    VALUE = "VALUE"
    EQUITY = "EQUITY"
    RISK = "RISK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a run trades; `begin` is the start of the first bar in which it may, in microseconds since 1970."""

    cash: Decimal
    sizing: Sizing = Sizing.EQUITY
    amount: Decimal = Decimal("0.1")
    step: Decimal = ONE
    shorts: bool = False
    exits: Exits = field(default_factory=Exits)
    costs: Costs = field(default_factory=Costs)
    begin: int = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Fill:
    """What was bought (above zero) or sold in a bar, at which price and cost."""

    at: int
    market: int
    bar: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    cash: Decimal
    cause: Cause


@dataclass(slots=True)
class Trade:
    """A position from nothing to nothing, or one that is still there; `entry` and `exit` are average prices."""

    market: int
    sign: int
    opened_at: int
    opened_bar: int
    full: Decimal
    stop: float
    quantity: Decimal = ZERO
    held: Decimal = ZERO
    paid: Decimal = ZERO
    got: Decimal = ZERO
    fees: Decimal = ZERO
    sold: Decimal = ZERO
    closed_at: int | None = None
    closed_bar: int | None = None
    cause: Cause | None = None
    level: float = 0.0

    @property
    def gain(self) -> Decimal:
        """What a closed trade brought, after fees."""
        return (self.got - self.paid) * self.sign - self.fees


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run: the equity and the cash after each of the bars' times, fills, trades, and what is still held."""

    times: Times
    equity: Fixed
    cash: Fixed
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    open: tuple[Trade, ...]
    skipped: int
    exposed: float


def run_backtest(
    markets: Sequence[Market], strategy: Strategy, rules: Rules, *, look: Callable[[int], None] = lambda done: None
) -> Result:
    """Run a strategy over the bars of instruments with one purse; `look` hears how many have been planned, and may raise."""
    steps: list[Step] = []
    for place, market in enumerate(markets):
        look(place)
        steps += steps_of(
            place,
            market,
            plan_of(strategy, market.bars),
            exits=rules.exits,
            costs=rules.costs,
            shorts=rules.shorts,
            begin=rules.begin,
        )
    steps.sort(key=itemgetter(0, 1, 2))
    purse = Purse(markets, rules)
    for at, due in groupby(steps, key=itemgetter(0)):
        purse.do(at, due)
    return result_of(purse)


class Purse:
    """The cash of a run and what it holds."""

    def __init__(self, markets: Sequence[Market], rules: Rules) -> None:
        self.markets, self.rules = markets, rules
        self.cash, self.aside = rules.cash, ZERO
        self.held: dict[int, Trade] = {}
        self.fills: list[Fill] = []
        self.closed: list[Trade] = []
        self.skipped = 0
        self._equity: Decimal | None = None

    def do(self, at: int, due: Iterable[Step]) -> None:
        """Do what is due in the bars of one time."""
        self._equity = None
        steps = list(due)
        if self.rules.sizing in {Sizing.EQUITY, Sizing.RISK} and any(step.phase == Phase.ENTER for step in steps):
            self._equity = self.equity_before(at)
        for step in steps:
            if step.phase == Phase.ENTER:
                self.enter(step)
            elif step.market in self.held:
                self.leave(self.held[step.market], step)

    def equity_before(self, at: int) -> Decimal:
        """Return cash and the value of what is held, at the last closes before a time."""
        total = self.cash
        for place, trade in self.held.items():
            market = self.markets[place]
            close = market.close.decimal(int(market.bars.timestamps.searchsorted(at)) - 1)
            total += EXACT.multiply(trade.held * trade.sign * market.multiplier, close)
        return total

    def enter(self, step: Step) -> None:
        """Open a position, or add to one, as far as the free cash reaches."""
        market, sign = self.markets[step.market], 1 if step.target > 0 else -1
        trade = self.held.get(step.market)
        if trade is None:
            trade = Trade(step.market, sign, step.at, step.bar, self.full_size(step), step.stop)
        price = self.rules.costs.slipped(step.price, sign, market.tick)
        asked = self.in_steps(EXACT.multiply(trade.full, Decimal(repr(abs(step.target))))) - trade.held
        quantity = self.within_means(asked, EXACT.multiply(price, market.multiplier))
        if quantity <= 0:
            self.skipped += 1
            return
        self.held[step.market] = trade
        trade.level = abs(step.target)
        value = self.fill(step, trade, quantity * sign, price)
        trade.quantity += quantity
        trade.held += quantity
        trade.paid += value
        if sign < 0:
            self.aside += 2 * value

    def leave(self, trade: Trade, step: Step) -> None:
        """Close a position, or a part of it."""
        market = self.markets[trade.market]
        left = self.in_steps(EXACT.multiply(trade.full, Decimal(repr(abs(step.target))))) if step.target else ZERO
        quantity = trade.held - left
        if quantity <= 0:
            return
        limit = step.cause is Cause.TARGET
        price = step.price if limit else self.rules.costs.slipped(step.price, -trade.sign, market.tick)
        if trade.sign < 0:
            kept = money(EXACT.divide(EXACT.multiply(trade.paid, quantity), trade.quantity))
            self.aside = max(self.aside - 2 * kept, ZERO)
        trade.got += self.fill(step, trade, quantity * -trade.sign, price)
        trade.sold += quantity
        trade.held = left
        if not left:
            trade.closed_at, trade.closed_bar, trade.cause = step.at, step.bar, step.cause
            self.closed.append(self.held.pop(trade.market))
            if not any(one.sign < 0 for one in self.held.values()):
                self.aside = ZERO

    def fill(self, step: Step, trade: Trade, quantity: Decimal, price: Decimal) -> Decimal:
        """Note a fill, and return the value that changed hands."""
        value = money(EXACT.multiply(abs(quantity) * self.markets[trade.market].multiplier, price))
        fee = self.rules.costs.commission(abs(quantity), value)
        cash = (value if quantity < 0 else -value) - fee
        self.cash += cash
        trade.fees += fee
        self.fills.append(Fill(step.at, trade.market, step.bar, quantity, price, fee, cash, step.cause))
        return value

    def full_size(self, step: Step) -> Decimal:
        """Return how large a full position would be, by what was known when it was decided on."""
        rules, market = self.rules, self.markets[step.market]
        if rules.sizing is Sizing.UNITS:
            return self.in_steps(rules.amount)
        close = market.close.decimal(step.bar - 1)
        unit = EXACT.multiply(close, market.multiplier)
        if rules.sizing is Sizing.VALUE:
            return self.in_steps(EXACT.divide(rules.amount, unit)) if unit else ZERO
        room = EXACT.multiply(max(self._equity or ZERO, ZERO), rules.amount)
        if rules.sizing is Sizing.RISK:
            unit = EXACT.multiply(self.at_risk(step, close), market.multiplier)
        return self.in_steps(EXACT.divide(room, unit)) if unit else ZERO

    def at_risk(self, step: Step, close: Decimal) -> Decimal:
        """Return how far the stop is from the last close; where there is none, all of the price is at risk."""
        away = [EXACT.multiply(close, self.rules.exits.stop_loss)] if self.rules.exits.stop_loss else []
        if not np.isnan(step.stop):
            away.append(abs(close - Decimal(repr(step.stop))))
        return min((one for one in away if one), default=close)

    def within_means(self, asked: Decimal, unit: Decimal) -> Decimal:
        """Return as much of a quantity as the free cash pays for, or stands for if it is sold short."""
        free, costs = self.cash - self.aside, self.rules.costs
        value = EXACT.multiply(asked, unit)
        if asked <= 0 or value + costs.commission(asked, value) <= free:
            return asked
        quantity = min(asked, self.in_steps(costs.affordable(free, unit)))
        value = EXACT.multiply(quantity, unit)
        return quantity if quantity <= 0 or value + costs.commission(quantity, value) <= free else quantity - self.rules.step

    def in_steps(self, quantity: Decimal) -> Decimal:
        """Return a quantity rounded down to whole steps."""
        if self.rules.step == 1:
            return quantity.to_integral_value(ROUND_FLOOR)
        return EXACT.divide(quantity, self.rules.step).to_integral_value(ROUND_FLOOR) * self.rules.step


def result_of(purse: Purse) -> Result:
    """Return what became of a run."""
    times = timeline(purse.markets, purse.rules.begin)
    held, cash = np.zeros(len(times), dtype=bool), [0] * len(times)
    whole = 10**MONEY_PLACES
    by_market: dict[int, list[Fill]] = {}
    for one in purse.fills:
        by_market.setdefault(one.market, []).append(one)
    places = times.searchsorted(np.array([one.at for one in purse.fills], dtype=np.int64)).tolist()
    for place, one in zip(places, purse.fills, strict=True):
        cash[place] += int(one.cash * whole)
    steady = (
        Fixed.whole(np.cumsum(np.array([int(purse.rules.cash * whole) + cash[0], *cash[1:]], dtype=object)).tolist(), 10)
        if cash
        else Fixed.zeros(0)
    )
    equity = steady
    for number, fills in by_market.items():
        market = purse.markets[number]
        quantities = held_after(market, fills, times)
        held |= quantities.digits != 0
        equity = equity + quantities * closes_at(market, times)
    exposed = float(held.mean()) if len(held) else 0.0
    return Result(
        times, equity, steady, tuple(purse.fills), tuple(purse.closed), tuple(purse.held.values()), purse.skipped, exposed
    )


def timeline(markets: Sequence[Market], begin: int) -> Times:
    """Return the times of all bars from the first on, each once."""
    columns = [market.bars.timestamps for market in markets]
    if columns and all(np.array_equal(one, columns[0]) for one in columns[1:]):
        times = columns[0]
    else:
        times = np.unique(np.concatenate(columns)) if columns else np.empty(0, dtype=np.int64)
    return times[times.searchsorted(begin) :]


def held_after(market: Market, fills: Sequence[Fill], times: Times) -> Fixed:
    """Return how many units were held after each time, contracts counted with their multiplier."""
    changes = Fixed.of([EXACT.multiply(one.quantity, market.multiplier) for one in fills], 22)
    digits = np.zeros(len(times), dtype=changes.digits.dtype)
    np.add.at(digits, times.searchsorted([one.at for one in fills]), changes.digits)
    found = np.cumsum(digits)
    return Fixed(found, changes.places, max(map(abs, found.tolist()), default=0))


def closes_at(market: Market, times: Times) -> Fixed:
    """Return the last close known at each time; before the first one, none is needed."""
    if np.array_equal(market.bars.timestamps, times):
        return market.close
    places = market.bars.timestamps.searchsorted(times, side="right") - 1
    return Fixed(market.close.digits[places.clip(0)], market.close.places, market.close.peak)
