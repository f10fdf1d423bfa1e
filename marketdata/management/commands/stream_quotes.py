"""Hold a live feed of quotes and trades and store what comes."""

import asyncio
import signal
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.adapters import provider_named
from marketdata.adapters.streams import Configured, History, StreamFailed, stream_named
from marketdata.selectors.providers import last_sign_of_life
from marketdata.services.feed import Feed, Pace
from marketdata.services.live import Publisher
from marketdata.services.streams import StreamTaken, sole_holder, wanted_instruments

USUAL = Pace()
SILENT = timedelta(seconds=60)  # a feed says every few seconds that it is alive


class Command(BaseCommand):
    """Feeds until it is told to go; then it stores what has come and leaves."""

    help = "Hold the live feed of a provider and store its quotes and trades, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--provider", default="alpaca", help="a stream of the setting MARKETDATA_STREAMS (alpaca)")
        parser.add_argument("--symbols", nargs="+", default=[], metavar="SYMBOL:MIC", help="only these; else what is followed")
        parser.add_argument("--batch", type=int, default=USUAL.batch, help="the most messages stored at once (%(default)s)")
        parser.add_argument("--within", type=float, default=USUAL.within, help="seconds a message waits for others (%(default)s)")
        parser.add_argument("--check", action="store_true", help="say whether the feed shows life, and exit 1 if it does not")
        parser.add_argument("--backlog", type=int, default=USUAL.backlog, help="messages that may wait (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take the feed, alone, and hold it."""
        if options["check"]:
            self._check(options["provider"])
            return
        stream, history = _configured(options["provider"])
        keys = options["symbols"]
        if bad := [key for key in keys if key.count(":") != 1]:
            raise CommandError(f"Write an instrument as SYMBOL:MIC, such as AAPL:XNAS, not {bad[0]!r}.")
        if keys and (missing := len(keys) - len(wanted_instruments(stream=stream, keys=keys))):
            raise CommandError(f"{missing} of the instruments are not known, or {stream.name} does not have them.")
        if lacks := getattr(stream, "lacks", ""):
            raise CommandError(lacks)
        pace = Pace(batch=options["batch"], within=options["within"], backlog=options["backlog"])
        try:
            with sole_holder(stream.name) as hold:
                asyncio.run(
                    _run(
                        lambda: Feed(
                            stream=stream,
                            history=history,
                            wanted=lambda: wanted_instruments(stream=stream, keys=keys),
                            clock=timezone.now,
                            publisher=Publisher(),
                            hold=hold,
                            pace=pace,
                        )
                    )
                )
        except (StreamTaken, StreamFailed) as refusal:
            raise CommandError(str(refusal)) from refusal

    def _check(self, name: str) -> None:
        """Say when the feed was last alive.

        :raises CommandError: if that is too long ago
        """
        alive_at = last_sign_of_life(name)
        if alive_at is None:
            raise CommandError(f"No feed named {name} has ever run here.")
        if timezone.now() - alive_at > SILENT:
            raise CommandError(f"The feed {name} was last alive at {alive_at:%Y-%m-%d %H:%M:%S}Z.")
        self.stdout.write(f"The feed {name} is alive.")


async def _run(make: Any) -> None:
    """Feed until a signal comes."""
    feed = make()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, feed.leave)
    await feed.run()


def _configured(name: str) -> tuple[Any, History | None]:
    """Return a feed and where its gaps are filled from."""
    try:
        found: Configured = stream_named(name)
    except (LookupError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error
    try:
        history: Any = provider_named(found.history) if found.history else None
    except LookupError:  # it is not set up; the feed says so when it has a gap
        history = None
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    return found.stream, history if hasattr(history, "quotes") and hasattr(history, "ticks") else None
