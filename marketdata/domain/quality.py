"""The rules that prices keep: a name, a severity, a description and a check over many rows at once."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import EPOCH, SECONDS
from marketdata.domain.money import plain

Mask = NDArray[np.bool_]
Column = NDArray[Any]

CLOCK_SKEW = timedelta(minutes=5)
JUMP = 0.4
RATE_JUMP = 0.2
SPREAD = Decimal("0.1")
MAX_TEXT = 200


class Severity(enum.StrEnum):
    """How bad a broken rule is: an ERROR keeps the row out, a WARNING lets it in, both are told."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


class Dataset(enum.StrEnum):
    """The kinds of rows that have rules."""

    BARS = "bars"
    QUOTES = "quotes"
    TICKS = "ticks"
    FX_RATES = "fx_rates"
    CORPORATE_ACTIONS = "corporate_actions"


class Level(enum.StrEnum):
    """How strictly the rules are applied to a source; what the tables themselves demand is refused at every level."""

    OFF = "OFF"
    WARN = "WARN"
    STRICT = "STRICT"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that could be read, as columns of the same length, and what the checks need to know beside them."""

    dataset: Dataset
    indices: Sequence[int]  # the place of each row among those that came
    columns: Mapping[str, Column]
    recorded_at: datetime
    floor: Column
    ceiling: Column
    previous: Column  # the close or rate before each row in its series, as a float; NaN where there is none
    follows: Mask  # whether the row before it in the batch, of the same series, is older


Check = Callable[[Batch], Mask]


@dataclass(frozen=True, slots=True)
class Rule:
    """What rows have to keep; one without a check is met where rows are read or compared with those stored.

    `essential` rules are those that the tables demand of every row.
    """

    name: str
    severity: Severity
    description: str
    field: str = ""
    datasets: frozenset[Dataset] = frozenset(Dataset)
    essential: bool = False
    check: Check | None = None

    def severity_at(self, level: Level) -> Severity | None:
        """Return how bad a breach is at a level, or None where it is not even looked for."""
        if self.essential or level is Level.STRICT:
            return self.severity
        if level is Level.OFF:
            return None
        return Severity.WARNING if self.severity is Severity.ERROR else self.severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that broke one rule; `index` is its place among the rows that came."""

    index: int
    rule: str
    severity: Severity
    field: str
    value: str
    detail: str


RULES: dict[str, Rule] = {}


def register(rule: Rule) -> Rule:
    """Add a rule to those every batch is checked against; a name is taken once.

    :raises ValueError: if the name is taken
    """
    if rule.name in RULES:
        raise ValueError(f"There is a rule named {rule.name} already.")
    RULES[rule.name] = rule
    return rule


def rule(
    name: str,
    field: str,
    description: str,
    *datasets: Dataset,
    severity: Severity = Severity.ERROR,
    essential: bool = False,
) -> Callable[[Check], Check]:
    """Register the decorated check as a rule; the check marks the rows that break it."""

    def keep(check: Check) -> Check:
        register(Rule(name, severity, description, field, frozenset(datasets), essential, check))
        return check

    return keep


def finding(name: str, *, index: int, field: str = "", value: object = "", detail: str = "") -> Finding:
    """Return the finding of a breach of a rule, in the rule's own words where no others are given."""
    broken = RULES[name]
    return Finding(index, name, broken.severity, field or broken.field, as_text(value), detail or broken.description)


def examine(batch: Batch, *, level: Level, severity: Severity) -> list[Finding]:
    """Return every breach of the rules that have that severity at a level."""
    found = []
    for each in RULES.values():
        if each.check is None or batch.dataset not in each.datasets or each.severity_at(level) is not severity:
            continue
        for place in np.flatnonzero(each.check(batch)).tolist():
            breach = finding(each.name, index=batch.indices[place], value=batch.columns[each.field][place])
            found.append(replace(breach, severity=severity))
    return found


def as_text(value: object) -> str:
    """Return what can be stored and shown of any value, however odd."""
    try:
        text = plain(value) if isinstance(value, Decimal) and value.is_finite() else str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


BARS, QUOTES, FX_RATES = Dataset.BARS, Dataset.QUOTES, Dataset.FX_RATES

for _name, _description in {
    "not_a_row": "The row is not a set of named values.",
    "missing": "The value is missing.",
    "not_a_number": "The value is not a finite decimal number.",
    "number_too_large": "The number has more digits before the point than are kept.",
    "number_too_precise": "The number has more digits after the point than are kept.",
    "not_a_time": "The value is not a point in time.",
    "unknown_instrument": "No such instrument is known.",
    "unknown_timeframe": "The timeframe is none of 1m 5m 15m 1h 1d.",
    "unknown_currency": "The value is not an ISO 4217 currency code.",
}.items():
    register(Rule(_name, Severity.ERROR, _description, essential=True))
for _name, _what in {"conflicting_bar": BARS, "conflicting_quote": QUOTES, "conflicting_rate": FX_RATES}.items():
    _description = "The same key came before with other figures; the first ones are kept until a correction is sent."
    register(Rule(_name, Severity.WARNING, _description, datasets=frozenset({_what}), essential=True))


@rule("low_is_lowest", "low", "The low lies above the open or the close.", BARS, essential=True)
def _low_is_lowest(batch: Batch) -> Mask:
    c = batch.columns
    return (c["low"] > c["open"]) | (c["low"] > c["close"])


