"""Returns and risk against independent computations: pyxirr, numpy, empyrical, and published tables."""

import math
from datetime import date, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pandas as pd
import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from portfolio.domain import ratios
from portfolio.domain.drawdown import deepest
from portfolio.domain.performance import Point, as_ratio, growth_of, measure
from portfolio.domain.returns import annualized, linked
from portfolio.domain.xirr import money_weighted
from tests.portfolio.fixtures import published

D = Decimal
FIRST = date(2023, 1, 2)
returns = st.lists(st.floats(-0.2, 0.2).map(lambda r: round(r, 6)), min_size=3, max_size=60)


def points_of(daily, values=None, flows=None):
    """Return points whose index grows by daily returns."""
    index, found = D(1), []
    for n, r in enumerate(daily):
        index = (index * (1 + D(str(r)))).quantize(D("1e-18"))
        value = D(values[n]) if values else index * 1000
        flow = D(flows[n]) if flows else (D(1000) if n == 0 else D(0))
        found.append(Point(FIRST.toordinal() + n, value, flow, index, priced=True))
    return found


class TestMoneyWeighted:
    def test_gives_the_published_rates(self):
        for case in published("pyxirr/xirr_table.json")["cases"]:
            if case["kind"] != "xirr":
                continue
            found = money_weighted([(date.fromisoformat(day), D(amount)) for day, amount in case["cashflows"]]).rate
            roots = [float(root) for root in case.get("all_roots_found_by_scan_here") or []]
            roots += [] if case["expected"] is None else [float(case["expected"])]
            if found is None:
                assert case["expected"] is None, case["name"]
            else:
                assert any(found == pytest.approx(root, rel=1e-6, abs=1e-6) for root in roots), case["name"]

    def test_counts_actual_days_over_365(self):
        case = published("pyxirr/xirr_day_count.json")
        flows = [(date.fromisoformat(day), D(amount)) for day, amount in case["cashflows"]]
        assert money_weighted(flows).rate == pytest.approx(float(case["expected"]["act/365F"]), abs=1e-10)

    def test_agrees_with_excel_as_portfolio_performance_does(self):
        case = published("portfolio-performance/irr_slow_curve.json")
        flows = [(date.fromisoformat(day), D(amount)) for day, amount in case["input"]["cashflows"]]
        assert money_weighted(flows).rate == pytest.approx(
            float(case["expected"]["xirr"]), abs=float(case["expected"]["tolerance"])
        )

    def test_takes_flows_before_tax_where_they_are_given_so(self):
        case = published("portfolio-performance/irr_dividend_taxes_excluded.json")
        flows = [(date.fromisoformat(day), D(amount)) for day, amount in case["input"]["equivalent_cashflows"]]
        assert money_weighted(flows).rate == pytest.approx(float(case["expected"]["irr"]), abs=1e-8)

    @given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 10_000)), min_size=1, max_size=8), st.integers(1, 50_000))
    def test_is_the_rate_at_which_everything_is_worth_nothing(self, paid, end):
        flows = [(FIRST + timedelta(days=day), D(-amount)) for day, amount in paid]
        flows.append((FIRST + timedelta(days=2001), D(end)))
        found = money_weighted(flows).rate
        assume(found is not None and found > -0.999)  # nearer to -1 a float has too few digits left to check it with
        worth = sum(float(amount) / (1 + found) ** ((day - FIRST).days / 365) for day, amount in flows)
        size = sum(abs(float(amount)) / (1 + found) ** ((day - FIRST).days / 365) for day, amount in flows)
        assert abs(worth) <= 1e-6 * size
        theirs = pyxirr.xirr(*zip(*flows, strict=True))
        assert theirs is None or found == pytest.approx(theirs, rel=1e-6, abs=1e-8)

    def test_says_so_where_several_rates_solve_it(self):
        flows = [(FIRST, D(-1000)), (FIRST + timedelta(365), D(2300)), (FIRST + timedelta(730), D(-1320))]
        found = money_weighted(flows)
        assert found.rate == pytest.approx(0.1)
        assert found.note == "Several rates solve it: 0.100000, 0.200000."

    @given(
        st.lists(st.sampled_from([-0.9, -0.5, -0.2, 0.05, 0.3, 0.8, 2.0]), min_size=2, max_size=3, unique=True),
        st.integers(1, 10_000),
    )
    def test_names_every_rate_that_solves_it(self, rates, size):
        """Flows a year apart whose worth is a polynomial with these rates as its roots."""
        amounts = np.poly([1 + rate for rate in rates]) * -size  # in powers of 1 + rate, the highest first
        flows = [(date.fromordinal(FIRST.toordinal() + 365 * n), D(repr(float(a)))) for n, a in enumerate(amounts)]
        found = money_weighted(flows)
        assert found.rate == pytest.approx(min(rates, key=abs), abs=1e-6)
        assert all(f"{rate:.6f}" in found.note for rate in rates), found.note

    def test_finds_a_rate_that_only_touches(self):
        """-100 + 220 / (1 + r) - 121 / (1 + r)^2 is zero at 10 %, and below zero on both sides of it."""
        flows = [(FIRST, D(-100)), (FIRST + timedelta(365), D(220)), (FIRST + timedelta(730), D(-121))]
        assert money_weighted(flows).rate == pytest.approx(0.1, abs=1e-5)

    def test_comes_near_to_a_total_loss_but_not_there(self):
        flows = [(FIRST, D(-1000)), (FIRST + timedelta(365), D("0.01"))]
        assert money_weighted(flows).rate == pytest.approx(-0.99999)
        assert money_weighted([(FIRST, D(-1000)), (FIRST + timedelta(365), D(0))]).note.startswith("Money only went in")

    @pytest.mark.parametrize(
        ("flows", "why"),
        [
            ([], "All money moved on one day."),
            ([(FIRST, D(-10)), (FIRST, D(12))], "All money moved on one day."),
            ([(FIRST, D(-10)), (FIRST + timedelta(9), D(-12))], "Money only went in, or only came out."),
            ([(FIRST, D(10)), (FIRST + timedelta(365), D(-30)), (FIRST + timedelta(730), D(30))], "No yearly rate solves it."),
        ],
    )
    def test_gives_none_and_says_why(self, flows, why):
        found = money_weighted(flows)
        assert (found.rate, found.note) == (None, why)


