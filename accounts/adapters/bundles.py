"""The ZIP of an account, written as it is read from the database and read without trusting a word of it.

Nothing is ever unpacked to a place that the ZIP names, and no more is unpacked than its manifest has announced: of a file no more
than one line is in memory.
"""

import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import IO, Any

from accounts.adapters.base import StatementFile
from accounts.domain.bundles import LONGEST_LINE, MANIFEST, MORE, PARTS, BundleRefused, Manifest, PartRecord, Said, manifest_of
from accounts.domain.json_text import read_json, write_json

MOST_ZIP = 512 * 1024**2
MOST_RATIO, FREE_OF_RATIO = 200, 16 * 1024**2  # what packs better than that is no ledger
MOST_MANIFEST = 64 * 1024
MOST_DOCUMENT = 4 * 1024**2  # its objects take twenty times that
MOST_TOTAL = 1024**3
LONGEST_ROW = 4_096  # of a table of prices
CHUNK = 256 * 1024
BLOCK = 64 * 1024
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
END_64 = b"PK\x06\x07"
MOST_DIRECTORY = 64 * 1024
ENCRYPTED = 0x1
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class Counted:
    """A file of a ZIP that is being written: how large it is, how many rows it has, and its hash so far."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out, self.size, self.rows, self.digest = out, 0, 0, hashlib.sha256()
        self.waiting: list[str] = []
        self.length = 0

    def write(self, text: str, *, rows: int = 1) -> None:
        """Add a text."""
        self.waiting.append(text)
        self.length += len(text)
        self.rows += rows
        if self.length > BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what waits: it is packed many lines at a time."""
        content = "".join(self.waiting).encode()
        self.waiting, self.length = [], 0
        self.out.write(content)
        self.digest.update(content)
        self.size += len(content)

    def record(self) -> PartRecord:
        """Return what the manifest says of it."""
        return PartRecord(self.size, self.rows, self.digest.hexdigest())


class BundleWriter:
    """A ZIP that is being written, file by file; the manifest is the last of them."""

    def __init__(self, file: IO[bytes], at: datetime) -> None:
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
        self.day = at.astimezone(UTC).timetuple()[:6]
        self.parts: dict[str, PartRecord] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[Counted]:
        """Write one file."""
        with self.zip.open(self._info(name), "w", force_zip64=True) as out:
            counted = Counted(out)
            yield counted
            counted.flush()
        self.parts[name] = counted.record()

    def document(self, name: str, value: Any) -> None:
        """Write a file that is one JSON value."""
        with self.part(name) as out:
            out.write(write_json(value) + "\n")

    def close(self, manifest: Manifest) -> None:
        """Write the manifest and the end of the ZIP."""
        self.zip.writestr(self._info(MANIFEST), write_json(manifest.as_json()) + "\n")
        self.zip.close()

    def _info(self, name: str) -> zipfile.ZipInfo:
        """Return how a file is to be written."""
        info = zipfile.ZipInfo(name, date_time=self.day)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return info


