"""What backtests read: bars in columns, by the one query for prices; and the files that finished runs left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from numpy.typing import NDArray

from marketdata.domain.adjustment import PRICE_PLACES
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models import Instrument
from marketdata.selectors.series import Asked, read_series
from portfolio.domain.exact import Fixed
from trading.domain.backtest_steps import Market
from trading.domain.strategies.base import BarColumns

TICK = Decimal("0.01")  # of who has none of their own
AT_ONCE = 20  # instruments that are read together
FILES = ("summary.json", "equity.parquet", "trades.parquet")
PRICES = ("open", "high", "low", "close")


def markets_of(
    *, instruments: Iterable[UUID], timeframe: Timeframe, start: date, end: date, as_of: date | None = None
) -> Iterator[Market]:
    """Yield the bars of instruments in [start, end), adjusted for the splits up to the end or `as_of`; in their order.

    What has no bars in that time comes with none.
    """
    wanted = list(instruments)
    known = Instrument.objects.in_bulk(wanted)
    for first in range(0, len(wanted), AT_ONCE):
        some = [known[one] for one in wanted[first : first + AT_ONCE]]
        table = read_series(
            Asked(
                Dataset.BARS,
                tuple(some),
                start=datetime.combine(start, time(), UTC),
                end=datetime.combine(end, time(), UTC),
                timeframe=timeframe,
                adjusted=True,
                as_of=as_of or end,
            )
        )
        places = table["instrument"].combine_chunks().indices.to_numpy()
        bounds = np.searchsorted(places, np.arange(len(some) + 1)).tolist()
        for number, instrument in enumerate(some):
            yield _market(instrument, table.slice(bounds[number], bounds[number + 1] - bounds[number]))


def keys_of(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names that mean each of some instruments alone."""
    return {pk: instrument.key for pk, instrument in Instrument.objects.in_bulk(set(ids)).items()}


def folder_of(run_id: UUID) -> Path:
    """Return where the files of a run are."""
    return Path(settings.VAR) / "backtests" / str(run_id)


def files_of(run_id: UUID) -> dict[str, int]:
    """Return the files of a run by name, with their sizes; none if it has left none."""
    paths = [folder_of(run_id) / name for name in FILES]
    return {path.name: path.stat().st_size for path in paths if path.is_file()}


def summary_of(run_id: UUID) -> dict[str, Any] | None:
    """Return the summary of a finished run."""
    path = folder_of(run_id) / "summary.json"
    found: dict[str, Any] | None = orjson.loads(path.read_bytes()) if path.is_file() else None
    return found


def curve_of(run_id: UUID) -> tuple[list[int], list[float]]:
    """Return the last equity of each day of a finished run, for the eye: days since the year 1, and values."""
    path = folder_of(run_id) / "equity.parquet"
    if not path.is_file():
        return [], []
    table = pq.read_table(path, columns=["timestamp", "equity"])
    days = table["timestamp"].cast(pa.int64()).to_numpy() // 86_400_000_000 + date(1970, 1, 1).toordinal()
    last = np.flatnonzero(np.diff(days, append=-1))
    return days[last].tolist(), table["equity"].cast(pa.float64()).to_numpy()[last].tolist()


def rows_of(run_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the summaries of runs that have left one, to hold them side by side."""
    found = {run_id: summary_of(run_id) for run_id in run_ids}
    return {run_id: summary for run_id, summary in found.items() if summary is not None}


def _market(instrument: Instrument, table: pa.Table) -> Market:
    """Return the bars of one instrument."""
    opened, high, low, close = (_digits(table[name]) for name in PRICES)
    volume = table["volume"].cast(pa.float64()).fill_null(0.0).to_numpy()
    times = table["timestamp"].cast(pa.int64()).to_numpy()
    bars = BarColumns(times, _floats(opened), _floats(high), _floats(low), _floats(close), volume)
    return Market(instrument.key, bars, opened, high, low, close, instrument.multiplier, instrument.tick_size or TICK)


def _floats(exact: Fixed) -> NDArray[np.float64]:
    """Return the floats that are nearest to exact prices."""
    found: NDArray[np.float64] = exact.digits.astype(np.float64) / 10.0**exact.places
    return found


def _digits(column: pa.ChunkedArray) -> Fixed:
    """Return exact prices as whole numbers: the lower half of each decimal, where the upper one says nothing else."""
    array = column.combine_chunks()
    if not len(array):
        return Fixed.zeros(0)
    halves = np.frombuffer(array.buffers()[1], dtype=np.int64)[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2)
    low = halves[:, 0]
    if bool((halves[:, 1] == low >> 63).all()) and int(np.abs(low).max()) < 1 << 62:
        return Fixed.trimmed(low.copy(), PRICE_PLACES, int(np.abs(low).max()))
    return Fixed.of(array.to_pylist(), PRICE_PLACES)
