"""What a quality rule is: a name, a severity, a description, and a check over all rows of a batch at once.

A check is an expression over the columns of the batch, or a function that makes one of the instant at which the batch came. It
marks the rows that break the rule. Beside the columns of `frames.SCHEMAS` it may ask for:

- `floor`, `ceiling`: the prices between which the row's instrument is believed;
- `previous`: the price before this one in its series, in the batch or in the database, as a float; null where there is none;
- `follows`: whether the row before it in the batch, of the same series, is not newer.
"""

import enum
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from marketdata.domain.money import plain

MAX_TEXT = 200
TOLD = 1_000  # of one rule in one batch; the others are counted


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


Check = pl.Expr | Callable[[datetime], pl.Expr]


class BrokenRule(Exception):
    """A rule's check can't be evaluated over the rows it says it is for."""

    def __init__(self, name: str, reason: object) -> None:
        super().__init__(f"The check of the rule {name} can't be evaluated: {str(reason).splitlines()[0]}")


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

    def breaches(self, at: datetime) -> pl.Expr:
        """Return the mark of the rows of a batch that break it; where the check can't say, they don't."""
        check = pl.lit(value=False) if self.check is None else self.check if isinstance(self.check, pl.Expr) else self.check(at)
        return check.fill_null(value=False).alias(self.name)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that broke one rule; `index` is its place among the rows that came."""

    index: int
    rule: str
    severity: Severity
    field: str
    value: str
    detail: str


@dataclass(slots=True)
class Findings:
    """The breaches in a batch: every one counted by its rule, and the first of each rule told row by row."""

    told: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, found: Iterable[Finding]) -> None:
        """Add breaches one by one."""
        for each in found:
            self.counts[each.rule] += 1
            if self.counts[each.rule] <= TOLD:
                self.told.append(each)

    def extend(self, other: "Findings") -> None:
        """Add breaches that others have counted already."""
        kept = Counter(each.rule for each in self.told)
        for each in other.told:
            kept[each.rule] += 1
            if kept[each.rule] <= TOLD:
                self.told.append(each)
        self.counts += other.counts

    def untold(self) -> dict[str, int]:
        """Return how many breaches of each rule are counted and not told."""
        told = Counter(each.rule for each in self.told)
        return {name: count - told[name] for name, count in self.counts.items() if count > told[name]}


RULES: dict[str, Rule] = {}


def register(rule: Rule) -> Rule:
    """Add a rule to those every batch is checked against; a name is taken once.

    :raises ValueError: if the name is taken
    """
    if rule.name in RULES:
        raise ValueError(f"There is a rule named {rule.name} already.")
    RULES[rule.name] = rule
    return rule


def finding(name: str, *, index: int, field: str = "", value: object = "", detail: str = "") -> Finding:
    """Return the finding of a breach of a rule, in the rule's own words where no others are given."""
    broken = RULES[name]
    return Finding(index, name, broken.severity, field or broken.field, as_text(value), detail or broken.description)


def examine(
    rows: pl.DataFrame, *, rules: Iterable[Rule], dataset: Dataset, level: Level, severities: Collection[Severity], at: datetime
) -> tuple[Findings, pl.Series]:
    """Return every breach of the rules that have one of these severities at a level, and the index of each row that breaks one.

    All checks are one query over the batch; only where one finds something, its rows are looked at.

    :raises BrokenRule: if a check can't be evaluated
    """
    asked = [
        (each, severity)
        for each in rules
        if each.check is not None and dataset in each.datasets and (severity := each.severity_at(level)) in severities
    ]
    found = Findings()
    bad = pl.Series("index", [], dtype=pl.UInt32)
    counts = _counts(rows, [each for each, _ in asked], at) if asked and rows.height else {}
    for each, severity in asked:
        if not counts.get(each.name):
            continue
        places = rows.select(each.breaches(at)).to_series().arg_true()
        bad.append(rows["index"].gather(places))
        found.extend(_told(rows, each, severity or each.severity, places))
    return found, bad.unique() if bad.len() else bad


def tell(rows: pl.DataFrame, name: str, *, field: str, detail: str = "") -> Findings:
    """Return one breach of a rule by each of the rows, the value seen in a column of theirs."""
    rule = replace(RULES[name], field=field, description=detail or RULES[name].description)
    return _told(rows, rule, rule.severity, pl.arange(0, rows.height, eager=True))


def values_of(column: pl.Series) -> list[Any]:
    """Return the values of a column; of times that Python has none for, such as those of the year 10000, the spelling."""
    try:
        return column.to_list()
    except (ValueError, OverflowError):
        return column.cast(pl.String).to_list()


def as_text(value: object) -> str:
    """Return what can be stored and shown of any value, however odd."""
    try:
        text = plain(value) if isinstance(value, Decimal) and value.is_finite() else str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _counts(rows: pl.DataFrame, rules: Iterable[Rule], at: datetime) -> Mapping[str, int]:
    """Return how often each rule is broken.

    :raises BrokenRule: naming the first check that can't be evaluated
    """
    try:
        return rows.select([each.breaches(at).sum() for each in rules]).row(0, named=True)
    except Exception:
        for each in rules:
            try:
                rows.select(each.breaches(at).sum())
            except Exception as error:
                raise BrokenRule(each.name, error) from error
        raise


def _told(rows: pl.DataFrame, rule: Rule, severity: Severity, places: pl.Series) -> Findings:
    """Return the breaches of a rule by the rows at some places."""
    first = rows.select("index", *([rule.field] if rule.field else []))[places.head(TOLD)]
    values = values_of(first[rule.field]) if rule.field else [""] * first.height
    told = [
        Finding(index, rule.name, severity, rule.field, as_text(value), rule.description)
        for index, value in zip(first["index"].to_list(), values, strict=True)
    ]
    return Findings(told, Counter({rule.name: places.len()}))


for _name, _description in {
    "not_a_row": "The row is not a set of named values.",
    "missing": "The value is missing.",
    "not_a_number": "The value is not a finite decimal number.",
    "number_too_large": "The number has more digits before the point than are kept.",
    "number_too_precise": "The number has more digits after the point than are kept.",
    "not_a_time": "The value is not a point in time.",
    "not_a_text": "The value is not a text that can be stored.",
    "text_too_long": "The text is longer than is kept.",
    "unknown_instrument": "No such instrument is known.",
    "unknown_timeframe": "The timeframe is none of 1m 5m 15m 1h 1d.",
    "unknown_currency": "The value is not an ISO 4217 currency code.",
    "unknown_origin": "Bars are rolled up from ticks or from quotes; of one that a source sent, this is empty.",
}.items():
    register(Rule(_name, Severity.ERROR, _description, essential=True))
