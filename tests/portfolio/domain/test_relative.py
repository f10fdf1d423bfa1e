"""Returns beside a benchmark, over windows that move along, and all falls of a series: against empyrical and published tables."""

import math
from datetime import date, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portfolio.domain import ratios, relative
from portfolio.domain.drawdown import drawdowns
from portfolio.domain.rolling import BESIDE, OWN, rolled
from tests.portfolio.fixtures import published

D = Decimal
FIRST = date(2023, 1, 2)
returns = st.lists(st.floats(-0.2, 0.2).map(lambda r: round(r, 6)), min_size=3, max_size=60)


class TestDrawdowns:
    @given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
    def test_none_is_part_of_another_and_every_day_below_a_peak_is_in_one(self, values):
        series = [(FIRST + timedelta(n), D(value)) for n, value in enumerate(values)]
        falls = drawdowns(series)
        assert [fall.depth for fall in falls] == sorted(fall.depth for fall in falls)
        spans = [(fall.start, fall.recovered or date.max) for fall in falls]
        for number, (day, value) in enumerate(series):
            below = value < max(values[: number + 1])
            assert sum(start <= day < end for start, end in spans) == below
        by_day = dict(series)
        for fall in falls:
            assert fall.depth == pytest.approx(by_day[fall.trough] / by_day[fall.peak] - 1)
            assert fall.days == ((fall.recovered or series[-1][0]) - fall.peak).days
            assert fall.days_to_trough + (fall.days_to_recovery or 0) == (fall.days if fall.recovered else fall.days_to_trough)

    def test_the_deepest_of_a_few_is_the_deepest_of_all(self):
        series = [(FIRST + timedelta(n), D(value)) for n, value in enumerate((9, 8, 9, 5, 9, 7, 10, 1))]
        assert [fall.depth for fall in drawdowns(series, most=2)] == [fall.depth for fall in drawdowns(series)][:2]
        assert drawdowns([]) == [] == drawdowns(series[:1])


class TestInOneGo:
    @given(returns, st.floats(0, 0.001))
    def test_figures_are_those_that_each_function_gives_alone(self, daily, free):
        growth = 1 + np.array(daily)
        found = ratios.measures(growth, 252, free)
        alone = {
            "volatility": ratios.volatility(growth, 252),
            "semi_deviation": ratios.semi_deviation(growth, 252),
            "sharpe": ratios.sharpe(growth - 1, 252, free),
            "sortino": ratios.sortino(growth - 1, 252, free),
            "omega": ratios.omega(growth - 1, free),
            "var_95": ratios.value_at_risk(growth - 1),
            "cvar_95": ratios.expected_shortfall(growth - 1),
        }
        assert set(found) == set(alone) == set(ratios.MEASURES)
        for name, value in alone.items():
            assert (found[name] is None) == (value is None), name
            assert value is None or found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name

    @given(returns)
    def test_the_tail_is_that_of_empyrical_and_numpy(self, daily):
        series = np.array(daily)
        limit, worst = ratios.tail(series)
        assert limit == pytest.approx(empyrical.value_at_risk(series), abs=1e-15)
        assert worst == pytest.approx(series[series <= limit].mean() if (series <= limit).any() else limit, abs=1e-15)

    @given(st.lists(st.integers(-2000, 2000), min_size=3, max_size=80, unique=True))
    def test_of_days_that_differ_the_shortfall_is_empyricals(self, basis_points):
        """Days as bad as the value at risk all count with us; it takes one twentieth of the days, and of equal ones only some."""
        series = np.array(basis_points) / 10_000
        assert ratios.expected_shortfall(series) == pytest.approx(empyrical.conditional_value_at_risk(series), abs=1e-12)


