"""The files of the archive: one for the rows of a data set on a day, written once and read by anybody's tools.

Layout: `quotes/date=2024-01-02/part-0.parquet`, which pyarrow, polars and duckdb read as a table with a column `date`. Rows are
sorted by instrument and time, in row groups of which the footer tells the first and the last instrument, so that a day of one
instrument is found without reading the others. Every page has a checksum; the footer has none of its own, and a bit of it that
is flipped may hide rows or end the whole process that reads it. So its hash is kept with the segment, and it is compared before
anything of it is believed.

All files of a data set have the same columns of the same types, those of `frames.SCHEMAS` and `recorded_at`: numbers with as
many digits as the database keeps. A scale of its own for every file would save a twentieth of the space, and readers who take
the first file's for that of all would round the others without a word. They are dictionaries of the numbers that occur.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from hashlib import sha256
from io import SEEK_END
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from marketdata.domain.frames import INSTANT, SCHEMAS
from marketdata.domain.quality import Dataset

SCHEMA_VERSION = 1
VERSION_KEY, DATASET_KEY = b"bedrock:schema_version", b"bedrock:dataset"
GROUP_ROWS = 10_000
TRAILER = b"\0\0\0\0PAR1"  # after the footer stand its length and this word
_TIME = pa.timestamp("us", "UTC")
ARCHIVED = (Dataset.QUOTES, Dataset.TICKS)
# What tells two rows of a data set apart.
KEYS: Mapping[Dataset, tuple[str, ...]] = {
    Dataset.QUOTES: ("instrument", "timestamp"),
    Dataset.TICKS: ("instrument", "timestamp", "price", "size"),
}


class ArchiveUnreadable(Exception):
    """A part of the archive can't be read, so that a question over it has no answer; half of one would be a lie."""


class Unmatched(ValueError):
    """A file does not hold what it is said to hold."""


def columns_of(dataset: Dataset) -> pl.Schema:
    """Return the columns of a data set's files.

    >>> list(columns_of(Dataset.TICKS))
    ['instrument', 'timestamp', 'price', 'size', 'conditions', 'recorded_at']
    """
    return pl.Schema({**SCHEMAS[dataset], "recorded_at": INSTANT})


def arrow_schema(dataset: Dataset) -> pa.Schema:
    """Return the columns of a data set's files as Arrow writes them."""
    return pa.schema([(name, _arrow_type(dtype)) for name, dtype in columns_of(dataset).items()])


def folder_of(dataset: Dataset, day: date) -> str:
    """Return where the files of a day are, below the root of the archive.

    >>> folder_of(Dataset.QUOTES, date(2024, 1, 2))
    'quotes/date=2024-01-02'
    """
    return f"{dataset}/date={day.isoformat()}"


def name_of(dataset: Dataset, day: date, part: int) -> str:
    """Return the name of a file of the archive, below its root.

    >>> name_of(Dataset.QUOTES, date(2024, 1, 2), 0)
    'quotes/date=2024-01-02/part-0.parquet'
    """
    return f"{folder_of(dataset, day)}/part-{part}.parquet"


def footer_of(source: Any) -> bytes:
    """Return the end of a file, which says where in it everything is.

    :raises Unmatched: if it does not end as files of the archive do
    """
    source.seek(0, SEEK_END)
    size = source.tell()
    source.seek(max(0, size - len(TRAILER)))
    length = int.from_bytes((TRAILER + source.read())[-8:-4], "little") + len(TRAILER)
    if length > size:
        raise Unmatched("it does not end as a file of the archive does")
    source.seek(size - length)
    return bytes(source.read())


def digest_of_footer(source: Any) -> str:
    """Return the hash by which the end of a file is known.

    :raises Unmatched: if it does not end as files of the archive do
    """
    return sha256(footer_of(source)).hexdigest()


class SegmentWriter:
    """Writes rows that come sorted, in whatever portions, to a file with row groups of even size."""

    def __init__(self, path: Path, dataset: Dataset) -> None:
        schema = arrow_schema(dataset)
        times = [name for name, dtype in columns_of(dataset).items() if dtype == INSTANT and name != "recorded_at"]
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._held = 0
        self.rows = 0
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in times],
            column_encoding=dict.fromkeys(times, "DELTA_BINARY_PACKED"),
            store_schema=False,  # else other readers would take the names of instruments for categories
            write_page_checksum=True,
            write_statistics=[
                "instrument",
                *times,
            ],  # by which files are searched; of the numbers they take longer than to write them
        )
        self._writer.add_key_value_metadata({VERSION_KEY: str(SCHEMA_VERSION).encode(), DATASET_KEY: dataset.encode()})

    def write(self, batch: pa.RecordBatch) -> None:
        """Take some rows; whole row groups are written."""
        self._waiting.append(batch)
        self._held += batch.num_rows
        self.rows += batch.num_rows
        if self._held >= GROUP_ROWS:
            table = pa.Table.from_batches(self._waiting, self._schema).combine_chunks()
            whole = table.num_rows - table.num_rows % GROUP_ROWS
            self._writer.write_table(table.slice(0, whole), row_group_size=GROUP_ROWS)
            self._waiting = table.slice(whole).to_batches()
            self._held = table.num_rows - whole

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_others: object) -> None:
        """Write what is left, and the footer; of a file that failed nothing is left to save."""
        if kind is None:
            if self._held:
                self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema).combine_chunks())
            self._writer.close()
        else:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()


