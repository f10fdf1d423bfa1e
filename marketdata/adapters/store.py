"""Where the archive's files are: a folder of this machine, or a bucket of any S3-compatible service.

A file is written under a name nobody reads, read back, and only then given its own; it is never written over. In a folder that
is one link of the file system, and the file can't be written to from then on.
"""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
import pyarrow as pa
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from obstore.exceptions import BaseError
from obstore.store import S3Store

INCOMING = ".incoming"
CHUNK = 8 << 20
READ_ONLY = 0o444
RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}


class StoreFailed(OSError):
    """The store could not do what it was asked to; the message says what and why."""


class AlreadyThere(StoreFailed):
    """Another file has that name, and no file of the archive is written over."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as the store has it."""

    name: str
    bytes: int
    sha256: str


class Store(Protocol):
    """A place for files with names such as `quotes/date=2024-01-02/part-0.parquet`; what fails raises `StoreFailed`."""

    def incoming(self, label: str) -> Any:
        """Return a context that yields the path of a new local file to write to; what is left of it is removed at its end."""

    def stage(self, path: Path) -> Kept:
        """Bring a file that is written to where it is published from, safe from a loss of power, and return it as read back."""

    def publish(self, staged: str, name: str) -> None:
        """Give a staged file its name.

        :raises AlreadyThere: if another file has it
        """

    def look(self, name: str) -> Kept:
        """Read a file to its end and return its size and hash.

        :raises FileNotFoundError: if there is none
        """

    def open(self, name: str) -> Any:
        """Return what pyarrow reads a file from.

        :raises FileNotFoundError: if there is none
        """

    def exists(self, name: str) -> bool:
        """Say whether there is a file of a name."""

    def is_protected(self, name: str) -> bool:
        """Say whether the store itself keeps a file from being written to; where it has no such thing, it does."""

    def set_aside(self, name: str, aside: str) -> None:
        """Give a file another name."""

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""

    def remove_incoming(self, label: str) -> None:
        """Remove what is left of files that were begun under a label and not published."""

    def names(self) -> Iterator[str]:
        """Yield the name of every file that is not an incoming one."""


class FolderStore:
    """A folder: files are flushed to the disk, get their name in one step and are read-only from then on."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def incoming(self, label: str) -> Iterator[Path]:
        """Yield the path of a new file beside the archive's."""
        path = self.root / INCOMING / f"{label}.{uuid4().hex}"
        with _told("write to the archive"):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def stage(self, path: Path) -> Kept:
        """Flush the file to the disk and let nobody write to it any more."""
        with _told("write to the archive"):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.chmod(READ_ONLY)
        return self.look(path.relative_to(self.root).as_posix())

    def publish(self, staged: str, name: str) -> None:
        """Give a staged file its name, and flush the folders that tell it."""
        target = self.root / name
        with _told(f"give {name} its name"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self.root / staged, target)
            except FileExistsError as error:
                raise AlreadyThere(f"{name} is in the archive already") from error
            (self.root / staged).unlink()
            for folder in (target.parent, *target.parent.parents):
                _flush(folder)
                if folder == self.root:
                    break

    def look(self, name: str) -> Kept:
        """Read a file to its end and return its size and hash."""
        with _told(f"read {name}"):
            return _hashed(name, self.root / name)

    def open(self, name: str) -> Any:
        """Return what pyarrow reads a file from."""
        with _told(f"read {name}"):
            return pa.OSFile(str(self.root / name))

    def exists(self, name: str) -> bool:
        """Say whether there is a file of a name."""
        return (self.root / name).exists()

    def is_protected(self, name: str) -> bool:
        """Say whether nobody may write to a file."""
        with _told(f"read {name}"):
            return not (self.root / name).stat().st_mode & 0o222

    def set_aside(self, name: str, aside: str) -> None:
        """Give a file another name."""
        with _told(f"set {name} aside"):
            (self.root / aside).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).rename(self.root / aside)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with _told(f"remove {name}"):
            (self.root / name).unlink(missing_ok=True)

    def remove_incoming(self, label: str) -> None:
        """Remove what is left of files that were begun under a label."""
        with _told("clean up the archive"):
            for path in (self.root / INCOMING).glob(f"{label}.*"):
                path.unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Yield the name of every file that is not an incoming one."""
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and not name.startswith(f"{INCOMING}/"):
                yield name


class Ranges(io.RawIOBase):
    """A file of a bucket as Python knows files; what is read of it is asked for when it is."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any place of it can be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        with _told("read from the archive"):
            return int(self._source.seek(offset, whence))

    def tell(self) -> int:
        """Return the place."""
        return int(self._source.tell())

    def readinto(self, buffer: Any) -> int:
        """Read what comes next."""
        with _told("read from the archive"):
            content = self._source.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


