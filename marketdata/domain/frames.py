"""Prices as columns: the one shape in which every source, file and archive hands them to whoever stores or computes.

`read_frame` takes what others call a column of prices and returns this shape, every row that can be read to the last digit and
the others refused by field and reason; no row is looked at by itself unless something is wrong with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import polars as pl

from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset, Findings, tell
from marketdata.domain.rows import (
    DIGITS,
    MAX_CONDITIONS,
    ORIGINS,
    PLACES,
    SHAPES,
    SIZE_DIGITS,
    SIZE_PLACES,
    Shape,
    Unreadable,
    Values,
    read_currency,
    read_day,
    read_instant,
    read_start,
)

INSTANT: Any = pl.Datetime("us", "UTC")
PRICE: Any = pl.Decimal(DIGITS + PLACES, PLACES)
SIZE: Any = pl.Decimal(SIZE_DIGITS + SIZE_PLACES, SIZE_PLACES)
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
INT128_DIGITS = 38
COUNTS = 10**18
RFC3339 = "%Y-%m-%dT%H:%M:%S%.f%#z"
FLOAT = "of a float it is no longer known what it was meant to be"
OWN_NULL = {"conditions": "", "rolled_from": ""}

SCHEMAS: Mapping[Dataset, pl.Schema] = MappingProxyType(
    {
        Dataset.BARS: pl.Schema(
            {
                "instrument": pl.String,
                "timeframe": pl.String,
                "timestamp": INSTANT,
                "open": PRICE,
                "high": PRICE,
                "low": PRICE,
                "close": PRICE,
                "volume": SIZE,
                "vwap": PRICE,
                "trade_count": pl.Int64,
                "adjusted_through": pl.Date,
                "rolled_from": pl.String,
            }
        ),
        Dataset.QUOTES: pl.Schema(
            {"instrument": pl.String, "timestamp": INSTANT, "bid": PRICE, "ask": PRICE, "bid_size": SIZE, "ask_size": SIZE}
        ),
        Dataset.TICKS: pl.Schema(
            {"instrument": pl.String, "timestamp": INSTANT, "price": PRICE, "size": SIZE, "conditions": pl.String}
        ),
        Dataset.FX_RATES: pl.Schema({"base": pl.String, "quote": pl.String, "date": pl.Date, "rate": SIZE}),
    }
)


class UnusableFrame(ValueError):
    """A frame lacks a column or has one of a type that can't be read; it says which, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the values of a column may be unreadable, and the mark of those that are."""

    rule: str
    marks: pl.Expr
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column is read: the value that is kept, and what may be wrong with the one that came."""

    value: pl.Expr
    faults: tuple[Fault, ...] = ()


def read_frame(dataset: Dataset, came: pl.DataFrame) -> tuple[pl.DataFrame, Findings]:
    """Return the rows that can be read, with the `index` of each among those that came, and what is wrong with the others.

    Numbers are decimals, integers or their plain spelling; times say their offset; nanoseconds are cut to microseconds.

    :raises UnusableFrame: if a column is missing or of a type that is not read
    """
    shape, schema, sent = SHAPES[dataset], SCHEMAS[dataset], came
    came = _spelled_times(shape, came)
    readings, problems = {}, []
    for name, dtype in schema.items():
        try:
            readings[name] = _reading(shape, name, came.schema.get(name), dtype)
        except UnusableFrame as problem:
            problems.append(str(problem))
    if problems:
        raise UnusableFrame(f"These {dataset} can't be read: " + " ".join(problems))
    came = came.with_row_index("index")
    faults = [(name, fault) for name, reading in readings.items() for fault in reading.faults]
    found, whole = _faulty(came, sent, faults)
    kept = came if whole is None else came.filter(whole)
    return kept.select("index", *[reading.value.alias(name) for name, reading in readings.items()]), found


def frame_of(shape: Shape, read: Mapping[int, Values]) -> pl.DataFrame:
    """Return rows that have been read one by one as a frame, each with its index."""
    columns: dict[str, tuple[Any, ...]] = (
        dict(zip(shape.columns, zip(*read.values(), strict=True), strict=True)) if read else dict.fromkeys(shape.columns, ())
    )
    if "instrument" in columns:
        columns["instrument"] = tuple(map(str, columns["instrument"]))
    schema = SCHEMAS[shape.dataset]
    series = [pl.Series(name, columns[name], dtype=dtype) for name, dtype in schema.items()]
    frame = pl.DataFrame([pl.Series("index", list(read), dtype=pl.UInt32), *series])
    return frame.with_columns(pl.col(name).fill_null(text) for name, text in OWN_NULL.items() if name in schema)


def _faulty(
    came: pl.DataFrame, sent: pl.DataFrame, faults: list[tuple[str, Fault]]
) -> tuple[Findings, pl.Series | None]:  # fmt: skip
    """Return what is wrong with which rows, as they were sent, and the mark of the good ones, unless that is all."""
    found = Findings()
    marks = [fault.marks.fill_null(value=False) for _, fault in faults]
    counts = came.select(each.sum().alias(str(number)) for number, each in enumerate(marks)).row(0)
    broken = [number for number, count in enumerate(counts) if count]
    if not broken:
        return found, None
    whole = pl.Series([True] * came.height)
    for number in broken:
        name, fault = faults[number]
        marked = came.select(marks[number].alias("marked")).to_series()
        whole &= ~marked
        found.extend(tell(sent.with_columns(came["index"]).filter(marked), fault.rule, field=name, detail=fault.detail))
    found.told.sort(key=lambda each: each.index)
    return found, whole


def _reading(shape: Shape, name: str, came: pl.DataType | None, kept: pl.DataType) -> Reading:
    """Return how a column is read.

    :raises UnusableFrame: if it is missing or of a type that is not read
    """
    if came is None or came == pl.Null:
        if name not in shape.optional:
            raise UnusableFrame(f"{name} is missing: give that column.")
        return Reading(pl.lit(OWN_NULL.get(name), dtype=kept))
    column = pl.col(name)
    if came in (pl.Categorical, pl.Enum):
        column, came = column.cast(pl.String), pl.String()
    if came == pl.String:
        column = pl.when(column != "").then(column)
    reading = _number(name, column, came, kept) if kept.is_numeric() else _named(name, column, came, kept)
    if name in shape.optional:
        return reading
    return Reading(reading.value, (Fault("missing", column.is_null()), *reading.faults))


def _number(name: str, column: pl.Expr, came: pl.DataType, kept: pl.DataType) -> Reading:
    """Return how a column of numbers is read."""
    if kept == pl.Int64:
        return _count(name, column, came)
    digits, places = (DIGITS, PLACES) if kept == PRICE else (SIZE_DIGITS, SIZE_PLACES)
    too_large = partial(Fault, "number_too_large", detail=f"At most {digits} digits are kept before the point.")
    too_precise = partial(Fault, "number_too_precise", detail=f"At most {places} digits are kept after the point.")
    if came == pl.String:
        faults = (
            Fault("not_a_number", ~column.str.contains(r"^-?[0-9]{1,40}(\.[0-9]{1,40})?$")),
            too_large(column.str.contains(rf"^-?0*[1-9][0-9]{{{digits}}}[0-9]*(\.[0-9]*)?$")),
            too_precise(column.str.contains(rf"^-?[0-9]+\.[0-9]{{{places}}}0*[1-9]")),
        )
        # spelled with no more places than are kept, so that casting rounds nothing
        return Reading(column.str.replace(rf"(\.[0-9]{{{places}}})0*$", "$1").cast(kept, strict=False), faults)
    if came.is_integer():
        return Reading(column.cast(kept, strict=False), (too_large(_beyond(column.cast(pl.Int128), digits)),))
    if not isinstance(came, pl.Decimal):
        raise UnusableFrame(f"{name} is {came}: give decimals, integers or their plain spelling; {FLOAT}.")
    unscaled = column.to_physical()
    if came.scale <= places:
        return Reading(column.cast(kept, strict=False), (too_large(_beyond(unscaled, digits + came.scale)),))
    tail = _int128(10 ** (came.scale - places))
    return Reading(
        column.cast(kept, strict=False),
        (too_large(_beyond(unscaled, digits + came.scale)), too_precise(unscaled % tail != 0)),
    )


def _count(name: str, column: pl.Expr, came: pl.DataType) -> Reading:
    """Return how a column of whole numbers is read."""
    whole = partial(Fault, "not_a_number", detail="A count is a whole number.")
    if came == pl.String:
        return Reading(
            column.str.extract(r"^(-?[0-9]{1,18})(\.0*)?$", 1).cast(pl.Int64, strict=False),
            (whole(~column.str.contains(r"^-?[0-9]{1,18}(\.0*)?$")),),
        )
    if came.is_integer():
        return Reading(column.cast(pl.Int64, strict=False), (whole(column.cast(pl.Int128).abs() >= _int128(COUNTS)),))
    if isinstance(came, pl.Decimal):
        unscaled, unit = column.to_physical(), _int128(10**came.scale)
        return Reading(
            (unscaled // unit).cast(pl.Int64, strict=False), (whole((unscaled % unit != 0) | _beyond(unscaled, 18 + came.scale)),)
        )
    raise UnusableFrame(f"{name} is {came}: give whole numbers; {FLOAT}.")


def _named(name: str, column: pl.Expr, came: pl.DataType, kept: pl.DataType) -> Reading:
    """Return how a column of times or names is read."""
    if kept == INSTANT:
        if not isinstance(came, pl.Datetime) or came.time_zone is None:
            raise UnusableFrame(f"{name} is {came}: give times that say their offset from UTC.")
        instant = column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
        return Reading(instant, (Fault("not_a_time", ~instant.is_between(EARLIEST, LATEST)),))
    if kept == pl.Date:
        if came != pl.Date:
            raise UnusableFrame(f"{name} is {came}: give days.")
        return Reading(column, (Fault("not_a_time", ~column.is_between(EARLIEST.date(), LATEST.date())),))
    if came != pl.String:
        raise UnusableFrame(f"{name} is {came}: give texts.")
    faults = TEXT_FAULTS[name](column) if name in TEXT_FAULTS else ()
    return Reading(column.fill_null(OWN_NULL[name]) if name in OWN_NULL else column, faults)


def _spelled_times(shape: Shape, came: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with times instead of their spellings; what is none stays a time beyond all that are kept."""
    spelled = {}
    for name, dtype in SCHEMAS[shape.dataset].items():
        had = came.schema.get(name)
        if dtype == INSTANT and had == pl.Date and shape.dataset is Dataset.BARS:
            spelled[name] = came[name].cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        elif dtype == INSTANT and had == pl.String:
            read = came[name].str.to_datetime(RFC3339, time_unit="us", strict=False)
            spelled[name] = _one_by_one(came[name], read, read_start if shape.dataset is Dataset.BARS else read_instant)
        elif dtype == pl.Date and had == pl.String:
            read = came[name].str.to_date("%Y-%m-%d", strict=False).set(came[name].str.len_bytes() != len("2024-01-02"), None)
            spelled[name] = _one_by_one(came[name], read, read_day)
    return came.with_columns(series.alias(name) for name, series in spelled.items()) if spelled else came


