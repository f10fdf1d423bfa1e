"""Published tables of empyrical, freqtrade, pyxirr and Wealthfolio, as far as other tests don't go through them.

Not among our figures, and so not here: empyrical's stability, capture ratios, and values at risk of other tails than 5 %;
freqtrade's SQN, p-value, drawdown in money, and its Sortino ratio, which takes the spread of losing days for their size.
"""

import math
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from portfolio.domain import ratios, relative
from portfolio.domain.drawdown import deepest
from portfolio.domain.performance import Point, measure
from portfolio.domain.returns import annualized
from portfolio.domain.rolling import rolled
from portfolio.domain.xirr import money_weighted
from tests.portfolio.domain.values import SHARE, derived, entry, folded
from tests.portfolio.fixtures import published

D = Decimal
YEARS = {"daily": 252, "weekly": 52, "monthly": 12}
START = date(2000, 1, 30)


class Empyrical:
    """Its table."""

    def __init__(self):
        table = published("empyrical/metrics_table.json")
        self.cases = table["cases"]
        self.texts = table["series"]

    def of(self, *metrics):
        """Return the cases of some metrics."""
        return [case for case in self.cases if case["metric"] in metrics]

    def series(self, name):
        """Return a series without what is missing in it."""
        return np.array([float(r) for r in self.texts[name] if r is not None])

    def points(self, name):
        """Return a series as the days of an account."""
        index, found = D(1), []
        for number, text in enumerate(self.texts[name]):
            index *= 1 + D(text or 0)
            flow = D(100) if not number else D(0)
            day = START + timedelta(days=number)
            if name == "monthly_returns":
                day = date(2000 + (number + 1) // 12, (number + 1) % 12 + 1, 1) - timedelta(days=1)
            found.append(Point(day.toordinal(), index * 100, flow, index, priced=True))
        return found


@pytest.fixture(scope="module")
def table():
    return Empyrical()


class TestEmpyrical:
    def test_returns_chain(self, table):
        for case in table.of("cum_returns", "cum_returns_final"):
            texts = table.texts[case["returns"]]
            closes, price = {}, D(100)
            for number, text in enumerate(texts):
                price *= 1 + D(text or 0)
                closes[(START + timedelta(days=number)).isoformat()] = price
            found = derived(
                entry("DEPOSIT", START.isoformat(), cash=100),
                entry("BUY", START.isoformat(), SHARE, quantity=1, price=100),
                closes={SHARE: closes},
            )
            if case["metric"] == "cum_returns":
                values = [float(day.total_value) for day in found.figures]
                assert values == pytest.approx(case["expected"], abs=1e-4)
                assert [float(day.twr_index) * 100 for day in found.figures] == pytest.approx(values, rel=1e-15)
            else:
                assert float(found.figures[-1].twr_index) - 1 == pytest.approx(case["expected"], abs=1e-4)

    def test_returns_of_weeks_and_quarters(self, table):
        for case in table.of("aggregate_returns"):
            points = table.points(case["returns"])
            quarterly = case["to"] == "quarterly"
            groups, keys = [], []
            for point in points:
                key = (point.date.month - 1) // 3 if quarterly else point.date.isocalendar()[:2]
                if key not in keys:
                    keys.append(key)
                    groups.append([])
                groups[-1].append(point)
            openings = [None, *(group[-1] for group in groups)]
            found = [measure(group, periods=252, opening=before).twr for group, before in zip(groups, openings, strict=False)]
            assert [float(twr) for twr in found] == pytest.approx(case["expected"], abs=1e-8)

    def test_a_yearly_return(self, table):
        """Theirs counts weeks of which a year has 52; ours counts days, of which it has 365."""
        for case in table.of("annual_return"):
            series = table.series(case["returns"])
            growth = float(np.prod(1 + series)) ** YEARS[case["period"]]
            assert annualized(growth, 365 * len(series)) == pytest.approx(case["expected"], abs=1e-8)

    def test_shortfalls(self, table):
        """The downside risk of a year is what our Sortino ratio divides the mean return of a year by."""
        for case in table.of("downside_risk", "sortino_ratio"):
            series, required, periods = table.series(case["returns"]), case["required_return"], YEARS[case["period"]]
            if isinstance(required, str):
                required = table.series(required)[: len(series)]
            found = ratios.sortino(series, periods, required)
            if not case["expected"]:
                assert found is None, case
            elif case["metric"] == "sortino_ratio":
                assert found == pytest.approx(case["expected"], abs=1e-8)
            else:
                assert float(np.mean(series - required)) * periods / found == pytest.approx(case["expected"], abs=1e-8)

    def test_sharpe_calmar_and_omega(self, table):
        for case in table.of("sharpe_ratio", "omega_ratio", "calmar_ratio"):
            series = table.series(case["returns"])
            if case["metric"] == "calmar_ratio":
                found = ratios.calmar(annualized(float(np.prod(1 + series)), 0), 0.0)
            else:
                found = (
                    ratios.sharpe(series, 252, case["risk_free"])
                    if case["metric"] == "sharpe_ratio"
                    else ratios.omega(series, case["risk_free"])
                )
            assert found == (None if case["expected"] is None else pytest.approx(case["expected"], abs=1e-8)), case

    def test_excess_over_a_benchmark(self, table):
        for case in table.of("excess_sharpe"):
            series = table.series(case["returns"])
            market = table.series(case["benchmark"])[: len(series)] if case["benchmark"] else np.zeros(len(series))
            found = relative.information_ratio(series, market, 252)
            assert found / math.sqrt(252) == pytest.approx(case["expected"], abs=1e-8)

    def test_a_rolling_sharpe(self, table):
        for case in table.of("roll_sharpe_ratio"):
            growth = 1 + table.series(case["returns"])
            found = rolled(growth, window=case["window"], figures=["sharpe"], periods=252)["sharpe"]
            assert found.tolist() == pytest.approx(case["expected"], abs=1e-7)

    def test_falls(self, table):
        for case in table.of("max_drawdown"):
            points = table.points(case["returns"])
            fall = deepest([(START - timedelta(days=1), D(1)), *((point.date, point.twr_index) for point in points)])
            assert float(fall.depth if fall else 0) == pytest.approx(case["expected"] or 0, abs=1e-7)


class TestFreqtrade:
    def test_yearly_growth(self):
        """Where there is no such rate theirs is zero, ours none."""
        for case in published("freqtrade/metrics_table.json")["cagr"]:
            start, end = float(case["start"]), float(case["end"])
            found = annualized(end / start, case["days"])
            if case["days"] == 0 or start < 0 or (case["days"] == 1 and float(case["expected"]) == 0):
                assert found is None, case
            else:
                assert round(found, case["decimals"]) == float(case["expected"]), case

    def test_figures_of_a_balance(self):
        """Its Sharpe ratio has the deviation of the whole population; its Calmar ratio the mean return of a day."""
        for case in published("freqtrade/metrics_table.json")["from_balance"]:
            balance = [float(value) for _, value in case["history"]]
            returns = np.array(balance[1:]) / balance[:-1] - 1
            days = [date.fromordinal(START.toordinal() + number) for number in range(len(balance))]
            fall = deepest(list(zip(days, map(D, (value for _, value in case["history"])), strict=True)))
            if case["metric"] == "sharpe":
                found = ratios.sharpe(returns, 365) * math.sqrt(len(returns) / (len(returns) - 1))
                assert found == pytest.approx(float(case["expected"]), abs=1e-8)
            elif case["metric"] == "max_drawdown":
                assert float(-fall.depth) == pytest.approx(float(case["relative"]))
                assert [case["history"][(day - START).days][0] for day in (fall.peak, fall.trough)] == [
                    case["high_date"],
                    case["low_date"],
                ]
            elif case["metric"] == "calmar":
                percent = (balance[-1] / balance[0] - 1) * 100 / 3
                assert percent / float(-fall.depth) * math.sqrt(365) == pytest.approx(float(case["expected"]), abs=1e-8)
            elif "sentinel" in case["expected"]:
                assert ratios.sortino(returns, 365) is None


class TestPyxirr:
    def test_what_flows_are_worth_at_a_rate(self):
        """With its present value taken out on the first day, the rate it was computed at solves the flows."""
        checked = 0
        for case in published("pyxirr/xirr_table.json")["cases"]:
            if case["kind"] != "xnpv":
                continue
            flows = [(date.fromisoformat(day), D(amount)) for day, amount in case["cashflows"]]
            found = money_weighted([*flows, (min(flows)[0], -D(case["expected"]))])
            assert found.rate == pytest.approx(float(case["rate"]), abs=1e-6) or f"{D(case['rate']):.6f}" in found.note
            checked += 1
        assert checked


class TestWealthfolio:
    def case(self, name):
        """Return a case by its name."""
        return next(one for one in published("wealthfolio/holdings_and_performance.json")["cases"] if name in one["name"])

    def test_a_partial_sale(self):
        """Its cost leaves fees out: the fee of the purchase is an entry of its own here."""
        case = self.case("partial sale")
        before, (sold,), expected = case["input"]["position"], case["input"]["activities"], case["expected"]
        price = D(before["cost_basis"]) / D(before["quantity"])
        book = folded(
            entry("BUY", "2023-01-01", SHARE, quantity=before["quantity"], price=price),
            entry("FEE", "2023-01-01", cash=D(case["input"]["cash"]) + D(before["cost_basis"])),
            entry("SELL", sold["date"], SHARE, quantity=-D(sold["quantity"]), price=sold["price"], fee=sold["fee"]),
        )
        holding = book.holdings[SHARE]
        assert (holding.quantity, holding.cost) == (D(expected["quantity"]), D(expected["cost_basis"]))
        assert holding.cost / holding.quantity == D(expected["average_cost"])
        assert book.cash == {"USD": D(expected["cash"])}

    def test_holdings_alone(self):
        """Theirs knows of no flows and so gives no TWR; with us, units that come are one."""
        case = self.case("holdings-only")
        first, last = case["input"]["history"]
        found = derived(
            entry("TRANSFER_IN", first["date"], SHARE, quantity=1, data={"cost": first["cost_basis"]}),
            closes={SHARE: {one["date"]: one["investment_market_value"] for one in (first, last)}},
        )
        points = [Point(one.day, one.total_value, one.net_flow, one.twr_index, one.priced) for one in found.figures]
        measured = measure(points, periods=252)
        assert measured.simple_return == measured.twr == D(case["expected"]["period_return"])
        assert found.positions[0].unrealized_gain == D(last["total_value"]) - D(last["cost_basis"])