class BundleReader:
    """A ZIP that has come: its manifest, and its files line by line."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take a ZIP, and check what it says of itself: its names, its sizes, its manifest.

        :raises BundleRefused: if it can't be that of an account
        """
        _check_end(file)
        with _broken_is_refused():
            self.zip = zipfile.ZipFile(file)
        self.sizes = self._sizes()
        self.manifest = manifest_of(self._json(MANIFEST, MOST_MANIFEST))
        for name, record in self.manifest.parts.items():
            if name not in self.sizes:
                raise BundleRefused("missing_file", f"{name} is not in the ZIP: export the account once more.")
            if self.sizes[name] != record.size:
                raise _wrong(name)
        if unknown := self.sizes.keys() - self.manifest.parts.keys() - {MANIFEST}:
            raise BundleRefused("unexpected_file", f"{min(unknown)} is in the ZIP, and {MANIFEST} does not tell of it.")

    def verify(self) -> None:
        """Hold every file to the hash that the manifest gives it, before anything of it is believed.

        :raises BundleRefused: naming the file that is another one
        """
        for name, record in self.manifest.parts.items():
            digest, size = hashlib.sha256(), 0
            with _broken_is_refused(name), self.zip.open(name) as part:
                while piece := part.read(CHUNK):
                    digest.update(piece)
                    size += len(piece)
            if digest.hexdigest() != record.sha256 or size != record.size:
                raise _wrong(name)

    def lines(self, name: str, *, longest: int = LONGEST_LINE) -> Iterator[str]:
        """Yield the lines of a file with their ends.

        :raises BundleRefused: if one is longer than any can be, or no text
        """
        number = 0
        with _broken_is_refused(name), io.TextIOWrapper(self.zip.open(name), "utf-8", newline="") as text:
            while line := text.readline(longest):
                number += 1
                if len(line) == longest:
                    raise BundleRefused("bad_file", f"{name}, line {number}: a line so long is none of ours.")
                yield line

    def document(self, name: str) -> Said:
        """Return the JSON object that a file is."""
        return Said(self._json(name, MOST_DOCUMENT), name)

    def objects(self, name: str, *, longest: int = LONGEST_LINE) -> Iterator[Said]:
        """Yield the JSON objects of a file, one a line.

        :raises BundleRefused: if one is none, or there are more or fewer than announced
        """
        count = 0
        for count, line in enumerate(self.lines(name, longest=longest), 1):
            yield Said(_read(line, f"{name}, line {count}"), f"{name}, line {count}", len(line))
        self.check_rows(name, count)

    def rows(self, name: str, columns: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
        """Yield the rows of a table, by the names of its columns.

        :raises BundleRefused: if it has other columns, or more or fewer rows than announced
        """
        table, count = csv.reader(self.lines(name, longest=LONGEST_ROW), strict=True), 0
        try:
            if next(table, None) != [*columns]:
                raise BundleRefused("bad_file", f"{name}: its columns are not {', '.join(columns)}.")
            for count, row in enumerate(table, 1):
                if len(row) != len(columns):
                    raise BundleRefused("bad_file", f"{name}, row {count}: it has {len(row)} cells instead of {len(columns)}.")
                if sum(map(len, row)) > LONGEST_ROW:
                    raise BundleRefused("bad_file", f"{name}, row {count}: a row so long is none of ours.")
                yield dict(zip(columns, row, strict=True))
        except csv.Error as error:
            raise BundleRefused("bad_file", f"{name}, row {count + 1}: {error}.") from error
        self.check_rows(name, count)

    def check_rows(self, name: str, count: int) -> None:
        """Refuse a file that has more or fewer rows than announced."""
        announced = self.manifest.parts[name].rows
        if count != announced:
            raise BundleRefused("bad_file", f"{name} has {count:,} rows, and the manifest announces {announced:,}.")

    def _sizes(self) -> dict[str, int]:
        """Return the sizes of all files; there is none but those that belong there."""
        sizes: dict[str, int] = {}
        for info in self.zip.infolist():
            if info.filename not in {MANIFEST, *PARTS, *MORE} or info.filename in sizes:
                raise BundleRefused("unexpected_file", f"{info.filename[:60]!r} is no file of an account's ZIP, or there twice.")
            if info.flag_bits & ENCRYPTED or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise BundleRefused("unexpected_packing", f"{info.filename} is encrypted, or packed as the export never packs.")
            sizes[info.filename] = info.file_size
            if info.file_size > FREE_OF_RATIO and info.file_size > MOST_RATIO * info.compress_size:
                raise BundleRefused("too_large", f"{info.filename} would unpack to {info.file_size:,} bytes: no export does.")
        if sum(sizes.values()) > MOST_TOTAL:
            raise BundleRefused("too_large", f"The ZIP would unpack to more than {MOST_TOTAL // 1024**2:,} MB.")
        if MANIFEST not in sizes:
            raise BundleRefused("foreign_zip", f"The ZIP has no {MANIFEST}: send the ZIP that the export gave, as it is.")
        return sizes

    def _json(self, name: str, most: int) -> Any:
        """Return what a JSON file says."""
        if self.sizes[name] > most:
            raise BundleRefused("too_large", f"{name} is larger than any.")
        with _broken_is_refused(name):
            content = self.zip.read(name)
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise BundleRefused("bad_file", f"{name} is no UTF-8 text.") from error
        return _read(text, name)


class PartFile(StatementFile):
    """A table of a ZIP as the readers of statements take it: line by line, and never all of it."""

    def __init__(self, reader: BundleReader, name: str) -> None:
        """Take a file of a ZIP, whose hash has been looked at."""
        self.reader, self.name, self.encoding = reader, name, "utf-8"

    @cached_property
    def head(self) -> str:
        """The first line."""
        return next(self.lines(), "")

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends."""
        return self.reader.lines(self.name)


def _read(text: str, where: str) -> Any:
    """Return what a JSON text says."""
    try:
        return read_json(text)
    except ValueError as error:
        raise BundleRefused("bad_file", f"{where} is no JSON: {str(error)[:100]}.") from error


def _wrong(name: str) -> BundleRefused:
    """Return the refusal of a file that is not the one the manifest tells of."""
    return BundleRefused("wrong_hash", f"{name} is not the file that was exported: it was changed or damaged. Export once more.")


def _check_end(file: IO[bytes]) -> None:
    """Refuse what is no ZIP, or one with a directory so large that reading it would be the harm.

    :raises BundleRefused: if it is
    """
    size = file.seek(0, io.SEEK_END)
    if size > MOST_ZIP:
        raise BundleRefused("too_large", f"The ZIP has more than {MOST_ZIP // 1024**2} MB.")
    file.seek(max(0, size - END_SIZE - LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        file.seek(0)
        whole = file.read(2) == b"PK"
        told = "The ZIP breaks off: load it up, or export it, once more." if whole else "The file is no ZIP."
        raise BundleRefused("broken_zip", told)
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory > MOST_DIRECTORY or END_64 in tail[max(0, at - 20) : at]:
        raise BundleRefused("too_large", "The ZIP lists more files than any account has.")


@contextmanager
def _broken_is_refused(name: str = "The ZIP") -> Iterator[None]:
    """Turn what the unpacking says of damage into our words."""
    try:
        yield
    except BundleRefused:
        raise
    except UnicodeDecodeError as error:
        raise BundleRefused("bad_file", f"{name} is no UTF-8 text.") from error
    except BROKEN as error:
        raise BundleRefused("broken_zip", f"{name} can't be unpacked: it is damaged. Export the account once more.") from error
