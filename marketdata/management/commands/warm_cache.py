"""Put the latest quotes into the cache before anybody asks."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from marketdata.selectors.instruments import find_instruments
from marketdata.services.quotes import warm_up


class Command(BaseCommand):
    """Warms the cache; with Redis away it says so and harms nothing."""

    help = "Put the latest quotes of instruments, or of all that somebody holds or watches, into the cache."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="keys or symbols, such as AAPL:XNAS")

    def handle(self, *args: Any, **options: Any) -> None:
        """Warm up and say how many quotes are kept now."""
        try:
            chosen = list(find_instruments(options["symbols"]).values()) if options["symbols"] else None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{warm_up(chosen):,} quotes are in the cache.")
