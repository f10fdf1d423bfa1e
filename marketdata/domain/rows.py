"""Rows as providers and people send them, read into exact values; what can't be read is refused by field and reason."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketdata.domain.bars import Timeframe
from marketdata.domain.money import UnknownCurrency, check_currency, round_to
from marketdata.domain.quality import Dataset, Finding, as_text, finding

NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
COUNT = re.compile(r"-?\d{1,18}(\.0*)?", re.ASCII)
MAX_COUNT_DIGITS = 18
MAX_CONDITIONS = 100
ORIGINS = ("", "ticks", "quotes")
PLACES, SIZE_PLACES = 10, 12
DIGITS, SIZE_DIGITS = 15, 12

Values = tuple[Any, ...]


class Unreadable(ValueError):
    """The value can't be read as what its column holds; `rule` says in which way."""

    def __init__(self, rule: str, detail: str = "") -> None:
        self.rule = rule
        super().__init__(detail)


def read_number(value: object, *, digits: int = DIGITS, places: int = PLACES) -> Decimal:
    """Return an exact, finite number that its column can keep to the last digit.

    Only a decimal or its plain spelling is taken: of a float it is no longer known what it was meant to be, so an
    adapter that has nothing better says itself how it reads and rounds them.

    :raises Unreadable: if it is none

    >>> read_number("0.5"), read_number(Decimal("1E+2"))
    (Decimal('0.5000000000'), Decimal('100.0000000000'))
    """
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Unreadable("not_a_number")
    if value and value.adjusted() >= digits:
        raise Unreadable("number_too_large", f"At most {digits} digits are kept before the point.")
    kept = round_to(value, places)
    if kept != value:
        raise Unreadable("number_too_precise", f"At most {places} digits are kept after the point.")
    return kept


def read_size(value: object) -> Decimal:
    """Return a volume or size.

    :raises Unreadable: if it is none
    """
    return read_number(value, digits=SIZE_DIGITS, places=SIZE_PLACES)


def read_count(value: object) -> int:
    """Return a number of trades; minus signs pass, a rule of their own meets them.

    :raises Unreadable: if it is not a whole number
    """
    if isinstance(value, str) and COUNT.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() >= MAX_COUNT_DIGITS or value % 1:
        raise Unreadable("not_a_number", "A count is a whole number.")
    return int(value)


def read_instant(value: object) -> datetime:
    """Return an instant in UTC.

    :raises Unreadable: if it is none or does not say its offset from UTC
    """
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) and value.isascii() else value
        if not isinstance(instant, datetime):
            raise Unreadable("not_a_time")
        if instant.tzinfo is None:
            raise Unreadable("not_a_time", "The time does not say its offset from UTC.")
        return instant.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable("not_a_time") from error


def read_start(value: object) -> datetime:
    """Return the instant at which a bar starts; a day means its midnight in UTC.

    :raises Unreadable: if it is none
    """
    plain_day = isinstance(value, date) and not isinstance(value, datetime)
    if plain_day or (isinstance(value, str) and DAY.fullmatch(value)):
        return datetime.combine(read_day(value), time(), UTC)
    return read_instant(value)


def read_day(value: object) -> date:
    """Return a day.

    :raises Unreadable: if it is none
    """
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise Unreadable("not_a_time") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise Unreadable("not_a_time", "A day is written YYYY-MM-DD.")


def read_currency(value: object) -> str:
    """Return the code of a currency.

    :raises Unreadable: if it is none
    """
    try:
        check_currency(value)  # type: ignore[arg-type]
    except (UnknownCurrency, TypeError) as error:
        raise Unreadable("unknown_currency") from error
    return str(value)


def read_timeframe(value: object) -> str:
    """Return the name of a timeframe.

    :raises Unreadable: if it is none
    """
    try:
        return Timeframe(str(value)).value
    except ValueError as error:
        raise Unreadable("unknown_timeframe") from error


def read_instrument(value: object) -> UUID:
    """Return the identifier of an instrument.

    :raises Unreadable: if it is none
    """
    identifier = getattr(value, "pk", value)
    if not isinstance(identifier, UUID):
        raise Unreadable("unknown_instrument")
    return identifier


