"""Put rows that could be read into columns, beside what the rules ask about them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from marketdata.domain.instruments import AssetClass
from marketdata.domain.quality import Batch, Column, Dataset
from marketdata.domain.rows import Shape, Values
from marketdata.models.instruments import Instrument
from marketdata.selectors.prices import closes_before, rates_before

# Prices outside these are not believed, unless the instrument itself says so. Oil has been paid to be taken away.
DEFAULT_BOUNDS = (Decimal(0), Decimal(100_000))
BOUNDS = {
    AssetClass.CRYPTO: (Decimal(0), Decimal(10_000_000)),
    AssetClass.INDEX: (Decimal(0), Decimal(10_000_000)),
    AssetClass.FUTURE: (Decimal(-100_000), Decimal(10_000_000)),
    AssetClass.COMMODITY: (Decimal(-100_000), Decimal(10_000_000)),
}


def batch_of(shape: Shape, read: Mapping[int, Values], about: Mapping[int, Instrument], recorded_at: datetime) -> Batch:
    """Return rows as columns, with the bounds of their instruments and the price before each."""
    indices, rows = list(read), list(read.values())
    values = dict(zip(shape.columns, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(shape.columns, ())
    bounds = [_bounds(about[index]) for index in indices] if about else []
    return Batch(
        dataset=shape.dataset,
        indices=indices,
        columns={name: _column(column) for name, column in values.items()},
        recorded_at=recorded_at,
        floor=_column([low for low, _ in bounds]),
        ceiling=_column([high for _, high in bounds]),
        previous=_previous(shape, rows),
        follows=_follows(shape, rows),
    )


def _column(values: Sequence[Any]) -> Column:
    """Return exact values as a column; numpy must not guess a type for them."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _bounds(instrument: Instrument) -> tuple[Decimal, Decimal]:
    """Return the prices between which an instrument is believed."""
    low, high = BOUNDS.get(AssetClass(instrument.asset_class), DEFAULT_BOUNDS)
    return (
        low if instrument.price_floor is None else instrument.price_floor,
        high if instrument.price_ceiling is None else instrument.price_ceiling,
    )


def _follows(shape: Shape, rows: Sequence[Values]) -> Column:
    """Mark the rows that are not older than the one that came before them in their series."""
    last: dict[Values, Any] = {}
    marks = np.ones(len(rows), dtype=bool)
    for place, values in enumerate(rows):
        series, time = shape.series_of(values), shape.time_of(values)
        marks[place] = last.get(series, time) <= time
        last[series] = time
    return marks


def _previous(shape: Shape, rows: Sequence[Values]) -> Column:
    """Return the price before each row in its series: in the batch, and for the first one in the database."""
    before = np.full(len(rows), np.nan)
    if shape.dataset is Dataset.QUOTES or not rows:
        return before
    price = shape.columns.index("close" if shape.dataset is Dataset.BARS else "rate")
    in_order = sorted(range(len(rows)), key=lambda place: shape.key_of(rows[place]))
    starts = {}
    latest: dict[Values, float] = {}
    for place in in_order:
        series = shape.series_of(rows[place])
        if series in latest:
            before[place] = latest[series]
        else:
            starts[place] = shape.key_of(rows[place])
        latest[series] = float(rows[place][price])
    known = (closes_before if shape.dataset is Dataset.BARS else rates_before)(starts.values())
    for place, key in starts.items():
        before[place] = known.get(key, np.nan)
    return before