class TestDrawdown:
    @given(returns)
    def test_is_that_of_empyrical_which_counts_the_start_as_a_peak(self, daily):
        points = points_of(daily)
        fall = deepest([(FIRST - timedelta(1), D(1)), *((point.date, point.twr_index) for point in points)])
        assert float(fall.depth if fall else 0) == pytest.approx(empyrical.max_drawdown(pd.Series(daily)), abs=1e-9)

    @given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
    def test_is_the_worst_of_all_pairs_of_days(self, values):
        series = [(FIRST + timedelta(n), D(value)) for n, value in enumerate(values)]
        fall = deepest(series)
        worst = min(D(later) / D(earlier) - 1 for n, earlier in enumerate(values) for later in values[n:])
        if fall is None:
            assert worst == 0
            return
        assert fall.depth == pytest.approx(worst)
        by_day = dict(series)
        assert by_day[fall.trough] / by_day[fall.peak] - 1 == pytest.approx(fall.depth)
        if fall.recovered:
            assert by_day[fall.recovered] >= by_day[fall.peak]
            assert all(
                value < by_day[fall.peak] for day, value in series if fall.peak < day < fall.recovered and day >= fall.trough
            )

    def test_a_peak_is_the_first_of_the_days_that_stand_still_on_it(self):
        values = [100, 120, 120, 120, 90, 120, 80]
        fall = deepest([(FIRST + timedelta(n), D(value)) for n, value in enumerate(values)])
        assert fall is not None
        assert ((fall.peak - FIRST).days, (fall.trough - FIRST).days, fall.recovered, fall.days) == (5, 6, None, 1)

    def test_empyrical_finds_these(self):
        table = published("empyrical/metrics_table.json")
        for case in table["cases"]:
            if case["metric"] == "max_drawdown" and case["expected"] is not None:
                daily = [float(r) for r in table["series"][case["returns"]] if r is not None]
                found = measure(points_of(daily), periods=252)
                assert float(found.max_drawdown or 0) == pytest.approx(case["expected"], abs=1e-7), case["returns"]


