"""Web, stream, worker and beat as one foreground command: started together, looked after, and gone together.

    python -m config.stack [--port 8000] [--first COMMAND]    serve; run `manage.py COMMAND` before
    python -m config.stack --stop                             stop the stack that serves from this folder

A child that dies is started again; a child never outlives this process, however that ends.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Event
from types import FrameType
from typing import IO

from config import embedded, probe
from config.processes import free_port, open_log, say, tail, wait_until

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LOOK = 0.5  # seconds between two looks at the children
STEADY = 20.0  # a child that lived this long was well, whatever it dies of later
PAUSE = 1.0  # seconds before the first restart; twice as long before each further one
TRIES = 5  # how often in a row a child may die young
WELL_BY = 30.0  # when the address is printed even if the health page has a complaint
GRACE = {"finish": 5.0, "quit": 3.0, "die": 2.0}  # seconds from asking politely to force


def web(host: str, port: int) -> list[str]:
    """Return the command of the web server: two processes with one thread each, what two cores serve best."""
    program = ["granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--no-ws"]
    # a worker that is told to go while it starts does not hear it: hence the time after which it is killed
    workers = ["--workers", "2", "--blocking-threads", "1", "--respawn-failed-workers", "--workers-kill-timeout", "10"]
    return [*program, *workers, "--log-level", "warning", "config.wsgi:application"]


def stream(host: str, port: int) -> list[str]:
    """Return the command of the server of what lasts: one process, for what it counts it counts for all."""
    program = ["granian", "--interface", "asginl", "--host", host, "--port", str(port)]
    workers = ["--workers", "1", "--respawn-failed-workers", "--workers-kill-timeout", "5"]
    return [*program, *workers, "--log-level", "warning", "config.asgi:application"]


def worker() -> list[str]:
    """Return the command of the task worker."""
    program = ["celery", "-A", "config.celery", "worker", "--concurrency", "2"]
    return [*program, "--without-gossip", "--without-mingle", "--loglevel", "INFO"]


def beat() -> list[str]:
    """Return the command of the clock that sends the global tasks."""
    return ["celery", "-A", "config.celery", "beat", "--pidfile=", "--loglevel", "INFO"]


def dies_with_us(farewell: signal.Signals) -> list[str]:
    """Return what goes before a command for the kernel to send it a signal when this process is gone, even by `kill -9`.

    Who was gone before the kernel knew sends nothing any more: hence a look at the parent, after which all is exec'ed.
    """
    if not shutil.which("setpriv"):
        return []
    asked = ["setpriv", f"--pdeathsig={farewell.name.removeprefix('SIG')}"]
    return [*asked, "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid())]


@dataclass
class Child:
    """One of the programs, and how it has fared."""

    name: str
    command: list[str]
    orphaned: signal.Signals = signal.SIGTERM  # what the kernel sends it when this process is killed
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return embedded.var() / "log" / f"{self.name}.log"

    def start(self) -> None:
        """Start the program in a session of its own, so that Ctrl-C reaches it through us and in order."""
        command = [*dies_with_us(self.orphaned), sys.executable, "-m", *self.command]
        with open_log(self.log) as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.started = time.monotonic()

    def alive(self) -> bool:
        """Return whether the program runs."""
        return self.process is not None and self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        """Send the program a signal; the hardest one goes to everything it has started as well."""
        if self.process is None:
            return
        try:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            elif self.alive():
                self.process.send_signal(number)
        except ProcessLookupError:
            return

    def look_after(self) -> bool:
        """Start the program again if it has died, later each time; return False if that has become hopeless."""
        if self.process is None or self.process.poll() is None:
            return True
        lived = time.monotonic() - self.started
        if lived >= STEADY:
            self.deaths = 0
        self.tell(signal.SIGKILL)  # what it may have left behind
        code, self.process = self.process.returncode, None
        self.deaths += 1
        say(f"{self.name} has ended (exit {code}); see {self.log}")
        return self.deaths < TRIES


class Stack:
    """The four programs: the site at one port, what lasts at the next."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.children = [
            Child("web", web(HOST, port)),
            Child("stream", stream(HOST, port + 1)),
            Child("worker", worker(), orphaned=signal.SIGQUIT),
            Child("beat", beat()),
        ]
        self.leave = Event()
        self.hurry = False
        self.announced = False

    def move_to(self, port: int) -> None:
        """Serve at another port than first meant; tell the two servers of each other, unless somebody has done so."""
        self.port = port
        streams = free_port(port + 1)
        self.children[0].command = web(HOST, port)
        self.children[1].command = stream(HOST, streams)
        os.environ.setdefault("STREAM_URL", f":{streams}")
        os.environ.setdefault("STREAM_ORIGINS", f":{port}")

    def obey(self, _number: int, _frame: FrameType | None) -> None:
        """Leave at the first signal, in a hurry at the second."""
        self.hurry = self.leave.is_set()
        self.leave.set()

    def serve(self) -> int:
        """Run the children until a signal comes; return the exit code."""
        say(f"Starting {', '.join(child.name for child in self.children)} ...")
        for child in self.children:
            child.start()
        began = time.monotonic()
        try:
            while not self.leave.wait(LOOK):
                if embedded.revive():
                    say("A server came back at another address; starting everything again.")
                    self.dismiss()
                for child in self.children:
                    if not child.look_after():
                        say(f"{child.name} does not stay up. The end of its log:\n{tail(child.log)}")
                        return 1
                    self.restart(child)
                self.announce(time.monotonic() - began)
        finally:
            self.dismiss()
        return 0

    def restart(self, child: Child) -> None:
        """Start a child that is down, once its pause is over."""
        pause = PAUSE * 2 ** (child.deaths - 1) if child.deaths else 0.0
        if child.process is None and time.monotonic() - child.started >= pause:
            child.start()

    def announce(self, waited: float) -> None:
        """Print the address as soon as the site is well, or says what is not."""
        if self.announced:
            return
        status, text = probe.ask(self.port, timeout=2)
        if status == HTTPStatus.OK or (status and waited > WELL_BY):
            complaint = "" if status == HTTPStatus.OK else f", but not all is well: {text.strip()}"
            say(f"Bedrock serves on http://{HOST}:{self.port}/{complaint} (Ctrl-C stops it)")
            self.announced = True

    def dismiss(self) -> None:
        """Stop every child: first politely, then firmly, and nothing of it is left."""
        for child in self.children:
            child.tell(signal.SIGTERM)
        self.await_end(GRACE["finish"])
        for child in self.children:
            child.tell(signal.SIGQUIT)  # a worker gives its unfinished tasks back to the queue
        self.await_end(GRACE["quit"])
        for child in self.children:
            child.tell(signal.SIGKILL)
        self.await_end(GRACE["die"])
        for child in self.children:
            child.process = None

    def await_end(self, seconds: float) -> None:
        """Wait until no child runs, or until the time is over or somebody is in a hurry."""
        wait_until(lambda: self.hurry or not any(child.alive() for child in self.children), seconds=seconds)


