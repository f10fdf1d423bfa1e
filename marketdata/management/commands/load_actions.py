"""Load corporate actions from a CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.services.action_files import UnreadableFile, import_actions

MOST_TOLD = 50


class Command(BaseCommand):
    """Stores what is new; run again, it changes nothing. Exit code 1: the file, or some of its lines, could not be taken."""

    help = "Load splits, dividends, mergers and the like from a CSV file whose columns are named after the fields."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", default="", help="who says so; the name of the file if left out")
        parser.add_argument("--correct", action="store_true", help="let other figures replace those already stored")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the file and report on it."""
        path: Path = options["file"]
        source = options["source"] or path.name[:100]
        try:
            with path.open("rb") as file:
                report = import_actions(file=file, source=source, recorded_at=timezone.now(), correct=options["correct"])
        except OSError as error:
            raise CommandError(f"{path} can't be read: {error.strerror}.") from error
        except UnreadableFile as error:
            raise CommandError(f"{path}: {error}") from error
        for told in report.told(MOST_TOLD):
            self.stderr.write(told)
        self.stdout.write(f"{report.lines:,} lines: {report.said()}")
        if report.refusals:
            raise CommandError(f"{report.refusals:,} lines were refused.")
