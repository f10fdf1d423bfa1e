"""The process that streams, started on the suite's database: it answers all of the API, too."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from config import stack
from config.embedded import ROOT
from config.processes import free_port, wait_until

# less patience than it usually has
QUICK = "import portfolio.api.streams as s; s.LOOK_AGAIN, s.HEARTBEAT, s.MOST_PER_PERSON = 0.5, 0.3, 2; "


@contextmanager
def serving(**environment: str) -> Iterator[int]:
    """Run the process and give its port."""
    port = free_port()
    code = f"{QUICK}import sys; from granian.cli import entrypoint; sys.argv = {stack.stream('127.0.0.1', port)!r}; entrypoint()"
    place = {"DJANGO_SETTINGS_MODULE": "tests.marketdata.live_settings", "LIVE_DATABASE": connection.settings_dict["NAME"]}
    command = [sys.executable, "-c", f"import config.asgi; {code}"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | place | environment)
    try:
        assert wait_until(lambda: status(port, "/alpaca/v2/stocks/bars") == 401, seconds=60)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def status(port: int, path: str) -> int:
    """Return the status of an answer, 0 if nobody answers."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request("GET", path)
        return line.getresponse().status
    except OSError:
        return 0
    finally:
        line.close()


class Listener:
    """A client that reads server-sent events as they come."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.connection.request("GET", path, headers=headers)
        self.response = self.connection.getresponse()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_error: object) -> None:
        self.response.close()
        self.connection.close()

    def event(self) -> dict[str, str]:
        """Return the next event or comment."""
        event: dict[str, str] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            event[name or "comment"] = value
        return event

    def next(self, kind: str) -> dict[str, Any]:
        """Return what the next event of a kind says."""
        while (event := self.event()).get("event") != kind:
            assert event, "the stream has ended"
        return json.loads(event["data"])

    def listens(self) -> "Listener":
        """Wait until it hears what happens from now on."""
        while "comment" not in (event := self.event()):
            assert event, "the stream has ended"
        return self
