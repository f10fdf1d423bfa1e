"""Files of trading bots, taken apart: lines of JSON, plain or packed with gzip, and decisions, one a file or many in a zip.

Strangers made them: none may be so large, so deep or so many, packed or not, that memory or time gives out.
"""

from __future__ import annotations

import enum
import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

MAX_BYTES = 256 * 1024 * 1024  # unpacked; lines are read one by one
MAX_ZIP = 50 * 1024 * 1024
MAX_LINE = 256 * 1024
MAX_LINES = 200_000
MAX_MEMBERS = 10_000
MOST_EXPANSION = 100
FIRST = 1024 * 1024  # whatever is small may expand as far as it likes
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
BOM = b"\xef\xbb\xbf"
DAILY = re.compile(r"\d{4}-\d{2}-\d{2}\.jsonl", re.ASCII)


class Kind(enum.StrEnum):
    """What a file holds."""

    TRADES = "trades"
    PERFORMANCE = "performance-alerts"
    RISK = "risk-management"
    DECISIONS = "decisions"


# a field that lines of one kind have and the others do not
TOLD_BY = {
    b'"decision_reasoning"': Kind.TRADES,
    b'"order_id"': Kind.TRADES,
    b'"window_size"': Kind.PERFORMANCE,
    b'"event_type"': Kind.RISK,
    b'"asset_pair"': Kind.DECISIONS,
}


class UnreadableFile(ValueError):
    """The file as a whole can't be taken; `code` says in which way, the text what to do."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Piece:
    """A line, or a file of an archive: its number, and its text or what is wrong with it."""

    number: int
    text: str = ""
    code: str = ""
    detail: str = ""


def kind_of(name: str, file: IO[bytes]) -> Kind:
    """Return what a file holds, by its name or else by what its first line says.

    :raises UnreadableFile: if that cannot be told
    """
    last = PurePosixPath(name.replace("\\", "/")).name.lower().removesuffix(".gz")
    if _begins(file).startswith(ZIP) or last.endswith(".json"):
        return Kind.DECISIONS
    if DAILY.fullmatch(last):
        return Kind.TRADES
    for kind in Kind:
        if last == f"{kind.value}.jsonl":
            return kind
    with unpacked(file) as plain:
        first = plain.readline(MAX_LINE)
    for mark, kind in TOLD_BY.items():
        if mark in first:
            return kind
    raise UnreadableFile("unknown_kind", "Neither the name of the file nor its first line tells what it holds; say it.")


def pieces_of(file: IO[bytes]) -> Iterator[Piece]:
    """Yield the lines of a file that say something, or the files of an archive; no more than a line is held at a time.

    :raises UnreadableFile: if it is too large, damaged, or holds too many
    """
    if _begins(file).startswith(ZIP):
        yield from _members(file)
        return
    with unpacked(file) as plain:
        first = plain.readline(MAX_LINE + 1)
        if first.removeprefix(BOM).strip() == b"{":  # one JSON object over several lines
            yield _piece(1, (first + plain.read(MAX_LINE + 1)).strip())
        else:
            yield from _lines(first, plain)


@contextmanager
def unpacked(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a file from its beginning as it was before it was packed with gzip; one that was not, as it is.

    :raises UnreadableFile: if it is damaged or expands beyond all reason
    """
    size, head = file.seek(0, os.SEEK_END), _begins(file)
    if not head.startswith(GZIP):
        yield _Bounded(file, MAX_BYTES, "too_large", f"The file has more than {MAX_BYTES // 1024**2} MB; split it.")
        return
    most = min(MAX_BYTES, max(FIRST, MOST_EXPANSION * size))
    detail = "The file expands too far; unpack it, look at it, and send it in pieces."
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            yield _Bounded(packed, most, "expands_too_far", detail)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile("damaged", f"The file is no whole gzip file: {error}.") from error


class _Bounded(io.BufferedReader):
    """A file of which no more than so many bytes are read."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, most: int, code: str, detail: str) -> None:
        super().__init__(_Counted(file, most, code, detail), 64 * 1024)


class _Counted(io.RawIOBase):
    """Counts what is read of a file, and refuses it once that is too much."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, most: int, code: str, detail: str) -> None:
        self._file, self._left, self._refusal = file, most, UnreadableFile(code, detail)

    def readable(self) -> bool:
        """Say that it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some more."""
        read = self._file.read(len(buffer))
        self._left -= len(read)
        if self._left < 0:
            raise self._refusal
        buffer[: len(read)] = read
        return len(read)


def _begins(file: IO[bytes]) -> bytes:
    """Return the first bytes of a file, and go back before them."""
    file.seek(0)
    head = file.read(len(ZIP))
    file.seek(0)
    return head


def _lines(first: bytes, plain: IO[bytes]) -> Iterator[Piece]:
    """Yield the lines that say something; of one that is too long, the beginning tells that."""
    count, number, line = 0, 0, first
    while line:
        number += 1
        if line.strip():
            count += 1
            if count > MAX_LINES:
                raise UnreadableFile("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
            yield _piece(number, line)
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = plain.readline(MAX_LINE + 1)
        line = plain.readline(MAX_LINE + 1)


def _members(file: IO[bytes]) -> Iterator[Piece]:
    """Yield the files of an archive; nothing is written anywhere, so their names lead nowhere."""
    size = file.seek(0, os.SEEK_END)
    if size > MAX_ZIP:
        raise UnreadableFile("too_large", f"The archive has more than {MAX_ZIP // 1024**2} MB; split it.")
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableFile("damaged", f"The file is no whole zip file: {error}.") from error
    with archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        if len(members) > MAX_MEMBERS:
            raise UnreadableFile("too_many_files", f"The archive has more than {MAX_MEMBERS:,} files; split it.")
        left = min(MAX_ZIP, max(FIRST, MOST_EXPANSION * size))
        for number, one in enumerate(members, start=1):
            text = _member(archive, one, left)
            if isinstance(text, Piece):
                yield Piece(number, "", text.code, text.detail)
                continue
            left -= len(text)
            if left < 0:
                raise UnreadableFile("expands_too_far", "The archive expands too far; unpack it and send it in pieces.")
            yield _piece(number, text)


def _member(archive: zipfile.ZipFile, one: zipfile.ZipInfo, left: int) -> bytes | Piece:
    """Return the content of a file of an archive, or why it is not taken."""
    if one.flag_bits & 1:
        return Piece(0, code="encrypted", detail=f"{one.filename[:100]} is encrypted.")
    if not one.filename.lower().endswith(".json"):
        return Piece(0, code="no_decision", detail=f"{one.filename[:100]} is no .json file.")
    try:
        with archive.open(one) as file:
            return file.read(min(left, MAX_LINE) + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return Piece(0, code="damaged", detail=f"{one.filename[:100]} is damaged: {error}.")


def _piece(number: int, line: bytes) -> Piece:
    """Return a line with its text, or with what is wrong with it."""
    if len(line) > MAX_LINE:
        return Piece(number, code="too_long", detail=f"It has more than {MAX_LINE // 1024} kB.")
    try:
        return Piece(number, line.removeprefix(BOM).decode().strip())
    except UnicodeDecodeError:
        return Piece(number, code="not_utf8", detail="It is not UTF-8 text.")
