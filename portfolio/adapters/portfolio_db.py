"""Read an old portfolio.db, a SQLite file that others made: for reading only, checked before anything of it is believed.

Only real tables are read, and of them only columns that hold what was written: no view, no virtual table, no generated column and
no trigger of the file runs. A cell is bounded, so is the cache; what SQLite has to sort it sorts on disk.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

MAGIC = b"SQLite format 3\0"
VERSION = 1
LONGEST_CELL = 64 * 1024
PIECE = 1 << 20
PRAGMAS = ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1", "cache_size = -8192", "mmap_size = 0", "temp_store = 1")
STORED = 0  # what pragma_table_xinfo calls a column that is neither hidden nor generated

# what is read of each table; `orders` may lack those behind the bar in older files
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "quotes": ("symbol", "timestamp", "bid", "ask", "bid_size", "ask_size"),
        "trades": ("symbol", "timestamp", "price", "size", "conditions"),
        "orders": (
            "order_id", "symbol", "quantity", "side", "order_type", "status", "filled_quantity", "average_fill_price",
            "created_at", "updated_at",
        ),
        "portfolio_snapshots": ("id", "timestamp", "total_value", "buying_power", "day_pnl", "total_pnl"),
        "positions": (
            "snapshot_id", "symbol", "quantity", "market_value", "cost_basis", "unrealized_pnl", "day_pnl", "created_at",
        ),
    }
)  # fmt: skip
ORDERED = {"positions": "ORDER BY snapshot_id"}
Row = tuple[Any, ...]


class NotReadable(ValueError):
    """The file is no portfolio.db, is damaged, or holds what none would."""


class OldStore:
    """An open file whose tables are all there and sound."""

    def __init__(self, path: Path) -> None:
        """Open and check a file.

        :raises NotReadable: saying what is wrong with it
        """
        self.path = path
        self.sha256 = _hash(path)
        try:
            self.connection = _open(path)
        except sqlite3.Error as error:
            raise _damaged(path, error) from error
        try:
            self._check()
        except NotReadable:
            self.connection.close()
            raise
        except sqlite3.Error as error:
            self.connection.close()
            raise _damaged(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size

    def rows(self, table: str) -> Iterator[tuple[int, Row]]:
        """Yield the rows of a table with their ids, as they are stored; positions by the snapshot they belong to.

        :raises NotReadable: if the file turns out to be damaged
        """
        columns = ", ".join(f'"{column}"' for column in COLUMNS[table])
        try:
            for row in self.connection.execute(f'SELECT rowid, {columns} FROM main."{table}" {ORDERED.get(table, "")}'):  # noqa: S608
                yield row[0], row[1:]
        except sqlite3.Error as error:
            raise _damaged(self.path, error) from error

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        found: int = self.connection.execute(f'SELECT count(*) FROM main."{table}"').fetchone()[0]  # noqa: S608
        return found

    def _check(self) -> None:
        """Refuse a file of another kind or version, and one that is damaged.

        :raises NotReadable: saying which
        """
        self._check_table("schema_version", ("version",))
        versions = [row[0] for row in self.connection.execute("SELECT version FROM main.schema_version LIMIT 100")]
        if not versions or any(not isinstance(one, int) for one in versions) or max(versions) != VERSION:
            told = ", ".join(str(one)[:20] for one in versions[:5]) or "none"
            raise NotReadable(f"The schema version is {told}; only version {VERSION} can be read.")
        for table, columns in COLUMNS.items():
            self._check_table(table, columns)
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise NotReadable(f"{self.path.name} is damaged ({str(found)[:200]}): restore a sound copy.")

    def _check_table(self, table: str, columns: tuple[str, ...]) -> None:
        """Refuse a file in which a table is missing, is none, or lacks a column.

        :raises NotReadable: saying which
        """
        kinds = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
        kind, without_rowid = self.connection.execute(kinds, [table]).fetchone() or ("missing", 0)
        if kind != "table" or without_rowid:
            raise NotReadable(f"This is no portfolio.db of version {VERSION}: {table} is {_said_of(kind)}.")
        listed = self.connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", [table]).fetchall()
        stored = {name.lower() for name, hidden in listed if hidden == STORED}
        if missing := [column for column in columns if column not in stored]:
            raise NotReadable(f"This is no portfolio.db of version {VERSION}: {table} has no column {', '.join(missing)}.")


def _said_of(kind: str) -> str:
    """Return what is told of something that is no table."""
    return {"missing": "missing", "view": "a view", "virtual": "a virtual table"}.get(kind, "no common table")


def _hash(path: Path) -> str:
    """Return the hash of a file that begins as a SQLite database does.

    :raises NotReadable: if it can't be read, or is something else
    """
    found = hashlib.sha256()
    try:
        if not path.is_file():
            raise NotReadable(f"{path} is no file.")
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
            if start != MAGIC:
                raise NotReadable(f"{path.name} is no SQLite database{': it is empty' if not start else ''}.")
            found.update(start)
            while piece := file.read(PIECE):
                found.update(piece)
    except OSError as error:
        raise NotReadable(f"{path} can't be read: {error.strerror}.") from error
    return found.hexdigest()


def _open(path: Path) -> sqlite3.Connection:
    """Return a connection that can do nothing but read.

    Nothing is written beside the file either, unless its last writer left a log there: that is a part of the file then.
    """
    left = any(path.with_name(f"{path.name}{ending}").exists() for ending in ("-wal", "-journal"))
    address = f"{path.resolve().as_uri()}?mode=ro{'' if left else '&immutable=1'}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_CELL)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    for pragma in (*PRAGMAS, "ignore_check_constraints = 1"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    return connection


def _damaged(path: Path, error: sqlite3.Error) -> NotReadable:
    """Return the refusal of a file that SQLite can't go on with."""
    return NotReadable(f"{path.name} is damaged, or holds what no portfolio.db does ({error}): restore a sound copy.")
