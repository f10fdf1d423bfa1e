"""Parameters of strategies: read as people and programs write them, within their bounds."""

from decimal import Decimal

import numpy as np
import pytest

from trading.domain.strategies.base import (
    BarColumns,
    Parameter,
    ParametersRefused,
    ParameterType,
    Plan,
    Strategy,
    read_parameters,
)

FAST = Parameter("fast", ParameterType.INTEGER, 10, "Bars of the fast average.", least=2, most=200)
SHARE = Parameter("share", ParameterType.DECIMAL, Decimal("0.5"), "How much.", least=0, most=1)
SHORT = Parameter("short", ParameterType.BOOLEAN, False, "Whether to sell short.")
KIND = Parameter("kind", ParameterType.CHOICE, "SMA", "Which average.", choices=("SMA", "EMA"))
ALL = (FAST, SHARE, SHORT, KIND)


class Always:
    """Holds whatever there is."""

    name = "always"
    description = "Buys and holds."
    entry_type = "none"
    indicators = ()
    parameters = ()
    warm_up = 1

    def __init__(self, values):
        self.values = values

    def plan(self, bars):
        return Plan(np.ones(len(bars)))


class TestParameters:
    def test_left_out_are_their_defaults(self):
        assert read_parameters(ALL, {}) == {"fast": 10, "share": Decimal("0.5"), "short": False, "kind": "SMA"}

    @pytest.mark.parametrize(
        ("name", "written", "value"),
        [
            ("fast", "20", 20),
            ("fast", 20.0, 20),
            ("fast", 2, 2),
            ("share", "0.25", Decimal("0.25")),
            ("share", 1, Decimal(1)),
            ("short", True, True),
            ("short", "TRUE", True),
            ("kind", "EMA", "EMA"),
        ],
    )
    def test_are_read_as_they_are_written(self, name, written, value):
        read = read_parameters(ALL, {name: written})[name]
        assert (read, type(read)) == (value, type(value))

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            *(("fast", value) for value in ("x", 1, 201, "2.5", True, None, "NaN", [], "1e999999999")),
            *(("share", value) for value in ("-0.1", "1.1", "Infinity", {}, "1e-999999999")),
            *(("short", value) for value in (1, "yes", None)),
            ("kind", "WMA"),
            ("slow", 3),
        ],
    )
    def test_are_refused_by_name(self, name, written):
        with pytest.raises(ParametersRefused) as refused:
            read_parameters(ALL, {name: written})
        assert [problem.field for problem in refused.value.problems] == [f"parameters.{name}"]

    def test_are_described_as_json_carries_it(self):
        assert SHARE.describe() == {
            "name": "share",
            "type": "DECIMAL",
            "description": "How much.",
            "default": "0.5",
            "least": 0,
            "most": 1,
            "choices": [],
        }


class TestStrategy:
    def test_is_known_by_what_it_has(self):
        assert isinstance(Always({}), Strategy)
        assert not isinstance(object(), Strategy)

    def test_sees_the_first_bars_as_they_were(self):
        numbers = np.arange(5, dtype=np.float64)
        bars = BarColumns(np.arange(5), *[numbers] * 5)
        assert len(bars.until(3)) == 3
        assert list(bars.until(3).close) == [0, 1, 2]
        assert list(Always({}).plan(bars).target) == [1] * 5