class TestRelative:
    """Against empyrical, which compounds alpha as we do; its ratio of excess returns is of a day, ours of a year."""

    @given(returns, st.floats(0, 0.1))
    def test_agrees_with_empyrical(self, daily, yearly):
        ours = np.array(daily)
        theirs = np.roll(ours, 1) * 0.5 + 0.001 * np.arange(len(ours)) % 0.007
        assume(np.std(theirs) > 1e-4 and np.std(ours - theirs) > 1e-4 and np.std(ours) > 1e-4)
        free = (1 + yearly) ** (1 / 252) - 1
        assert relative.beta(ours, theirs) == pytest.approx(empyrical.beta(ours, theirs), rel=1e-7, abs=1e-9)
        expected = empyrical.alpha(ours, theirs, risk_free=free)
        assert relative.alpha(ours, theirs, 252, free) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        excess = empyrical.excess_sharpe(ours, theirs) * math.sqrt(252)
        assert relative.information_ratio(ours, theirs, 252) == pytest.approx(excess, rel=1e-7, abs=1e-9)
        assert relative.tracking_error(ours, theirs, 252) == pytest.approx(empyrical.annual_volatility(ours - theirs), rel=1e-9)
        assert relative.correlation(ours, theirs) == pytest.approx(np.corrcoef(ours, theirs)[0, 1], abs=1e-9)

    def test_empyrical_publishes_these(self):
        table = published("empyrical/metrics_table.json")
        series = {name: [float(r) if r is not None else math.nan for r in values] for name, values in table["series"].items()}
        checked = 0
        for case in table["cases"]:
            if case["metric"] not in {"alpha_beta", "excess_sharpe"} or not isinstance(case.get("benchmark"), str):
                continue
            ours = np.array(series[case["returns"]])
            name = case["benchmark"].split(" ")[0]
            theirs = -np.array(series[name[1:]]) if name.startswith("-") else np.array(series[name])
            both = ~(np.isnan(ours) | np.isnan(theirs))
            ours, theirs = ours[both], theirs[both]
            if case["metric"] == "alpha_beta":
                found = [relative.alpha(ours, theirs, 252), relative.beta(ours, theirs)]
                assert found == pytest.approx(case["expected"], abs=1e-8)
            else:
                found = relative.information_ratio(ours, theirs, 252)
                assert found / math.sqrt(252) == pytest.approx(case["expected"], abs=1e-8)
            checked += 1
        assert checked >= 3

    def test_what_is_not_defined_is_none(self):
        still, few = np.full(9, 0.01), np.array([0.01])
        moving = np.arange(9) / 100
        assert relative.beta(moving, still) is relative.alpha(moving, still, 252) is relative.correlation(moving, still) is None
        assert relative.information_ratio(moving, moving, 252) is None
        assert relative.tracking_error(moving, moving, 252) == 0
        assert set(relative.against(few, few, 252).values()) == {None}
        assert relative.alpha(np.full(9, -2.0) + moving, moving, 252) is None  # more than everything is lost


class TestRolling:
    @given(returns, st.integers(2, 12))
    def test_each_row_is_what_its_window_says_alone(self, daily, window):
        growth = 1 + np.array(daily)
        market = 1 + np.roll(np.array(daily), 1) * 0.4
        found = rolled(growth, window=window, figures=[*OWN, *BESIDE], periods=252, free=0.0001, market=market)
        assert {len(column) for column in found.values()} == {max(len(growth) - window + 1, 0)}
        for place in range(len(growth) - window + 1):
            ours, theirs = growth[place : place + window], market[place : place + window]
            assume(np.std(ours) > 1e-6 and np.std(ours - theirs) > 1e-6)
            alone = {
                "twr": math.prod(ours) - 1,
                "volatility": ratios.volatility(ours, 252),
                "semi_deviation": ratios.semi_deviation(ours, 252),
                "sharpe": ratios.sharpe(ours - 1, 252, 0.0001),
                "sortino": ratios.sortino(ours - 1, 252, 0.0001),
                "omega": ratios.omega(ours - 1, 0.0001),
                "max_drawdown": empyrical.max_drawdown(ours - 1),
                "var_95": ratios.value_at_risk(ours - 1),
                "cvar_95": ratios.expected_shortfall(ours - 1),
                "benchmark_twr": math.prod(theirs) - 1,
                **relative.against(ours - 1, theirs - 1, 252, 0.0001),
            }
            for name, value in alone.items():
                got = found[name][place]
                if value is None:
                    assert math.isnan(got), name
                else:
                    assert got == pytest.approx(value, rel=1e-6, abs=1e-8), name

    def test_looks_at_long_series_in_blocks(self):
        growth = 1 + np.sin(np.arange(6000)) / 50
        found = rolled(growth, window=1000, figures=["sharpe"], periods=252)["sharpe"]
        assert len(found) == 5001
        assert found[-1] == pytest.approx(ratios.sharpe(growth[-1000:] - 1, 252))
