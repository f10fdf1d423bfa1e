"""PostgreSQL and Redis under var/ for whoever has no servers of their own: shared, started on demand, stopped by the last one out.

Every process that asks for the servers holds a shared lock for as long as it lives; the kernel lets go of it even after
`kill -9`. Who leaves and finds no other holder stops both servers.

    python -m config.embedded start     keep them up until `stop`, and print what to export
    python -m config.embedded stop | status
"""

import atexit
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.servers import Postgres, Server, ServerError, Valkey, say

DATABASE_VARIABLES = {"DATABASE_URL": "database", "DATABASE_OWNER_URL": "owner", "DATABASE_SYSTEM_URL": "system"}
REDIS_VARIABLES = {"REDIS_URL": "redis"}


@dataclass(frozen=True)
class Urls:
    """Addresses with passwords: the app's, the owner's and the jobs' view of one database, and the broker's."""

    database: str
    owner: str
    system: str
    redis: str


@dataclass
class Hold:
    """This process's share in the servers."""

    file: int
    process: int
    variables: dict[str, str]


_hold: Hold | None = None


def var() -> Path:
    """Return the folder of everything that is made while running."""
    return Path(os.environ.get("BEDROCK_VAR") or Path(__file__).resolve().parent.parent / "var").resolve()


def servers(*, postgres: bool = True, redis: bool = True) -> list[Server]:
    """List the servers asked for."""
    return [*([Postgres(var())] if postgres else []), *([Valkey(var())] if redis else [])]


def ensure_running(*, postgres: bool = True, redis: bool = True) -> Urls:
    """Start what does not run yet, hold it for the life of this process, and return the addresses.

    :raises ServerError: if a server cannot be brought up
    """
    with alone():
        hold()
        for server in servers(postgres=postgres, redis=redis):
            server.start()
    return urls()


def urls() -> Urls:
    """Return the addresses of the servers as they were started last."""
    database, broker = Postgres(var()), Valkey(var())
    return Urls(database.url("bedrock_web"), database.url("bedrock_owner"), database.url("bedrock_jobs"), broker.url)


def provide() -> None:
    """Set the variables of the servers that the environment does not name; do nothing where it names both, or in production."""
    if os.environ.get("BEDROCK_ENV") == "production":
        return
    postgres, redis = not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")
    if not postgres and not redis:
        return
    wanted = (DATABASE_VARIABLES if postgres else {}) | (REDIS_VARIABLES if redis else {})
    try:
        found = ensure_running(postgres=postgres, redis=redis)
    except (ServerError, RuntimeError, PermissionError) as error:
        sys.exit(f"bedrock: {error}")
    os.environ.update({variable: getattr(found, name) for variable, name in wanted.items()})
    if _hold:
        _hold.variables = wanted


def revive() -> bool:
    """Start again what died of the servers this process provides; return whether an address changed."""
    if not _hold or not _hold.variables:
        return False
    before = {variable: os.environ[variable] for variable in _hold.variables}
    wanted = {"postgres": "DATABASE_URL" in before, "redis": "REDIS_URL" in before}
    if all(server.runs() for server in servers(**wanted)):
        return False
    found = ensure_running(**wanted)
    os.environ.update({variable: getattr(found, name) for variable, name in _hold.variables.items()})
    return before != {variable: os.environ[variable] for variable in before}


@contextmanager
def alone() -> Iterator[None]:
    """Keep every other process from starting or stopping servers meanwhile."""
    room = var() / "embedded"
    if not sys.platform.startswith("linux"):
        raise ServerError("Embedded servers need Linux: set DATABASE_URL and REDIS_URL to servers of your own.")
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() not in (0, room.stat().st_uid):
        raise ServerError(f"{room} belongs to another user: run as that user, or set BEDROCK_VAR to a folder of your own.")
    with (room / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def hold() -> None:
    """Register this process as one that needs the servers, once."""
    global _hold
    if _hold and _hold.process == os.getpid():
        return
    file = os.open(var() / "embedded" / "holders.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(file, fcntl.LOCK_SH)
    _hold = Hold(file, os.getpid(), {})
    atexit.register(release)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # leave in good order, unless the program has its own way
                signal.signal(number, lambda got, _: sys.exit(128 + got))


def release() -> None:
    """Give up this process's share; the last one out turns off the lights."""
    global _hold
    mine, _hold = _hold, None
    if mine is None or mine.process != os.getpid():  # a forked child leaves its parent's share alone
        return
    with alone():
        fcntl.flock(mine.file, fcntl.LOCK_UN)
        if not held() and not (var() / "embedded" / "keep").exists():
            for server in servers():
                server.stop()
    os.close(mine.file)


def held() -> bool:
    """Return whether any process holds the servers."""
    with (var() / "embedded" / "holders.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def start() -> int:
    """Bring the servers up, keep them until `stop`, and print the variables that name them."""
    with alone():
        (var() / "embedded" / "keep").touch()
    found = ensure_running()
    for variable, name in (DATABASE_VARIABLES | REDIS_VARIABLES).items():
        sys.stdout.write(f"export {variable}={getattr(found, name)}\n")
    return 0


def stop() -> int:
    """Stop both servers, whoever uses them."""
    with alone():
        (var() / "embedded" / "keep").unlink(missing_ok=True)
        if held():
            say("Another process was still using the embedded servers.")
        for server in servers():
            server.stop()
    return 0


def status() -> int:
    """Print which servers run and where; fail if one does not."""
    down = 0
    for server in servers():
        runs = server.runs() and server.answers()
        down += not runs
        where = f"runs on 127.0.0.1:{server.port}, data in {server.link}" if runs else "does not run"
        sys.stdout.write(f"{server.name} {where}\n")
    return int(down > 0)


def main(arguments: list[str]) -> int:
    """Run the command named in the arguments."""
    commands = {"start": start, "stop": stop, "status": status}
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write("usage: python -m config.embedded start|stop|status\n")
        return 2
    try:
        return commands[arguments[0]]()
    except (ServerError, RuntimeError) as error:
        sys.stderr.write(f"bedrock: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
