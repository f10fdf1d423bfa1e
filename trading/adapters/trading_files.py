"""Files of trading bots, taken apart: lines of JSON, plain or packed with gzip, and decisions, one a file or many in a zip.

Strangers made them: none may be so large, so deep or so many, packed or not, that memory or time gives out.
"""

from __future__ import annotations

import enum
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_BYTES = 50 * 1024 * 1024
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


def kind_of(name: str, content: bytes) -> Kind:
    """Return what a file holds, by its name or else by what its first line says.

    :raises UnreadableFile: if that cannot be told
    """
    last = PurePosixPath(name.replace("\\", "/")).name.lower().removesuffix(".gz")
    if content.startswith(ZIP) or last.endswith(".json"):
        return Kind.DECISIONS
    if DAILY.fullmatch(last):
        return Kind.TRADES
    for kind in Kind:
        if last == f"{kind.value}.jsonl":
            return kind
    first = next(iter(unpacked(content)[:MAX_LINE].splitlines()), b"")
    for mark, kind in TOLD_BY.items():
        if mark in first:
            return kind
    raise UnreadableFile("unknown_kind", "Neither the name of the file nor its first line tells what it holds; say it.")


def pieces_of(content: bytes) -> Iterator[Piece]:
    """Yield the lines of a file that say something, or the files of an archive.

    :raises UnreadableFile: if it is too large, damaged, or holds too many
    """
    if len(content) > MAX_BYTES:
        raise UnreadableFile("too_large", f"The file has more than {MAX_BYTES // 1024**2} MB; split it.")
    if content.startswith(ZIP):
        yield from _members(content)
        return
    plain = unpacked(content)
    whole = _whole(plain)
    if whole is not None:
        yield whole
        return
    yield from _lines(plain)


def unpacked(content: bytes) -> bytes:
    """Return what a file was before it was packed with gzip; one that was not, as it is.

    :raises UnreadableFile: if it is damaged or expands beyond all reason
    """
    if not content.startswith(GZIP):
        return content
    most = min(MAX_BYTES, max(FIRST, MOST_EXPANSION * len(content)))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile("damaged", f"The file is no whole gzip file: {error}.") from error
    if len(found) > most:
        raise UnreadableFile("expands_too_far", "The file expands too far; unpack it, look at it, and send it in pieces.")
    return found


def _whole(plain: bytes) -> Piece | None:
    """Return a file as one piece, where it is one JSON object over several lines: its first line opens it, and no more."""
    first = plain.removeprefix(BOM).lstrip().partition(b"\n")[0].rstrip()
    return _piece(1, plain.strip()) if first == b"{" else None


def _lines(plain: bytes) -> Iterator[Piece]:
    """Yield the lines that say something."""
    count = 0
    for number, line in enumerate(io.BytesIO(plain), start=1):
        if not line.strip():
            continue
        count += 1
        if count > MAX_LINES:
            raise UnreadableFile("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
        yield _piece(number, line)


def _members(content: bytes) -> Iterator[Piece]:
    """Yield the files of an archive; nothing is written anywhere, so their names lead nowhere."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableFile("damaged", f"The file is no whole zip file: {error}.") from error
    with archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        if len(members) > MAX_MEMBERS:
            raise UnreadableFile("too_many_files", f"The archive has more than {MAX_MEMBERS:,} files; split it.")
        left = min(MAX_BYTES, max(FIRST, MOST_EXPANSION * len(content)))
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
