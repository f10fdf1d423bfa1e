"""Corporate actions as CSV: the columns are named as the fields are, in any order; the first line names them."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from marketdata.adapters.lines import UnreadableFile, bounded_lines, opened
from marketdata.domain.actions import COLUMNS

NEEDED = ("instrument", "kind", "ex_date")
LONGEST = 64 * 1024
TOO_LONG = "\x00"


class Lines(Protocol):
    """What gives lines."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line, or a part of it."""
        ...


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of a file, the line it ends on, and what is wrong with the line, if it can't be taken apart."""

    line: int
    values: dict[str, str]
    problem: str = ""


def read_actions(file: BinaryIO) -> Iterator[FileRow]:
    """Yield the rows of a file of corporate actions; empty lines are passed over.

    :raises UnreadableFile: if its first line does not name the columns
    """
    source = opened(file)
    first = source.readline(LONGEST).decode("utf-8-sig", "replace")
    delimiter = max(",;\t", key=first.count)
    headings = [heading.strip().lower().replace(" ", "_") for heading in next(csv.reader([first], delimiter=delimiter), [])]
    _check(headings)
    reader = csv.reader(_texts(source), delimiter=delimiter)
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield FileRow(reader.line_num + 1, {}, f"The line can't be taken apart: {error}.")
            continue
        if not any(value.strip() for value in values):
            continue
        yield _row(reader.line_num + 1, headings, values)


def _check(headings: list[str]) -> None:
    """Refuse a file with columns that are none, or without those that every action needs.

    :raises UnreadableFile: naming them
    """
    unknown = [heading[:40] for heading in headings if heading not in COLUMNS]
    missing = [name for name in NEEDED if name not in headings]
    if missing:
        raise UnreadableFile(f"The file has no column {', '.join(missing)}; its first line must name the columns.")
    if unknown:
        raise UnreadableFile(f"There is no field {', '.join(unknown[:5])}; the columns are {', '.join(COLUMNS)}.")
    if len(set(headings)) < len(headings):
        raise UnreadableFile("A column is named twice.")


def _texts(source: Lines) -> Iterator[str]:
    """Yield the lines as text."""
    for _, line in bounded_lines(source, longest=LONGEST):  # type: ignore[arg-type]  # it asks for no more than readline
        yield TOO_LONG if line is None else line.decode("utf-8", "replace") + "\n"


def _row(line: int, headings: list[str], values: list[str]) -> FileRow:
    """Return a row by the names of its columns."""
    if values == [TOO_LONG]:
        return FileRow(line, {}, f"The line is longer than {LONGEST} bytes.")
    if len(values) != len(headings):
        return FileRow(line, {}, f"The line has {len(values)} values and the first one names {len(headings)} columns.")
    return FileRow(line, {name: value.strip() for name, value in zip(headings, values, strict=True)})
