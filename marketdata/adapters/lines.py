"""Read lines of files that strangers made: none may be so long, or so many, that memory gives out."""

import gzip
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO

MAX_LINE = 1 << 20
MAX_EXPANDED = 4 << 30
MOST_EXPANSION = 200
FIRST = 1 << 20
GZIP = b"\x1f\x8b"


class UnreadableFile(Exception):
    """The file as a whole can't be taken, and why."""


def bounded_lines(file: BinaryIO | IO[bytes], *, longest: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    r"""Yield each line with its number, without its end; of one that is longer than any may be, None.

    >>> import io
    >>> list(bounded_lines(io.BytesIO(b"short\n" + b"x" * 50 + b"\nlast"), longest=10))
    [(1, b'short'), (2, None), (3, b'last')]
    """
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        if len(line) <= longest or line.endswith(b"\n"):
            yield number, line.rstrip(b"\r\n")
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(longest)
        yield number, None


class Expanding:
    """A file that was compressed with gzip, read as it was before; one that grows beyond all reason is refused."""

    def __init__(self, file: BinaryIO | IO[bytes], *, most: int = MAX_EXPANDED) -> None:
        self.raw, self.file, self.most = file, gzip.GzipFile(fileobj=file, mode="rb"), most

    def readline(self, size: int = -1) -> bytes:
        """Return the next line, or a part of it that is no longer than asked.

        :raises UnreadableFile: if the file is damaged or expands too far
        """
        try:
            line = self.file.readline(size)
            expanded, read = self.file.tell(), self.raw.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFile(f"The file is no whole gzip file: {error}") from error
        if expanded > self.most or expanded > FIRST + MOST_EXPANSION * max(read, 1):
            raise UnreadableFile("The file expands too far; unpack it, look at it, and send it in pieces.")
        return line


def opened(file: BinaryIO | IO[bytes]) -> BinaryIO | IO[bytes] | Expanding:
    """Return what gives the lines of a file, unpacked where it was packed with gzip."""
    start = file.read(2)
    file.seek(0)
    return Expanding(file) if start == GZIP else file
