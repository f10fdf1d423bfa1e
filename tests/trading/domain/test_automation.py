"""What an automatic session is told is checked by name, and says how much and where to get out."""

from decimal import Decimal
from uuid import uuid4

import pytest

from marketdata.domain.bars import Timeframe
from trading.domain.automation import AutomationRefused, automation_of, complete, in_steps, in_ticks
from trading.domain.orders import Side

ONE = uuid4()


def made(**written):
    """Return what a session of one instrument is told."""
    return complete(written, kind="sma_cross", instruments=[ONE], base={"fast": 5, "slow": 20})


def test_what_is_left_out_is_the_strategys_or_the_houses():
    found = made(parameters={"fast": 7})
    assert found["instruments"] == [str(ONE)]
    assert (found["timeframe"], found["parameters"]) == ("1d", {"fast": 7, "slow": 20, "average": "SMA", "short": False})
    assert found["rules"] == {"sizing": "RISK", "amount": "0.01", "shorts": False}


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ({"lever": 3}, "configuration.lever"),
        ({"timeframe": "2d"}, "configuration.timeframe"),
        ({"rules": []}, "configuration.rules"),
        ({"rules": {"sizing": "ALL"}}, "configuration.rules.sizing"),
        ({"rules": {"stop_loss": "2"}}, "configuration.rules.stop_loss"),
        ({"parameters": {"fast": 40}}, "configuration.parameters.slow"),
        ({"parameters": {"speed": 40}}, "configuration.parameters.speed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(written, field):
    with pytest.raises(AutomationRefused) as refused:
        made(**written)
    assert {problem.field for problem in refused.value.problems} == {field}


def test_names_one_instrument_or_more_each_once():
    for instruments in ([], [ONE, ONE]):
        with pytest.raises(AutomationRefused):
            complete({}, kind="sma_cross", instruments=instruments, base={})


def test_the_nearer_stop_counts_and_is_in_ticks():
    automation = automation_of("sma_cross", made(timeframe="1h", rules={"stop_loss": "0.05", "take_profit": "0.1"}))
    assert automation.timeframe is Timeframe.HOUR
    tick = Decimal("0.01")
    assert automation.stop_at(Decimal(100), Side.BUY, None, tick) == 95
    assert automation.stop_at(Decimal(100), Side.BUY, Decimal("97.333"), tick) == Decimal("97.33")
    assert automation.stop_at(Decimal(100), Side.SELL, Decimal(120), tick) == 105
    assert automation.target_at(Decimal(100), Side.SELL, tick) == 90
    assert automation_of("sma_cross", made()).stop_at(Decimal(100), Side.BUY, None, tick) is None


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        ({"sizing": "RISK"}, None),
        ({"sizing": "UNITS", "amount": "7"}, 7),
        ({"sizing": "VALUE", "amount": "1000"}, 20),
        ({"sizing": "EQUITY", "amount": "0.1"}, 200),
    ],
)
def test_how_large_a_full_position_is(rules, asked):
    automation = automation_of("sma_cross", made(rules=rules))
    assert automation.asked(equity=Decimal(100_000), unit=Decimal(50)) == asked


def test_steps_and_ticks():
    assert in_steps(Decimal("7.9"), Decimal(1)) == 7
    assert in_ticks(Decimal("0.001"), Decimal("0.01")) == Decimal("0.01")
