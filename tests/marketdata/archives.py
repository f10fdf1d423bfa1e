"""Days to archive: rows whose answer is known, and looks at what became of them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
from django.conf import settings
from django.db import connection

from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment, Quote, Tick
from marketdata.selectors.archive import archived
from marketdata.services.rollover import Outcome, roll_over
from tests.factories import LONG_AGO, make_quotes, make_ticks

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MODELS = {Dataset.QUOTES: Quote, Dataset.TICKS: Tick}


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def fill(day, *instruments, rows=5, dataset=Dataset.QUOTES, first=0, at=LONG_AGO):
    """Store rows of a day, a second apart, with a price of their own."""
    make = make_quotes if dataset is Dataset.QUOTES else make_ticks
    for number, instrument in enumerate(instruments):
        prices = [(noon(day) + timedelta(seconds=second), f"{100 + number}.{second:04}") for second in range(first, first + rows)]
        make(instrument, [(when, price, str(Decimal(price) + 1)) for when, price in prices], at=at)


def archive(day, dataset=Dataset.QUOTES, **options) -> Outcome:
    return roll_over(dataset=dataset, day=day, at=NOW, **options)


def filed(day, *instruments, dataset=Dataset.QUOTES, columns=None) -> pl.DataFrame:
    """Return what the archive has of instruments on a day."""
    start = datetime.combine(day, time(), UTC)
    ids = [each.pk for each in instruments] or None
    return archived(dataset=dataset, instrument_ids=ids, start=start, end=start + timedelta(days=1), columns=columns)


def live(day, *instruments, dataset=Dataset.QUOTES) -> int:
    """Return how many rows the database has of instruments on a day."""
    start = datetime.combine(day, time(), UTC)
    found = MODELS[dataset].objects.filter(timestamp__gte=start, timestamp__lt=start + timedelta(days=1))
    return (found.filter(instrument__in=instruments) if instruments else found).count()


def has_table(day, dataset=Dataset.QUOTES) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(marketdata_day_table(%s, %s)) IS NOT NULL", [dataset, day])
        return cursor.fetchone()[0]


def segments(day, dataset=Dataset.QUOTES):
    return list(ArchiveSegment.objects.filter(dataset=dataset, day=day).order_by("part"))


def root() -> Path:
    return Path(urlsplit(settings.ARCHIVE_URL).path)


def files(below="") -> list[str]:
    """Return the names of all files of the archive, incoming ones, too."""
    return sorted(path.relative_to(root()).as_posix() for path in (root() / below).rglob("*") if path.is_file())
