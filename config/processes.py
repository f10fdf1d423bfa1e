"""What it takes to run a server beside the project: finding its processes, remembering its port, starting and stopping it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

LOG_LIMIT = 10_000_000
ATTEMPTS = 3
PATIENCE = {
    "silence": 2.0,
    "answer": 300.0,
    "leave": 60.0,
    "orphans": 3.0,
    "port": 1.0,
}  # seconds; a crash recovery may read gigabytes of log


class ServerError(RuntimeError):
    """An embedded server could not be brought up; the message says what to do about it."""


def say(line: str) -> None:
    """Show progress on standard error, where it does not mix with what a command prints."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to; one that has grown large is put aside first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-15:])


class Memory:
    """What is remembered between runs: ports, process ids and passwords, in a file only its owner reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        """Return everything remembered, or nothing if the file is missing or unreadable."""
        try:
            known: dict[str, Any] = json.loads(self.path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return known

    def note(self, **facts: Any) -> None:
        """Add facts; the file is replaced in one step, so a kill leaves the old or the new one."""
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self.read() | facts, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def password(self, login: str) -> str:
        """Return the password of a login, making one up the first time."""
        known: str = self.read().get(f"password_{login}", "")
        if not known:
            known = secrets.token_hex(24)
            self.note(**{f"password_{login}": known})
        return known


def processes_in(folder: Path) -> list[int]:
    """List the live processes that work in a folder: both servers stay in their data's, and no other program does."""
    here, found = str(folder.resolve()), []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd") == here:
                found.append(int(entry.name))
        except OSError:  # gone, a zombie or somebody else's
            continue
    return found


def free_port(preferred: int = 0) -> int:
    """Return the preferred port of the loopback address if nobody listens there, else any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return free_port()
        port: int = probe.getsockname()[1]
        return port


def same_port(former: int) -> int:
    """Return the port of a server's former life, unless a stranger has taken it; the dying let go of it a moment late."""
    wait_until(lambda: free_port(former) == former, seconds=PATIENCE["port"])
    return free_port(former)


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to every process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_until(done: Callable[[], bool], *, seconds: float, notice: str = "") -> bool:
    """Poll until something is so or the time is over; say what is waited for after two seconds."""
    started, told = time.monotonic(), not notice
    while not done():
        waited = time.monotonic() - started
        if waited > seconds:
            return False
        if waited > PATIENCE["silence"] and not told:
            say(notice)
            told = True
        time.sleep(0.02 if waited < 1 else 0.1)
    return True


class Server:
    """One server of ours: a data folder, a log, a remembered port and process id."""

    key: str
    name: str
    farewell: signal.Signals

    def __init__(self, var: Path) -> None:
        self.var = var
        self.link = var / self.key
        self.log = var / "log" / f"{self.key}.log"
        self.memory = Memory(var / "embedded" / "state.json")

    @property
    def folder(self) -> Path:
        """The data folder itself, wherever the link in var/ leads."""
        return self.link.resolve()

    @property
    def port(self) -> int:
        """The port of the last start."""
        return int(self.memory.read().get(f"{self.key}_port", 0))

    def runs(self) -> bool:
        """Return whether the process started last is alive and is ours, without asking it anything."""
        pid = self.memory.read().get(f"{self.key}_pid", 0)
        try:
            return os.readlink(f"/proc/{pid}/cwd") == str(self.folder)
        except OSError:
            return False

    def start(self) -> None:
        """Bring the server up, or keep the one that runs; return when it answers.

        :raises ServerError: if it cannot be brought up
        """
        if self.runs() and self.knows_us():
            self.await_answer()
            return self.furnish(fresh=False)
        self.evict()
        self.prepare()
        for attempt in range(ATTEMPTS):
            port = free_port() if attempt or not self.port else same_port(self.port)
            self.memory.note(**{f"{self.key}_port": port})
            self.memory.note(**{f"{self.key}_pid": self.launch(port)})
            if self.await_answer():
                return self.furnish(fresh=True)
            if self.runs():  # alive but dumb for minutes: not for us to mend
                break
            self.mend()
        raise ServerError(
            f"{self.name} does not start; the end of {self.log} says why. "
            f"Mend that, or set DATABASE_URL and REDIS_URL to servers of your own.\n{tail(self.log)}"
        )

    def stop(self) -> None:
        """Shut the server down in good order, by force if it does not listen."""
        if self.runs():
            signal_all([self.memory.read()[f"{self.key}_pid"]], self.farewell)
            wait_until(self.deserted, seconds=PATIENCE["leave"], notice=f"Stopping {self.name} ...")
        signal_all(processes_in(self.folder), signal.SIGKILL)
        wait_until(self.deserted, seconds=PATIENCE["orphans"])

    def evict(self) -> None:
        """Make sure that no process of an earlier life still works on the data."""
        if not wait_until(self.deserted, seconds=PATIENCE["orphans"], notice=f"Waiting for the last {self.name} to leave ..."):
            self.stop()

    def deserted(self) -> bool:
        """Return whether nothing works in the data folder."""
        return not processes_in(self.folder)

    def await_answer(self) -> bool:
        """Wait until the server answers or its process is gone; return whether it answers."""
        state = {"answers": False}

        def settled() -> bool:
            state["answers"] = self.answers()
            return state["answers"] or not self.runs()

        wait_until(settled, seconds=PATIENCE["answer"], notice=f"Starting {self.name} ...")
        return state["answers"]

    def spawn(self, command: list[str], **how: Any) -> int:
        """Start a program as nobody's child, so that it outlives us and leaves no zombie; return its process id."""
        with open_log(self.log) as log:
            shell = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command]
            done = subprocess.run(
                shell, cwd=self.folder,  # from its first moment, so that it is known as ours
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, check=True, start_new_session=True, **how,
            )  # fmt: skip
        return int(done.stdout)

    def knows_us(self) -> bool:
        """Return whether the passwords of the running server are still known."""
        return True

    def prepare(self) -> None:
        """Make the data folder ready for a start."""
        raise NotImplementedError

    def launch(self, port: int) -> int:
        """Start the process on a port and return its id."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Return whether what listens on our port is this very server."""
        raise NotImplementedError

    def mend(self) -> None:
        """Remove the cause of a start that failed, where it is known."""

    def furnish(self, *, fresh: bool) -> None:
        """Put into a server that answers what everybody expects to find there."""
