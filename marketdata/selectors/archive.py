"""Rows of days that have left the database: read from the archive as if they were still in it."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

import polars as pl

from marketdata.domain.quality import Dataset
from marketdata.models.archive import ArchiveSegment


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
    """Return the archived rows of instruments (None: of all) in [start, end), sorted by instrument and time."""
    raise NotImplementedError
