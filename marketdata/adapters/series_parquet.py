"""Parquet files of bars as pandas writes them: a UTC index named timestamp, and columns of open, high, low, close and volume.

A file is read in pieces. One that claims more than it can hold, or grows beyond all reason, is refused before it is unpacked.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import IO, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from marketdata.adapters.lines import UnreadableFile
from marketdata.adapters.series_rows import MEANS

PIECE = 10_000
MOST_ROWS = 50_000_000
MOST_COLUMNS = 200
MOST_UNPACKED = 4 << 30
MOST_OF_A_CHUNK = 512 << 20
MOST_EXPANSION = 1000
FREE = 64 << 20  # what a file may unpack to, however small it is
SOUND = pa.timestamp("us", "UTC")
FIGURES = ("open", "high", "low", "close", "volume", "vwap", "trade_count")


def read_parquet(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a file with their numbers, by our own names of their columns.

    :raises UnreadableFile: if it is no Parquet file, too large, or has no column of times
    """
    try:
        parquet = pq.ParquetFile(
            file,
            pre_buffer=False,
            thrift_string_size_limit=16 << 20,
            thrift_container_size_limit=1 << 20,
            arrow_extensions_enabled=False,
        )
        _check_size(parquet.metadata)
        wanted = _columns(parquet)
        number = 0
        for piece in parquet.iter_batches(PIECE, columns=list(wanted.values()), use_threads=False):
            columns = {name: _values(piece.column(piece.schema.get_field_index(column))) for name, column in wanted.items()}
            for values in zip(*columns.values(), strict=True):
                number += 1
                row = zip(columns, values, strict=True)
                yield number, {name: value for name, value in row if value is not None and value != ""}
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise UnreadableFile(f"The file is no Parquet file that can be read: {str(error)[:200]}") from error


def _check_size(about: Any) -> None:
    """Refuse a file that claims to hold more than may be unpacked.

    :raises UnreadableFile: saying what is too much
    """
    if about.num_columns > MOST_COLUMNS or about.num_rows > MOST_ROWS:
        raise UnreadableFile(f"The file has {about.num_columns} columns and {about.num_rows:,} rows; that is too many.")
    packed = unpacked = 0
    for group in range(about.num_row_groups):
        for place in range(about.num_columns):
            chunk = about.row_group(group).column(place)
            packed += max(chunk.total_compressed_size, 0)
            unpacked += max(chunk.total_uncompressed_size, 0)
            if chunk.total_uncompressed_size > MOST_OF_A_CHUNK:
                raise UnreadableFile("A part of the file is too large; write it with smaller row groups.")
    if unpacked > MOST_UNPACKED or unpacked > FREE + MOST_EXPANSION * packed:
        raise UnreadableFile("The file unpacks to more than is reasonable; split it.")


def _columns(parquet: pq.ParquetFile) -> dict[str, str]:
    """Return the columns that mean something to us, by our names.

    :raises UnreadableFile: if there is none of times
    """
    schema = parquet.schema_arrow
    found: dict[str, str] = {}
    for field in schema:
        name = MEANS.get(field.name.strip().lower().replace(" ", "_"))
        if name is not None and name != "symbol" and not pa.types.is_nested(field.type):
            found.setdefault(name, field.name)
    if "timestamp" not in found and (index := _index(schema)):
        found["timestamp"] = index
    if "timestamp" not in found:
        raise UnreadableFile("The file has no column of times: it needs an index, or a column, named timestamp.")
    return found


def _index(schema: pa.Schema) -> str | None:
    """Return the column in which pandas keeps the index, if there is one."""
    try:
        kept = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError, RecursionError):
        return None
    names = [name for name in kept if isinstance(name, str) and name in schema.names] if isinstance(kept, list) else []
    return names[0] if names else None


def _values(column: pa.Array) -> list[Any]:
    """Return the values of a column; times in microseconds, what has no zone in UTC."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def write_parquet(table: pa.Table, file: BinaryIO | IO[bytes]) -> None:
    """Write bars as pandas would write them: `timestamp` is the index, in UTC, and the figures are floats.

    A column with figures that a float can't hold to the last digit is written in decimals, so that nothing is lost.
    """
    columns = [("timestamp", table["timestamp"].cast(SOUND))]
    columns += [(name, _as_floats(table[name])) for name in FIGURES if name in table.column_names and _says(table[name])]
    made = pa.table(dict(columns))
    pq.write_table(
        made.replace_schema_metadata({b"pandas": json.dumps(_as_pandas(made.schema)).encode()}), file, compression="zstd"
    )


def _says(column: pa.ChunkedArray) -> bool:
    """Say whether a column holds anything."""
    return bool(column.null_count < len(column))


def _as_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return exact figures as floats, if these are the same figures when they are read by their shortest spelling."""
    if not pa.types.is_decimal(column.type):
        return column
    exact = column.to_pylist()
    floats = [None if value is None else float(value) for value in exact]
    same = all(value is None or Decimal(repr(near)) == value for value, near in zip(exact, floats, strict=True))
    return pa.chunked_array([pa.array(floats, pa.float64())]) if same else column


def _as_pandas(schema: pa.Schema) -> Mapping[str, Any]:
    """Return the note by which pandas knows the index again."""
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": _kind(field.type),
            "numpy_type": _numpy(field.type),
            "metadata": None,
        }
        for field in schema
    ]
    columns[0]["metadata"] = {"timezone": "UTC"}
    return {"index_columns": ["timestamp"], "column_indexes": [], "columns": columns, "creator": {"library": "pyarrow"}}


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "datetimetz"
    return "decimal" if pa.types.is_decimal(kind) else str(kind).replace("double", "float64")


def _numpy(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "datetime64[us]"
    return "object" if pa.types.is_decimal(kind) else str(kind).replace("double", "float64")
