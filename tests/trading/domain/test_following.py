"""Fed bar by bar, a strategy decides what it decides in a backtest: on the same bars, and never by what comes later."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from trading.domain.backtest_costs import Costs
from trading.domain.backtest_steps import Cause, Exits, Market, steps_of
from trading.domain.following import Change, change, choice_of, nearer, see, sign, signal_of
from trading.domain.strategies.base import BarColumns
from trading.domain.strategies.registry import made

DAY = 86_400_000_000
STRATEGIES = [
    ("sma_cross", {"fast": 3, "slow": 8}),
    ("sma_cross", {"fast": 3, "slow": 8, "short": True}),
    ("sma_cross", {"fast": 2, "slow": 5, "average": "EMA", "short": True}),
    ("breakout", {"entry": 6, "exit": 3, "atr": 4, "stop": "0"}),
    ("breakout", {"entry": 6, "exit": 3, "atr": 4, "stop": "1.5"}),
    ("breakout", {"entry": 6, "exit": 3, "atr": 4, "stop": "1", "short": True}),
]


def prices(seed: int, length: int = 300) -> BarColumns:
    """Return bars that go up and down."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, length))), 2)
    opened = np.round(np.concatenate([[100.0], close[:-1]]) * (1 + random.normal(0, 0.003, length)), 2)
    high, low = np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.5
    return BarColumns(np.arange(length) * DAY, opened, high, low, close, np.full(length, 1000.0))


def in_backtest(strategy, bars: BarColumns, begin: int, *, shorts: bool) -> tuple[list[tuple[int, float]], set[int]]:
    """Return on which bars a backtest decides what by its plan, and in which it is stopped out."""
    steps = list(
        steps_of(0, Market.of("X", bars), strategy.plan(bars), exits=Exits(), costs=Costs(), shorts=shorts, begin=begin * DAY)
    )
    decided = {step.bar - 1: step.target for step in steps if step.cause is Cause.SIGNAL}
    return sorted(decided.items()), {step.bar for step in steps if step.cause is Cause.STOP}


def bar_by_bar(strategy, bars: BarColumns, begin: int, stops: set[int], *, shorts: bool) -> list[tuple[int, float]]:
    """Return what is decided by one who sees one bar after the other, is filled at the next open, and stopped out at times."""
    found, before, held, waiting = [], Decimal(0), Decimal(0), None
    for bar in range(begin - 1, len(bars)):
        held, waiting = (held if waiting is None else waiting), None
        if bar in stops:
            held = Decimal(0)
        seen = see(strategy, bars.until(bar + 1), shorts=shorts, begin=(begin - 1) * DAY)
        wish = change(target=seen.target, before=before, held=held)
        if not wish.is_nothing:
            found.append((bar, float(seen.target)))
            waiting = seen.target
        before = seen.target
    return [one for one in found if one[0] < len(bars) - 1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "parameters"), STRATEGIES)
def test_decides_bar_by_bar_what_a_backtest_decides(kind, parameters, seed):
    strategy, bars, shorts = made(kind, parameters), prices(seed), bool(parameters.get("short"))
    decided, stops = in_backtest(strategy, bars, 20, shorts=shorts)
    assert len(decided) > 5
    assert bar_by_bar(strategy, bars, 20, stops, shorts=shorts) == decided


@pytest.mark.parametrize(("kind", "parameters"), STRATEGIES)
def test_another_future_changes_nothing_that_was_seen(kind, parameters):
    strategy, bars = made(kind, parameters), prices(7)
    for length in (30, 90, 150):
        other = replace(bars, **{name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")})
        for name in ("open", "high", "low", "close"):
            getattr(other, name)[length:] *= 3
        one, two = (see(strategy, each.until(length), shorts=True, begin=0) for each in (bars, other))
        assert one == two


@pytest.mark.parametrize(
    ("target", "before", "held", "left", "entered"),
    [
        (1, 0, 0, 1, 1),
        (1, 1, 10, 1, 0),
        (1, 1, 0, 1, 0),  # it was stopped out, or missed
        (0, 1, 10, 0, 0),
        (0, 0, 10, 0, 0),  # it could not get out before
        (0, 1, 0, 1, 0),
        (-1, 1, 10, 0, -1),
        (-1, 1, 0, 1, -1),
        (-1, -1, 10, 0, 0),  # it could not turn, and missed the other way
        ("0.5", 1, 10, "0.5", 0),
        (1, "0.5", 10, 1, "0.5"),
    ],
)
def test_does_what_is_wanted_and_retries_no_entry(target, before, held, left, entered):
    found = change(target=Decimal(target), before=Decimal(before), held=Decimal(held))
    assert (found.left, found.entered) == (Decimal(left), Decimal(entered))


def test_a_change_is_told_as_a_signal_and_a_choice():
    leave, enter, turn = Change(left=Decimal(0)), Change(entered=Decimal(1)), Change(left=Decimal(0), entered=Decimal(-1))
    held = Decimal(5)
    assert [signal_of(one, held) for one in (leave, enter, turn)] == ["EXIT_LONG", "ENTER_LONG", "ENTER_SHORT"]
    assert [choice_of(one, held) for one in (leave, enter, turn)] == ["SELL", "BUY", "SELL"]
    assert (signal_of(leave, -held), choice_of(leave, -held)) == ("EXIT_SHORT", "BUY")
    assert [sign(Decimal(number)) for number in (-3, 0, 2)] == [-1, 0, 1]
    assert nearer(None, None, Decimal(1)) is None
