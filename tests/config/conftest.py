"""Processes that need the embedded servers, each in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from config.embedded import DATABASE_VARIABLES, REDIS_VARIABLES, ROOT
from config.servers import Postgres, Valkey

HOLD = """
import json, os, sys
from config import embedded
embedded.provide()
print(json.dumps({name: value for name, value in os.environ.items() if name.endswith("_URL")}), flush=True)
sys.stdin.read()
"""


def environment(var: Path, **more: str) -> dict[str, str]:
    """Return an environment that names no server, and the folder for our own."""
    kept = {name: value for name, value in os.environ.items() if name not in {*DATABASE_VARIABLES, *REDIS_VARIABLES}}
    return kept | {"BEDROCK_VAR": str(var)} | more


class Holder:
    """A process that asks for the servers and needs them until it is told to leave."""

    def __init__(self, var: Path, code: str = HOLD, **how: Any) -> None:
        how = {"cwd": ROOT, "env": environment(var)} | how
        command = how.pop("command", [sys.executable, "-c", code])
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
        )

    @property
    def urls(self) -> dict[str, str]:
        """The addresses it was given; waits for them."""
        if not hasattr(self, "_urls"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self._urls: dict[str, str] = json.loads(line)
        return self._urls

    def ask(self, statement: str, variable: str = "DATABASE_OWNER_URL") -> list[tuple[Any, ...]]:
        """Run a statement in the project's database and return its rows."""
        with psycopg.connect(self.urls[variable], autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def go_on(self) -> dict[str, Any]:
        """Let a process that waits for a line take its next step; return what it says of that."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def leave(self) -> str:
        """Let the process end in good order; return what it said on standard error."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self.process.kill()
        self.process.communicate(timeout=10)

    def __enter__(self) -> Self:
        assert self.urls
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def stop(var: Path) -> None:
    """Stop what still runs in a folder, and make sure of it."""
    for server in (Postgres(var), Valkey(var)):
        server.stop()
        assert server.deserted()


def kill(pid: int) -> None:
    """End a server as `kill -9` does."""
    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """A var folder whose path has 200 characters, empty and cleared afterwards."""
    missing = 200 - len(str(tmp_path)) - len("//var")
    folder = tmp_path / ("x" * max(1, missing)) / "var"
    folder.mkdir(parents=True)
    yield folder
    stop(folder)
