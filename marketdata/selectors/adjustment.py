"""Bars as they were traded, or made comparable across splits.

The day of a bar is that of its start in UTC.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketdata.domain.adjustment import PRICE_PLACES, SIZE_PLACES, Split, adjusted_ratio, raw_ratio, scaled
from marketdata.selectors.actions import splits as splits_of

UNIX_DAY = date(1970, 1, 1).toordinal()
PRICES = ("open", "high", "low", "close", "vwap")
PLACES = dict.fromkeys(PRICES, PRICE_PLACES) | {"volume": SIZE_PLACES}
NONE = -1


def ratio_of(
    splits: Sequence[Split], *, day: date, adjusted_through: date | None, adjusted: bool, as_of: date | None = None
) -> Fraction:
    """Return what the stored prices of a day are multiplied by in one of the two views."""
    if adjusted:
        return adjusted_ratio(splits, day=day, adjusted_through=adjusted_through, as_of=as_of)
    return raw_ratio(splits, day=day, adjusted_through=adjusted_through)


def viewed(values: Mapping[str, Any], ratio: Fraction) -> dict[str, Any]:
    """Return the figures of one bar times a ratio: prices one way, the volume the other."""
    found = dict(values)
    for name, places in PLACES.items():
        if name in found:
            found[name] = scaled([found[name]], 1 / ratio if name == "volume" else ratio, places=places)[0]
    return found


def in_view(table: pa.Table, instrument_ids: Sequence[UUID], *, adjusted: bool, as_of: date | None = None) -> pa.Table:
    """Return bars as they were traded, or adjusted; their `adjusted_through` says what they are in the table given.

    `place` is the position of a row's instrument among the ids. What no split concerns comes back as it is.
    """
    if not adjusted and table["adjusted_through"].null_count == len(table):
        return table
    splits = splits_of(instrument_ids=instrument_ids)
    groups = [(rows, ratio) for rows, ratio in _groups(table, instrument_ids, splits, adjusted, as_of) if ratio != 1]
    if not groups:
        return table
    mask = np.zeros(len(table), dtype=bool)
    for rows, _ in groups:
        mask[rows] = True
    for name, places in PLACES.items():
        fresh = np.empty(len(table), dtype=object)
        for rows, ratio in groups:
            fresh[rows] = scaled(_numbers(table[name].take(rows)), 1 / ratio if name == "volume" else ratio, places=places)
        wide = pa.decimal128(38, places)  # a ratio may lengthen a number
        whole = table[name].combine_chunks().cast(wide)
        changed = pc.replace_with_mask(whole, pa.array(mask), pa.array(fresh[mask].tolist(), wide))
        table = table.set_column(table.schema.get_field_index(name), name, changed)
    return table


def _groups(
    table: pa.Table, instrument_ids: Sequence[UUID], splits: Mapping[UUID, Sequence[Split]], adjusted: bool, as_of: date | None
) -> Iterator[tuple[np.ndarray, Fraction]]:
    """Return rows that share a ratio, with it: those between two splits, of one instrument and adjusted alike."""
    place = table["place"].to_numpy()
    days = table["timestamp"].cast(pa.int64()).to_numpy() // 86_400_000_000
    through = table["adjusted_through"].cast(pa.int32()).fill_null(NONE).to_numpy()
    for number, instrument_id in enumerate(instrument_ids):
        known = splits.get(instrument_id, ())
        rows = np.flatnonzero(place == number)
        if not known or not len(rows):
            continue
        past = np.searchsorted([split.ex_date.toordinal() - UNIX_DAY for split in known], days[rows], side="right")
        _, first, group = np.unique(np.stack([past, through[rows]]), axis=1, return_index=True, return_inverse=True)
        for which, row in enumerate(rows[first]):
            until = None if through[row] == NONE else _day(through[row])
            ratio = ratio_of(known, day=_day(days[row]), adjusted_through=until, adjusted=adjusted, as_of=as_of)
            yield rows[group.ravel() == which], ratio


def _numbers(column: pa.ChunkedArray) -> list[Decimal | None]:
    """Return the exact numbers of a column of digits."""
    return [None if text is None else Decimal(text) for text in column.to_pylist()]


def _day(number: int) -> date:
    """Return a day by its number since 1970."""
    return date.fromordinal(UNIX_DAY + int(number))
