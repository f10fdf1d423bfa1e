"""Random ledgers against a plain second implementation: one list of trades, one loop over days, nothing shared with the product.

It keeps whole fractions, so that it never rounds: values of days must be its own to the last digit. Amounts of parts of lots are
rounded to ten places by the product, and may be off by as many halves of the last one as there are parts.
"""

from collections import defaultdict, deque
from datetime import date
from decimal import Decimal
from fractions import Fraction

import empyrical
import numpy as np
import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from portfolio.domain.performance import Point, growth_of, measure
from tests.portfolio.domain.values import OTHER, SHARE, derived, entry

D, F = Decimal, Fraction
FIRST = date(2024, 1, 1).toordinal()
SPAN = 15
DUST = F(1, 10**8)
RATIOS = {"2:1": F(2), "5:1": F(5), "1:2": F(1, 2), "1:4": F(1, 4)}
offsets = st.integers(0, SPAN - 1)
money = st.decimals("0.01", "5000", places=2)
small = st.decimals("0", "9", places=2)
what = st.sampled_from([SHARE, OTHER])
quantity = st.decimals("0.01", "90", places=2)
trades = st.tuples(st.sampled_from(["BUY", "SELL"]), offsets, what, quantity, st.decimals("0.01", "900", places=2), small, small)
payments = st.tuples(st.sampled_from(["DIVIDEND"]), offsets, what, money, small, small)
flows = st.tuples(st.sampled_from(["DEPOSIT", "DEPOSIT", "WITHDRAWAL"]), offsets, money)
charges = st.tuples(st.sampled_from(["INTEREST", "FEE", "TAX"]), offsets, money)
closes = st.dictionaries(offsets, st.decimals("0.01", "900", places=2), max_size=SPAN)
splits = st.dictionaries(what, st.tuples(st.integers(1, SPAN - 1), st.sampled_from(sorted(RATIOS))))
ledgers = st.lists(st.one_of(trades, trades, payments, flows, charges), min_size=1, max_size=25)


def day(offset):
    return date.fromordinal(FIRST + offset).isoformat()


def entries_of(rows, split):
    """Return the entries of rows, one a minute after the other within each day."""
    found = [entry("SPLIT", f"{day(when)}T20:00", own, data={"ratio": ratio}) for own, (when, ratio) in split.items()]
    for number, (kind, offset, *rest) in enumerate(sorted(rows, key=lambda row: row[1])):
        at = f"{day(offset)}T10:{number:02}"
        if kind in {"BUY", "SELL"}:
            own, units, price, fee, tax = rest
            found.append(entry(kind, at, own, quantity=units if kind == "BUY" else -units, price=price, fee=fee, tax=tax))
        elif kind == "DIVIDEND":
            own, net, fee, tax = rest
            found.append(entry(kind, at, own, cash=net, fee=fee, tax=tax))
        else:
            found.append(entry(kind, at, cash=rest[0] if kind in {"DEPOSIT", "INTEREST"} else -rest[0]))
    return found


class Plain:
    """The second implementation."""

    def __init__(self, rows, split, prices):
        self.rows, self.split, self.prices = sorted(rows, key=lambda row: row[1]), split, prices
        self.lots = defaultdict(deque)
        self.gains, self.sums, self.cash = defaultdict(F), defaultdict(F), F(0)
        self.into = self.out = F(0)

    def price(self, own, offset):
        """Return the last close up to a day, none before the first; one from before a split is divided by it."""
        known = [when for when in self.prices[own] if when <= offset]
        if not known:
            return None
        when, ratio = self.split.get(own, (SPAN, "2:1"))
        divisor = RATIOS[ratio] if max(known) < when <= offset else F(1)
        return F(self.prices[own][max(known)]) / divisor

    def trade(self, own, units, cash):
        """Close the oldest lots of the other sign, and open one with what is left."""
        lots, left = self.lots[own], units
        while left and lots and (lots[0][0] > 0) is not (left > 0):
            held, cost = lots[0]
            size = min(abs(held), abs(left))
            part = cost * size / abs(held)
            self.gains[own] += cash * size / abs(units) - part
            lots[0] = (held - size * (1 if held > 0 else -1), cost - part)
            left -= size * (1 if left > 0 else -1)
            if not lots[0][0]:
                lots.popleft()
        if left:
            lots.append((left, -cash * left / units))

    def post(self, kind, rest):
        """Post one row."""
        if kind in {"BUY", "SELL"}:
            own, units, price, fee, tax = rest[0], *map(F, rest[1:])
            signed = units if kind == "BUY" else -units
            cash = -signed * price - fee - tax
            self.trade(own, signed, cash)
            self.cash, self.sums["fees"], self.sums["taxes"] = self.cash + cash, self.sums["fees"] + fee, self.sums["taxes"] + tax
            return
        if kind == "DIVIDEND":
            net, fee, tax = map(F, rest[1:])
            self.cash += net
            for name, amount in (("income", net + fee + tax), ("fees", fee), ("taxes", tax)):
                self.sums[name] += amount
            return
        amount = F(rest[0])
        self.cash += amount if kind in {"DEPOSIT", "INTEREST"} else -amount
        if kind in {"DEPOSIT", "WITHDRAWAL"}:
            self.into, self.out = self.into + amount * (kind == "DEPOSIT"), self.out + amount * (kind == "WITHDRAWAL")
        else:
            self.sums[{"INTEREST": "interest", "FEE": "fees", "TAX": "taxes"}[kind]] += amount

    def run(self, first, last):
        """Yield what each day came to, and its TWR as a plain float.

        A day on which something held has no price has no return; the next one has that since the last day that had all.
        """
        since, left, growth = F(0), F(0), 1.0
        for offset in range(first, last + 1):
            self.into = self.out = F(0)
            for own, (when, ratio) in self.split.items():
                if when == offset:
                    self.lots[own] = deque((held * RATIOS[ratio], cost) for held, cost in self.lots[own])
            for kind, when, *rest in self.rows:
                if when == offset:
                    self.post(kind, rest)
            held = {own: sum(units for units, _ in lots) for own, lots in self.lots.items()}
            prices = {own: self.price(own, offset) for own, units in held.items() if units}
            worth = sum(held[own] * price for own, price in prices.items() if price is not None)
            total = self.cash + worth
            since, left = since + self.into, left + self.out
            if None not in prices.values():
                if since > 0:
                    growth *= max(float((total + left) / since), 0.0)
                since, left = total, F(0)
            yield offset, total, self.cash, worth, self.into, self.out, growth


