"""The lines of a file that were refused, as a file of the same format: to be mended and sent again."""

import csv
import io
import re
from collections.abc import Collection

from accounts.adapters.base import StatementFile
from accounts.adapters.pieces import rows_as_they_stand
from accounts.adapters.table import DELIMITERS
from accounts.domain.fates import Fates
from marketdata.domain.spreadsheets import STARTERS

EMPTY = f' \r\n{DELIMITERS}"'
# what is a number, or a sign for none, is no formula; where the cells of a broken row may begin and end is guessed
FORMULA = re.compile(rf"\s*[{STARTERS}]")
CELL = re.compile(rf'(^|["\r\n{DELIMITERS}])([ \xa0]*[{STARTERS}][^"\r\n{DELIMITERS}]*)')
NUMBER = re.compile(r"[ \xa0]*[-+\u2212(]*[ \xa0$€£¥]*[\d.,'\u2019 \xa0]*[-+)%]?[ \xa0]*[A-Z€$£¥]{0,3}[ \xa0]*")


def is_table(file: StatementFile) -> bool:
    """Say whether a file is a table, whose lines stand for themselves; JSON, XML and OFX are none."""
    start = file.head.lstrip("\ufeff \t\r\n")[:1]
    return start not in {"{", "[", "<"} and not file.head.lstrip().startswith("OFXHEADER")


def refused_lines(file: StatementFile, refused: Collection[int], fates: Fates) -> bytes:
    """Return a table with its headings and what stands around it, and of its lines those that were refused; UTF-8.

    Of a file that is no table, an empty text.
    """
    if not is_table(file):
        return b""
    kept = io.StringIO()
    known = fates.of
    delimiter = _delimiter(file)
    for number, raw in rows_as_they_stand(file, delimiter):
        taken = number < len(known) and known[number]
        if (not taken or number in refused) and raw.strip(EMPTY):
            text = harmless(raw, delimiter)
            kept.write(text if text.endswith(("\n", "\r")) else f"{text}\n")
    return kept.getvalue().encode()


def harmless(raw: str, delimiter: str) -> str:
    """Return a row in which no cell is a formula to a spreadsheet: one that would be has an apostrophe in front.

    Numbers are left as they are, whatever sign they begin with, for the row is to be sent again.

    >>> print(harmless("=cmd(),-1.50,@me,--,+49 1234,-2+3", ","))
    '=cmd(),-1.50,'@me,--,+49 1234,'-2+3
    """
    try:
        cells = next(csv.reader([raw], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    if cells and raw.count('"') % 2 == 0:
        if not any(map(_is_formula, cells)):
            return raw
        text = io.StringIO()
        told = [f"'{cell}" if _is_formula(cell) else cell for cell in cells]
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(told)
        return text.getvalue()
    return CELL.sub(lambda found: found[0] if NUMBER.fullmatch(found[2]) else f"{found[1]}'{found[2]}", raw)


def _is_formula(cell: str) -> bool:
    """Say whether a spreadsheet would run a cell."""
    return FORMULA.match(cell) is not None and NUMBER.fullmatch(cell) is None


def _delimiter(file: StatementFile) -> str:
    """Return the sign that comes most often in the first lines; rows are kept whole, whichever it is."""
    return max(DELIMITERS, key=file.head.count)


def as_list(refused: Collection[dict[str, object]]) -> bytes:
    """Return refusals as a table of their own: line, code, detail."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("line", "code", "detail"))
    writer.writerows((row["line"], row["code"], row["detail"]) for row in refused)
    return text.getvalue().encode()