class TestRatios:
    @given(returns)
    def test_agree_with_empyrical(self, daily):
        series = np.array(daily)
        assume(np.std(series) > 1e-6)
        assert ratios.sharpe(series, 252) == pytest.approx(empyrical.sharpe_ratio(series), rel=1e-6, abs=1e-9)
        if series.min() < 0:
            assert ratios.sortino(series, 252) == pytest.approx(empyrical.sortino_ratio(series), rel=1e-6, abs=1e-9)
            assert ratios.omega(series) == pytest.approx(empyrical.omega_ratio(series), rel=1e-6, abs=1e-9)
        assert ratios.value_at_risk(series) == pytest.approx(empyrical.value_at_risk(series), abs=1e-12)

    @given(returns)
    def test_volatility_is_empyricals_of_log_returns(self, daily):
        """empyrical takes simple returns; given log returns it must find what we find."""
        growth = 1 + np.array(daily)
        expected = empyrical.annual_volatility(np.log(growth))
        assert ratios.volatility(growth, 252) == pytest.approx(expected, rel=1e-9, abs=1e-12)

    def test_expected_shortfall_is_the_mean_of_the_tail(self):
        series = np.arange(-20, 20) / 100
        assert ratios.expected_shortfall(series) == pytest.approx(np.mean([-0.2, -0.19]))

    def test_portfolio_performance_finds_these_deviations(self):
        """Theirs is for the days given, ours for a year: the root of the number of days stands in for that of 252."""
        case = published("portfolio-performance/volatility_and_semideviation.json")
        growth = 1 + np.array([float(r) for r in case["input"]["daily_returns"]])
        assert ratios.volatility(growth, len(growth)) == pytest.approx(float(case["expected"]["volatility"]), abs=1e-10)
        assert ratios.semi_deviation(growth, len(growth)) == pytest.approx(float(case["expected"]["semi_deviation"]), abs=1e-10)

    @pytest.mark.parametrize("name", ["annual_volatility", "sharpe_ratio", "sortino_ratio", "value_at_risk"])
    def test_empyrical_finds_these(self, name):
        table = published("empyrical/metrics_table.json")
        ours = {
            "annual_volatility": lambda r, n: ratios.volatility(np.exp(r), n),  # of simple returns there, of log returns here
            "sharpe_ratio": ratios.sharpe,
            "sortino_ratio": ratios.sortino,
            "value_at_risk": lambda r, n: ratios.value_at_risk(r),
        }[name]
        years = {"daily": 252, "weekly": 52, "monthly": 12}
        for case in table["cases"]:
            plain = not {"risk_free", "required_return", "cutoff", "benchmark"} & set(case)
            if case["metric"] == name and plain and case["expected"] is not None and "returns" in case:
                series = np.array([float(r) for r in table["series"][case["returns"]] if r is not None])
                found = ours(series, years[case.get("period", "daily")])
                if found is not None and isinstance(case["expected"], int | float):
                    assert found == pytest.approx(case["expected"], abs=1e-6), case

    @pytest.mark.parametrize("series", [[], [0.01]])
    def test_of_too_few_returns_there_is_none(self, series):
        few = np.array(series)
        found = [ratios.sharpe(few, 252), ratios.sortino(few, 252), ratios.omega(few), ratios.value_at_risk(few)]
        assert found == [None] * 4
        assert ratios.volatility(1 + few, 252) is ratios.semi_deviation(1 + few, 252) is ratios.expected_shortfall(few) is None

    def test_of_returns_that_do_not_vary_there_is_no_sharpe(self):
        assert ratios.sharpe(np.array([0.01] * 9), 252) is None
        assert ratios.sortino(np.array([0.01] * 9), 252) is None
        assert ratios.calmar(0.1, 0.0) is None

    def test_a_total_loss_has_no_volatility(self):
        assert ratios.volatility(np.array([1.1, 0.0, 1.0]), 252) is None


