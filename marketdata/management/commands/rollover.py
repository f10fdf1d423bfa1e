"""Move days that are over to the archive."""

from argparse import ArgumentParser
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from marketdata.domain.archive import ARCHIVED
from marketdata.domain.quality import Dataset
from marketdata.selectors.days import finished_days
from marketdata.services.rollover import DayInUse, RolloverFailed, make_days, roll_over

FAILURES = (ValidationError, DayInUse, RolloverFailed, DatabaseError, OSError)
LINE = "{:<8} {:<10} {:<9} {:>12} {:>14}  {}"


class Command(BaseCommand):
    """Archives each day by itself: one that fails stays as it was, and the others go on."""

    help = "Move quotes and ticks of days that are over to the archive, and make the tables of the days to come."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--day", type=_day, help="only this day (YYYY-MM-DD); it must be over, but may be one of the last")
        parser.add_argument("--dataset", choices=[each.value for each in ARCHIVED], help="only these rows")
        parser.add_argument("--all", action="store_true", help="the last days, too, which ARCHIVE_KEEP_DAYS would leave")

    def handle(self, *args: Any, **options: Any) -> None:
        """Archive what is asked for, and say what became of each day."""
        at = timezone.now()
        datasets = [Dataset(options["dataset"])] if options["dataset"] else list(ARCHIVED)
        make_days(at=at)
        keep = 0 if options["all"] else settings.ARCHIVE_KEEP_DAYS
        due = [
            (dataset, day)
            for dataset in datasets
            for day in ([options["day"]] if options["day"] else finished_days(dataset, at, keep=keep))
        ]
        if not due:
            self.stdout.write("No day is over that is still in the database, but for the last ones that stay.")
            return
        self.stdout.write(LINE.format("data set", "day", "state", "rows", "bytes", "file"))
        failures = sum(not self._roll_over(dataset, day, at) for dataset, day in due)
        if failures:
            raise CommandError(f"{failures} of {len(due)} days could not be archived; they are as they were.")

    def _roll_over(self, dataset: Dataset, day: date, at: datetime) -> bool:
        """Archive one day, say what became of it, and whether that is well."""
        try:
            outcome = roll_over(dataset=dataset, day=day, at=at)
        except FAILURES as error:
            detail = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            self.stdout.write(LINE.format(dataset, day.isoformat(), "failed", "", "", detail))
            return False
        segment = outcome.segment
        figures = (f"{segment.rows:,}", f"{segment.bytes:,}", segment.file) if segment else ("", "", "")
        self.stdout.write(LINE.format(dataset, day.isoformat(), outcome.state, *figures).rstrip())
        return True


def _day(text: str) -> date:
    """Return a day."""
    return date.fromisoformat(text)