def _one_by_one(came: pl.Series, read: pl.Series, reader: Callable[[object], Any]) -> pl.Series:
    """Return times with the odd spellings among them read as rows are."""
    odd = (read.is_null() & came.is_not_null() & (came != "")).arg_true()
    if not odd.len():
        return read
    never = datetime(1, 1, 1, tzinfo=UTC) if read.dtype == INSTANT else datetime(1, 1, 1, tzinfo=UTC).date()
    values = []
    for text in came.gather(odd).to_list():
        try:
            values.append(reader(text))
        except Unreadable:
            values.append(never)
    return read.scatter(odd, pl.Series(values, dtype=read.dtype))


def _currencies(column: pl.Expr) -> tuple[Fault, ...]:
    """Return what may be wrong with the codes of currencies."""

    def unknown(codes: pl.Series) -> pl.Series:
        return ~codes.is_in([code for code in codes.unique().to_list() if _is_currency(code)])

    return (Fault("unknown_currency", column.map_batches(unknown, return_dtype=pl.Boolean)),)


def _is_currency(code: object) -> bool:
    """Say whether a text is the code of a currency."""
    try:
        return bool(read_currency(code))
    except Unreadable:
        return False


def _conditions(column: pl.Expr) -> tuple[Fault, ...]:
    """Return what may be wrong with the conditions of a trade."""
    return (
        Fault("not_a_text", column.str.contains("\x00", literal=True)),
        Fault("text_too_long", column.str.len_chars() > MAX_CONDITIONS, f"At most {MAX_CONDITIONS} characters are kept."),
    )


TEXT_FAULTS: Mapping[str, Callable[[pl.Expr], tuple[Fault, ...]]] = {
    "base": _currencies,
    "quote": _currencies,
    "timeframe": lambda column: (Fault("unknown_timeframe", ~column.is_in([str(each) for each in Timeframe])),),
    "rolled_from": lambda column: (Fault("unknown_origin", ~column.is_in(list(ORIGINS))),),
    "conditions": _conditions,
}


def _beyond(unscaled: pl.Expr, digits: int) -> pl.Expr:
    """Mark the whole numbers that have more digits."""
    return unscaled.abs() >= _int128(10**digits) if digits < INT128_DIGITS else pl.lit(value=False)


def _int128(number: int) -> pl.Expr:
    """Return a whole number as an expression that keeps all its digits."""
    return pl.lit(number, dtype=pl.Int128)
