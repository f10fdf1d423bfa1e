"""Make bars of ticks and quotes."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.domain.quality import Dataset
from marketdata.services import rollup

ALWAYS = timedelta(days=7)


class Command(BaseCommand):
    """Does what the beat does every minute, and with --since all days again."""

    help = "Make the bars of days whose ticks or quotes have changed; with --since, of all days from then on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--since", type=_day, help="make all bars anew from this day (YYYY-MM-DD) on")
        parser.add_argument("--dataset", choices=["ticks", "quotes"], help="with --since: only days that have rows of this kind")

    def handle(self, *args: Any, **options: Any) -> None:
        """Mark what is asked for, work through the marks, and say what became of the bars."""
        at = timezone.now()
        if options["since"]:
            for name in [options["dataset"]] if options["dataset"] else ["ticks", "quotes"]:
                rollup.mark_days(dataset=Dataset(name), since=options["since"], at=at)
        report = rollup.roll_up_pending(at=at, budget=ALWAYS)
        self.stdout.write(
            f"{report.days} days of instruments: {report.stored} bars stored, {report.corrected} corrected, "
            f"{report.known} known, {report.removed} removed, {report.refused} refused."
        )
        if report.failed:
            raise CommandError(
                f"{report.failed} marked days can't be read; the log names their files. See manage.py verify_archive."
            )


def _day(text: str) -> date:
    """Return the day that a text names.

    :raises ArgumentTypeError: if it names none
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day; write it as 2024-01-31.") from error
