"""Listen to the brokers' streams, and ask at once about each order that they tell of."""

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.utils import timezone

from trading.services.listening import Listener
from trading.services.syncing import Watched, sync_account


class Command(BaseCommand):
    """Listens until it is told to go; what it misses the polls find."""

    help = "Hold the trade-update streams of all accounts with a broker that has one, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--every", type=float, default=30.0, help="seconds between looks for new connections (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen."""
        asyncio.run(_run(options["every"]))


async def _run(every: float) -> None:
    """Listen until a signal comes."""
    listener, loop = Listener(sync=_sync, every=every), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, listener.leave)
    await listener.run()


def _sync(one: Watched) -> None:
    """Ask how an account's orders stand."""
    try:
        sync_account(one, clock=timezone.now)
    finally:
        close_old_connections()
