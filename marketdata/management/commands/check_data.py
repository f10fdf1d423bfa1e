"""Look for records that contradict each other."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.domain.quality import Severity, as_text
from marketdata.services.checks import Checked, run_checks

SHOWN = 10


class Command(BaseCommand):
    """Runs every check across records, keeps what it finds as quality issues, and fails while errors remain."""

    help = "Check records against each other; with --fix, mend what is derived. Exit 1 while errors remain."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the first day, and whether to mend."""
        parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="only look at days from this one on")
        parser.add_argument("--fix", action="store_true", help="mend what is derived; what somebody sent is left alone")

    def handle(self, *args: Any, since: date | None = None, fix: bool = False, **options: Any) -> None:
        """Check, print, and fail while errors remain."""
        errors = 0
        for checked in run_checks(at=timezone.now(), since=since, fix=fix):
            self._print(checked)
            errors += checked.left if checked.check.severity is Severity.ERROR else 0
        if errors:
            raise CommandError(f"{errors} errors remain.")

    def _print(self, checked: Checked) -> None:
        """Print what came of a check."""
        mended = f", {checked.mended} mended" if checked.mended else ""
        self.stdout.write(f"{checked.check.severity:7} {checked.check.name}: {checked.found or 'nothing'} found{mended}")
        for problem in checked.problems[:SHOWN]:
            seen = " ".join(f"{name}={as_text(value)}" for name, value in problem.record.items())
            about = f"{problem.instrument_id} " if problem.instrument_id else ""
            self.stdout.write(f"        {about}{as_text(problem.value)} {seen}")
        if len(checked.problems) > SHOWN:
            self.stdout.write(f"        ... and {checked.found - checked.mended - SHOWN} more")
