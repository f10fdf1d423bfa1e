"""Days that have been rolled over to an archive of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import randrange

from django.test import override_settings

from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment
from marketdata.services.rollover import roll_over
from tests.factories import taken_days


def lonely_day() -> datetime:
    """Return midnight of a day that has a week for itself: whole days are rolled over, and tests share the tables."""
    taken = taken_days("quotes") | taken_days("ticks")
    weeks = iter(lambda: date(1975, 1, 1) + timedelta(days=randrange(8000)), None)
    first = next(day for day in weeks if taken.isdisjoint(day + timedelta(days=number) for number in range(7)))
    return datetime.combine(first, time(), UTC)


@contextmanager
def archive_at(folder: Path) -> Iterator[None]:
    """Let the archive be a folder; what was filed meanwhile is forgotten in the end, for the folder goes."""
    before = set(ArchiveSegment.objects.values_list("pk", flat=True))
    with override_settings(ARCHIVE_URL=folder.as_uri()):
        yield
    ArchiveSegment.objects.filter(file__in=[str(path.relative_to(folder)) for path in folder.rglob("*.parquet")]).exclude(
        pk__in=before
    ).delete()


def file_away(dataset: Dataset, day: date) -> None:
    """Roll a day over."""
    roll_over(dataset=dataset, day=day, at=datetime(2026, 1, 1, tzinfo=UTC))
