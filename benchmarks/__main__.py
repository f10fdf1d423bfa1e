"""Measure what was promised: `python -m benchmarks [ledger] [--quick]`.

Each benchmark is a module of this package with a function `run(harness)`. They work in a database of their own, which is made
before and dropped after, on the servers that the environment names or the embedded ones.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings
from django.db import connections

from benchmarks.harness import Harness
from config import embedded

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in {"__init__", "__main__", "harness"})


def main(arguments: list[str]) -> int:
    """Run the benchmarks that are asked for, print the table and record it; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("only", nargs="?", choices=NAMES, help="only this one")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, no proof")
    asked = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    embedded.provide()
    django.setup()
    harness = Harness(quick=asked.quick)
    for name in [asked.only] if asked.only else NAMES:
        print(f"{name} ...", flush=True)
        with database_of_its_own(name):
            import_module(f"benchmarks.{name}").run(harness)
    print(harness.table())
    harness.record(Path(settings.VAR) / "bench.jsonl")
    return int(not all(result.met for result in harness.results))


@contextmanager
def database_of_its_own(name: str) -> Iterator[None]:
    """Make a database, point every connection at it, and drop it in the end."""
    owner = connections["owner"]
    before = {connection.alias: connection.settings_dict["NAME"] for connection in connections.all()}
    owner.settings_dict["TEST"]["NAME"] = database = f"bench_{name}_{os.getpid()}"
    owner.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        point_at(dict.fromkeys(before, database))
        yield
    finally:
        point_at(before | {"owner": database})
        owner.creation.destroy_test_db(before["owner"], verbosity=0)


def point_at(databases: dict[str, str]) -> None:
    """Let each connection use another database from now on."""
    for alias, database in databases.items():
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = settings.DATABASES[alias]["NAME"] = database


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
