"""The lines of a file that were refused, as a file of the same format: to be mended and sent again."""

import csv
import io
from collections.abc import Collection

from accounts.adapters.base import StatementFile
from accounts.adapters.pieces import rows_as_they_stand
from accounts.adapters.table import DELIMITERS
from accounts.domain.fates import Fates

EMPTY = f' \r\n{DELIMITERS}"'


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
    for number, raw in rows_as_they_stand(file, _delimiter(file)):
        taken = number < len(known) and known[number]
        if (not taken or number in refused) and raw.strip(EMPTY):
            kept.write(raw if raw.endswith(("\n", "\r")) else f"{raw}\n")
    return kept.getvalue().encode()


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