@rule("high_is_highest", "high", "The high lies below the open or the close.", BARS, essential=True)
def _high_is_highest(batch: Batch) -> Mask:
    c = batch.columns
    return (c["high"] < c["open"]) | (c["high"] < c["close"])


@rule("starts_on_its_grid", "timestamp", "The bar does not start where its timeframe starts.", BARS, essential=True)
def _starts_on_its_grid(batch: Batch) -> Mask:
    starts = zip(batch.columns["timestamp"], batch.columns["timeframe"], strict=True)
    return np.array([bool((at - EPOCH) % timedelta(seconds=SECONDS[timeframe])) for at, timeframe in starts], bool)


@rule("bid_is_positive", "bid", "The bid is not above zero.", QUOTES, essential=True)
def _bid_is_positive(batch: Batch) -> Mask:
    return _mask(batch.columns["bid"] <= 0)


@rule("ask_not_below_bid", "ask", "The ask lies below the bid.", QUOTES, essential=True)
def _ask_not_below_bid(batch: Batch) -> Mask:
    return _mask(batch.columns["ask"] < batch.columns["bid"])


@rule("rate_is_positive", "rate", "The rate is not above zero.", FX_RATES, essential=True)
def _rate_is_positive(batch: Batch) -> Mask:
    return _mask(batch.columns["rate"] <= 0)


@rule("currencies_differ", "quote", "A rate is between two currencies.", FX_RATES, essential=True)
def _currencies_differ(batch: Batch) -> Mask:
    return _mask(batch.columns["base"] == batch.columns["quote"])


def _not_negative(field: str) -> Check:
    """Return the check of a column that may be empty but not negative."""
    return lambda batch: np.array([value is not None and value < 0 for value in batch.columns[field]], bool)


for _field, _what in {"volume": BARS, "trade_count": BARS, "bid_size": QUOTES, "ask_size": QUOTES}.items():
    rule(f"{_field}_not_negative", _field, f"The {_field.replace('_', ' ')} is negative.", _what, essential=True)(
        _not_negative(_field)
    )


@rule("price_above_floor", "low", "The low is not above the instrument's lowest price.", BARS)
def _price_above_floor(batch: Batch) -> Mask:
    return _mask(batch.columns["low"] <= batch.floor)


@rule("price_below_ceiling", "high", "The high is not below the instrument's highest price.", BARS)
def _price_below_ceiling(batch: Batch) -> Mask:
    return _mask(batch.columns["high"] >= batch.ceiling)


@rule("bid_above_floor", "bid", "The bid is not above the instrument's lowest price.", QUOTES)
def _bid_above_floor(batch: Batch) -> Mask:
    return _mask(batch.columns["bid"] <= batch.floor)


@rule("ask_below_ceiling", "ask", "The ask is not below the instrument's highest price.", QUOTES)
def _ask_below_ceiling(batch: Batch) -> Mask:
    return _mask(batch.columns["ask"] >= batch.ceiling)


@rule("not_in_the_future", "timestamp", "The time lies in the future.", BARS, QUOTES)
def _not_in_the_future(batch: Batch) -> Mask:
    return _mask(batch.columns["timestamp"] > batch.recorded_at + CLOCK_SKEW)


@rule("day_not_in_the_future", "date", "The day lies in the future.", FX_RATES)
def _day_not_in_the_future(batch: Batch) -> Mask:
    # Where it is tomorrow already, the rate of tomorrow is known.
    return _mask(batch.columns["date"] > (batch.recorded_at + timedelta(hours=14)).date())


@rule("in_order", "timestamp", "The row is older than the one before it.", BARS, QUOTES, severity=Severity.WARNING)
def _in_order(batch: Batch) -> Mask:
    return ~batch.follows


@rule("days_in_order", "date", "The row is older than the one before it.", FX_RATES, severity=Severity.WARNING)
def _days_in_order(batch: Batch) -> Mask:
    return ~batch.follows


@rule("vwap_between_low_and_high", "vwap", "The average lies outside low and high.", BARS, severity=Severity.WARNING)
def _vwap_between_low_and_high(batch: Batch) -> Mask:
    c = batch.columns
    rows = zip(c["low"], c["vwap"], c["high"], strict=True)
    return np.array([vwap is not None and not low <= vwap <= high for low, vwap, high in rows], bool)


@rule("no_jump", "close", "The close is over 40 % away from the one before it.", BARS, severity=Severity.WARNING)
def _no_jump(batch: Batch) -> Mask:
    return _jumps(batch.columns["close"], batch.previous, JUMP)


@rule("no_rate_jump", "rate", "The rate is over 20 % away from the one before it.", FX_RATES, severity=Severity.WARNING)
def _no_rate_jump(batch: Batch) -> Mask:
    return _jumps(batch.columns["rate"], batch.previous, RATE_JUMP)


@rule("narrow_spread", "ask", "The ask is over 10 % above the bid.", QUOTES, severity=Severity.WARNING)
def _narrow_spread(batch: Batch) -> Mask:
    c = batch.columns
    return _mask(c["ask"] - c["bid"] > c["bid"] * SPREAD)


def _jumps(values: Column, previous: Column, bound: float) -> Mask:
    """Mark the values that are further away from the one before than a share of it; nothing is far from nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(values.astype(float) / previous - 1) > bound


def _mask(compared: Column) -> Mask:
    """Return the result of comparing columns of exact values as a mask; of no rows, an empty one."""
    return compared.astype(bool)
