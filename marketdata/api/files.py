"""Rows of a whole period as a file, CSV or Parquet, for clients whose `Accept` says so.

A file is finished before the answer starts: it is spooled to a temporary one, part by part in flat memory, inside the request's
transaction. So the status is right, the length is known, a client that gets fewer bytes knows it, and nothing is read once the
transaction is over.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from django.http import FileResponse
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.renderers import BaseRenderer

from marketdata.domain.spreadsheets import CELL_IN_TEXT, FORMULA
from marketdata.selectors.series import Asked, read_series, windows

MOST_ROWS = 5_000_000
IN_MEMORY = 1 << 20
BLOCK = 1 << 16
TEXTS = ["instrument", "conditions"]
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


class FileRenderer(BaseRenderer):
    """Names a format that a route answers by a file of its own making."""

    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return the bytes of an answer that is no file: there is none."""
        return b""


class CsvRenderer(FileRenderer):
    """Comma-separated values, with a line of names on top."""

    media_type, format = CSV, "csv"


class ParquetRenderer(FileRenderer):
    """Apache Parquet."""

    media_type, format = PARQUET, "parquet"


def file_of(asked: Asked, *, media_type: str, name: str, limit: int | None = None, most: int = MOST_ROWS) -> FileResponse:
    """Return the rows asked for as a file; with a limit the first so many.

    :raises ValidationError: if they are more than a file may have
    """
    spool: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  the answer closes it
    write, ending, content_type = FORMATS[media_type]
    try:
        write(spool, asked, _parts(asked, limit, most))
        tag = blake2b(digest_size=16)
        spool.seek(0)
        while block := spool.read(BLOCK):
            tag.update(block)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    response = FileResponse(spool, as_attachment=True, filename=f"{name}.{ending}", content_type=content_type)
    response.block_size = BLOCK
    response["ETag"] = f'"{tag.hexdigest()}"'
    return response


def _parts(asked: Asked, limit: int | None, most: int) -> Iterator[pa.Table]:
    """Return the rows in parts that memory holds."""
    left = most if limit is None else limit
    for window in windows(asked):
        part = read_series(window)
        if len(part) > left and limit is None:
            detail = f"A file holds at most {most:,} rows: ask for a shorter period or for fewer instruments."
            raise ValidationError({"end": [ErrorDetail(detail, code="too_many_rows")]})
        part = part.slice(0, left)
        left -= len(part)
        if len(part):
            yield part
        if not left and limit is not None:
            return


def _write_parquet(file: IO[bytes], asked: Asked, parts: Iterator[pa.Table]) -> None:
    """Write a Parquet file; decimals stay exact, times are in UTC."""
    # figures hardly repeat: looking for those that do would take longer than all the rest
    ways: Any = {"use_dictionary": TEXTS, "column_encoding": {"timestamp": "DELTA_BINARY_PACKED"}}
    with pq.ParquetWriter(file, asked.schema, compression="zstd", **ways) as writer:
        for part in parts:
            writer.write_table(part)


def _write_csv(file: IO[bytes], asked: Asked, parts: Iterator[pa.Table]) -> None:
    """Write a CSV file with numbers and times as the JSON has them, and texts that no spreadsheet takes for a formula."""
    file.write((",".join(asked.schema.names) + "\n").encode())
    for part in parts:
        pl.DataFrame(part).select(_cell(field).alias(field.name) for field in asked.schema).write_csv(file, include_header=False)


def _cell(field: pa.Field) -> pl.Expr:
    """Return how a column is written."""
    column, kind = pl.col(field.name), field.type
    if pa.types.is_decimal(kind):
        return column.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    if pa.types.is_timestamp(kind):
        whole = column.dt.microsecond() == 0
        return (
            pl.when(whole).then(column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).otherwise(column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
        )
    if pa.types.is_integer(kind):
        return column
    text = column.cast(pl.String).str.replace_all(CELL_IN_TEXT, "$1'$2")
    return pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text)


Write = Callable[[IO[bytes], Asked, Iterator[pa.Table]], None]
FORMATS: dict[str, tuple[Write, str, str]] = {
    CSV: (_write_csv, "csv", "text/csv; charset=utf-8; header=present"),
    PARQUET: (_write_parquet, "parquet", PARQUET),
}
