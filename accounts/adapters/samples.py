"""What a mapping makes of the first rows of a table: each cell beside what it is read as, before anything is imported."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.guesses import guess
from accounts.adapters.mapped import encoded, without_tail
from accounts.adapters.table import Record, key, named, records
from accounts.domain.figures import figure
from accounts.domain.mapping import MOST_TEXT, MOST_WORDS, STYLES, WORDS, Mapped
from accounts.domain.moments import stamp
from accounts.domain.statements import LineRefused
from marketdata.domain.money import plain

SHOWN_ROWS, SEARCHED_ROWS, SHOWN_TEXT = 4, 20_000, 60
NUMBERS = frozenset({"quantity", "price", "amount", "fee", "tax"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as it stands in the file, what it is read as (empty: as it is), and why it can't be."""

    text: str
    read: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the name it is called by in a mapping, what it says (empty: nothing that is read), and its first cells."""

    name: str
    says: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Word:
    """A word in the column of kinds, and the kind of entry it is read as, if any."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The columns of a table with their first cells, and the words of its column of kinds, those not understood first."""

    columns: list[Column]
    words: list[Word]


def told_of(file: StatementFile, mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which what it leaves open is guessed.

    :raises NotReadable: if the file is no table
    """
    basis = {name: mapping[name] for name in ("delimiter", "headings_line") if name in mapping}
    return guess(_as_told(file, mapping), **basis).mapping | dict(mapping)


def sample_of(file: StatementFile, mapping: Mapping[str, Any]) -> Sample:
    """Return what a mapping makes of the first rows of a table; it need not be complete, nor fit.

    :raises NotReadable: if the file is not in its encoding, or has no rows
    """
    found = without_tail(records(_as_told(file, mapping), mapping["delimiter"]), mapping["skip_last"])
    rows = (record for record in found if record.number >= mapping["headings_line"])
    first = next(rows, None)
    if first is None:
        raise NotReadable("missing_columns", f"headings_line: the file ends before line {mapping['headings_line']}.")
    names = _names(first.cells)
    says = {key(heading): field for field, heading in mapping["columns"].items()}
    place = next((number for number, name in enumerate(names) if says.get(key(name)) == "kind"), None)
    kept, words = _looked_at(rows, place)
    columns = [
        Column(name, field := says.get(key(name), ""), [_cell(row, number, field, mapping) for row in kept])
        for number, name in enumerate(names)
    ]
    return Sample(columns, _understood(words, mapping["kinds"]))


def _as_told(file: StatementFile, mapping: Mapping[str, Any]) -> StatementFile:
    """Return the file in the encoding of a mapping."""
    return encoded(file, Mapped(columns={}, encoding=mapping.get("encoding", "auto")))


def _names(headings: Sequence[str]) -> list[str]:
    """Return the names by which a mapping calls columns: their headings, or where these repeat, what tells them apart."""
    shown = [heading.strip()[:MOST_TEXT] for heading in headings]
    return [text if key(text) == name else name for text, name in zip(shown, named(headings), strict=True)]


def _looked_at(rows: Iterator[Record], place: int | None) -> tuple[list[Record], list[str]]:
    """Return the first rows, and the words of the column of kinds."""
    kept: list[Record] = []
    words: dict[str, None] = {}
    for row in islice(rows, SEARCHED_ROWS):
        if len(kept) < SHOWN_ROWS and not row.problem:
            kept.append(row)
        elif place is None or len(words) >= MOST_WORDS:
            break
        if place is not None and place < len(row.cells) and (word := row.cells[place].strip()):
            words[word[:MOST_TEXT]] = None
    return kept, list(words)


def _understood(words: Sequence[str], kinds: Mapping[str, str]) -> list[Word]:
    """Return words with what they are read as, those without first."""
    found = [Word(word, _kind_of(word, kinds)) for word in words]
    return sorted(found, key=lambda word: (bool(word.kind), word.text.casefold()))


def _kind_of(word: str, kinds: Mapping[str, str]) -> str:
    """Return the kind of entry that a word is read as, nothing if that is not known."""
    known = WORDS.get(word.casefold())
    return kinds.get(word) or (known.value if known else "")


def _cell(row: Record, number: int, field: str, mapping: Mapping[str, Any]) -> Cell:
    """Return a cell of a row, with what a field reads it as."""
    text = row.cells[number].strip() if number < len(row.cells) else ""
    shown = text[:SHOWN_TEXT]
    try:
        if text and field == "date":
            at, day_only = stamp(text, "", ZoneInfo("UTC"), mapping["date_format"])
            return Cell(shown, f"{at:%Y-%m-%d}" if day_only else f"{at:%Y-%m-%d %H:%M:%S}")
        if text and field in NUMBERS:
            read = figure(text, "", STYLES[mapping["number_format"]])
            return Cell(shown, "" if read is None else plain(read))
        if text and field == "kind":
            kind = _kind_of(text, mapping["kinds"])
            return Cell(shown, kind.replace("_", " ").capitalize(), "" if kind else "not understood")
    except LineRefused as refusal:
        return Cell(shown, problem=str(refusal).removeprefix(": "))
    return Cell(shown)
