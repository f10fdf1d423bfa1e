"""Bring decision files into an account."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.utils import timezone

from trading.management.file_commands import ImportCommand
from trading.services.trading_files import Kind


class Command(ImportCommand):
    """Brings in files of one decision each, or zips of many."""

    help = "Bring decision files (YYYY-MM-DD_ID.json, or a .zip of many) into an account."
    suffixes = (".json", ".json.gz", ".zip")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--update", action="store_true", help="let known decisions change; their history keeps what was")

    def kind(self, options: dict[str, Any]) -> Kind | None:
        """Return what the files hold."""
        return Kind.DECISIONS

    def now(self) -> datetime:
        """Return what time it is."""
        return timezone.now()
