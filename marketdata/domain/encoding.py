"""Rows in the binary format of PostgreSQL's COPY, made of whole columns at once.

A field is its length in four bytes and then its value; a null has the length -1 and no value. A numeric is written as groups of
four decimal digits, of whole numbers throughout, so that it arrives to the last digit. Leading groups of zero are allowed: all
numbers of a column get as many groups as the longest of them needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Marks = NDArray[np.bool_]

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
GROUP = 10_000
GROUP_DIGITS = 4
NEGATIVE = 0x4000
POSTGRES_DAY = date(2000, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
POSTGRES_MICROSECOND = POSTGRES_DAY * 86_400_000_000
UUID_BYTES = 16
CHUNK = 4_096  # rows that are encoded while the database works on the ones before


@dataclass(frozen=True, slots=True)
class Field:
    """One column in bytes: a value a row, all of one width, and where they are of several, which of the bytes count."""

    values: Bytes
    lengths: NDArray[np.int32] | int
    counts: Marks | None = None


def encode(rows: pl.DataFrame) -> bytes:
    """Return rows as COPY ... (FORMAT BINARY) reads them, all at once."""
    return b"".join(encoded(rows))


def encoded(rows: pl.DataFrame) -> Iterator[bytes]:
    """Yield rows as COPY ... (FORMAT BINARY) reads them, so many at a time.

    Decimals become numeric, 64-bit integers bigint, 32-bit ones integer, instants timestamptz, days date, texts text, and the
    names of an Enum, which are UUIDs in their usual spelling, uuid.
    """
    yield HEADER
    for start in range(0, rows.height, CHUNK):
        yield _block(rows[start : start + CHUNK])
    yield TRAILER


def _block(rows: pl.DataFrame) -> bytes:
    """Return rows in bytes."""
    fields = [_field(rows[name]) for name in rows.columns]
    width = 2 + sum(4 + field.values.shape[1] for field in fields)
    block = np.empty((rows.height, width), dtype=np.uint8)
    counts = None if all(field.counts is None for field in fields) else np.ones(block.shape, dtype=bool)
    block[:, :2] = np.frombuffer(len(fields).to_bytes(2, "big"), dtype=np.uint8)
    place = 2
    for field in fields:
        end = place + 4 + field.values.shape[1]
        block[:, place : place + 4] = _lengths(field.lengths)
        block[:, place + 4 : end] = field.values
        if counts is not None and field.counts is not None:
            counts[:, place + 4 : end] = field.counts
        place = end
    return (block if counts is None else block[counts]).tobytes()


def _lengths(lengths: NDArray[np.int32] | int) -> Bytes:
    """Return the lengths of a column's values, in bytes."""
    if isinstance(lengths, int):
        return np.frombuffer(lengths.to_bytes(4, "big", signed=True), dtype=np.uint8)
    return _bytes_of(lengths.astype(">i4"))


def _field(column: pl.Series) -> Field:
    """Return a column in bytes."""
    if column.dtype == pl.String:
        return _texts(column)
    if column.null_count() == column.len():
        return Field(np.empty((column.len(), 0), dtype=np.uint8), -1)
    here = column.is_not_null().to_numpy() if column.null_count() else None
    values = _values(
        column if here is None else column.fill_null(strategy="zero") if column.dtype.is_numeric() else _filled(column)
    )
    width = values.shape[1]
    if here is None:
        return Field(values, width)
    return Field(values, np.where(here, width, -1).astype(np.int32), np.broadcast_to(here[:, None], values.shape))


def _filled(column: pl.Series) -> pl.Series:
    """Return a column of times with anything in its gaps, which are not written."""
    return column.fill_null(strategy="max")


