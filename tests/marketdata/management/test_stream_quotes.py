"""The feed as a process: killed at any moment it loses nothing, told to go it stores first, and there is one of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.embedded import ROOT
from marketdata.models import Instrument, StreamState
from marketdata.services.streams import StreamTaken, sole_holder
from tests.factories import make_instrument, unique_symbol
from tests.marketdata.feeds import Journal, stored_quotes, stored_ticks, until
from tests.marketdata.services.test_feed import Restless, now, two_sides
from tests.marketdata.vendor import SECRET, Session, Vendor, quote, vendor_in_thread

KILLS = 3


class Process:
    """`manage.py stream_quotes` on a vendor of this machine."""

    def __init__(self, vendor: Vendor, instruments: list[Instrument], journal: Journal) -> None:
        self.name = f"live-{unique_symbol()}"
        self.symbols = [instrument.key for instrument in instruments]
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.marketdata.live_settings",
            "LIVE_DATABASE": connection.settings_dict["NAME"],
            "LIVE_JOURNAL": str(journal.file),
            "LIVE_URL": vendor.url,
            "LIVE_NAME": self.name,
        }
        self.running: subprocess.Popen[str] | None = None
        self.said = ""

    def start(self, *options: str) -> "Process":
        """Start it."""
        command = [sys.executable, "manage.py", "stream_quotes", "--provider", self.name, "--symbols", *self.symbols, *options]
        self.running = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and return its exit code."""
        self.running.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return its exit code."""
        self.said += "".join(self.running.communicate(timeout=60))
        return self.running.returncode

    @property
    def state(self) -> StreamState | None:
        """What it has written down of itself."""
        return StreamState.objects.filter(provider=self.name).first()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return a vendor's memory."""
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Keep what was started, and leave nothing of it."""
    started: list[Process] = []
    yield started
    for process in started:
        if process.running is not None and process.running.poll() is None:
            process.running.kill()
            process.running.wait(timeout=20)


@pytest.mark.slow
class TestProcess:
    def test_killed_again_and_again_loses_and_doubles_nothing(self, journal, processes):
        instruments = [make_instrument() for _ in range(3)]
        restless = Restless(journal, [each.symbol for each in instruments], seed=7, most=10**9)
        chance = Random(7)
        with vendor_in_thread(Vendor(restless)) as vendor:
            process = Process(vendor, instruments, journal)
            processes.append(process)
            for life in range(KILLS):
                before = process.state.received if process.state else 0
                process.start()
                until(lambda before=before: process.state is not None and process.state.received > before, 60)
                time.sleep(chance.uniform(0.0, 0.8))  # any moment will do
                assert process.end(signal.SIGKILL) == -signal.SIGKILL, life
                for _ in range(20):
                    restless.next()  # while nobody listens
            process.start()
            known = process.state.received
            until(lambda: process.state.received > known, 60)
            restless.most = restless.told
            until(lambda: all(stored_quotes(each) == journal.quotes(each.symbol) for each in instruments), 60)
            until(lambda: all(stored_ticks(each) == journal.ticks(each.symbol) for each in instruments))
            assert process.end(signal.SIGTERM) == 0, process.said
        assert len(journal.kept) > 500
        assert SECRET not in process.said
        assert process.state.connected_at is None

    def test_told_to_go_stores_what_has_come_and_there_is_one_of_it(self, journal, processes):
        instrument = make_instrument()

        async def says(session: Session) -> None:
            await session.send(*(journal.keep(quote(instrument.symbol, now(), *two_sides(n))) for n in range(100)))
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor:
            first = Process(vendor, [instrument], Journal(journal.file.with_name("empty")))
            processes.append(first)
            first.start("--within", "600")
            until(lambda: first.state is not None and first.state.waiting == 100, 60)
            second = Process(vendor, [instrument], journal)
            second.name, second.environment = first.name, first.environment
            processes.append(second)
            assert second.start().wait() == 1
            assert (
                f"The stream {first.name} is held by stream_quotes {first.name} pid {first.running.pid}"[:100] in second.said
            ), second.said
            assert stored_quotes(instrument) == {}
            assert first.end(signal.SIGINT) == 0, first.said
        assert stored_quotes(instrument) == journal.quotes(instrument.symbol)


class TestCommand:
    def refusal(self, **options: Any) -> str:
        with pytest.raises(CommandError) as caught:
            call_command("stream_quotes", **options)
        return str(caught.value)

    def test_names_the_streams_there_are(self):
        assert self.refusal(provider="nobody") == "No stream is named nobody; there are alpaca."

    def test_says_what_is_wrong_with_its_symbols(self):
        assert "'AAPL'" in self.refusal(symbols=["AAPL"])
        assert "1 of the instruments" in self.refusal(symbols=[make_instrument().key])  # Alpaca does not have it

    def test_says_which_credentials_are_missing(self):
        instrument = Instrument.objects.get_or_create(
            symbol="ZZZ", exchange="XNAS", defaults={"asset_class": "EQUITY", "currency": "USD"}
        )[0]
        assert "ALPACA_KEY_ID" in self.refusal(symbols=[instrument.key])


class TestCheck:
    @pytest.mark.parametrize(
        ("ago", "said"), [(None, "has ever run here"), (timedelta(minutes=2), "was last alive at"), (timedelta(seconds=9), "")]
    )
    def test_is_of_use_to_who_keeps_it_alive(self, ago, said, capsys):
        name = f"check-{unique_symbol()}"
        if ago is not None:
            StreamState.objects.create(provider=name, beat_at=now() - ago)
        if said:
            with pytest.raises(CommandError, match=said):
                call_command("stream_quotes", provider=name, check=True)
        else:
            call_command("stream_quotes", provider=name, check=True)
            assert "is alive" in capsys.readouterr().out


class TestHold:
    def test_is_one_process_alone_and_ends_with_its_connection(self):
        with sole_holder("hold-test") as hold:
            told = rf"held by stream_quotes hold-test pid {os.getpid()} on"
            with pytest.raises(StreamTaken, match=told), sole_holder("hold-test"):
                raise AssertionError
            hold.keep()
            hold.own.close()
            with sole_holder("hold-test"), pytest.raises(StreamTaken):
                hold.keep()
        with sole_holder("hold-test"):
            pass
