"""A close beyond the channel of the bars before: in on a new extreme, out on the opposite one of a shorter channel."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import numpy as np

from trading.domain.problems import Problem, refuse_if
from trading.domain.strategies.base import BarColumns, Numbers, Parameter, ParametersRefused, ParameterType, Plan, Value
from trading.domain.strategies.indicators import average_range, carried, highest, lowest

LONGEST = 500


class Breakout:
    """Buys a close above the highest high of the bars before, and sells one below the lowest low of fewer bars."""

    name: ClassVar[str] = "breakout"
    description: ClassVar[str] = (
        "Long after a close above the channel of the bars before, until one below a shorter channel, or the stop."
    )
    entry_type: ClassVar[str] = "breakout"
    indicators: ClassVar[tuple[str, ...]] = ("MAX", "MIN", "ATR")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("entry", ParameterType.INTEGER, 20, "Bars of the channel that is broken to get in.", least=2, most=LONGEST),
        Parameter(
            "exit",
            ParameterType.INTEGER,
            10,
            "Bars of the channel to get out; no more than those to get in.",
            least=1,
            most=LONGEST,
        ),
        Parameter("atr", ParameterType.INTEGER, 14, "Bars of the average true range.", least=1, most=LONGEST),
        Parameter(
            "stop", ParameterType.DECIMAL, Decimal(2), "How many ranges from the close the stop lies; 0: none.", least=0, most=50
        ),
        Parameter("short", ParameterType.BOOLEAN, False, "Whether to sell short below the channel, too."),
    )

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.entry, self.exit, self.atr = int(values["entry"]), int(values["exit"]), int(values["atr"])
        self.ranges, self.short = float(values["stop"]), bool(values["short"])
        detail = f"Write no more than the {self.entry} bars of the channel to get in."
        problem = Problem("parameters.exit", "exit_above_entry", detail)
        refuse_if([problem] if self.exit > self.entry else [], ParametersRefused)

    @property
    def warm_up(self) -> int:
        """How many bars it needs before it can say anything."""
        return max(self.entry, self.atr) + 1

    def plan(self, bars: BarColumns) -> Plan:
        """Return what it would hold after each bar, and the stop that was set on getting in."""
        top, bottom = _before(highest(bars.high, self.entry)), _before(lowest(bars.low, self.entry))
        over, under = _before(highest(bars.high, self.exit)), _before(lowest(bars.low, self.exit))
        target = _side(bars.close > top, bars.close < under)
        if self.short:  # a close below the longer channel is below the shorter one as well: never both
            target -= _side(bars.close < bottom, bars.close > over)
        if not self.ranges:
            return Plan(target)
        began = target != np.concatenate([[0.0], target[:-1]])
        away = average_range(bars.high, bars.low, bars.close, self.atr) * self.ranges
        stop = carried(np.where(began, bars.close - target * away, np.nan))
        return Plan(target, np.where(target != 0, stop, np.nan))


def _side(entered: np.ndarray, left: np.ndarray) -> Numbers:
    """Return 1 from each bar on which it gets in until one on which it gets out, and 0 elsewhere."""
    return np.nan_to_num(carried(np.where(entered, 1.0, np.where(left, 0.0, np.nan))))


def _before(values: Numbers) -> Numbers:
    """Return what was known one bar before."""
    return np.concatenate([[np.nan], values[:-1]]) if len(values) else values
