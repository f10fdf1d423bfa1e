"""Bring a trading bot's logs into an account: its trades, how they did, and which limits were broken."""

from argparse import ArgumentParser
from datetime import datetime

from django.utils import timezone

from trading.management.file_commands import ImportCommand
from trading.services.trading_files import Kind


class Command(ImportCommand):
    """Brings in trades.jsonl, daily files, performance-alerts.jsonl and risk-management.jsonl, plain or packed."""

    help = "Bring trades.jsonl, YYYY-MM-DD.jsonl, performance-alerts.jsonl and risk-management.jsonl (also .gz) into an account."
    suffixes = (".jsonl", ".jsonl.gz")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        kinds = [kind.value for kind in Kind if kind is not Kind.DECISIONS]
        parser.add_argument("--kind", choices=kinds, help="what the files hold, where their names don't tell")

    def now(self) -> datetime:
        """Return what time it is."""
        return timezone.now()
