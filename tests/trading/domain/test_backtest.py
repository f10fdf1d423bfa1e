"""Backtests: fills at the next open and not before, exact money, stops, sizes, and the same as a walk bar by bar."""

from decimal import ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.domain.backtest import Rules, Sizing, run_backtest
from trading.domain.backtest_costs import Costs, CostsRefused
from trading.domain.backtest_metrics import figures_of, worth
from trading.domain.backtest_steps import Cause, Exits, Market
from trading.domain.strategies.base import BarColumns, Plan
from trading.domain.strategies.registry import made

DAY = 86_400_000_000
NAN = float("nan")


class Fixed:
    """Holds what it is told to."""

    def __init__(self, *targets, stops=None):
        self.targets, self.stops = targets, stops

    def plan(self, bars):
        stop = None if self.stops is None else np.array(self.stops, dtype=np.float64)
        return Plan(np.array(self.targets, dtype=np.float64), stop)


def market(*bars, key="A", start=0, **fields):
    """Return bars that are told as (open, high, low, close), or as one price."""
    rows = [bar if isinstance(bar, tuple) else (bar, bar, bar, bar) for bar in bars]
    columns = [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]
    times = (np.arange(len(rows)) + start) * DAY
    return Market.of(key, BarColumns(times, *columns, np.full(len(rows), 1e6)), **fields)