def run_first(command: list[str], leave: Event) -> int:
    """Run a management command to its end before serving; a signal ends it early."""
    command = [*dies_with_us(signal.SIGTERM), sys.executable, "manage.py", *command]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    while process.poll() is None:
        if leave.wait(LOOK / 5):
            process.terminate()
            process.wait()
            return 128 + signal.SIGINT
    return process.returncode


def claim(lock: IO[str]) -> bool:
    """Become the one stack of this folder; return False if there is another."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop(lock: IO[str]) -> int:
    """Stop the stack that holds the lock, if any."""
    if claim(lock):
        return 0
    pid = json.loads(lock.read())["pid"]
    os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: claim(lock), seconds=60, notice="Stopping web, stream, worker and beat ..."):
        os.kill(pid, signal.SIGKILL)
    return 0


def start(lock: IO[str], preferred: int, first: list[str]) -> int:
    """Run what comes first, then serve until a signal comes; return the exit code."""
    embedded.provide()
    stack = Stack(preferred)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell has a job in the background ignore it, and so would the worker
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means what it says
            signal.signal(number, stack.obey)
    code = run_first(first, stack.leave) if first else 0
    if code or stack.leave.is_set():
        return code
    if not claim(lock):
        say(f"Bedrock already serves on {json.loads(lock.read())['url']} (`make stop` stops it)")
        return 0
    stack.move_to(free_port(preferred))
    if preferred not in {0, stack.port}:
        say(f"Port {preferred} is taken; using {stack.port} instead.")
    lock.truncate(0)
    lock.write(json.dumps({"pid": os.getpid(), "url": f"http://{HOST}:{stack.port}/"}))
    lock.flush()
    return stack.serve()


def main(arguments: list[str]) -> int:
    """Do what the arguments say and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.stack", description="Serve web, stream, worker and beat together.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", probe.PORT)), help="preferred port (8000)")
    parser.add_argument("--first", nargs="+", default=[], metavar="COMMAND", help="management command to run before serving")
    parser.add_argument("--stop", action="store_true", help="stop the stack that serves from this folder")
    options = parser.parse_args(arguments)
    embedded.var().mkdir(parents=True, exist_ok=True)
    with (embedded.var() / "stack.lock").open("a+") as lock:
        lock.seek(0)
        try:
            return stop(lock) if options.stop else start(lock, options.port, options.first)
        except (RuntimeError, OSError) as error:  # a server that cannot be brought back
            say(f"bedrock: {error}")
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
