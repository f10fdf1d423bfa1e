"""Rows of days that have left the database: read from the archive as if they were still in it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import polars as pl
import pyarrow as pa

from marketdata.adapters.store import Store, archive_store
from marketdata.domain.archive import KEYS, ArchiveUnreadable, SegmentReader, Unmatched, columns_of
from marketdata.domain.frames import SCHEMAS
from marketdata.domain.quality import Dataset
from marketdata.models.archive import ArchiveSegment

MOMENT = timedelta(microseconds=1)
REMEDY = "Put the file back from a backup; `manage.py verify_archive` says what else is wrong."


def has_archived(dataset: Dataset, days: Collection[date]) -> set[date]:
    """Return those of the days that have rows in the archive."""
    return set(ArchiveSegment.objects.filter(dataset=dataset, day__in=days).values_list("day", flat=True).distinct())


def archived(
    *,
    dataset: Dataset,
    instrument_ids: Collection[UUID] | None,
    start: datetime,
    end: datetime,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the archived rows of instruments (None: of all) in [start, end), sorted by instrument and time, each key once.

    The columns are those of `frames.SCHEMAS`, or the ones asked for, among which `recorded_at` may be. One query finds the
    files, and of each only the parts that may hold the instruments are read.

    :raises ArchiveUnreadable: if a file is missing or damaged; it names the file
    """
    wanted = list(columns or SCHEMAS[dataset])
    nothing = pl.DataFrame(schema={name: columns_of(dataset)[name] for name in wanted})
    if start >= end or (instrument_ids is not None and not instrument_ids):
        return nothing
    segments = segments_between(dataset, start, end)
    if not segments:
        return nothing
    store = archive_store()
    names = None if instrument_ids is None else [str(each) for each in instrument_ids]
    key = list(KEYS[dataset])
    if len(segments) == 1:
        return read_segment(store, segments[0], instruments=names, start=start, end=end, columns=wanted)
    needed = list(dict.fromkeys([*wanted, *key]))
    frames = [read_segment(store, each, instruments=names, start=start, end=end, columns=needed) for each in segments]
    return pl.concat(frames).unique(key, keep="first", maintain_order=True).sort(key).select(wanted)


def segments_between(dataset: Dataset, start: datetime, end: datetime) -> list[ArchiveSegment]:
    """Return the segments that have rows in [start, end), oldest first."""
    days = (start.astimezone(UTC).date(), (end.astimezone(UTC) - MOMENT).date())
    found = ArchiveSegment.objects.filter(dataset=dataset, day__range=days, first_at__lt=end, last_at__gte=start)
    return list(found.order_by("day", "part"))


def read_segment(
    store: Store,
    segment: ArchiveSegment,
    *,
    instruments: Sequence[str] | None,
    start: datetime,
    end: datetime,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return rows of one segment, see `archived`.

    :raises ArchiveUnreadable: if its file is missing or damaged
    """
    with opened(store, segment) as reader:
        return reader.read(instruments=instruments, start=start, end=end, columns=columns)


@contextmanager
def opened(store: Store, segment: ArchiveSegment) -> Iterator[SegmentReader]:
    """Open the file of a segment; whatever it raises while it is read says which one it was.

    :raises ArchiveUnreadable: if the file is missing or damaged
    """
    try:
        with closing(store.open(segment.file)) as source:
            reader = SegmentReader(source, Dataset(segment.dataset), footer=segment.footer_sha256)
            if reader.rows != segment.rows:
                raise Unmatched(f"it has {reader.rows:,} rows instead of {segment.rows:,}")
            yield reader
    except FileNotFoundError as error:
        raise ArchiveUnreadable(f"{segment} can't be read: there is no {segment.file} in the archive. {REMEDY}") from error
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise ArchiveUnreadable(f"{segment} can't be read: {segment.file}: {reason}. {REMEDY}") from error