def read_conditions(value: object) -> str:
    """Return the conditions a trade was made under.

    :raises Unreadable: if they are no text, or one that is not kept whole
    """
    if not isinstance(value, str) or "\x00" in value or not value.isprintable():
        raise Unreadable("not_a_text")
    if len(value) > MAX_CONDITIONS:
        raise Unreadable("text_too_long", f"At most {MAX_CONDITIONS} characters are kept.")
    return value


def read_origin(value: object) -> str:
    """Return what a bar was rolled up from.

    :raises Unreadable: if bars are made of no such thing
    """
    if value not in ORIGINS:
        raise Unreadable("unknown_origin")
    return str(value)


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of one kind of rows: its key, which ends in a time, the figures under it, and how each is read."""

    dataset: Dataset
    key: Mapping[str, Callable[[object], Any]]
    figures: Mapping[str, Callable[[object], Any]]
    optional: frozenset[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, key first."""
        return (*self.key, *self.figures)

    @property
    def time(self) -> str:
        """The column that says where in its series a row belongs."""
        return "date" if "date" in self.key else "timestamp"

    @property
    def series(self) -> tuple[str, ...]:
        """The columns that a series is known by: the key up to the time."""
        return tuple(self.key)[: list(self.key).index(self.time)]

    def key_of(self, values: Values) -> Values:
        """Return the part of a row's values that it is known by."""
        return values[: len(self.key)]

    def series_of(self, values: Values) -> Values:
        """Return the series a row belongs to."""
        return values[: len(self.series)]

    def time_of(self, values: Values) -> Any:
        """Return the place of a row in its series."""
        return values[len(self.series)]


BARS = Shape(
    Dataset.BARS,
    {"instrument": read_instrument, "timeframe": read_timeframe, "timestamp": read_start},
    {
        "open": read_number,
        "high": read_number,
        "low": read_number,
        "close": read_number,
        "volume": read_size,
        "vwap": read_number,
        "trade_count": read_count,
        "adjusted_through": read_day,
        "rolled_from": read_origin,
    },
    frozenset({"volume", "vwap", "trade_count", "adjusted_through", "rolled_from"}),
)
QUOTES = Shape(
    Dataset.QUOTES,
    {"instrument": read_instrument, "timestamp": read_instant},
    {"bid": read_number, "ask": read_number, "bid_size": read_size, "ask_size": read_size},
    frozenset({"bid_size", "ask_size"}),
)
TICKS = Shape(
    Dataset.TICKS,
    {"instrument": read_instrument, "timestamp": read_instant, "price": read_number, "size": read_size},
    {"conditions": read_conditions},
    frozenset({"conditions"}),
)
FX_RATES = Shape(
    Dataset.FX_RATES,
    {"base": read_currency, "quote": read_currency, "date": read_day},
    {"rate": lambda value: read_number(value, digits=SIZE_DIGITS, places=SIZE_PLACES)},
    frozenset(),
)
SHAPES: Mapping[Dataset, Shape] = {shape.dataset: shape for shape in (BARS, QUOTES, TICKS, FX_RATES)}


def read_rows(shape: Shape, rows: Iterable[object]) -> tuple[dict[int, Values], list[Finding]]:
    """Return the values of the rows that can be read, by their index, and why the others can't."""
    read: dict[int, Values] = {}
    refused: list[Finding] = []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            refused.append(finding("not_a_row", index=index, value=row))
            continue
        faults: list[Finding] = []
        values = tuple(_read(shape, name, row, index, faults) for name in shape.columns)
        refused += faults
        if not faults:
            read[index] = values
    return read, refused


def _read(shape: Shape, name: str, row: Mapping[Any, Any], index: int, faults: list[Finding]) -> Any:
    """Return one value of a row; where it can't be read, note the fault."""
    value = row.get(name)
    if value is None or value == "":
        if name not in shape.optional:
            faults.append(finding("missing", index=index, field=name))
        return None
    try:
        return (shape.key.get(name) or shape.figures[name])(value)
    except Unreadable as fault:
        faults.append(finding(fault.rule, index=index, field=name, value=as_text(value), detail=str(fault)))
        return None
