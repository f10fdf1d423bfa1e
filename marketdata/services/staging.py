"""Write many rows at once: COPY straight into the table, or beside it to see first which of them are there already.

Statements are put together from the names of our own columns; values travel in the COPY stream and as parameters.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from django.db import connection
from psycopg import sql

from marketdata.domain.encoding import encoded
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import SHAPES, Shape

STAGE = sql.Identifier("incoming")
KNOWN, CONFLICTS, REPLACES = range(3)
SAME = "({stage_figures}) IS NOT DISTINCT FROM ({known_figures})"
# A bar that a source sent beats one that was rolled up, and of two that were rolled up the later one is right.
ROLLED = f"""
    CASE WHEN stage.rolled_from = '' AND known.rolled_from <> '' THEN {REPLACES}
         WHEN stage.rolled_from <> '' AND known.rolled_from = '' THEN {KNOWN}
         WHEN {SAME} THEN {KNOWN}
         WHEN stage.rolled_from <> '' THEN {REPLACES}
         ELSE {CONFLICTS} END
"""
VERDICTS = {Dataset.BARS: ROLLED}
VERDICT = f"CASE WHEN {SAME} THEN {KNOWN} ELSE {CONFLICTS} END"

CREATE = """
    CREATE TEMP TABLE {stage} ON COMMIT DROP AS
    SELECT 0 AS index, {columns} FROM {table} WITH NO DATA
"""
COPY = "COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
COPY_STAGE = "COPY {stage} (index, {columns}) FROM STDIN (FORMAT BINARY)"
# LATERAL with a LIMIT is one look into the index for each row, whatever the planner thinks of a table it has never seen.
COMPARE = """
    SELECT string_agg(int4send(stage.index * 4 + {verdict}), '')
    FROM {stage} AS stage
    CROSS JOIN LATERAL (SELECT * FROM {table} AS known WHERE {same_key} LIMIT 1) AS known
"""
INSERT = """
    WITH new AS (
        INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage} ORDER BY {key}
        ON CONFLICT ({key}) DO NOTHING RETURNING {key}
    )
    SELECT string_agg(int4send(stage.index), '') FROM new AS known JOIN {stage} AS stage ON {same_key}
"""
CORRECT = """
    UPDATE {table} AS known SET {settings} FROM {stage} AS stage WHERE {same_key} AND stage.index = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A table that rows of one shape are written to, and the columns it has beside those of the shape."""

    shape: Shape
    table: str
    own: tuple[str, ...] = ("recorded_at",)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are written, key first."""
        return (*self.shape.columns, *self.own)

    @property
    def compared(self) -> tuple[str, ...]:
        """The figures that have to be the same for a row to be known."""
        return tuple(name for name in self.shape.figures if name not in {"adjusted_through", "rolled_from"})

    def on(self, day: date) -> "Target":
        """Return the table of one day of this one."""
        return replace(self, table=f"{self.table}_{day:%Y%m%d}")

    def statement(self, template: str) -> sql.Composed:
        """Return a statement for this table."""
        verdict = VERDICTS.get(self.shape.dataset, VERDICT)
        written = [name for name in self.columns if name not in self.shape.key]
        return sql.SQL(template.replace("{verdict}", verdict)).format(
            stage=STAGE,
            table=sql.Identifier(self.table),
            key=_names(self.shape.key),
            columns=_names(self.columns),
            stage_figures=_names(self.compared, "stage."),
            known_figures=_names(self.compared, "known."),
            same_key=sql.SQL(" AND ").join([sql.SQL("stage.{0} = known.{0}").format(_name(name)) for name in self.shape.key]),
            settings=sql.SQL(", ").join([sql.SQL("{0} = stage.{0}").format(_name(name)) for name in written]),
        )


TARGETS = {
    Dataset.BARS: Target(SHAPES[Dataset.BARS], "marketdata_bar"),
    Dataset.QUOTES: Target(SHAPES[Dataset.QUOTES], "marketdata_quote"),
    Dataset.TICKS: Target(SHAPES[Dataset.TICKS], "marketdata_tick"),
    Dataset.FX_RATES: Target(SHAPES[Dataset.FX_RATES], "marketdata_fxrate", ("source", "recorded_at")),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The staged rows whose keys are taken, by their index: by the same figures, by others, by ones they replace."""

    known: pl.Series
    conflicting: pl.Series
    replacing: pl.Series

    @property
    def all(self) -> pl.Series:
        """The rows whose keys are taken."""
        return pl.concat([self.known, self.conflicting, self.replacing])


class Stage:
    """Rows beside the table they are meant for."""

    def __init__(self, cursor: Any, target: Target) -> None:
        self._cursor = cursor
        self._target = target

    def add(self, rows: pl.DataFrame) -> None:
        """Put more rows beside the table."""
        _copy(self._cursor, self._target.statement(COPY_STAGE), rows.select("index", *self._target.columns))

    def compare(self) -> Compared:
        """Return which of the rows are in the table, and whether with the same figures."""
        packed = _indices(self._run(COMPARE)[0][0])
        indices, verdicts = packed // 4, packed % 4
        return Compared(*(indices.filter(verdicts == verdict) for verdict in (KNOWN, CONFLICTS, REPLACES)))

    def insert(self) -> pl.Series:
        """Write the rows whose keys are free, whoever else writes at the same time; return which."""
        return _indices(self._run(INSERT)[0][0])

    def correct(self, indices: pl.Series) -> None:
        """Write the figures of rows over those that are known."""
        self._run(CORRECT, indices.to_list())

    def _run(self, template: str, *parameters: Any) -> list[tuple[Any, ...]]:
        self._cursor.execute(self._target.statement(template), parameters)
        return self._cursor.fetchall() if self._cursor.description else []


@contextmanager
def staged(target: Target) -> Iterator[Stage]:
    """Give a place of this transaction beside a table."""
    with connection.cursor() as cursor:
        cursor.execute(target.statement(CREATE))
        yield Stage(cursor, target)
        cursor.execute(sql.SQL("DROP TABLE {stage}").format(stage=STAGE))


def copy_rows(target: Target, rows: pl.DataFrame) -> None:
    """Write rows straight into a table.

    :raises IntegrityError: if one of them is there already
    """
    with connection.cursor() as cursor:
        _copy(cursor, target.statement(COPY), rows.select(target.columns))


def _copy(cursor: Any, statement: sql.Composed, rows: pl.DataFrame) -> None:
    """Send rows to where a COPY puts them; while the database writes some, the next ones are encoded."""
    with connection.wrap_database_errors, cursor.copy(statement) as stream:
        for part in encoded(rows):
            stream.write(part)


def _indices(packed: bytes | None) -> pl.Series:
    """Return the indices that the database has packed into one value."""
    return pl.Series("index", np.frombuffer(packed or b"", dtype=">i4").astype(np.uint32), dtype=pl.UInt32)


def _name(column: str) -> sql.Identifier:
    """Return the database's name of a column."""
    return sql.Identifier("instrument_id" if column == "instrument" else column)


def _names(columns: Iterable[str] | Collection[str], prefix: str = "") -> sql.Composed:
    """Return database columns in a row, each with a prefix."""
    return sql.SQL(", ").join([sql.SQL(prefix) + _name(column) for column in columns])
