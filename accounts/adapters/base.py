"""What a reader of statements is: it takes a file apart, line by line, and never touches the database."""

import codecs
import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from accounts.domain.statements import Item

MAX_BYTES = 50 * 1024 * 1024
MAX_LINES = 200_000
MOST_LINES = 5 * MAX_LINES  # a row may have several, and some are empty
LONGEST_LINE = 1024 * 1024
HEAD = 64 * 1024
CHUNK = 256 * 1024
BLANK = b" \t\r\n\xef\xbb\xbf"
FEW = 50  # one letter in so many may be a NUL: its line is refused, not the file

# what a file is that is none of ours, by its first bytes
FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or a workbook such as .xlsx",
    b"PK\x05\x06": "an empty ZIP archive",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"SQLite format 3": "a SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x7fELF": "a program",
    b"MZ\x90\0": "a program",
    b"\xca\xfe\xba\xbe": "a program",
}


class NotReadable(ValueError):
    """The file as a whole can't be read; `code` says in which way, the text what to do.

    `candidates` are the formats it may be in, where that is the question.
    """

    def __init__(self, code: str, detail: str, candidates: Sequence[str] = ()) -> None:
        self.code = code
        self.candidates = tuple(candidates)
        super().__init__(detail)


class StatementFile:
    """The content of a file, read as text piece by piece: it is never in memory twice."""

    def __init__(self, content: bytes) -> None:
        """Take the content of a file.

        :raises NotReadable: if it is too large, empty, or no text
        """
        if len(content) > MAX_BYTES:
            raise NotReadable("too_large", f"The file has more than {MAX_BYTES // 1024**2} MB; split it.")
        if not (content[:HEAD].strip(BLANK) or content.strip(BLANK)):  # to strip a whole file is to copy it
            raise NotReadable("empty_file", "The file is empty.")
        for start, what in FOREIGN.items():
            if content.startswith(start):
                raise NotReadable("not_text", f"The file is {what}, no text: export the statement as CSV, XML, JSON or OFX.")
        self.content = content
        self.encoding = encoding_of(content)

    def open(self) -> io.TextIOWrapper:
        """Return the file as a text, with the ends of its lines as they are."""
        return io.TextIOWrapper(io.BytesIO(self.content), encoding=self.encoding, newline="")

    @cached_property
    def head(self) -> str:
        """The first characters of the file, enough to see what it is."""
        return self.open().read(HEAD)

    @cached_property
    def memo(self) -> dict[object, Any]:
        """What was found out about the file while its format was looked for, by whoever found it."""
        return {}

    def lines(self) -> Iterator[str]:
        """Return the lines of the file with their ends.

        :raises NotReadable: if one is so long that it can't be one
        """
        self.refuse_more_than(MOST_LINES, b"\n", "lines")
        return lines_of(self.open())

    def refuse_more_than(self, most: int, sign: bytes, what: str) -> None:
        """Refuse a file that has a sign more often than any statement has, before much time is spent on it.

        :raises NotReadable: if it has
        """
        if not self.encoding.startswith("utf-16") and self.content.count(sign) > most:
            raise NotReadable("too_many_lines", f"The file has more than {most:,} {what}; split it.")

    def mentions(self, *words: str) -> bool:
        """Say whether one of some words in plain letters stands anywhere in the file."""
        encodings = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be"), "utf-8-sig": ("utf-8",)}
        spelled = encodings.get(self.encoding, (self.encoding,))
        return any(word.encode(encoding) in self.content for word in words for encoding in spelled)


class StatementReader(Protocol):
    """One format of statements."""

    name: str
    title: str

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is that a file is in this format, by its content: 0 it is not, 1 it can be nothing else."""
        ...

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the lines of a statement in their order, and what else it says.

        Times that do not name their zone are of the one the format documents; where it documents none, of the given one.

        :raises NotReadable: if nothing in it can be read
        """
        ...


def lines_of(text: io.TextIOBase, number: int = 0) -> Iterator[str]:
    """Yield the lines of a text below a number of them.

    :raises NotReadable: if one is so long that it can't be one
    """
    while line := text.readline(LONGEST_LINE):
        number += 1
        if number > MOST_LINES:
            raise too_many()
        if len(line) == LONGEST_LINE:
            raise NotReadable("line_too_long", f"Line {number} has more than {LONGEST_LINE:,} characters: this is no statement.")
        yield line


def too_many() -> NotReadable:
    """Return the refusal of a file with more lines than any statement has."""
    return NotReadable("too_many_lines", f"The file has more than {MOST_LINES:,} lines; split it.")


def text_of(content: bytes) -> str:
    """Return the text of a file, without the mark that some programs put in front of it.

    :raises NotReadable: if it is too large, empty, or no text
    """
    return StatementFile(content).open().read()


def encoding_of(content: bytes) -> str:
    r"""Return the encoding of a text: what its first bytes say, UTF-8 where it is that, and else that of old Windows programs.

    :raises NotReadable: if it is none of these, or two of them at once

    >>> encoding_of("Gebühr".encode()), encoding_of("Gebühr".encode("cp1252")), encoding_of("Gebühr".encode("utf-16"))
    ('utf-8', 'cp1252', 'utf-16')
    """
    marked = _marked(content)
    if marked:
        _check(content, marked)
        return marked
    if b"\0" in content[:HEAD]:
        wide = _wide(content[:HEAD])
        if wide:
            _check(content, wide)
            return wide
        if content[:HEAD].count(0) > len(content[:HEAD]) // FEW:
            raise NotReadable("not_text", "The file is no text: export the statement as CSV, XML, JSON or OFX.")
    try:
        _check(content, "utf-8")
    except NotReadable as error:
        return _old(content, error)
    return "utf-8"


def _marked(content: bytes) -> str:
    """Return the encoding that a mark at the start of a text states, or nothing."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) and len(content) % 4 == 0:
        return "utf-32"
    return "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""


def _wide(start: bytes) -> str:
    """Return the encoding of a text of two bytes a letter that does not say so, or nothing."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    most = len(start) // 3
    if odd > most > even * 4:
        return "utf-16-le"
    return "utf-16-be" if even > most > odd * 4 else ""


def _check(content: bytes, encoding: str) -> None:
    """Refuse a text that is not in an encoding, piece by piece.

    :raises NotReadable: naming the line
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(content), CHUNK):
        try:
            decoder.decode(content[start : start + CHUNK], start + CHUNK >= len(content))
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, start + error.start) + 1
            detail = (
                f"Line {line} is not {encoding.upper().removesuffix('-SIG')} text: save the file as CSV UTF-8, then try again."
            )
            raise NotReadable("not_utf8", detail) from error


def _old(content: bytes, refusal: NotReadable) -> str:
    """Return the encoding of old Windows programs for a text that is not UTF-8, unless parts of it are.

    :raises NotReadable: if some of its letters are UTF-8 and others are not, or if it is no text at all
    """
    letters = (content.decode("utf-8", "ignore"))[: 2 * HEAD]
    if any(letter > "\x7f" for letter in letters):
        raise NotReadable("mixed_encodings", f"{refusal} Parts of it are UTF-8, others are not.") from refusal
    try:
        _check(content, "cp1252")
    except NotReadable:
        raise refusal from None
    return "cp1252"
