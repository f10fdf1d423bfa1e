"""The audit record of a trade: 27 fields, a line of JSON each, as trading bots have kept them in `trades.jsonl`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts.domain.json_text import read_json
from accounts.domain.limits import problem_of_number, problem_of_text
from marketdata.domain.instruments import BadSymbol, check_symbol
from portfolio.domain.exact import plain
from trading.domain.outcomes import TradeOutcome
from trading.domain.problems import Problem, Refused, refuse_if

MOST = Decimal(10_000)
LONGEST = 10_000
ACTIONS = ("BUY", "SELL")
MODES = ("PAPER", "LIVE")
OUTCOMES = tuple(one.value for one in TradeOutcome)
NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,12})?", re.ASCII)


class RecordRefused(Refused):
    """A line that is no trade record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRecord:
    """A trade as it was taken, why, and what became of it; in the order and under the names of the files."""

    timestamp: datetime
    symbol: str
    action: str
    quantity: Decimal
    price: Decimal
    total_value: Decimal
    order_id: str
    execution_mode: str
    account_id: str | None = None
    strategy_name: str
    entry_type: str
    stop_loss: Decimal | None = None
    target: Decimal | None = None
    decision_reasoning: str
    indicators_used: tuple[str, ...]
    risk_reward_ratio: Decimal | None = None
    outcome: str | None = None
    profit_loss: Decimal | None = None
    hold_duration_seconds: int | None = None
    exit_timestamp: datetime | None = None
    exit_reasoning: str | None = None
    slippage: Decimal | None = None
    commission: Decimal | None = None
    net_profit_loss: Decimal | None = None
    session_id: str
    bot_version: str
    config_hash: str

    def check(self, *, most: Decimal | None = MOST) -> None:
        """Refuse a record that breaks a rule; `most` is the largest quantity taken.

        :raises RecordRefused: by field
        """
        refuse_if([*_bad_texts(self), *_bad_numbers(self, most), *_bad_times(self)], RecordRefused)

    def to_line(self) -> str:
        """Return the record as the line of a file, without its line break."""
        return json.dumps({name: _written(name, getattr(self, name)) for name in NAMES}, ensure_ascii=False)


NAMES = tuple(one.name for one in fields(TradeRecord))
TIMES = frozenset({"timestamp", "exit_timestamp"})
AMOUNTS = frozenset(("price", "total_value", "stop_loss", "target", "profit_loss", "slippage", "commission", "net_profit_loss"))
NUMBERS = AMOUNTS | {"quantity", "risk_reward_ratio"}
OPTIONAL = frozenset(one.name for one in fields(TradeRecord) if one.default is None)
MAY_BE_BLANK = frozenset({"account_id", "exit_reasoning", "bot_version", "config_hash"})
TEXTS = tuple(name for name in NAMES if name not in NUMBERS | TIMES | {"indicators_used", "hold_duration_seconds"})


def read_line(line: str) -> TradeRecord:
    """Return the record of a line; fields that later versions of the files added may be missing.

    :raises RecordRefused: if it is none, by field
    """
    try:
        said = read_json(line)
    except ValueError as error:
        raise RecordRefused([Problem("", "bad_json", f"The line is no JSON: {error}.")]) from error
    if not isinstance(said, dict):
        raise RecordRefused([Problem("", "bad_json", "The line is no JSON object.")])
    return read_record(said)


def read_record(said: Mapping[str, Any]) -> TradeRecord:
    """Return the record that a mapping of the 27 names says.

    :raises RecordRefused: by field
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name in NAMES:
        try:
            values[name] = _read(name, said.get(name))
        except ValueError as error:
            problems.append(Problem(name, "invalid", str(error)))
    problems += [Problem(str(name), "unknown", "A trade record has no such field.") for name in said.keys() - set(NAMES)]
    refuse_if(problems, RecordRefused)
    return TradeRecord(**values)


def _read(name: str, value: Any) -> Any:
    """Return the value of a field.

    :raises ValueError: saying what to write
    """
    if value is None and (name in OPTIONAL or name in MAY_BE_BLANK):
        return None if name in OPTIONAL else ""
    if value is None:
        raise ValueError("The field is required.")
    if name in NUMBERS:
        return read_number(value)
    if name in TIMES:
        return read_time(value)
    if name == "hold_duration_seconds":
        return _whole(value)
    if name == "indicators_used":
        return _list(value)
    if not isinstance(value, str):
        raise ValueError("Write a text.")
    return value


def read_number(value: Any) -> Decimal:
    """Return the number that a file writes, as a number or as a text.

    :raises ValueError: saying what to write
    """
    written = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if not NUMBER.fullmatch(written):
        raise ValueError('Write a number, such as "150.25".')
    return Decimal(written)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("Write a whole number of seconds.")
    return value


def _list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('Write a list of names, such as ["VWAP"].')
    return tuple(value)


def read_time(value: Any) -> datetime:
    """Return the instant that a file writes; without a zone it is UTC.

    :raises ValueError: saying what to write
    """
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("Write a time in ISO 8601, such as 2025-10-26T14:32:15Z.") from error


def _written(name: str, value: Any) -> Any:
    """Return a value as JSON has it: money as text, a whole quantity and the ratio as numbers."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, Decimal):
        return value
    if name == "quantity" and value == value.to_integral_value():
        return int(value)
    if name == "risk_reward_ratio" and Decimal(repr(float(value))) == value:
        return float(value)
    return f"{value:f}"


def time_text(at: datetime) -> str:
    """Return an instant as the files write it.

    >>> time_text(datetime(2025, 10, 26, 14, 32, 15, 123000, UTC))
    '2025-10-26T14:32:15.123Z'
    """
    precision = "microseconds" if at.microsecond % 1000 else "milliseconds"
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _bad_texts(record: TradeRecord) -> Iterator[Problem]:
    """Yield which texts are missing, too long or none of the words."""
    for name in TEXTS:
        text = getattr(record, name)
        if not text and name not in OPTIONAL | MAY_BE_BLANK:
            yield Problem(name, "required", "The field is required.")
        elif text and (told := problem_of_text(text, most=LONGEST)):
            yield Problem(name, "invalid", told)
    for name, words in (("action", ACTIONS), ("execution_mode", MODES), ("outcome", (*OUTCOMES, None))):
        if getattr(record, name) not in words:
            yield Problem(name, "unknown_word", f"Write one of {', '.join(filter(None, words))}.")
    try:
        check_symbol(record.symbol)
    except BadSymbol as refusal:
        yield Problem("symbol", "bad_symbol", str(refusal))


def _bad_numbers(record: TradeRecord, most: Decimal | None) -> Iterator[Problem]:
    """Yield which numbers are out of bounds."""
    for name in sorted(NUMBERS):
        number = getattr(record, name)
        if number is not None and (told := problem_of_number(number, digits=15, places=12)):
            yield Problem(name, "invalid_number", told)
        elif name in {"quantity", "price"} and number <= 0:
            yield Problem(name, "not_positive", f"The {name} of a trade is above zero.")
    if most is not None and record.quantity > most:
        yield Problem("quantity", "too_much", f"A trade is of {plain(most)} units at most; raise the limit to take larger ones.")


def _bad_times(record: TradeRecord) -> Iterator[Problem]:
    """Yield what is wrong with how long it was held."""
    if record.exit_timestamp is not None and record.exit_timestamp < record.timestamp:
        yield Problem("exit_timestamp", "before_entry", "The trade would have ended before it began.")
    if record.hold_duration_seconds is not None and record.hold_duration_seconds < 0:
        yield Problem("hold_duration_seconds", "negative", "A trade is held for no less than zero seconds.")
