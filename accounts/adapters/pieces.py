"""Tables in pieces of many rows: cut by columns where a piece is plain, row by row as ever where it is not."""

import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import polars as pl

from accounts.adapters.base import LONGEST_LINE, MAX_LINES, MOST_LINES, NotReadable, StatementFile, lines_of, too_many
from accounts.adapters.table import MOST_COLUMNS, MOST_ROWS, Record, numbered, records, too_wide

ROWS = 25_000
LETTERS = 1024 * 1024
LONGEST_CELL = 100_000  # the csv module takes no longer ones
# quotes, and what some take for the end of a line or for a space and others do not
ODD = bytes([*range(9), 11, 12, *range(14, 32), 34])
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
SHAPE: dict[str, Any] = {"number": pl.UInt32, "raw": pl.String, "cells": pl.List(pl.String), "problem": pl.String}


@dataclass(frozen=True, slots=True)
class Opened:
    """A table that was opened: the row with its headings, and its rows in pieces, without the tail."""

    headings: Record
    pieces: Iterator[pl.DataFrame]


def opened(file: StatementFile, delimiter: str, *, headings_line: int, skip_last: int) -> Opened | None:
    """Return a table whose headings stand on a line or below it; None if it ends before.

    A piece has of each row that is not empty the number, the text, the cells, the problem, and whether it is `odd`: then its
    cells hold what only a row alone can be read with.

    :raises NotReadable: if there are too many rows, or one has so many cells that it can't be one
    """
    headings = next((row for row in records(file, delimiter) if row.number >= headings_line), None)
    if headings is None:
        return None
    text = file.open()
    above = headings.number - 1 + sum(1 for _ in io.StringIO(headings.raw, newline=""))
    for _ in range(above):
        text.readline()
    pieces = _without_tail(_not_empty(_pieces(text, delimiter, above + 1)), skip_last)
    first = next(pieces, None)
    if first is None and skip_last:
        return None
    return Opened(headings, chain([first] if first is not None else [], pieces))


def _pieces(text: io.TextIOWrapper, delimiter: str, number: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table, a piece at a time."""
    while piece := text.read(LETTERS):
        piece += text.readline(LONGEST_LINE)
        found = _plain_lines(piece)
        if found is None:
            lines = chain(lines_of(io.StringIO(piece, newline=""), number - 1), lines_of(text, number - 1 + piece.count("\n")))
            yield from _row_by_row(numbered(lines, delimiter, number))
            return
        if number + len(found) > MOST_LINES:
            raise too_many()
        for start in range(0, len(found), ROWS):
            yield _cut(found[start : start + ROWS], delimiter, number + start)
        number += len(found)


def rows_as_they_stand(file: StatementFile, delimiter: str) -> Iterator[tuple[int, str]]:
    """Yield the text of each row with the line that it starts on; of rows of one line, the empty ones as well."""
    text, number = file.open(), 1
    while piece := text.read(LETTERS):
        piece += text.readline(LONGEST_LINE)
        found = _plain_lines(piece)
        if found is None:
            lines = chain(io.StringIO(piece, newline=""), text)
            yield from ((row.number, row.raw) for row in numbered(lines, delimiter, number))
            return
        yield from ((number + place, f"{line}\n") for place, line in enumerate(found))
        number += len(found)


def _plain_lines(piece: str) -> list[str] | None:
    """Return the lines of a text of which rows and cells are what stands between ends of lines and delimiters, else None."""
    letters = piece.encode("utf-8", "surrogatepass")
    if len(letters.translate(None, ODD)) != len(letters) or letters.count(b"\r") != letters.count(b"\r\n"):
        return None
    lines = piece.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines if max(map(len, lines)) < LONGEST_CELL else None


def _cut(lines: Sequence[str], delimiter: str, number: int) -> pl.DataFrame:
    """Return lines as a piece."""
    raw = pl.Series("raw", lines, dtype=pl.String)
    cells = raw.str.strip_chars_end("\r").str.split(delimiter)
    wide = cells.list.len() > MOST_COLUMNS
    if wide.any():
        raise too_wide(number + (wide.arg_max() or 0))
    numbers = pl.arange(number, number + len(lines), dtype=pl.UInt32, eager=True)
    piece = pl.DataFrame({"number": numbers, "raw": raw, "cells": cells}).with_columns(
        problem=pl.lit(""), odd=pl.lit(value=False)
    )
    return piece.filter(pl.col("raw").str.contains(rf"[^\s{re.escape(delimiter)}]"))


def _row_by_row(rows: Iterator[Record]) -> Iterator[pl.DataFrame]:
    """Yield rows that were taken apart one by one."""
    some: list[Record] = []
    letters = 0
    for row in rows:
        some.append(row)
        letters += len(row.raw)
        if letters > LETTERS or len(some) >= ROWS:
            yield _joined(some)
            some, letters = [], 0
    if some:
        yield _joined(some)


def _joined(rows: Sequence[Record]) -> pl.DataFrame:
    """Return rows as a piece."""
    piece = pl.DataFrame([(row.number, row.raw, row.cells, row.problem) for row in rows], schema=SHAPE, orient="row")
    return piece.with_columns(odd=(pl.col("problem") != "") | pl.col("raw").str.contains(CONTROL))


def _not_empty(pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the pieces that have rows.

    :raises NotReadable: if there are too many
    """
    count = 0
    for piece in pieces:
        count += len(piece)
        if count > MOST_ROWS:
            raise NotReadable("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
        if len(piece):
            yield piece


def _without_tail(pieces: Iterator[pl.DataFrame], number: int) -> Iterator[pl.DataFrame]:
    """Yield pieces without their last rows; the first one may be empty, but there is none of a table with fewer rows."""
    if not number:
        yield from pieces
        return
    held: deque[pl.DataFrame] = deque()
    below = 0  # rows of those held but the first
    for piece in pieces:
        below += len(piece) if held else 0
        held.append(piece)
        while len(held) > 1 and below >= number:
            yield held.popleft()
            below -= len(held[0])
    left = pl.concat(held) if held else None
    if left is not None and len(left) >= number:
        yield left[: len(left) - number]
