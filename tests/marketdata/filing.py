"""Days that have been rolled over to an archive of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

from django.test import override_settings

from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment
from marketdata.services.rollover import roll_over

_numbers = count(Random().randrange(10_000))


def lonely_day() -> datetime:
    """Return midnight of a day that has a week for itself: whole days are rolled over, and tests share the tables."""
    return datetime(1975, 1, 1, tzinfo=UTC) + timedelta(weeks=next(_numbers) % 1200, days=Random().randrange(3))


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
