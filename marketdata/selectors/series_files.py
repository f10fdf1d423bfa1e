"""Take price series out as files, as `adapters.series_files` names and writes them; what is written can be read in again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import IO, Any, BinaryIO

from marketdata.adapters.series_files import frame_name, lines_name, write_lines
from marketdata.adapters.series_parquet import write_parquet
from marketdata.domain.quality import Dataset
from marketdata.selectors.series import Asked, read_series, windows


@dataclass(frozen=True, slots=True)
class Written:
    """What a file is to be called, and how many rows it holds."""

    name: str
    rows: int


def write_series_lines(asked: Asked, file: BinaryIO | IO[bytes]) -> Written:
    """Write the rows of one instrument as JSON lines, piece by piece."""
    (instrument,) = asked.instruments
    rows = 0
    for line in _lines(asked, instrument.symbol):
        file.write(line)
        rows += 1
    return Written(lines_name(instrument.symbol), rows)


def write_series_frame(asked: Asked, file: BinaryIO | IO[bytes]) -> Written:
    """Write the bars of one instrument as a Parquet file with a UTC index named timestamp.

    :raises ValueError: if bars are not what is asked for, or there are none: the name of the file says from when to when they are
    """
    (instrument,) = asked.instruments
    if asked.dataset is not Dataset.BARS or asked.timeframe is None:
        raise ValueError("Only bars are written as Parquet; write quotes and ticks as lines.")
    table = read_series(asked)
    if not table.num_rows:
        raise ValueError(f"There are no {asked.timeframe} bars of {instrument.key} in that period.")
    first, last = (table["timestamp"][place].as_py().astimezone(UTC).date() for place in (0, table.num_rows - 1))
    write_parquet(table, file)
    return Written(frame_name(instrument.symbol, asked.timeframe, first, last), table.num_rows)


def _lines(asked: Asked, symbol: str) -> Iterator[bytes]:
    """Yield the lines of the rows, window by window."""
    for window in windows(asked):
        table = read_series(window).drop_columns(["instrument"])
        for piece in table.to_batches(max_chunksize=10_000):
            rows = piece.to_pylist() if asked.dataset is not Dataset.QUOTES else map(_priced, piece.to_pylist())
            yield from write_lines(symbol, rows, timeframe=asked.timeframe)


def _priced(row: dict[str, Any]) -> dict[str, Any]:
    """Return a quote as a plain price, where it is no more than that."""
    if row["bid"] != row["ask"] or row["bid_size"] is not None or row["ask_size"] is not None:
        return row
    return {"timestamp": row["timestamp"], "price": row["bid"]}
