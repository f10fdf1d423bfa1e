"""Write many rows at once, each key once: COPY into a table of the transaction, then INSERT what is not there yet.

Statements are put together from the names of our own columns; values travel in the COPY stream and as parameters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from psycopg import sql

from marketdata.domain.rows import BARS, FX_RATES, QUOTES, Shape, Values

STAGE = sql.Identifier("incoming")


@dataclass(frozen=True, slots=True)
class Target:
    """A table that rows of one shape are written to."""

    shape: Shape
    table: str

    def names(self, columns: Iterable[str], prefix: str = "") -> sql.Composed:
        """Return database columns in a row, each with a prefix."""
        lead = sql.SQL(prefix + "." if prefix else "")
        return sql.SQL(", ").join([lead + sql.Identifier(column_name(column)) for column in columns])

    def statement(self, template: str) -> sql.Composed:
        """Return a statement for this table."""
        key, figures = self.shape.key, self.shape.figures
        return sql.SQL(template).format(
            stage=STAGE,
            table=sql.Identifier(self.table),
            key=self.names(key),
            figures=self.names(figures),
            stage_figures=self.names(figures, "stage"),
            known_figures=self.names(figures, "known"),
            same_key=_equal(self, key),
            settings=sql.SQL(", ").join(
                [sql.SQL("{0} = stage.{0}").format(sql.Identifier(column_name(name))) for name in figures]
            ),
        )


BAR_TABLE = Target(BARS, "marketdata_bar")
QUOTE_TABLE = Target(QUOTES, "marketdata_quote")
FX_TABLE = Target(FX_RATES, "marketdata_fxrate")

CREATE = """
    CREATE TEMP TABLE {stage} ON COMMIT DROP AS
    SELECT 0 AS index, {key}, {figures} FROM {table} WITH NO DATA
"""
INSERT = """
    INSERT INTO {table} ({key}, {figures}, recorded_at)
    SELECT {key}, {figures}, %s FROM {stage} ORDER BY {key}
    ON CONFLICT ({key}) DO NOTHING
    RETURNING {key}
"""
CONFLICTS = """
    SELECT stage.index FROM {stage} AS stage JOIN {table} AS known ON {same_key}
    WHERE stage.index = ANY (%s) AND ({stage_figures}) IS DISTINCT FROM ({known_figures})
    ORDER BY stage.index
"""
CORRECT = """
    UPDATE {table} AS known SET {settings}, recorded_at = %s
    FROM {stage} AS stage WHERE {same_key} AND stage.index = ANY (%s)
"""


@contextmanager
def staged(target: Target, rows: Mapping[int, Values]) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Put rows into a table of this transaction and give the means to run a statement over it."""
    with connection.cursor() as cursor:
        cursor.execute(target.statement(CREATE))
        copy = sql.SQL("COPY {stage} FROM STDIN").format(stage=STAGE)
        with cursor.copy(copy) as stream:
            stream.write("".join(_line(index, values) for index, values in rows.items()))

        def run(template: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor.execute(target.statement(template), parameters)
            return cursor.fetchall() if cursor.description else []

        yield run
        cursor.execute(sql.SQL("DROP TABLE {stage}").format(stage=STAGE))


def column_name(name: str) -> str:
    """Return the database's name of a column."""
    return "instrument_id" if name == "instrument" else name


def _equal(target: Target, key: Iterable[str]) -> sql.Composed:
    """Return the condition that a staged row and a known one have the same key."""
    columns = [sql.Identifier(column_name(name)) for name in key]
    return sql.SQL(" AND ").join([sql.SQL("stage.{0} = known.{0}").format(column) for column in columns])


def _line(index: int, values: Values) -> str:
    """Return a row in the text format of COPY; no value read by `rows` holds a character with a meaning there."""
    return "\t".join([str(index), *map(_text, values)]) + "\n"


def _text(value: object) -> str:
    """Return one value in the text format of COPY."""
    if value is None:
        return r"\N"
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
