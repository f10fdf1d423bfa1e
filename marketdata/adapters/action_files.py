"""Corporate actions as CSV: the columns are named as the fields are, in any order; the first line names them."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from marketdata.adapters.lines import UnreadableFile, bounded_lines, opened
from marketdata.domain.actions import COLUMNS

NEEDED = ("instrument", "kind", "ex_date")
LONGEST = 64 * 1024
MOST_LINES = 50  # that the texts of one row may have


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
    lines = Peekable(bounded_lines(source, longest=LONGEST))  # type: ignore[arg-type]  # it asks for no more than readline
    for number, line in lines:
        if line is None:
            yield FileRow(number + 1, {}, f"The line is longer than {LONGEST} bytes.")
        elif row := _row_at(lines, number + 1, line.decode("utf-8", "replace"), headings, delimiter):
            yield row


class Peekable:
    """Lines with their numbers, of which some may be put back."""

    def __init__(self, lines: Iterator[tuple[int, bytes | None]]) -> None:
        self._lines, self._back = lines, deque[tuple[int, bytes | None]]()

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        return self

    def __next__(self) -> tuple[int, bytes | None]:
        return self._back.popleft() if self._back else next(self._lines)

    def put_back(self, taken: Iterable[tuple[int, bytes | None]]) -> None:
        """Give lines once more, before all others."""
        self._back.extendleft(reversed(list(taken)))


def _row_at(lines: Peekable, number: int, text: str, headings: list[str], delimiter: str) -> FileRow | None:
    """Return the row that starts with a line; one with a text of several lines takes those, too.

    A quote that nothing closes, or that only closes where no row ends, costs its own line and no other.
    """
    taken: list[tuple[int, bytes | None]] = []
    while True:
        try:
            values = next(csv.reader([text], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            values, problem, open_quote = [], f"The line can't be taken apart: {error}.", "unexpected end" in str(error)
        else:
            break
        following = next(lines, None) if open_quote and len(taken) < MOST_LINES else None
        if following is not None:
            taken.append(following)
        if following is None or following[1] is None or len(text) > LONGEST:
            lines.put_back(taken)
            return FileRow(number, {}, problem)
        text += "\n" + following[1].decode("utf-8", "replace")
    if taken and len(values) != len(headings):
        lines.put_back(taken)
        return FileRow(number, {}, "The line opens a quote that nothing closes.")
    return _row(number + len(taken), headings, values) if any(value.strip() for value in values) else None


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


def _row(line: int, headings: list[str], values: list[str]) -> FileRow:
    """Return a row by the names of its columns."""
    if len(values) != len(headings):
        return FileRow(line, {}, f"The line has {len(values)} values and the first one names {len(headings)} columns.")
    return FileRow(line, {name: value.strip() for name, value in zip(headings, values, strict=True)})
