"""Tables of text: rows by the names of their columns, one at a time, and a bad one costs nothing but itself."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import groupby, islice
from typing import TypeVar

from accounts.adapters.base import MAX_LINES, NotReadable, StatementFile
from accounts.domain.figures import Style, figure, money, units
from accounts.domain.happenings import Happening, Lines
from accounts.domain.ledger import ZERO
from accounts.domain.statements import Item, LineRefused, Refusal, Skipped, said_with

MOST_COLUMNS = 500
MOST_ROWS = MAX_LINES + 100  # headings, and what stands around them
MOST_LINES_OF_A_ROW = 40  # a note may hold line ends; a quote that is never closed shall not swallow the file
SEARCHED = 60  # rows among which the headings are looked for
SHOWN = 1000
DELIMITERS = ",;\t|"
LONGEST_NAME = 80
PAIR = 2

Cells = list[str]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of a row, or why it can't be taken apart; the number of the line it starts on, and the row as it stands."""

    number: int
    cells: Cells
    raw: str
    problem: str = ""


def key(heading: str) -> str:
    """Return a heading without case, signs and spaces, by which columns are found.

    >>> key(" Price ($)"), key("Fees & Comm"), key("Gebühren")
    ('price', 'feescomm', 'gebühren')
    """
    return _key(heading[:LONGEST_NAME])


@lru_cache(maxsize=4096)
def _key(heading: str) -> str:
    return "".join(letter for letter in heading.casefold() if letter.isalnum())


