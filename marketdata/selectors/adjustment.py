"""Bars as they were traded, or made comparable across splits.

The day of a bar is that of its exchange (see `zones`): a split takes place between two of its sessions, not at midnight in UTC.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketdata.domain.adjustment import PRICE_PLACES, SIZE_PLACES, Split, adjusted_ratio, raw_ratio, scaled
from marketdata.domain.bars import Timeframe
from marketdata.domain.zones import GREENWICH, zone_of
from marketdata.models.instruments import Instrument
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


def in_view(
    table: pa.Table, instruments: Sequence[Instrument], *, timeframe: Timeframe, adjusted: bool, as_of: date | None = None
) -> pa.Table:
    """Return bars as they were traded, or adjusted; their `adjusted_through` says what they are in the table given.

    `place` is the position of a row's instrument among those. What no split concerns comes back as it is.
    """
    if not adjusted and table["adjusted_through"].null_count == len(table):
        return table
    splits = splits_of(instrument_ids=[each.pk for each in instruments])
    views = _groups(table, instruments, splits, timeframe, lambda **bar: ratio_of(**bar, adjusted=adjusted, as_of=as_of))
    groups = [(rows, ratio) for rows, ratio in views if ratio != 1]
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
    table: pa.Table,
    instruments: Sequence[Instrument],
    splits: Mapping[UUID, Sequence[Split]],
    timeframe: Timeframe,
    ratio_at: Callable[..., Fraction],
) -> Iterator[tuple[np.ndarray, Fraction]]:
    """Return rows that share a ratio, with it: those between two splits, of one instrument and adjusted alike."""
    place = table["place"].to_numpy()
    through = table["adjusted_through"].cast(pa.int32()).fill_null(NONE).to_numpy()
    for number, instrument in enumerate(instruments):
        known = splits.get(instrument.pk, ())
        rows = np.flatnonzero(place == number)
        if not known or not len(rows):
            continue
        zone = GREENWICH if timeframe is Timeframe.DAY else zone_of(instrument.exchange)
        days = _days(table["timestamp"].take(rows), zone)
        past = np.searchsorted([split.ex_date.toordinal() - UNIX_DAY for split in known], days, side="right")
        _, first, group = np.unique(np.stack([past, through[rows]]), axis=1, return_index=True, return_inverse=True)
        for which, one in enumerate(first):
            until = None if through[rows[one]] == NONE else _day(through[rows[one]])
            ratio = ratio_at(splits=known, day=_day(days[one]), adjusted_through=until)
            yield rows[group.ravel() == which], ratio


def _numbers(column: pa.ChunkedArray) -> list[Decimal | None]:
    """Return the exact numbers of a column of digits."""
    return [None if text is None else Decimal(text) for text in column.to_pylist()]


def _days(instants: pa.ChunkedArray, zone: ZoneInfo) -> np.ndarray:
    """Return the days of instants in a time zone, by their numbers since 1970."""
    local = pc.local_timestamp(instants.cast(pa.timestamp("us", zone.key)))
    days: np.ndarray = local.cast(pa.int64()).to_numpy() // 86_400_000_000
    return days.clip(1 - UNIX_DAY, date.max.toordinal() - UNIX_DAY)


def _day(number: int) -> date:
    """Return a day by its number since 1970."""
    return date.fromordinal(UNIX_DAY + int(number))
