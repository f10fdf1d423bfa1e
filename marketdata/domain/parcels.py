"""Columns as the database packs them, one string of bytes each, read into rows of an archive's file.

Of a time there are the microseconds since 2000, of a text the number of its bytes, and they themselves in a string beside it. Of
a number there is what it is multiplied by its column's power of ten, or, where that would not fit into eight bytes, what is
before its point and, in a string beside it, what is after it multiplied in the same way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from marketdata.domain.archive import arrow_schema, columns_of
from marketdata.domain.quality import Dataset

MISSING = -(2**63)  # stands for a number that is not there; such columns have none that is negative
LENGTHS, REST = " lengths", " after the point"  # of a text and of a number: with the column's name that of the string beside it
EIGHT_BYTES, FOUR_BYTES = np.dtype(">i8"), np.dtype(">i4")
YEAR_2000 = 946_684_800_000_000  # microseconds after 1970
_WHOLE = pa.decimal128(19, 0)


def unpacked(dataset: Dataset, instruments: Sequence[str], rows: Sequence[int], parcels: Mapping[str, bytes]) -> pa.RecordBatch:
    """Return the rows of instruments, so many of each, as rows of a file.

    :raises ValueError: if a column has more or fewer values than there are rows
    """
    schema, count = arrow_schema(dataset), sum(rows)
    made = [pa.array(instruments, pa.string()).take(pa.array(np.repeat(np.arange(len(rows)), rows)))]
    for name, dtype in columns_of(dataset).items():
        if name == "instrument":
            continue
        kind = schema.field(name).type
        if dtype == pl.String:
            column = _texts(parcels[name], parcels[name + LENGTHS])
        elif isinstance(dtype, pl.Decimal):
            column = _numbers(parcels[name], parcels.get(name + REST), kind)
        else:
            column = pa.array(_integers(parcels[name]) + YEAR_2000).cast(kind)
        if len(column) != count:
            raise ValueError(f"{name} has {len(column)} values of {count} rows")
        made.append(column)
    return pa.RecordBatch.from_arrays(made, schema=schema)


def _integers(parcel: bytes) -> Any:
    """Return whole numbers of eight bytes."""
    return np.frombuffer(parcel, EIGHT_BYTES).astype(np.int64)


def _texts(parcel: bytes, lengths: bytes) -> pa.Array:
    """Return texts that follow each other, by their lengths."""
    known = np.frombuffer(lengths, FOUR_BYTES)
    offsets = np.zeros(len(known) + 1, np.int32)
    np.cumsum(known, out=offsets[1:])
    if offsets[-1] != len(parcel):
        raise ValueError("the texts are not as long as they are said to be")
    return pa.Array.from_buffers(pa.string(), len(known), [None, pa.py_buffer(offsets), pa.py_buffer(parcel)])


def _numbers(parcel: bytes, rest: bytes | None, kind: pa.DataType) -> pa.Array:
    """Return numbers, of which `rest` has what is after their points if the parcel has what is before."""
    known = _integers(parcel)
    missing = known == MISSING
    if rest is None:
        return _decimals(known, missing, kind)
    before = pa.array(known, mask=missing).cast(_WHOLE)
    return pc.add(before, _decimals(_integers(rest), missing, pa.decimal128(19, kind.scale))).cast(kind)


def _decimals(scaled: Any, missing: Any, kind: pa.DataType) -> pa.Array:
    """Return numbers that were multiplied by their scale's power of ten."""
    words = np.empty((len(scaled), 2), np.int64)  # a decimal is a whole number of 16 bytes, the lower ones first
    words[:, 0] = scaled
    np.right_shift(scaled, 63, out=words[:, 1])

    validity = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.Array.from_buffers(kind, len(scaled), [validity, pa.py_buffer(words)])
