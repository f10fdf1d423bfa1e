"""Look through the archive for files that changed, are missing, or belong to nothing."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.services.verification import verify_archive


class Command(BaseCommand):
    """Reads every file to its end."""

    help = "Compare every file of the archive with what was recorded of it: size, sha256, protection and rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--since", type=_day, help="only days from this one on (YYYY-MM-DD)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at every file, and say what is wrong."""
        seen = faults = 0
        for fault in verify_archive(at=timezone.now(), since=options["since"]):
            seen += 1
            if fault:
                faults += 1
                self.stdout.write(f"{fault.file}: {fault.detail}")
        if faults:
            raise CommandError(f"{faults} of {seen} files are not as they should be.")
        self.stdout.write(f"{seen} files are as they were written.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day; write it as 2024-01-31.") from error