def records(file: StatementFile, delimiter: str = ",") -> Iterator[Record]:
    """Yield the rows of a table that are not empty.

    A quote that is never closed costs its own line, and the next lines are read anew.

    :raises NotReadable: if there are too many, or one has so many cells that it can't be one
    """
    for count, record in enumerate(numbered(file.lines(), delimiter)):
        if count > MOST_ROWS:
            raise NotReadable("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
        yield record


def head(file: StatementFile, delimiter: str) -> list[Record]:
    """Return the first rows of a table, of as much of the file as tells its format."""
    known: list[Record] | None = file.memo.get(("head", delimiter))
    if known is None:
        known = list(islice(numbered(iter(file.head.splitlines(keepends=True)), delimiter), SEARCHED))
        file.memo["head", delimiter] = known
    return known


def numbered(lines: Iterator[str], delimiter: str, number: int = 1) -> Iterator[Record]:
    """Yield the rows that some lines are, but the empty ones; the first line has a number."""
    waiting: list[str] = []
    while True:
        line = waiting.pop(0) if waiting else next(lines, "")
        if not line:
            return
        taken = [line]
        if line.count('"') % 2:
            _complete(taken, waiting, lines)
        record = _record(number, "".join(taken), delimiter)
        if any(cell.strip() for cell in record.cells) or record.problem:
            yield record
        number += len(taken)


def _complete(taken: list[str], waiting: list[str], lines: Iterator[str]) -> None:
    """Add the lines that belong to a row whose first one leaves a quote open; if it is never closed, none does."""
    more: list[str] = []
    while len(more) < MOST_LINES_OF_A_ROW:
        line = waiting.pop(0) if waiting else next(lines, "")
        if not line:
            break
        more.append(line)
        if line.count('"') % 2:
            taken.extend(more)
            return
    waiting[:0] = more


def _record(number: int, raw: str, delimiter: str) -> Record:
    """Return a row with its cells."""
    if raw.count(delimiter) >= MOST_COLUMNS and raw.count('"') == 0:
        raise too_wide(number)
    try:
        cells = next(csv.reader([raw.rstrip("\r\n")], delimiter=delimiter, strict=False), [])
    except csv.Error as error:
        return Record(number, [], raw, f"The row can't be taken apart into cells: {error}.")
    if raw.count('"') % 2:
        return Record(number, [], raw, "A quote is opened and never closed.")
    if len(cells) > MOST_COLUMNS:
        raise too_wide(number)
    return Record(number, cells, raw, "The row holds a NUL, which no text has." if "\0" in raw else "")


def too_wide(number: int) -> NotReadable:
    """Return the refusal of a file for a row with more cells than any statement has."""
    return NotReadable("too_many_columns", f"Line {number} has more than {MOST_COLUMNS} columns: this is no statement.")


def delimiter_of(file: StatementFile, needed: Iterable[str]) -> str:
    """Return the delimiter with which the most of some headings are found; a comma if it makes no difference."""
    wanted = {key(name) for name in needed}

    def fits(delimiter: str) -> int:
        return max((len(wanted & set(map(key, row.cells))) for row in head(file, delimiter)), default=0)

    return max(DELIMITERS, key=fits)


def headings_of(file: StatementFile, needed: Sequence[str]) -> tuple[str, Record] | None:
    """Return the delimiter and the row with the headings, the first that has all of those needed; None if none has."""
    wanted = {key(name) for name in needed}
    for delimiter in DELIMITERS:
        if delimiter not in file.head:
            continue
        for row in head(file, delimiter):
            if wanted <= set(map(key, row.cells)):
                return delimiter, row
    return None


@dataclass(slots=True)
class Row:
    """One row: its cells by the names of their columns, read as what they are, or refused by that name.

    `also` are the numbers of other rows that it says, too.
    """

    number: int
    cells: Mapping[str, str]
    raw: str
    style: Style = Style.POINT
    also: tuple[int, ...] = ()

    def text(self, *names: str) -> str:
        """Return the text in the first of some columns that holds one."""
        for name in names:
            if cell := self.cells.get(key(name), "").strip():
                return cell
        return ""

    def word(self, *names: str) -> str:
        """Return such a text, which may be written in any case, in lower case and with single spaces."""
        return re.sub(r"\s+", " ", self.text(*names)).casefold()

    def number_in(self, *names: str) -> Decimal | None:
        """Return the number in the first of some columns that states one.

        :raises LineRefused: if what it states is none
        """
        for name in names:
            number = figure(self.cells.get(key(name), ""), name, self.style)
            if number is not None:
                return number
        return None

    def money(self, *names: str) -> Decimal | None:
        """Return an amount in the first of some columns that states one."""
        number = self.number_in(*names)
        return None if number is None else money(number, names[0])

    def cost(self, *names: str) -> Decimal:
        """Return a fee or a tax, zero if none is stated, whichever sign the file gives to costs."""
        return abs(self.money(*names) or ZERO)

    def units(self, *names: str) -> Decimal | None:
        """Return a number of units in the first of some columns that states one."""
        number = self.number_in(*names)
        return None if number is None else units(number, names[0])

    def needed_money(self, *names: str) -> Decimal:
        """Return an amount that has to be there.

        :raises LineRefused: if it is not
        """
        return needed(self.money(*names), names[0])

    def needed_units(self, *names: str) -> Decimal:
        """Return a number of units that has to be there."""
        return needed(self.units(*names), names[0])

    def needed_text(self, *names: str) -> str:
        """Return a text that has to be there."""
        return needed(self.text(*names) or None, names[0])


def needed(value: Value | None, name: str) -> Value:
    """Return a value that has to be there.

    :raises LineRefused: if it is not
    """
    if value is None:
        raise LineRefused("missing_value", f"{name}: nothing is stated; fill it in.")
    return value


class Passed(LineRefused):
    """The row is passed over on purpose."""


Refused = tuple[int, LineRefused]


def rows(file: StatementFile, needed: Sequence[str], *, style: Style = Style.POINT) -> Iterator[Row | Refused]:
    """Yield the rows under the headings, by their names, or why a row can't be taken apart.

    :raises NotReadable: if the headings are not there
    """
    found = headings_of(file, needed)
    if found is None:
        raise NotReadable("missing_columns", f"No line names the columns that are needed: {', '.join(needed)}.")
    delimiter, first = found
    names = named(first.cells)
    for record in records(file, delimiter):
        if record.number > first.number:
            yield (record.number, LineRefused("bad_csv", record.problem)) if record.problem else _row(record, names, style)


def paired(
    found: Iterable[Row | Refused], common: Callable[[Row], object], join: Callable[[Row, Row], Row | None]
) -> Iterator[Row | Refused]:
    """Yield rows; two in succession that have something in common (None: nothing) as the one that joins them, where one does."""
    for known, together in groupby(found, lambda row: common(row) if isinstance(row, Row) else None):
        if known is None:
            yield from together
            continue
        several = [row for row in together if isinstance(row, Row)]
        one = join(*several) if len(several) == PAIR else None
        if one is None:
            yield from several
        else:
            yield replace(one, also=tuple(row.number for row in several if row.number != one.number))


def named(headings: Iterable[str]) -> list[str]:
    """Return the names of columns; one that comes again gets a number, one without a name that of the column before it.

    >>> named(["Change", "", "Balance", "", "Balance"])
    ['change', 'change+', 'balance', 'balance+', 'balance2']
    """
    names: list[str] = []
    for heading in headings:
        name = key(heading) or (f"{names[-1].rstrip('+')}+" if names else "+")
        again = sum(1 for other in names if other.rstrip("0123456789") == name)
        names.append(f"{name}{again + 1}" if again and not name.endswith("+") else name)
    return names


def _row(record: Record, names: Sequence[str], style: Style) -> Row:
    """Return a row by the names of its columns; cells beyond them are kept under a name of their own."""
    cells = dict(zip(names, record.cells, strict=False))
    if beyond := [cell for cell in record.cells[len(names) :] if cell.strip()]:
        cells["+beyond"] = " ".join(beyond)
    return Row(record.number, cells, record.raw.strip()[:SHOWN], style)


def certain(file: StatementFile, needed: Sequence[str], also: Sequence[str] = (), *, else_: float = 0.0) -> float:
    """Say how sure it is that a file is a table with some columns: all of those needed, and the more the surer of others."""
    found = headings_of(file, needed)
    if found is None:
        return else_
    there = set(map(key, found[1].cells))
    share = sum(key(name) in there for name in also) / len(also) if also else 1.0
    return 0.6 + 0.4 * share


def read_rows(rows: Iterable[Row | Refused], lines: Lines, read: Callable[[Row], Iterable[Happening]]) -> Iterator[Item]:
    """Yield the lines that some rows are, all of a row's or none, and of every row that can't be taken why."""
    for row in rows:
        if not isinstance(row, Row):
            number, refusal = row
            yield Refusal(number, refusal.code, str(refusal))
            continue
        try:
            made = [lines.line(row.number, happening, row.raw) for happening in read(row)]
        except Passed as passed:
            yield from (Skipped(number, passed.code, str(passed)) for number in (row.number, *row.also))
        except LineRefused as refusal:
            yield from (Refusal(number, refusal.code, str(refusal)) for number in (row.number, *row.also))
        else:
            yield from made
            yield from said_with(row.also if made else (row.number, *row.also))
