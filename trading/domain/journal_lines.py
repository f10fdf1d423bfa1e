"""Two files that trading bots keep beside their trades, line by line: how the last trades did, and which limits were broken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from accounts.domain.json_text import read_json, storable
from accounts.domain.limits import problem_of_data, problem_of_number, problem_of_text
from portfolio.domain.exact import plain
from trading.domain.journal import tidy
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.risk import Severity
from trading.domain.trade_records import read_number, read_time, time_text

LONGEST_WORD, LONGEST_TEXT = 50, 10_000
MOST_COUNT = 2**31 - 1
RATIO = 12  # places of a ratio


class LineUnreadable(Refused):
    """A line that is none of its file."""


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNT:
        raise ValueError("Write a whole number, zero or above.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Write true or false.")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Write a text.")
    if told := problem_of_text(value, most=LONGEST_TEXT):
        raise ValueError(told)
    return value


def _word(value: Any) -> str:
    word = _text(value)
    if not word.strip() or len(word) > LONGEST_WORD:
        raise ValueError(f"Write a word of up to {LONGEST_WORD} characters.")
    return word


def _severity(value: Any) -> str:
    if value not in [one.value for one in Severity]:  # whatever JSON has, a list too, can be looked for in a list
        raise ValueError(f"Write one of {', '.join(one.value for one in Severity)}.")
    return str(value)


def _number(value: Any, places: int = 10) -> Decimal:
    number = read_number(value)
    if told := problem_of_number(number, digits=15, places=places):
        raise ValueError(told)
    return number


def _share(value: Any) -> Decimal:
    number = _number(value, RATIO)
    if not 0 <= number <= 1:
        raise ValueError("Write a share from 0 to 1.")
    return number


def _not_negative(value: Any) -> Decimal:
    number = _number(value, RATIO)
    if number < 0:
        raise ValueError("It cannot be below zero.")
    return number


def _not_positive(value: Any) -> Decimal:
    number = _number(value, RATIO)
    if number > 0:
        raise ValueError("It cannot be above zero.")
    return number


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("Write a JSON object.")
    kept: dict[str, Any] = storable(value)
    if told := problem_of_data(kept):
        raise ValueError(told)
    return kept


class Line:
    """What lines of both files have in common: one JSON object each, with fields that are read by `readers`."""

    @classmethod
    def readers(cls) -> Mapping[str, Callable[[Any], Any]]:
        """Return how each field is read, in the order of the file."""
        raise NotImplementedError

    @classmethod
    def read(cls, line: str) -> Self:
        """Return what a line says.

        :raises LineUnreadable: if it is none, by field
        """
        said = mapping_of(line)
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        of_class: Any = cls  # a dataclass
        optional = {one.name for one in fields(of_class) if one.default is None or one.default_factory is not MISSING}
        for name, reader in cls.readers().items():
            if said.get(name) is None:
                if name not in optional:
                    problems.append(Problem(name, "required", "The field is required."))
                continue
            try:
                values[name] = reader(said[name])
            except ValueError as error:
                problems.append(Problem(name, "invalid", str(error)))
        unknown = said.keys() - cls.readers().keys()
        problems += [Problem(str(name)[:LONGEST_WORD], "unknown", "The file has no such field.") for name in sorted(unknown)]
        refuse_if(problems, LineUnreadable)
        return cls(**values)

    def to_line(self) -> str:
        """Return it as the line of a file, without its line break."""
        return json.dumps({name: _written(getattr(self, name)) for name in self.readers()}, ensure_ascii=False)

    @property
    def digest(self) -> str:
        """What tells it from other lines, however its numbers are written."""
        same = {name: plain(value) if isinstance(value, Decimal) else _written(value) for name, value in self._values()}
        return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()

    def _values(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.readers()]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceLine(Line):
    """How the last trades did: a line of `performance-alerts.jsonl`. The drawdown is in percent, zero or below."""

    timestamp: datetime
    window_size: int
    win_rate: Decimal | None = None
    profit_factor: Decimal | None = None
    max_drawdown_pct: Decimal | None = None
    consecutive_losses: int
    total_trades: int
    alert_triggered: bool
    alert_message: str | None = None

    @classmethod
    def readers(cls) -> Mapping[str, Callable[[Any], Any]]:
        """Return how each field is read."""
        return PERFORMANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLine(Line):
    """A limit that was broken: a line of `risk-management.jsonl`. The share of the day is in percent."""

    timestamp: datetime
    event_type: str
    severity: str
    daily_pnl: Decimal | None = None
    daily_pnl_pct: Decimal | None = None
    consecutive_losses: int | None = None
    action_taken: str
    config_snapshot: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def readers(cls) -> Mapping[str, Callable[[Any], Any]]:
        """Return how each field is read."""
        return RISK


PERFORMANCE: Mapping[str, Callable[[Any], Any]] = {
    "timestamp": read_time,
    "window_size": _count,
    "win_rate": _share,
    "profit_factor": _not_negative,
    "max_drawdown_pct": _not_positive,
    "consecutive_losses": _count,
    "total_trades": _count,
    "alert_triggered": _flag,
    "alert_message": _text,
}
RISK: Mapping[str, Callable[[Any], Any]] = {
    "timestamp": read_time,
    "event_type": _word,
    "severity": _severity,
    "daily_pnl": _number,
    "daily_pnl_pct": _number,
    "consecutive_losses": _count,
    "action_taken": _word,
    "config_snapshot": _record,
}


def mapping_of(line: str) -> dict[str, Any]:
    """Return the JSON object of a line.

    :raises LineUnreadable: if it is none
    """
    try:
        said = read_json(line)
    except ValueError as error:
        raise LineUnreadable([Problem("", "bad_json", f"The line is no JSON: {error}.")]) from error
    if not isinstance(said, dict):
        raise LineUnreadable([Problem("", "bad_json", "The line is no JSON object.")])
    return said


def _written(value: Any) -> Any:
    """Return a value as the files have it: money and shares as texts."""
    if isinstance(value, datetime):
        return time_text(value)
    return f"{tidy(value):f}" if isinstance(value, Decimal) else dict(value) if isinstance(value, Mapping) else value