class BucketStore:
    """A bucket: a file is uploaded under another name, and copied to its own by the service once it has been read back."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    @contextmanager
    def incoming(self, label: str) -> Iterator[Path]:
        """Yield the path of a new file of this machine, whose name becomes that of the upload."""
        with TemporaryDirectory(prefix="bedrock-archive-") as folder:
            path = Path(folder) / f"{label}.{uuid4().hex}"
            yield path
            with suppress(StoreFailed):  # the next run removes it
                self.remove(f"{INCOMING}/{path.name}")

    def stage(self, path: Path) -> Kept:
        """Upload the file under another name than its own, and compare what can be downloaded with it."""
        name = f"{INCOMING}/{path.name}"
        with _told("upload to the archive"):
            obstore.put(self._store, name, path)
        kept, sent = self.look(name), _hashed(name, path)
        if kept != sent:
            raise StoreFailed(f"Could not upload to the archive: {name} comes back with other bytes than it was sent with")
        return kept

    def publish(self, staged: str, name: str) -> None:
        """Copy a staged file to its name; who calls has the day to himself, so nobody else writes it meanwhile."""
        if self.exists(name):
            raise AlreadyThere(f"{name} is in the archive already")
        with _told(f"give {name} its name"):
            obstore.copy(self._store, staged, name)
            obstore.delete(self._store, staged)

    def look(self, name: str) -> Kept:
        """Download a file and return its size and hash."""
        digest, size = sha256(), 0
        with _told(f"read {name}"):
            for chunk in obstore.get(self._store, name).stream(min_chunk_size=CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return Kept(name, size, digest.hexdigest())

    def open(self, name: str) -> Any:
        """Return what pyarrow reads a file from: it asks for the ranges it needs."""
        with _told(f"read {name}"):
            return Ranges(obstore.open_reader(self._store, name))

    def exists(self, name: str) -> bool:
        """Say whether there is a file of a name."""
        with _told(f"look for {name}"):
            try:
                obstore.head(self._store, name)
            except FileNotFoundError:
                return False
        return True

    def is_protected(self, name: str) -> bool:
        """Say that it is: what the bucket allows, such as object lock, is the bucket's to say."""
        return True

    def set_aside(self, name: str, aside: str) -> None:
        """Give a file another name."""
        with _told(f"set {name} aside"):
            obstore.copy(self._store, name, aside)
            obstore.delete(self._store, name)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with _told(f"remove {name}"), suppress(FileNotFoundError):
            obstore.delete(self._store, name)

    def remove_incoming(self, label: str) -> None:
        """Remove what is left of files that were begun under a label."""
        with _told("clean up the archive"):
            for name in self._listed(INCOMING):
                if name.startswith(f"{INCOMING}/{label}."):
                    self.remove(name)

    def names(self) -> Iterator[str]:
        """Yield the name of every file that is not an incoming one."""
        with _told("list the archive"):
            yield from sorted(name for name in self._listed(None) if not name.startswith(f"{INCOMING}/"))

    def _listed(self, prefix: str | None) -> Iterator[str]:
        """Yield the names below a prefix."""
        for page in obstore.list(self._store, prefix):
            yield from (each["path"] for each in page)


def archive_store() -> Store:
    """Return the archive's store, as the setting ARCHIVE_URL names it.

    :raises ImproperlyConfigured: if it names none
    """
    parts = urlsplit(settings.ARCHIVE_URL)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return BucketStore(_bucket(parts.netloc, parts.path.strip("/"), settings.ARCHIVE_S3))
    raise ImproperlyConfigured("ARCHIVE_URL must be file:///a/folder or s3://bucket/prefix.")


def _bucket(bucket: str, prefix: str, options: Mapping[str, str]) -> S3Store:
    """Return a bucket; credentials that are not set are those of the machine, as the service's own tools find them."""
    config: Any = {name: value for name, value in options.items() if value}
    allow_http = config.get("endpoint", "").startswith("http://")
    try:
        return S3Store(
            bucket, prefix=prefix or None, config=config, client_options={"allow_http": allow_http}, retry_config=RETRIES
        )
    except (BaseError, ValueError) as error:
        raise ImproperlyConfigured(f"ARCHIVE_URL: the bucket {bucket} can't be used with these settings.") from error


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Let what fails say what was being done; that a file is missing stays what it is."""
    try:
        yield
    except (FileNotFoundError, StoreFailed):
        raise
    except (OSError, BaseError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).strip().split("\n")[0]
        raise StoreFailed(f"Could not {what}: {reason}") from error


def _hashed(name: str, path: Path) -> Kept:
    """Read a local file to its end and return its size and hash under a name."""
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Kept(name, size, digest.hexdigest())


def _flush(folder: Path) -> None:
    """Flush a folder to the disk, so that the names in it outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