class TestMeasure:
    def test_the_first_return_of_a_period_is_that_of_its_first_day(self):
        points = points_of([0.01, -0.02, 0.03, 0.005])
        days, growth = growth_of(points[1:], opening=points[0])
        assert len(days) == 3
        assert growth - 1 == pytest.approx([-0.02, 0.03, 0.005])
        assert growth_of(points)[1] - 1 == pytest.approx([-0.02, 0.03, 0.005])  # nothing to measure the very first from

    @given(returns)
    def test_twr_is_the_product_of_the_days(self, daily):
        found = measure(points_of(daily), periods=252)
        assert float(found.twr or 0) == pytest.approx(math.prod(1 + r for r in daily) - 1, abs=1e-10)

    def test_opens_with_the_day_before(self):
        points = points_of([0.1, 0.1, 0.1])
        found = measure(points[1:], periods=252, opening=points[0])
        assert (found.start_value, found.net_flows) == (1100, 0)
        assert found.twr == D("0.21")
        assert (found.gain, found.simple_return) == (231, D("0.21"))

    def test_one_deposit_earns_the_same_by_both_measures(self):
        daily = [0.0] + [0.0003] * 365
        found = measure(points_of(daily), periods=252)
        assert float(found.xirr or 0) == pytest.approx(float(found.twr_annualized or 0), abs=1e-9)

    @pytest.mark.parametrize(("days", "short"), [(1, True), (364, True), (365, False), (800, False)])
    def test_a_period_of_less_than_a_year_is_short(self, days, short):
        assert measure(points_of([0.0003] * days), periods=252).short == short

    def test_months_chain_to_the_whole(self):
        found = measure(points_of([0.01, -0.02, 0.015] * 40), periods=252)
        whole = math.prod(1 + float(month.twr) for month in found.monthly) - 1
        assert whole == pytest.approx(float(found.twr or 0), abs=1e-9)
        assert sum(month.gain for month in found.monthly) == found.gain
        assert [month.month for month in found.monthly][:2] == ["2023-01", "2023-02"]

    def test_only_days_with_new_prices_count_for_volatility(self):
        points = [point._replace(priced=n % 2 == 0) for n, point in enumerate(points_of([0.01, -0.03, 0.02, 0.01, 0.05]))]
        index = [float(point.twr_index) for point in points if point.priced]
        expected = np.std(np.diff(np.log(index)), ddof=1) * math.sqrt(365)
        assert float(measure(points, periods=365).volatility or 0) == pytest.approx(expected, abs=1e-11)

    def test_what_is_not_defined_is_none_with_a_reason(self):
        (only,) = points_of([0.0])
        found = measure([only._replace(priced=False)], periods=252)
        undefined = {
            "twr_annualized",
            "xirr",
            "volatility",
            "semi_deviation",
            "sharpe",
            "sortino",
            "calmar",
            "omega",
            "var_95",
            "cvar_95",
        }
        assert {name for name in undefined if getattr(found, name) is None} == undefined == set(found.reasons)
        assert (found.twr, found.max_drawdown, found.drawdown) == (0, 0, None)

    def test_a_period_after_a_total_loss_has_no_return(self):
        lost = Point(FIRST.toordinal(), D(0), D(0), D(0), priced=True)
        found = measure([lost._replace(day=lost.day + 1)], periods=252, opening=lost)
        assert (found.twr, found.twr_annualized, found.simple_return) == (None, None, None)
        assert found.reasons["twr"] == "All had been lost before the period."

    def test_a_risk_free_rate_is_earned_by_the_period(self):
        points = points_of([0.01, -0.01, 0.02, 0.005])
        with_free = measure(points, periods=252, risk_free=0.05)
        series = np.diff([float(p.twr_index) for p in points]) / [float(p.twr_index) for p in points[:-1]]
        expected = empyrical.sharpe_ratio(series, risk_free=1.05 ** (1 / 252) - 1)
        assert float(with_free.sharpe or 0) == pytest.approx(expected, rel=1e-9)


class TestRates:
    def test_a_year_of_growth_is_its_own_rate(self):
        assert annualized(1.3, 365) == pytest.approx(0.3)

    @pytest.mark.parametrize(("growth", "days"), [(1.1, 0), (-0.1, 10), (2.0, 1), (1e300, 2)])
    def test_what_is_beyond_any_yearly_rate_is_none(self, growth, days):
        assert annualized(growth, days) is None

    @pytest.mark.parametrize("value", [None, math.nan, math.inf, 1e13])
    def test_no_number_is_no_ratio(self, value):
        assert as_ratio(value) is None

    @pytest.mark.parametrize(("start", "end", "index"), [(0, 5, 7), (-3, 5, 7), (5, 5, 7), (5, -2, 0)])
    def test_an_index_stands_still_without_a_start_and_falls_no_lower_than_nothing(self, start, end, index):
        assert linked(7, start, end) == index
