"""Strategies that a site writes itself: known by their names like those of the house, or refused with the reason."""

import numpy as np
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from trading.domain.strategies import registry
from trading.domain.strategies.base import BarColumns, Parameter, ParameterType, Plan, StrategyFailed, plan_of
from trading.domain.strategies.registry import BUILT_IN, built_in, made, register

HERE = "tests.trading.domain.strategies.test_own"
DAYS = Parameter("days", ParameterType.INTEGER, 3, "Lower closes in a row.", least=1, most=20)


class FallingDays:
    """Buys after so many lower closes in a row, and sells after one that is higher."""

    name = "falling_days"
    description = "Long after lower closes in a row, until a higher one."
    entry_type = "mean reversion"
    indicators = ()
    parameters = (DAYS,)

    def __init__(self, values):
        self.days = values["days"]
        self.warm_up = self.days + 1

    def plan(self, bars):
        change = np.diff(bars.close, prepend=np.nan)
        lower = np.convolve(change < 0, np.ones(self.days))[: len(bars)] == self.days
        return Plan(np.where(change > 0, 0.0, np.where(lower, 1.0, np.nan)))


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    """Let what a test registers be forgotten."""
    known = dict(registry._known)
    monkeypatch.setattr(registry, "_known", known)
    monkeypatch.setattr(registry, "BUILT_IN", known)


def variant(**own):
    """Return a class like the one above, but for some things."""
    return type("Variant", (FallingDays,), own)


def bars_of(*closes):
    close = np.array(closes, dtype=np.float64)
    return BarColumns(np.arange(len(close)), close, close, close, close, np.ones(len(close)))


class TestRegistered:
    def test_by_the_setting(self, settings):
        settings.STRATEGIES = [f"{HERE}.FallingDays"]
        apps.get_app_config("trading").ready()
        apps.get_app_config("trading").ready()  # the same once more is no other
        assert built_in("falling_days") is FallingDays
        assert made("falling_days", {"days": "2"}).warm_up == 3

    def test_those_of_the_house_stay(self):
        register(FallingDays)
        assert {"sma_cross", "breakout"} < set(registry.BUILT_IN)
        assert "falling_days" not in BUILT_IN  # what was there before the test

    @pytest.mark.parametrize(
        ("strategy", "reason"),
        [
            (FallingDays({"days": 3}), "no class"),
            (type("Empty", (), {}), "lacks name, description, entry_type, indicators, parameters, plan"),
            (variant(name="Falling days"), "small letters"),
            (variant(name="breakout"), "breakout already"),
            (variant(parameters=[DAYS]), "tuple of Parameter"),
            (variant(parameters=()), "KeyError: 'days'"),
            (variant(__init__=lambda self, values: None), "warm_up"),
        ],
        ids=["object", "empty", "name", "taken", "list", "undeclared", "no warm-up"],
    )
    def test_or_refused_with_the_reason(self, strategy, reason):
        with pytest.raises(ValueError, match=reason):
            register(strategy)

    @pytest.mark.parametrize("path", ["nowhere.Strategy", f"{HERE}.Missing", f"{HERE}.DAYS"])
    def test_what_is_none_stops_the_boot_by_name(self, settings, path):
        settings.STRATEGIES = [path]
        with pytest.raises(ImproperlyConfigured, match=f"STRATEGIES: {path}: "):
            apps.get_app_config("trading").ready()


class TestPlans:
    def test_are_read_as_they_are(self):
        plan = plan_of(FallingDays({"days": 3}), bars_of(10, 9, 8, 7, 7, 8))
        np.testing.assert_array_equal(plan.target, [np.nan, np.nan, np.nan, 1, np.nan, 0])
        assert plan.stop is None

    @pytest.mark.parametrize(
        ("plan", "reason"),
        [
            (lambda self, bars: 1 / 0, "falling_days failed: ZeroDivisionError: division by zero"),
            (lambda self, bars: None, "failed: AttributeError"),
            (lambda self, bars: Plan(np.ones(2)), r"one number of each of 3 bars, not \(2,\)"),
            (lambda self, bars: Plan(np.ones(3), np.ones((3, 2))), r"not \(3, 2\)"),
            (lambda self, bars: Plan(["a"] * 3), "failed: ValueError"),
        ],
        ids=["raises", "nothing", "short", "stops", "words"],
    )
    def test_that_cannot_be_made_or_read_say_so(self, plan, reason):
        with pytest.raises(StrategyFailed, match=reason):
            plan_of(variant(plan=plan)({"days": 3}), bars_of(3, 2, 1))
