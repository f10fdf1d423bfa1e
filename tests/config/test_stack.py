"""Web, stream, worker and beat as one command: there together, gone together."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config import embedded, probe, stack
from config.embedded import ROOT
from config.processes import processes_in, wait_until
from config.servers import Postgres, Valkey
from tests.config.conftest import environment, stop

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/")
PROGRAMS = {"web": "config.wsgi:application", "stream": "config.asgi:application", "worker": "worker", "beat": "beat"}
PARTS = ("database", "redis", "worker", "beat", "migrations")
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGQUIT, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A var folder that the stacks of this file use one after the other."""
    folder = tmp_path_factory.mktemp("stack") / "var"
    folder.mkdir()
    yield folder
    stop(folder)


def family(var: Path) -> list[int]:
    """List the processes that were started for a folder, the servers aside."""
    mark = f"BEDROCK_VAR={var}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    servers = {pid for server in (Postgres(var), Valkey(var)) for pid in processes_in(server.folder)}
    return [pid for pid in found if pid not in servers]


class Running:
    """A stack as somebody would start it in a terminal."""

    def __init__(self, var: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "config.stack", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(var),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def port(self) -> int:
        """Return the port of the address it prints; waits for that."""
        for line in self.process.stderr:
            self.said += line
            if "serves on" in line:
                return int(ADDRESS.search(line)[1])
        raise AssertionError(self.said)

    def children(self) -> dict[str, int]:
        """Return its children by the program they run."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        names = {}
        for pid in pids:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            except FileNotFoundError:  # it has ended since
                continue
            names |= {name: int(pid) for name, word in PROGRAMS.items() if word in words}
        return names

    def end(self, number: signal.Signals) -> int:
        """Send a signal to the whole group, as a terminal does, and return the exit code."""
        os.killpg(self.process.pid, number)
        self.said += self.process.communicate(timeout=60)[1]
        return self.process.returncode


def stream_port(running: Running) -> int:
    """Return the port of the server of what lasts."""
    words = Path(f"/proc/{running.children()['stream']}/cmdline").read_bytes().decode().split("\0")
    return int(words[words.index("--port") + 1])


def ask(port: int, path: str) -> http.client.HTTPResponse:
    """Return the answer of a server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    return connection.getresponse()


Run = Callable[..., Running]


@pytest.fixture
def run(var: Path) -> Iterator[Run]:
    """What starts a stack, and clears it away where a test fails half-way."""
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(var, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait(timeout=60)


def well(port: int) -> bool:
    """Return whether every part of the site is well."""
    status, text = probe.ask(port)
    return status == 200 and all(json.loads(text)[part]["ok"] for part in PARTS)


class TestServing:
    def test_takes_another_port_outlives_its_parts_and_leaves_nothing_running(self, var: Path, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as squatter:
            taken = squatter.getsockname()[1]
            running = run("--first", "migrate", "--port", str(taken))
            port = running.port()
        assert port != taken
        assert f"Port {taken} is taken; using {port} instead." in running.said
        assert wait_until(lambda: well(port), seconds=60)
        again = subprocess.run(
            [sys.executable, "-m", "config.stack"], cwd=ROOT, env=environment(var), capture_output=True, text=True, check=True
        )
        assert f"Bedrock already serves on http://127.0.0.1:{port}/" in again.stderr
        before = running.children()
        sent_on = ask(port, "/api/v1/stream/quotes/")
        assert sent_on.status == 401  # by the site, for whoever has no name
        streams = stream_port(running)
        assert ask(streams, "/api/v1/stream/quotes/").status == 401
        told = Path(f"/proc/{running.children()['web']}/environ").read_bytes().split(b"\0")
        assert {f"STREAM_URL=:{streams}".encode(), f"STREAM_ORIGINS=:{port}".encode()} <= set(told)
        os.kill(before["web"], signal.SIGKILL)
        os.kill(Postgres(var).memory.read()["postgres_pid"], signal.SIGKILL)
        assert wait_until(lambda: running.children().get("web") not in {None, before["web"]}, seconds=30)
        assert wait_until(lambda: well(port), seconds=60)
        assert {name: before[name] for name in ("stream", "worker", "beat")}.items() <= running.children().items()
        assert running.end(signal.SIGINT) == 0, running.said
        assert family(var) == []
        assert Postgres(var).deserted()
        assert Valkey(var).deserted()

    def test_takes_its_parts_along_when_killed(self, var: Path, run: Run) -> None:
        running = run("--port", "0")
        assert wait_until(lambda: set(PROGRAMS) == set(running.children()), seconds=30)
        assert wait_until(lambda: len(family(var)) > len(running.children()) + 1, seconds=30)  # what they start themselves
        running.process.kill()
        running.process.communicate(timeout=10)
        assert wait_until(lambda: family(var) == [], seconds=20), family(var)

    def test_is_stopped_from_elsewhere(self, var: Path, run: Run) -> None:
        running = run("--port", "0")
        assert wait_until(lambda: set(PROGRAMS) == set(running.children()), seconds=30)
        subprocess.run([sys.executable, "-m", "config.stack", "--stop"], cwd=ROOT, env=environment(var), check=True, timeout=60)
        assert running.process.wait(timeout=60) == 0
        assert family(var) == []

    def test_does_not_serve_when_what_comes_first_fails(self, run: Run) -> None:
        running = run("--first", "nonsense")
        assert running.process.wait(timeout=60) == 1
        assert "Unknown command: 'nonsense'" in running.process.stderr.read()


class TestLookingAfter:
    @pytest.fixture(autouse=True)
    def hasty(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Look often, wait for nothing, and leave the servers of the suite alone."""
        monkeypatch.setattr(embedded._hold, "variables", {})
        monkeypatch.setattr(stack, "LOOK", 0.02)
        monkeypatch.setattr(stack, "PAUSE", 0.01)
        monkeypatch.setenv("BEDROCK_VAR", str(tmp_path))

    def test_gives_up_on_a_child_that_does_not_stay_up(self, capfd: pytest.CaptureFixture[str]) -> None:
        hopeless = stack.Stack(port=1)
        hopeless.children = [stack.Child("web", ["no_such_module"])]
        assert hopeless.serve() == 1
        said = capfd.readouterr().err
        assert said.count("web has ended (exit 1)") == stack.TRIES
        assert "No module named no_such_module" in said

    def test_a_second_signal_is_obeyed_at_once(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "stubborn.py").write_text(STUBBORN)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        child = stack.Child("web", ["stubborn"])
        stubborn = stack.Stack(port=1)
        stubborn.children = [child]
        child.start()
        assert wait_until(lambda: "deaf" in child.log.read_text(), seconds=20)
        stubborn.obey(signal.SIGINT, None)
        assert not stubborn.hurry
        stubborn.obey(signal.SIGINT, None)
        began = time.monotonic()
        stubborn.dismiss()
        assert time.monotonic() - began < stack.GRACE["finish"]
        assert child.process is None


class TestProbe:
    def test_fails_where_nobody_answers(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert probe.main(["1"]) == 1
        assert capsys.readouterr().out.startswith("0 ")
