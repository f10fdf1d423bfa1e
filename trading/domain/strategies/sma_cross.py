"""A moving average over a slower one: long above it, and short below it where that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from trading.domain.problems import Problem, refuse_if
from trading.domain.strategies.base import BarColumns, Parameter, ParametersRefused, ParameterType, Plan, Value
from trading.domain.strategies.indicators import average, smooth_average

LONGEST = 500
EQUAL = 1e-9  # part of a price by which averages differ that are equal: sums of floats are not quite what they should be


class MovingAverageCross:
    """Holds while the fast average of closes is above the slow one."""

    name: ClassVar[str] = "sma_cross"
    description: ClassVar[str] = "Long while the fast moving average of closes is above the slow one."
    entry_type: ClassVar[str] = "trend"
    indicators: ClassVar[tuple[str, ...]] = ("SMA", "EMA")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("fast", ParameterType.INTEGER, 10, "Bars of the fast average.", least=2, most=LONGEST),
        Parameter(
            "slow", ParameterType.INTEGER, 30, "Bars of the slow average; more than those of the fast.", least=3, most=LONGEST
        ),
        Parameter("average", ParameterType.CHOICE, "SMA", "Simple or exponential averages.", choices=("SMA", "EMA")),
        Parameter("short", ParameterType.BOOLEAN, False, "Whether to be short while the fast average is below."),
    )

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.fast, self.slow = int(values["fast"]), int(values["slow"])
        self.of = average if values["average"] == "SMA" else smooth_average
        self.below = -1.0 if values["short"] else 0.0
        detail = f"Write more than the fast average's {self.fast} bars."
        problem = Problem("parameters.slow", "slow_not_above_fast", detail)
        refuse_if([problem] if self.slow <= self.fast else [], ParametersRefused)

    @property
    def warm_up(self) -> int:
        """How many bars it needs before it can say anything."""
        return self.slow

    def plan(self, bars: BarColumns) -> Plan:
        """Return what it would hold after each bar; where the averages are equal, what it held before."""
        ahead = self.of(bars.close, self.fast) / self.of(bars.close, self.slow) - 1
        return Plan(np.where(ahead > EQUAL, 1.0, np.where(ahead < -EQUAL, self.below, np.nan)))