def both(rows, split, prices):
    """Return what the product makes of a ledger, the second implementation, and what that says of each day."""
    market = {own: {day(offset): price for offset, price in values.items()} for own, values in prices.items()}
    found = derived(*entries_of(rows, split), closes=market)
    plain = Plain(rows, split, prices)
    first, last = found.figures[0].day - FIRST, found.figures[-1].day - FIRST
    return found, plain, list(plain.run(first, last))


random_ledgers = given(ledgers, splits, st.fixed_dictionaries({SHARE: closes, OTHER: closes}))


class TestLedgers:
    @random_ledgers
    def test_days_have_their_values_flows_and_returns(self, rows, split, prices):
        found, _, days = both(rows, split, prices)
        assert found.figures[0].day - FIRST == min([row[1] for row in rows] + [when for when, _ in split.values()])
        for figure, (offset, total, cash, worth, into, out, growth) in zip(found.figures, days, strict=True):
            assert figure.day - FIRST == offset
            assert (F(figure.total_value), F(figure.cash), F(figure.positions_value)) == (total, cash, worth)
            assert (F(figure.inflow), F(figure.outflow)) == (into, out)
            assert float(figure.twr_index) == pytest.approx(growth, rel=1e-9, abs=1e-9)

    @random_ledgers
    def test_lots_are_closed_oldest_first(self, rows, split, prices):
        found, plain, _ = both(rows, split, prices)
        for own, holding in found.book.holdings.items():
            lots = list(plain.lots[own])
            assert F(holding.quantity) == sum(held for held, _ in lots)
            assert [F(lot.quantity) for lot in holding.lots] == [held for held, _ in lots]
            assert abs(F(holding.cost) - sum(cost for _, cost in lots)) < DUST
            assert abs(F(holding.realized) - plain.gains[own]) < DUST
            assert holding.realized == sum(closure.gain for closure in found.book.closures if closure.instrument == own)

    @random_ledgers
    def test_causes_add_up(self, rows, split, prices):
        found, plain, days = both(rows, split, prices)
        for name in ("income", "interest", "fees", "taxes"):
            assert F(sum(getattr(figure, name) for figure in found.figures)) == plain.sums[name], name
        gain = days[-1][1] - sum(one[4] - one[5] for one in days)
        assert F(found.figures[-1].total_gain) == gain
        prices_made = gain - plain.sums["income"] - plain.sums["interest"] + plain.sums["fees"] + plain.sums["taxes"]
        assert F(sum(figure.price_gain for figure in found.figures)) == prices_made
        assert {figure.currency_gain for figure in found.figures} == {0}


class TestPerformance:
    """The money is enough for all trades here, and something is held from the first day on: every day has a return."""

    @given(st.lists(trades, min_size=1, max_size=12), st.lists(flows, max_size=4), closes)
    def test_is_what_pyxirr_and_empyrical_say(self, rows, moves, prices):
        rows = [("DEPOSIT", 0, D(2_000_000)), ("BUY", 0, SHARE, D(9), D(50), D(0), D(0)), *rows, *moves]
        found, _, days = both(rows, {}, {SHARE: dict.fromkeys(range(SPAN), D(50)) | prices, OTHER: {0: D(70)}})
        points = [Point(one.day, one.total_value, one.net_flow, one.twr_index, one.priced) for one in found.figures]
        measured = measure(points, periods=252)
        paid = [(date.fromordinal(FIRST + one[0]), float(one[5] - one[4])) for one in days if one[4] != one[5]]
        paid.append((date.fromordinal(FIRST + days[-1][0]), float(days[-1][1])))
        theirs = pyxirr.xirr(*zip(*paid, strict=True))
        if theirs is not None and measured.xirr is not None:
            assert float(measured.xirr) == pytest.approx(theirs, rel=1e-6, abs=1e-8)
        index = np.array([one[6] for one in days])
        _, growth = growth_of(points)
        assert growth == pytest.approx(index[1:] / index[:-1], rel=1e-12)
        returns = index[1:] / index[:-1] - 1
        assert float(measured.max_drawdown) == pytest.approx(
            empyrical.max_drawdown(np.diff(index, prepend=1.0) / [1, *index[:-1]])
        )
        assume(np.std(returns) > 1e-9)
        assert float(measured.sharpe) == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-6, abs=1e-8)
        assert float(measured.volatility) == pytest.approx(empyrical.annual_volatility(np.log1p(returns)), rel=1e-6, abs=1e-10)
        if measured.sortino is not None:
            assert float(measured.sortino) == pytest.approx(empyrical.sortino_ratio(returns), rel=1e-6, abs=1e-8)
        assert float(measured.var_95) == pytest.approx(empyrical.value_at_risk(returns), abs=1e-11)
