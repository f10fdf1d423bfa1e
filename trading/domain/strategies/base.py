"""What a strategy is: declared parameters, and one pure function from bars to what it would hold after each of them.

The same class runs in a backtest, on paper and live. In a backtest its plan is read bar by bar; on a new bar, the last row of its
plan counts. What it says of a bar may rest on that bar and those before it alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.exact import plain
from trading.domain.numbers import read_number
from trading.domain.problems import Problem, Refused, refuse_if

Numbers = NDArray[np.float64]
Value = int | Decimal | bool | str
# what a wrong program raises; a worker that is told to stop raises something else
MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)


class ParametersRefused(Refused):
    """Parameters that the strategy does not take."""


class StrategyFailed(Refused):
    """A strategy whose plan cannot be made, or cannot be read: its program is wrong."""


class ParameterType(enum.StrEnum):
    """What a parameter is written as."""

    INTEGER = "INTEGER"
    DECIMAL = "DECIMAL"
    BOOLEAN = "BOOLEAN"
    CHOICE = "CHOICE"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a strategy may be told."""

    name: str
    type: ParameterType
    default: Value
    description: str
    least: Decimal | int | None = None
    most: Decimal | int | None = None
    choices: tuple[str, ...] = ()

    def read(self, written: Any) -> Value:
        """Return the value that is written, as a number, a text or as JSON has it.

        :raises ValueError: saying what to write
        """
        if self.type is ParameterType.BOOLEAN:
            return self._flag(written)
        if self.type is ParameterType.CHOICE:
            if written not in self.choices:
                raise ValueError(f"Write one of {', '.join(self.choices)}.")
            return str(written)
        return self._within(self._number(written))

    def describe(self) -> dict[str, Any]:
        """Return what a page or a program needs to ask for it."""
        said: dict[str, Any] = {"name": self.name, "type": self.type.value, "description": self.description}
        numbers = {"default": self.default, "least": self.least, "most": self.most}
        said |= {name: plain(value) if isinstance(value, Decimal) else value for name, value in numbers.items()}
        return said | {"choices": list(self.choices)}

    def _flag(self, written: Any) -> bool:
        words = {"true": True, "false": False}
        if isinstance(written, bool):
            return written
        if not isinstance(written, str) or written.lower() not in words:
            raise ValueError("Write true or false.")
        return words[written.lower()]

    def _number(self, written: Any) -> int | Decimal:
        kind = "a whole number" if self.type is ParameterType.INTEGER else "a number"
        number = read_number(written)
        if number is None or (self.type is ParameterType.INTEGER and number != number.to_integral_value()):
            raise ValueError(f"Write {kind}, such as {self.default}.")
        return int(number) if self.type is ParameterType.INTEGER else number

    def _within(self, number: int | Decimal) -> int | Decimal:
        if self.least is not None and number < self.least:
            raise ValueError(f"Write {self.least} or more.")
        if self.most is not None and number > self.most:
            raise ValueError(f"Write {self.most} or less.")
        return number


@dataclass(frozen=True, slots=True)
class BarColumns:
    """The bars of one instrument, oldest first, column by column; `timestamps` are microseconds since 1970, of the start."""

    timestamps: NDArray[np.int64]
    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers
    volume: Numbers

    def __len__(self) -> int:
        return len(self.timestamps)

    def until(self, length: int) -> BarColumns:
        """Return the first bars alone: all that was known then."""
        columns = (self.open, self.high, self.low, self.close, self.volume)
        return BarColumns(self.timestamps[:length], *(column[:length] for column in columns))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a strategy would hold after each bar, as a fraction of what it may: 1 long, -1 short, 0 nothing, NaN as before.

    `stop` is where it would get out, NaN where it has no such place.
    """

    target: Numbers
    stop: Numbers | None = None


@runtime_checkable
class Strategy(Protocol):
    """A way of trading one instrument; made with the values of its parameters."""

    name: ClassVar[str]
    description: ClassVar[str]
    entry_type: ClassVar[str]
    indicators: ClassVar[tuple[str, ...]]
    parameters: ClassVar[tuple[Parameter, ...]]

    def __init__(self, values: Mapping[str, Value]) -> None: ...

    @property
    def warm_up(self) -> int:
        """How many bars it needs before it can say anything."""
        ...

    def plan(self, bars: BarColumns) -> Plan:
        """Return what it would hold after each bar."""
        ...


def plan_of(strategy: Strategy, bars: BarColumns) -> Plan:
    """Return what a strategy would hold after each bar.

    :raises StrategyFailed: if its program fails, or does not say one thing of each bar
    """
    try:
        said = strategy.plan(bars)
        columns = [np.asarray(said.target, dtype=np.float64)]
        columns += [] if said.stop is None else [np.asarray(said.stop, dtype=np.float64)]
    except MISTAKES as error:
        detail = f"The strategy {strategy.name} failed: {type(error).__name__}: {error}"
        raise StrategyFailed([Problem("", "strategy_failed", detail)]) from error
    wrong = next((each.shape for each in columns if each.shape != (len(bars),)), None)
    if wrong is not None:
        detail = f"The strategy {strategy.name} has to say one number of each of {len(bars)} bars, not {wrong}."
        raise StrategyFailed([Problem("", "strategy_failed", detail)])
    return Plan(*columns)


def read_parameters(declared: Sequence[Parameter], written: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values of a strategy's parameters, defaults included.

    :raises ParametersRefused: by name

    >>> fast = Parameter("fast", ParameterType.INTEGER, 10, "Days of the fast average.", least=2, most=200)
    >>> read_parameters([fast], {"fast": "20"}), read_parameters([fast], {})
    ({'fast': 20}, {'fast': 10})
    """
    known = {one.name: one for one in declared}
    problems = [
        Problem(f"parameters.{name}", "unknown_parameter", f"The strategy takes {', '.join(known) or 'no parameters'}.")
        for name in written
        if name not in known
    ]
    values: dict[str, Value] = {}
    for name, one in known.items():
        try:
            values[name] = one.read(written.get(name, one.default))
        except ValueError as error:
            problems.append(Problem(f"parameters.{name}", "invalid", str(error)))
    refuse_if(problems, ParametersRefused)
    return values
