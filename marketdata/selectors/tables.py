"""Bars, quotes and trades over a period, live or archived: as an Arrow table, a DataFrame, or rows.

Importing this imports pandas, which takes half a second: it is for jobs and notebooks; pages read `series` and `pages`.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.selectors.series import Asked, read_series


class BarRow(NamedTuple):
    """A bar of an instrument, which is named by its key."""

    instrument: str
    timestamp: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None
    vwap: Decimal | None
    trade_count: int | None


class QuoteRow(NamedTuple):
    """What was bid and asked for an instrument."""

    instrument: str
    timestamp: datetime
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None
    ask_size: Decimal | None


class TickRow(NamedTuple):
    """A trade in an instrument."""

    instrument: str
    timestamp: datetime
    price: Decimal
    size: Decimal
    conditions: str


Row = BarRow | QuoteRow | TickRow
ROWS: dict[Dataset, type[Row]] = {Dataset.BARS: BarRow, Dataset.QUOTES: QuoteRow, Dataset.TICKS: TickRow}


def table(
    *,
    dataset: Dataset,
    instruments: Sequence[Instrument],
    start: datetime | None = None,
    end: datetime | None = None,
    timeframe: Timeframe | None = None,
    adjusted: bool = False,
    as_of: date | None = None,
) -> pa.Table:
    """Return the rows of instruments in [start, end) with `instrument`, `timestamp` (UTC) and figures as exact decimals.

    Bars need their timeframe. They are as traded, or with `adjusted` divided by the splits up to `as_of` (without it: all that
    are known). The first instrument's rows come first, each instrument's in the order of time.
    """
    return read_series(Asked(dataset, tuple(instruments), start, end, timeframe, adjusted, as_of))


def rows(
    *,
    dataset: Dataset,
    instruments: Sequence[Instrument],
    start: datetime | None = None,
    end: datetime | None = None,
    timeframe: Timeframe | None = None,
    adjusted: bool = False,
    as_of: date | None = None,
) -> list[Row]:
    """Return what `table` returns, as typed rows."""
    found = read_series(Asked(dataset, tuple(instruments), start, end, timeframe, adjusted, as_of))
    return list(map(ROWS[dataset]._make, zip(*(column.to_pylist() for column in found.columns), strict=True)))


def frame(
    *,
    dataset: Dataset,
    instruments: Sequence[Instrument],
    start: datetime | None = None,
    end: datetime | None = None,
    timeframe: Timeframe | None = None,
    adjusted: bool = False,
    as_of: date | None = None,
    floats: bool = False,
) -> pd.DataFrame:
    """Return what `table` returns as a DataFrame whose index is `timestamp` in UTC.

    The figures are exact decimals (of Arrow's type: sums stay exact); with `floats` they are float64, for statistics. Of one
    instrument there is no column `instrument`.
    """
    found = read_series(Asked(dataset, tuple(instruments), start, end, timeframe, adjusted, as_of), floats=floats)
    alone = found.drop_columns(["timestamp", "instrument"] if len(instruments) == 1 else ["timestamp"])
    made: pd.DataFrame = alone.to_pandas(types_mapper=_exact, split_blocks=True, self_destruct=not floats)
    made.index = pd.DatetimeIndex(found["timestamp"].to_pandas(), name="timestamp")
    return made


def _exact(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Return the type of a column that pandas has none of its own for, which would turn whole numbers into floats."""
    keep = pa.types.is_decimal(kind) or pa.types.is_integer(kind)
    return pd.ArrowDtype(kind) if keep else None
