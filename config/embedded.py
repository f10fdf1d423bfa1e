"""PostgreSQL and Redis under var/ for whoever has none of their own: shared, started on demand, stopped by the last one out.

Every process that asks for the servers holds a shared lock for as long as it lives; the kernel lets go of it even after
`kill -9`. Who leaves and finds no other holder stops both servers.

    python -m config.embedded start              keep them up until `stop`, and print what to export
    python -m config.embedded stop | status
    python -m config.embedded run COMMAND ...    run a command that finds them in its environment
"""

import atexit
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import environ

from config.processes import Server, ServerError, say
from config.servers import Postgres, Valkey

ROOT = Path(__file__).resolve().parent.parent
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
    """This process's share in the servers: the lock that says so, and the variables they gave a value to."""

    process: int = 0
    file: int = -1
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether it is this process's own, not one that a parent had when it forked."""
        return self.process == os.getpid()


_hold = Hold()


def var() -> Path:
    """Return the folder of everything that is made while running."""
    return Path(os.environ.get("BEDROCK_VAR") or ROOT / "var").resolve()


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
    """Set the variables of the servers that neither the environment nor .env names; do nothing in production."""
    if (ROOT / ".env").exists():  # as the settings will, so that both see the same
        environ.Env.read_env(ROOT / ".env")
    if os.environ.get("BEDROCK_ENV") == "production":
        return
    postgres, redis = not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")
    if not postgres and not redis:
        return
    wanted = (DATABASE_VARIABLES if postgres else {}) | (REDIS_VARIABLES if redis else {})
    try:
        found = ensure_running(postgres=postgres, redis=redis)
    except (RuntimeError, OSError) as error:
        sys.exit(f"bedrock: {error}")
    os.environ.update({variable: getattr(found, name) for variable, name in wanted.items()})
    _hold.variables = wanted


def revive() -> bool:
    """Start again what died of the servers this process provides; return whether an address changed."""
    if not _hold.ours or not _hold.variables:
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
    if _hold.ours:
        return
    _hold.process = os.getpid()
    _hold.file = os.open(var() / "embedded" / "holders.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(_hold.file, fcntl.LOCK_SH)
    atexit.register(release)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # leave in good order, unless the program has its own way
                signal.signal(number, lambda got, _: sys.exit(128 + got))


def release() -> None:
    """Give up this process's share; the last one out turns off the lights."""
    if not _hold.ours:
        return
    with alone():
        os.close(_hold.file)
        _hold.process = 0
        if not held() and not (var() / "embedded" / "keep").exists():
            for server in servers():
                server.stop()


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


def run(command: list[str]) -> int:
    """Run a command with the servers in its environment and return its exit code."""
    provide()
    return subprocess.run(command, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run the command named in the arguments."""
    commands = {"start": start, "stop": stop, "status": status}
    try:
        match arguments:
            case ["run", program, *rest]:
                return run([program, *rest])
            case [name] if name in commands:
                return commands[name]()
    except (RuntimeError, OSError) as error:
        sys.stderr.write(f"bedrock: {error}\n")
        return 1
    sys.stderr.write("usage: python -m config.embedded start|stop|status|run COMMAND ...\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
