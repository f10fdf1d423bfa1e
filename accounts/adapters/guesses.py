"""What can be guessed of a table nobody knows: how it is written, where its rows begin and end, and what its columns say."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.leftovers import is_table
from accounts.adapters.table import Record, head, key, numbered, records
from accounts.domain.figures import figure
from accounts.domain.mapping import DELIMITERS, FIELDS, STYLES, WORDS
from accounts.domain.moments import DAY_FIRST, ISO, US, stamp
from accounts.domain.statements import LineRefused

SAMPLE, SHOWN_ROWS, MOST_TAIL, LINES_A_ROW = 200, 10, 20, 5
UTC = ZoneInfo("UTC")
NUMBERS = ("quantity", "price", "amount", "fee", "tax")


@dataclass(frozen=True, slots=True)
class Guess:
    """A mapping that may fit, to be corrected: of what is `unsure` several ways fit. `words` are those of the column of kinds."""

    mapping: dict[str, Any]
    encoding: str
    headings: list[str]
    rows: list[list[str]]
    words: list[str]
    unsure: list[str]


def guess(file: StatementFile, *, delimiter: str = "", headings_line: int = 0) -> Guess:
    """Return what can be guessed of a table; of what takes its rows apart, and where they begin, only what is not told.

    :raises NotReadable: if it is none
    """
    if not is_table(file):
        raise NotReadable("not_a_table", "The file is no table: only a CSV can be read by its columns.")
    delimiter = delimiter or max(DELIMITERS, key=lambda sign: _fit(head(file, sign)))
    sample = list(islice(records(file, delimiter), SAMPLE))
    told = (place for place, record in enumerate(sample) if record.number >= headings_line > 0)
    at = next(told, None) if headings_line else _headings_at(sample)
    if at is None:
        raise NotReadable("missing_columns", f"headings_line: the file has no row at line {headings_line} or below it.")
    headings = [cell.strip() for cell in sample[at].cells]
    rows = [record for record in sample[at + 1 :] if _is_row(record, headings)]
    columns = _columns(headings)
    date_format, days_unsure = _date_format(_cells(rows, headings, columns.get("date")))
    number_format, numbers_unsure = _number_format(
        [cell for name in NUMBERS for cell in _cells(rows, headings, columns.get(name))]
    )
    words = sorted({cell for cell in _cells(rows, headings, columns.get("kind")) if cell})[:50]
    amounts = _cells(rows, headings, columns.get("amount"))
    mapping = {
        "columns": columns,
        "delimiter": delimiter,
        "encoding": "auto",
        "headings_line": sample[at].number,
        "skip_last": _tail(file, delimiter, headings),
        "date_format": date_format,
        "number_format": number_format,
        "kinds": {word: WORDS[word.casefold()].value for word in words if word.casefold() in WORDS},
        "signed": any(cell.lstrip().startswith(("-", "(")) or cell.rstrip().endswith("-") for cell in amounts) or not words,
    }
    unsure = [name for name, doubt in (("date_format", days_unsure), ("number_format", numbers_unsure)) if doubt]
    unsure += [f"kinds.{word}" for word in words if word.casefold() not in WORDS]
    unsure += [f"columns.{name}" for name in ("date", "amount") if name not in columns]
    return Guess(mapping, file.encoding, headings, [record.cells for record in rows[:SHOWN_ROWS]], words, unsure)


def _fit(rows: Sequence[Record]) -> tuple[int, int]:
    """Return how well a delimiter takes rows apart: how many columns are known then, and how many cells rows alike have."""
    counts = Counter(len(row.cells) for row in rows if len(row.cells) > 1)
    if not counts:
        return (0, 0)
    cells, times = max(counts.items(), key=lambda item: item[0] * item[1])
    known = max((len(_columns(row.cells)) for row in rows), default=0)
    return (known, cells * times)


def _headings_at(sample: Sequence[Record]) -> int:
    """Return the place of the row that names the most columns we know; the first of the widest rows, if none does.

    :raises NotReadable: if there are no rows
    """
    if not sample:
        raise NotReadable("empty_file", "The file has no rows.")
    known = [len(_columns(record.cells)) for record in sample]
    if max(known) > 1:
        return known.index(max(known))
    widths = [len(record.cells) for record in sample]
    return widths.index(max(widths))


def _columns(headings: Sequence[str]) -> dict[str, str]:
    """Return the columns whose headings are known: field by field, each heading once."""
    by_key: dict[str, str] = {}
    for heading in headings:
        by_key.setdefault(key(heading), heading.strip())
    found: dict[str, str] = {}
    for name, spellings in FIELDS.items():
        for spelling in spellings:
            if spelling in by_key and by_key[spelling] not in found.values():
                found[name] = by_key[spelling]
                break
    return found


def _is_row(record: Record, headings: Sequence[str]) -> bool:
    """Say whether a row is one of the table, and not something that stands below it."""
    return not record.problem and len(record.cells) * 2 > len(headings)


def _cells(rows: Sequence[Record], headings: Sequence[str], heading: str | None) -> list[str]:
    """Return what stands in a column."""
    if heading is None:
        return []
    at = headings.index(heading)
    return [row.cells[at].strip() for row in rows if at < len(row.cells)]


def _date_format(cells: Sequence[str]) -> tuple[str, bool]:
    """Return how days are written, and whether several ways fit as well."""
    read = {order: sum(_is_day(cell, order) for cell in cells) for order in (ISO, US, DAY_FIRST)}
    best = max(read.values(), default=0)
    fitting = [order for order, count in read.items() if count == best]
    return (fitting[0], best == 0) if fitting[0] == ISO else (fitting[0], len(fitting) > 1)


def _is_day(cell: str, order: str) -> bool:
    try:
        stamp(cell, "", UTC, order)
    except LineRefused:
        return False
    return True


def _number_format(cells: Sequence[str]) -> tuple[str, bool]:
    """Return how numbers are written, and whether both ways fit and mean different numbers."""
    told = [cell for cell in cells if "," in cell or "." in cell]
    read = {name: [_number(cell, name) for cell in told] for name in STYLES}
    fits = {name: sum(number is not None for number in numbers) for name, numbers in read.items()}
    best = max(STYLES, key=lambda name: fits[name])
    alike = len(set(fits.values())) == 1 and read["1,234.56"] != read["1.234,56"]
    return best, bool(told) and alike


def _number(cell: str, name: str) -> object:
    try:
        return figure(cell, "", STYLES[name])
    except LineRefused:
        return None


def _tail(file: StatementFile, delimiter: str, headings: Sequence[str]) -> int:
    """Return how many rows at the end are none of the table: sums, or what somebody wrote below it."""
    last = list(numbered(iter(deque(file.lines(), MOST_TAIL * LINES_A_ROW)), delimiter))[-MOST_TAIL - 1 :]
    date = _columns(headings).get("date")
    at = headings.index(date) if date else 0
    for number, record in enumerate(reversed(last)):
        cell = record.cells[at].strip() if at < len(record.cells) else ""
        if any(_is_day(cell, order) for order in (ISO, US, DAY_FIRST)):
            return number
    return 0