class SegmentReader:
    """Reads a file of the archive: some of its rows, or all of them in portions.

    Only what cannot be a file of the archive is refused here; what its pages raise when they are damaged is for the caller.
    `footer` is the hash that its end must have, where that is known.

    :raises Unmatched: if it holds another data set, was written by a version that knew more than this one, or its end has changed
    """

    PORTION = 20  # row groups

    def __init__(self, source: Any, dataset: Dataset, *, footer: str = "") -> None:
        known = _sound(footer_of(source), footer) if footer else None
        try:
            self._file = pq.ParquetFile(source, metadata=known, page_checksum_verification=True, read_dictionary=["instrument"])
            metadata = self._file.metadata.metadata or {}
            version = int(metadata.get(VERSION_KEY, b"0"))
        except KeyError as error:
            raise Unmatched("it has no column of instruments") from error
        if not 0 < version <= SCHEMA_VERSION or metadata.get(DATASET_KEY) != dataset.encode():
            raise Unmatched(f"it is no file of {dataset} of a version up to {SCHEMA_VERSION}")
        types = {field.name: field.type for field in self._file.schema_arrow}
        if types | {"instrument": pa.string()} != {field.name: field.type for field in arrow_schema(dataset)}:
            raise Unmatched(f"it has other columns than {dataset} have")
        self._dataset = dataset
        self._groups = self._file.metadata

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return int(self._groups.num_rows)

    def read(
        self, *, instruments: Sequence[str] | None, start: datetime, end: datetime, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the rows of instruments (None: of all) in [start, end), in the order in which they are kept."""
        wanted = list(columns or SCHEMAS[self._dataset])
        needed = list(dict.fromkeys(["instrument", "timestamp", *wanted]))
        groups = range(self._groups.num_row_groups) if instruments is None else self._groups_of(sorted(instruments))
        table = self._table(groups, needed)
        kept = pc.and_(
            pc.greater_equal(table["timestamp"], pa.scalar(start, _TIME)), pc.less(table["timestamp"], pa.scalar(end, _TIME))
        )
        if instruments is not None:
            kept = pc.and_(kept, _is_one_of(table["instrument"], instruments))
        return _frame(table.filter(kept).select(wanted))

    def check(self) -> None:
        """Read every page and hold it against its checksum.

        :raises OSError: if one is not what it was
        """
        self._file.scan_contents(batch_size=GROUP_ROWS)

    def portions(self) -> Iterator[pl.DataFrame]:
        """Yield all rows with all columns, some row groups at a time."""
        for first in range(0, self._groups.num_row_groups, self.PORTION):
            groups = range(first, min(first + self.PORTION, self._groups.num_row_groups))
            yield _frame(self._table(groups, list(columns_of(self._dataset))))

    def everything(self) -> pl.DataFrame:
        """Return all rows with all columns."""
        return _frame(self._table(range(self._groups.num_row_groups), list(columns_of(self._dataset))))

    def _table(self, groups: Collection[int], columns: list[str]) -> pa.Table:
        """Return columns of row groups; nothing is left to threads, which a forked process may not have."""
        return self._file.read_row_groups(list(groups), columns=columns, use_threads=False).select(columns)

    def _groups_of(self, instruments: Sequence[str]) -> list[int]:
        """Return the row groups that may hold an instrument; they are sorted, so each is found by halving."""
        every, found = range(self._groups.num_row_groups), set()
        for instrument in instruments:
            group = bisect_left(every, instrument, key=lambda each: self._bounds(each)[1])
            while group < len(every) and self._bounds(group)[0] <= instrument:
                found.add(group)
                group += 1
        return sorted(found)

    def _bounds(self, group: int) -> tuple[str, str]:
        """Return the first and the last instrument of a row group."""
        statistics = self._groups.row_group(group).column(0).statistics
        return statistics.min, statistics.max


def _sound(end: bytes, digest: str) -> pq.FileMetaData:
    """Return what the end of a file says, once it is known to be as it was written.

    :raises Unmatched: if it is not
    """
    if sha256(end).hexdigest() != digest:
        raise Unmatched("its footer has changed: the sha256 of it is another one")
    return pq.read_metadata(pa.BufferReader(TRAILER[4:] + end))


def _is_one_of(column: pa.ChunkedArray, names: Sequence[str]) -> pa.Array:
    """Mark the rows of some names: each name is compared once, however many rows it has."""
    coded = column.combine_chunks()
    return pc.is_in(coded.dictionary, pa.array(names, pa.string())).take(coded.indices)


def _frame(table: pa.Table) -> pl.DataFrame:
    """Return a table with the names of instruments written out."""
    if "instrument" in table.schema.names:
        place = table.schema.get_field_index("instrument")
        table = table.set_column(place, "instrument", table["instrument"].cast(pa.string()))
    return pl.DataFrame(table)


def _arrow_type(dtype: pl.DataType) -> pa.DataType:
    """Return the type of a column in a file."""
    if isinstance(dtype, pl.Decimal):
        return pa.decimal128(dtype.precision, dtype.scale)
    return _TIME if dtype == INSTANT else pa.string()