def _values(column: pl.Series) -> Bytes:
    """Return the values of a column without gaps, in bytes."""
    dtype = column.dtype
    if isinstance(dtype, pl.Decimal):
        return _numerics(column, dtype.scale)
    if isinstance(dtype, pl.Enum):
        names = bytes.fromhex("".join(dtype.categories).replace("-", ""))
        known = np.frombuffer(names, dtype=np.uint8).reshape(-1, UUID_BYTES)
        codes: NDArray[np.uint32] = column.to_physical().to_numpy()
        return known.take(codes, axis=0)
    if isinstance(dtype, pl.Datetime):
        return _bytes_of((column.dt.cast_time_unit("us").to_physical().to_numpy() - POSTGRES_MICROSECOND).astype(">i8"))
    if dtype == pl.Date:
        return _bytes_of((column.to_physical().to_numpy() - POSTGRES_DAY).astype(">i4"))
    if dtype.is_integer():
        return _bytes_of(column.to_numpy().astype(">i8" if dtype == pl.Int64 else ">i4"))
    raise TypeError(f"{column.name} is {dtype}, which is not written.")


def _numerics(column: pl.Series, scale: int) -> Bytes:
    """Return decimals in the format of numeric: how many groups, the weight of the first, sign, scale, the groups."""
    whole, fraction, negative = _split(column, scale)
    after = -(-scale // GROUP_DIGITS)
    fraction *= 10 ** (after * GROUP_DIGITS - scale)
    while after and not (fraction % GROUP).any():
        fraction //= GROUP
        after -= 1
    before = -(-len(str(largest)) // GROUP_DIGITS) if (largest := int(whole.max(initial=0))) else 0
    groups = np.empty((column.len(), 4 + before + after), dtype=">i2")
    groups[:, 0] = before + after
    groups[:, 1] = before - 1
    groups[:, 2] = np.where(negative, NEGATIVE, 0) if negative.any() else 0
    groups[:, 3] = scale
    _put_groups(groups[:, 4 : 4 + before], whole)
    _put_groups(groups[:, 4 + before :], fraction)
    return _bytes_of(groups)


def _put_groups(places: NDArray[Any], numbers: NDArray[np.int64]) -> None:
    """Write whole numbers as groups of four digits, the last group last."""
    for place in range(places.shape[1] - 1, -1, -1):
        rest = numbers // GROUP
        places[:, place] = numbers - rest * GROUP
        numbers = rest


def _split(column: pl.Series, scale: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Marks]:
    """Return the digits before the point, those after it, and the mark of what is below zero, of decimals without gaps."""
    arrow = column.rechunk().to_arrow()
    low, high = np.frombuffer(arrow.buffers()[1], dtype="<i8").reshape(-1, 2)[arrow.offset : arrow.offset + column.len()].T
    negative = high < 0
    if np.array_equal(low >> 63, high) and low.min(initial=0) > np.iinfo(np.int64).min:  # most prices fit into half the bytes
        size = np.abs(low) if negative.any() else low
        whole = size // 10**scale
        return whole, size - whole * 10**scale, negative
    unit = pl.lit(10**scale, dtype=pl.Int128)
    size128 = pl.col("size")
    parts = (
        column.to_physical()
        .abs()
        .alias("size")
        .to_frame()
        .select(whole=(size128 // unit).cast(pl.Int64), fraction=(size128 % unit).cast(pl.Int64))
    )
    return parts["whole"].to_numpy().copy(), parts["fraction"].to_numpy().copy(), negative


def _texts(column: pl.Series) -> Field:
    """Return texts in bytes, each as long as it is."""
    arrow = column.fill_null("").cast(pl.Binary).rechunk().to_arrow()
    offsets = np.frombuffer(arrow.buffers()[1], dtype="<i8")[arrow.offset : arrow.offset + column.len() + 1]
    sizes = np.diff(offsets).astype(np.int32)
    data = (
        np.frombuffer(arrow.buffers()[2] or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
        if offsets.size
        else np.empty(0, np.uint8)
    )
    counts = np.arange(sizes.max(initial=0)) < sizes[:, None]
    values = np.zeros(counts.shape, dtype=np.uint8)
    values[counts] = data
    lengths = np.where(column.is_null().to_numpy(), np.int32(-1), sizes) if column.null_count() else sizes
    return Field(values, lengths, None if counts.all() else counts)


def _bytes_of(numbers: NDArray[Any]) -> Bytes:
    """Return numbers, one or more a row, as the bytes they are made of."""
    return np.ascontiguousarray(numbers).view(np.uint8).reshape(len(numbers), -1)
