"""The strategies that come with the house: what they hold, and that none of them knows the future."""

import numpy as np
import pytest

from trading.domain.strategies import indicators
from trading.domain.strategies.base import BarColumns, ParametersRefused, Strategy
from trading.domain.strategies.registry import BUILT_IN, UnknownStrategy, built_in, made

DAY = 86_400_000_000


def walk(length=300, seed=1):
    """Return bars of a random walk."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, length))), 2)
    opened = np.round(close * np.exp(random.normal(0, 0.005, length)), 2)
    high, low = np.maximum(close, opened) + 0.5, np.minimum(close, opened) - 0.5
    return BarColumns(np.arange(length) * DAY, opened, high, low, close, np.full(length, 1e6))


def closes(*values):
    """Return bars that stand still at each close."""
    column = np.array(values, dtype=np.float64)
    return BarColumns(np.arange(len(column)) * DAY, *[column] * 5)


VARIANTS = [
    ("sma_cross", {}),
    ("sma_cross", {"average": "EMA", "short": True}),
    ("breakout", {}),
    ("breakout", {"short": True, "stop": "1.5", "exit": 20}),
    ("breakout", {"stop": 0, "exit": 1}),
]


class TestAll:
    def test_are_strategies_under_their_own_names(self):
        assert set(BUILT_IN) == {"sma_cross", "breakout"}
        for name, strategy in BUILT_IN.items():
            assert strategy.name == name
            assert isinstance(made(name, {}), Strategy)

    @pytest.mark.parametrize(("kind", "written"), VARIANTS)
    def test_do_not_know_the_future(self, kind, written):
        bars, strategy = walk(), made(kind, written)
        whole = strategy.plan(bars)
        for length in range(1, len(bars) + 1, 7):
            known = strategy.plan(bars.until(length))
            np.testing.assert_array_equal(known.target, whole.target[:length])
            if whole.stop is not None:
                np.testing.assert_array_equal(known.stop, whole.stop[:length])

    @pytest.mark.parametrize(("kind", "written"), VARIANTS)
    def test_say_nothing_before_they_can(self, kind, written):
        strategy = made(kind, written)
        early = strategy.plan(walk().until(strategy.warm_up - 1)).target
        assert not np.nan_to_num(early).any()
        assert np.nan_to_num(strategy.plan(walk()).target).any()

    @pytest.mark.parametrize(("kind", "written"), VARIANTS)
    @pytest.mark.parametrize("length", [0, 1, 2])
    def test_take_no_bars_as_well(self, kind, written, length):
        assert len(made(kind, written).plan(walk().until(length)).target) == length

    def test_unknown_ones_are_refused(self):
        with pytest.raises(UnknownStrategy, match="breakout, sma_cross"):
            built_in("magic")


class TestMovingAverageCross:
    def test_holds_while_the_fast_average_is_above(self):
        plan = made("sma_cross", {"fast": 2, "slow": 3}).plan(closes(1, 1, 1, 4, 4, 4, 1, 1))
        np.testing.assert_array_equal(plan.target, [np.nan, np.nan, np.nan, 1, 1, np.nan, 0, 0])

    @pytest.mark.parametrize("with_talib", [True, False])
    def test_waits_where_prices_stand_still_whatever_they_did_before(self, with_talib, monkeypatch):
        if not with_talib:
            monkeypatch.setattr(indicators, "TALIB", None)
        for seed in range(20):
            before = walk(60, seed).close
            plan = made("sma_cross", {"short": True}).plan(closes(*before, *[before[-1]] * 80))
            assert np.isnan(plan.target[60 + 30 :]).all()

    def test_may_be_short(self):
        plan = made("sma_cross", {"fast": 2, "slow": 3, "short": True}).plan(closes(4, 4, 4, 1))
        assert plan.target[-1] == -1

    def test_refuses_averages_the_wrong_way_round(self):
        with pytest.raises(ParametersRefused) as refused:
            made("sma_cross", {"fast": 30, "slow": 30})
        assert refused.value.codes == {"slow_not_above_fast"}


class TestBreakout:
    def test_gets_in_above_the_channel_and_out_below_the_shorter_one(self):
        written = {"entry": 3, "exit": 2, "stop": 0}
        plan = made("breakout", written).plan(closes(10, 11, 12, 12, 13, 14, 13.5, 12.5, 15))
        assert plan.target.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 1]
        assert plan.stop is None

    def test_sets_its_stop_on_getting_in_and_keeps_it(self):
        plan = made("breakout", {"entry": 3, "exit": 3, "atr": 2, "stop": 2}).plan(closes(10, 11, 12, 13, 14, 15, 9))
        np.testing.assert_array_equal(plan.target, [0, 0, 0, 1, 1, 1, 0])
        np.testing.assert_array_equal(plan.stop, [np.nan] * 3 + [11.0] * 3 + [np.nan])

    def test_may_be_short(self):
        plan = made("breakout", {"entry": 3, "exit": 2, "short": True, "atr": 2}).plan(closes(10, 10, 10, 9, 8, 9.5, 20))
        assert plan.target.tolist() == [0, 0, 0, -1, -1, 0, 1]
        assert plan.stop[3] > 9

    def test_refuses_a_way_out_that_is_longer_than_the_way_in(self):
        with pytest.raises(ParametersRefused) as refused:
            made("breakout", {"entry": 5, "exit": 6})
        assert refused.value.codes == {"exit_above_entry"}


class TestIndicators:
    @pytest.mark.parametrize("length", [1, 2, 5, 20])
    def test_are_what_they_are_called(self, length):
        bars = walk(60)
        windows = np.lib.stride_tricks.sliding_window_view(bars.close, length)
        np.testing.assert_allclose(indicators.average(bars.close, length)[length - 1 :], windows.mean(axis=1), rtol=1e-12)
        np.testing.assert_array_equal(indicators.highest(bars.close, length)[length - 1 :], windows.max(axis=1))
        np.testing.assert_array_equal(indicators.lowest(bars.close, length)[length - 1 :], windows.min(axis=1))

    @pytest.mark.skipif(indicators.TALIB is None, reason="TA-Lib is not installed")
    @pytest.mark.parametrize("length", [2, 3, 14, 55])
    def test_are_the_same_with_and_without_ta_lib(self, length):
        bars = walk(2000)
        ranges = bars.high, bars.low, bars.close, length
        np.testing.assert_array_equal(indicators.average(bars.close, length), indicators.simple(bars.close, length))
        smooth = indicators.smooth_average(bars.close, length), indicators.exponential(bars.close, length)
        np.testing.assert_allclose(*smooth, rtol=1e-13)
        np.testing.assert_allclose(indicators.average_range(*ranges), indicators.true_ranges(*ranges), rtol=1e-13)

    @pytest.mark.skipif(indicators.TALIB is None, reason="TA-Lib is not installed")
    @pytest.mark.parametrize(
        ("kind", "written"),
        [("sma_cross", {"short": True}), ("sma_cross", {"average": "EMA", "short": True}), ("breakout", {"short": True})],
    )
    def test_a_strategy_plans_the_same_with_and_without_ta_lib(self, kind, written, monkeypatch):
        bars = walk(2000)
        with_it = made(kind, written).plan(bars)
        monkeypatch.setattr(indicators, "TALIB", None)
        without = made(kind, written).plan(bars)
        np.testing.assert_array_equal(with_it.target, without.target)
        if with_it.stop is not None:
            np.testing.assert_allclose(with_it.stop, without.stop, rtol=1e-12)