def walk(seed, length=250, key="A", start=0):
    """Return bars of a random walk, in cents."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, length))), 2)
    opened = np.round(close * np.exp(random.normal(0, 0.01, length)), 2)
    high = np.round(np.maximum(close, opened) * (1 + abs(random.normal(0, 0.01, length))), 2)
    low = np.round(np.minimum(close, opened) * (1 - abs(random.normal(0, 0.01, length))), 2)
    return market(*zip(opened, high, low, close, strict=True), key=key, start=start)


def run(markets, strategy, **rules):
    """Run a strategy, ten units at a time unless it is told otherwise."""
    markets = markets if isinstance(markets, list) else [markets]
    return run_backtest(
        markets, strategy, Rules(**{"cash": Decimal(10_000), "sizing": Sizing.UNITS, "amount": Decimal(10)} | rules)
    )


def fills(result):
    """Return day, quantity and price of each fill."""
    return [(one.at // DAY, one.quantity, one.price) for one in result.fills]


def equity(result):
    """Return the equity after each bar."""
    return result.equity.decimals()


class TestFills:
    def test_happen_at_the_open_after_the_bar_of_the_decision(self):
        result = run(market((10, 11, 9, 10.5), (11, 12, 10, 12), (12.25, 13, 12, 13), (14, 15, 13, 14)), Fixed(1, 1, 0, 0))
        assert fills(result) == [(1, 10, Decimal(11)), (3, -10, Decimal(14))]
        assert equity(result) == [10_000, 10_010, 10_020, 10_030]
        assert [trade.gain for trade in result.trades] == [30]

    def test_do_not_happen_after_the_last_bar(self):
        assert fills(run(market(10, 10, 10), Fixed(0, 0, 1))) == []

    def test_a_position_that_is_left_is_worth_the_last_close(self):
        result = run(market(10, 11, 12), Fixed(1, 1, 1))
        assert (result.trades, [trade.held for trade in result.open], equity(result)[-1]) == ((), [10], 10_010)

    def test_turn_a_position_round_in_one_open(self):
        result = run(market(10, 11, 12, 9, 8), Fixed(1, 1, -1, -1, -1), shorts=True)
        assert fills(result) == [(1, 10, 11), (3, -10, 9), (3, -10, 9)]
        assert equity(result)[-1] == 10_000 - 20 + 10

    def test_shorts_are_left_out_unless_they_are_wanted(self):
        assert fills(run(market(10, 10, 10), Fixed(-1, -1, -1))) == []

    def test_hold_parts(self):
        result = run(market(*[10] * 6), Fixed(0.5, 1, 0.5, NAN, 0, 0))
        assert [quantity for _, quantity, _ in fills(result)] == [5, 5, -5, -5]
        assert [trade.quantity for trade in result.trades] == [10]

    def test_begin_with_what_is_held_when_the_period_begins(self):
        result = run(market(10, 11, 12, 13), Fixed(1, 1, 1, 1), begin=2 * DAY)
        assert fills(result) == [(2, 10, 12)]
        assert result.times.tolist() == [2 * DAY, 3 * DAY]

    def test_cost_commission_and_slippage_both_ways(self):
        costs = Costs(per_order=Decimal(1), rate=Decimal("0.001"), slippage_rate=Decimal("0.01"))
        result = run(market(10, 10, 10, 20), Fixed(1, 1, 0, 0), costs=costs)
        assert fills(result) == [(1, 10, Decimal("10.1")), (3, -10, Decimal("19.8"))]
        assert [one.fee for one in result.fills] == [Decimal("1.101"), Decimal("1.198")]
        assert equity(result)[-1] == 10_000 + result.trades[0].gain == Decimal("10094.701")

    def test_nothing_of_no_bars(self):
        result = run(market(10), Fixed(1), begin=DAY)
        assert (len(result.times), result.fills) == (0, ())


class TestStops:
    BARS = ((10, 10, 10, 10), (10, 11, 9.5, 11), (11, 12, 8, 12), (12, 12, 12, 12), (12, 12, 12, 12))

    def test_the_plans_stop_ends_a_position_within_the_bar(self):
        result = run(market(*self.BARS), Fixed(1, 1, 1, 1, 1, stops=[9] * 5))
        assert [(*fill, one.cause) for fill, one in zip(fills(result), result.fills, strict=True)] == [
            (1, 10, 10, Cause.SIGNAL),
            (2, -10, 9, Cause.STOP),
        ]

    def test_it_is_the_one_that_was_known_before_the_bar(self):
        assert len(fills(run(market(*self.BARS), Fixed(1, 1, 1, 1, 1, stops=[NAN, NAN, 9, 9, 9])))) == 1

    def test_a_gap_costs_what_it_costs(self):
        result = run(market(10, 10, (7, 8, 6, 8), 8), Fixed(1, 1, 1, 1), exits=Exits(stop_loss=Decimal("0.1")))
        assert fills(result)[1] == (2, -10, 7)

    def test_a_target_is_got_and_a_gap_beyond_it_is_a_gift(self):
        exits = Exits(take_profit=Decimal("0.1"))
        assert fills(run(market(10, 10, (10, 12, 10, 10), 10), Fixed(1, 1, 1, 1), exits=exits))[1] == (2, -10, 11)
        assert fills(run(market(10, 10, (12, 12, 10, 10), 10), Fixed(1, 1, 1, 1), exits=exits))[1] == (2, -10, 12)

    def test_of_a_bar_that_touches_both_the_stop_counts(self):
        exits = Exits(Decimal("0.1"), Decimal("0.1"))
        assert run(market(10, 10, (10, 12, 8, 10), 10), Fixed(1, 1, 1, 1), exits=exits).trades[0].cause is Cause.STOP

    def test_shorts_are_stopped_above(self):
        result = run(market(10, 10, (10, 12, 8, 10), 10), Fixed(*[-1] * 4), exits=Exits(Decimal("0.1")), shorts=True)
        assert fills(result) == [(1, -10, 10), (2, 10, 11)]

    def test_it_stays_out_until_the_plan_wants_something_else(self):
        bars = market(10, 10, (10, 10, 8, 10), 10, 10, 10, 10)
        result = run(bars, Fixed(1, 1, 1, 0.5, 0, 1, 1), exits=Exits(Decimal("0.1")))
        assert [day for day, _, _ in fills(result)] == [1, 2, 6]


class TestSizes:
    def test_of_money_are_rounded_down_at_the_close_that_was_known(self):
        bars = market((10, 10, 10, 9), 20, 20)
        assert fills(run(bars, Fixed(1, 1, 1), sizing=Sizing.VALUE, amount=Decimal(100))) == [(1, 11, 20)]
        fine = run(bars, Fixed(1, 1, 1), sizing=Sizing.VALUE, amount=Decimal(100), step=Decimal("0.25"))
        assert fills(fine) == [(1, 11, 20)]

    def test_of_the_equity_grow_with_it(self):
        result = run(market(10, 10, 20, 20, 20, 20), Fixed(1, 0, 0, 1, 1, 1), sizing=Sizing.EQUITY, amount=Decimal("0.5"))
        assert fills(result) == [(1, 500, 10), (2, -500, 20), (4, 375, 20)]

    def test_of_a_risk_cost_that_much_at_the_stop(self):
        result = run(market(10, 10, 10), Fixed(1, 1, 1, stops=[8] * 3), sizing=Sizing.RISK, amount=Decimal("0.01"))
        assert fills(result) == [(1, 50, 10)]

    def test_are_no_larger_than_the_cash(self):
        bars = market(10, 10, 10)
        assert fills(run(bars, Fixed(1, 1, 1), cash=Decimal(55))) == [(1, 5, 10)]
        with_costs = run(bars, Fixed(1, 1, 1), cash=Decimal(55), costs=Costs(per_order=Decimal(6)))
        assert (fills(with_costs), equity(with_costs)[-1]) == ([(1, 4, 10)], 49)
        none = run(bars, Fixed(1, 1, 1), cash=Decimal(5))
        assert (none.fills, none.skipped) == ((), 1)

    def test_shorts_keep_their_proceeds_aside(self):
        two = [market(*[10] * 4, key="A"), market(*[10] * 4, key="B")]
        result = run(two, Fixed(*[-1] * 4), shorts=True, cash=Decimal(150))
        assert [(one.market, one.quantity) for one in result.fills] == [(0, -10), (1, -5)]

    def test_of_contracts_count_the_multiplier(self):
        result = run(market(10, 10, 11, multiplier=Decimal(50)), Fixed(1, 1, 1), amount=Decimal(2))
        assert (result.cash.decimals()[-1], equity(result)[-1]) == (9_000, 10_100)


VARIANTS = [("sma_cross", {"fast": 5, "slow": 12, "short": True}), ("breakout", {"entry": 8, "exit": 4, "short": True})]


class TestNoLookAhead:
    @pytest.mark.parametrize(("kind", "written"), VARIANTS)
    @pytest.mark.parametrize("sizing", list(Sizing))
    @pytest.mark.parametrize("known", [40, 111, 200])
    def test_another_future_changes_nothing_in_the_past(self, kind, written, sizing, known):
        amount = {Sizing.UNITS: "10", Sizing.VALUE: "1000"}.get(sizing, "0.1")
        rules = {"sizing": sizing, "amount": Decimal(amount), "shorts": True, "exits": Exits(Decimal("0.05"), Decimal("0.2"))}
        whole = [walk(seed, key=str(seed)) for seed in (1, 2, 3)]
        other = [shifted(one, known) for one in whole]
        found, again = (run(markets, made(kind, written), **rules) for markets in (whole, other))
        past = [[one for one in result.fills if one.at < known * DAY] for result in (found, again)]
        assert past[0] == past[1]
        assert past[0]
        assert equity(found)[:known] == equity(again)[:known]
        assert equity(found) != equity(again)

    def test_what_is_decided_on_a_bar_cannot_change_that_bar(self):
        bars, changed = market(10, 10, 10, (10, 10, 10, 99)), market(10, 10, 10, 10)
        assert fills(run(bars, Fixed(0, 0, 1, 1))) == fills(run(changed, Fixed(0, 0, 1, 0)))


def shifted(whole, known):
    """Return bars with another future after so many."""
    b, other = whole.bars, walk(99, len(whole.bars)).bars
    columns = [
        np.concatenate([getattr(b, n)[:known], getattr(other, n)[known:]]) for n in ("open", "high", "low", "close", "volume")
    ]
    return Market.of(whole.key, BarColumns(b.timestamps, *columns))


class Walker:
    """The same rules bar by bar in decimals, as slow and plain as can be: units, long and short, stops by part of the entry."""

    def __init__(self, markets, strategy, *, cash, amount, share, rate, stop):
        self.markets, self.cash, self.amount, self.share, self.rate, self.stop = markets, cash, amount, share, rate, stop
        self.fills, self.curve, self.held, self.orders, self.barred = [], [], {}, {}, {}
        self.plans = [strategy.plan(one.bars) for one in markets]
        self.wanted = [0.0] * len(markets)
        self.prices = dict.fromkeys(range(len(markets)), Decimal(0))
        for at in sorted({int(at) for one in markets for at in one.bars.timestamps}):
            rows = {n: np.flatnonzero(one.bars.timestamps == at) for n, one in enumerate(markets)}
            rows = {n: int(found[0]) for n, found in rows.items() if len(found)}
            self._open(at, rows)
            for n, row in rows.items():
                self._course(at, n, row)
                self._close(n, row)
            self.curve.append(self._equity())

    def _equity(self):
        return self.cash + sum(quantity * self.prices[n] for n, (quantity, _) in self.held.items())

    def _open(self, at, rows):
        before = self._equity()
        due = {n: self.orders.pop(n) for n in sorted(rows) if n in self.orders}
        opens = {n: exact(self.markets[n].bars.open[rows[n]]) for n in due}
        for n in due:
            if n in self.held:
                self._trade(at, n, -self.held[n][0], opens[n])
        for n, (target, decided) in due.items():
            size = before * self.share / decided if self.share else self.amount
            self._trade(at, n, size.to_integral_value(ROUND_FLOOR) * int(target), opens[n])

    def _course(self, at, n, row):
        if not self.stop or n not in self.held:
            return
        quantity, entry = self.held[n]
        bars, sign = self.markets[n].bars, 1 if quantity > 0 else -1
        level = (entry * (1 - self.stop * sign) * 100).quantize(Decimal(1)) / 100
        worst, opened = exact((bars.low if sign > 0 else bars.high)[row]), exact(bars.open[row])
        if (worst - level) * sign <= 0:
            self._trade(at, n, -quantity, min(opened, level) if sign > 0 else max(opened, level))
            self.barred[n] = sign

    def _close(self, n, row):
        self.prices[n] = exact(self.markets[n].bars.close[row])
        target = self.plans[n].target[row]
        target = self.wanted[n] if np.isnan(target) else float(target)
        if target != self.wanted[n]:
            if not target or target != self.barred.get(n):
                self.orders[n] = (target, self.prices[n])
                self.barred.pop(n, None)
            self.wanted[n] = target

    def _trade(self, at, n, quantity, price):
        if not quantity:
            return
        self.cash -= quantity * price + abs(quantity) * price * self.rate
        self.fills.append((at, n, quantity, price))
        held = self.held.pop(n, (0, price))[0] + quantity
        if held:
            self.held[n] = (held, price)


def exact(price):
    """Return a price as it is written."""
    return Decimal(repr(float(price)))


class TestAgainstAWalkBarByBar:
    @settings(max_examples=15, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        variant=st.sampled_from(
            [
                ("sma_cross", {"fast": 4, "slow": 9, "short": True}),
                ("breakout", {"entry": 8, "exit": 4, "stop": 0, "short": True}),
            ]
        ),
        share=st.sampled_from([None, Decimal("0.05")]),
        stop=st.sampled_from([None, Decimal("0.03")]),
        starts=st.sampled_from([(0, 0, 0), (0, 5, 30)]),
    )
    def test_is_the_same(self, seed, variant, share, stop, starts):
        markets = [walk(seed + n, 120, key=str(n), start=start) for n, start in enumerate(starts)]
        strategy, cash = made(*variant), Decimal(1_000_000)
        sized = {"sizing": Sizing.EQUITY, "amount": share} if share else {}
        costs = Costs(rate=Decimal("0.001"))
        found = run(markets, strategy, cash=cash, shorts=True, exits=Exits(stop), costs=costs, **sized)
        told = Walker(markets, strategy, cash=cash, amount=Decimal(10), share=share, rate=Decimal("0.001"), stop=stop)
        ours = [(one.at, one.market, one.quantity, one.price) for one in found.fills]
        assert sorted(ours) == sorted(told.fills)
        assert equity(found) == told.curve


class TestCosts:
    def test_have_a_minimum(self):
        costs = Costs.read({"per_unit": "0.005", "minimum": "1"})
        assert (costs.commission(Decimal(100), Decimal(1)), costs.commission(Decimal(400), Decimal(1))) == (1, 2)

    def test_may_be_in_ticks(self):
        assert Costs.read({"slippage_ticks": 2}).slipped(Decimal(10), -1, Decimal("0.05")) == Decimal("9.9")

    @pytest.mark.parametrize("written", [{"rate": "0.6"}, {"per_order": -1}, {"rate": "x"}, {"tax": 1}, {"rate": True}])
    def test_are_refused_by_name(self, written):
        with pytest.raises(CostsRefused) as refused:
            Costs.read(written)
        assert [problem.field for problem in refused.value.problems] == [f"costs.{next(iter(written))}"]


class TestFigures:
    def test_are_those_of_an_account(self):
        rules = Rules(cash=Decimal(1000), sizing=Sizing.UNITS, amount=Decimal(10))
        result = run_backtest([market(10, 10, 20, 15, 15)], Fixed(1, 1, 0, 0, 0), rules)
        found = figures_of(result, rules, periods=252)
        assert (found["end_value"], found["twr"], found["max_drawdown"]) == ("1050", "0.05", "-0.045454545455")
        assert (found["total_trades"], found["win_rate"], found["gross_profit"]) == (1, "1", "50")
        assert (found["average_days"], found["turnover"], found["exposure"], found["bars"]) == ("2", "0.25", 0.4, 5)
        assert found["reasons"] == {}

    def test_that_are_not_defined_say_why(self):
        rules = Rules(cash=Decimal(1000))
        found = figures_of(run_backtest([market(10, 10, 10)], Fixed(0, 0, 0), rules), rules, periods=252)
        assert (found["sharpe"], found["reasons"]["sharpe"]) == (None, "The returns don't vary.")

    def test_of_no_bars_say_so(self):
        rules = Rules(cash=Decimal(1), begin=DAY)
        found = figures_of(run_backtest([market(10)], Fixed(1), rules), rules, periods=252)
        assert (found["reasons"], found["total_trades"]) == ({"twr": "There are no bars in the period."}, 0)

    def test_are_ranked_with_what_is_not_defined_last(self):
        assert worth({"twr": "-0.5"}, "twr") > worth({"twr": None}, "twr")
