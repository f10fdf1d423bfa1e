"""An account taken along as one ZIP: which files it holds, what its manifest says of them, and what is refused.

The manifest names every file with its size, its number of rows and its SHA-256, and itself by a SHA-256 of what it says. Figures
are no part of it: they follow from what is there.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Protocol

from accounts.domain.json_text import write_json

FORMAT = "bedrock-account"
VERSION = 1
MANIFEST = "manifest.json"
ACCOUNT, PERSONAL = "account.json", "personal.json"
INSTRUMENTS, ACTIONS = "instruments.jsonl", "actions.jsonl"
BARS, RATES = "bars.csv", "rates.csv"
ENTRIES, RECORDS = "entries.csv", "records.csv"
TRADING, PICTURES, ARCHIVES = "trading.jsonl", "pictures.jsonl", "thrown-away.jsonl"
PARTS = (ACCOUNT, PERSONAL, INSTRUMENTS, ACTIONS, BARS, RATES, ENTRIES, RECORDS)
MORE = (TRADING, PICTURES, ARCHIVES)  # of a higher floor; a ZIP may lack them
BAR_COLUMNS = (
    *("instrument", "timestamp", "open", "high", "low", "close", "volume", "vwap", "trade_count"),
    *("adjusted_through", "rolled_from"),
)
RATE_COLUMNS = ("base", "quote", "date", "rate")
RECORD_COLUMNS = ("sequence", "recorded_at", "actor", "hash")
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
LONGEST_LINE = 1024**2


class BundleRefused(ValueError):
    """The ZIP can't be taken; `code` says in which way, the text what to do."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class PartRecord:
    """What the manifest says of one file."""

    size: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a ZIP says about itself: whose account it was, how far its ledger went, and the files it holds."""

    made_at: str
    made_by: str
    account: str
    entries: int
    head: str
    parts: Mapping[str, PartRecord]

    def as_json(self) -> dict[str, Any]:
        """Return the manifest as it is written, with the hash of what it says."""
        said: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": self.made_at,
            "made_by": self.made_by,
            "account": self.account,
            "ledger": {"entries": self.entries, "head": self.head},
            "files": {name: asdict(part) for name, part in self.parts.items()},
        }
        return said | {"sha256": digest_of(said)}


def digest_of(said: Mapping[str, Any]) -> str:
    """Return the hash of what a manifest says, whatever the order it says it in."""
    return hashlib.sha256(write_json(dict(said)).encode()).hexdigest()


def manifest_of(said: Any) -> Manifest:
    """Return the manifest that a JSON value is.

    :raises BundleRefused: if it is none, of another version, changed, or names other files than there are to be
    """
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise BundleRefused("foreign_zip", f"{MANIFEST} is not that of an account: send the ZIP that the export gave.")
    version = said.get("version")
    if version != VERSION or isinstance(version, bool):
        told = f"The ZIP is of version {str(version)[:20]}, and this installation reads {VERSION}: bring it up to date first."
        raise BundleRefused("unknown_version", told)
    rest = {name: value for name, value in said.items() if name != "sha256"}
    if said.get("sha256") != digest_of(rest):
        raise BundleRefused("wrong_hash", f"{MANIFEST} was changed after it was written: export the account once more.")
    try:
        return _manifest(rest)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BundleRefused):
            raise
        raise BundleRefused("bad_manifest", f"{MANIFEST} does not say what it has to: {error}.") from error


def _manifest(said: Mapping[str, Any]) -> Manifest:
    """Return a manifest whose hash holds.

    :raises ValueError: if a value is none of its kind
    """
    files, ledger = said["files"], said["ledger"]
    if odd := set(files) - {*PARTS, *MORE}:
        raise BundleRefused("unexpected_file", f"{MANIFEST} names {min(odd)[:60]!r}, which is no part of it.")
    if missing := [name for name in PARTS if name not in files]:
        raise BundleRefused("missing_file", f"{', '.join(missing)} is not in the ZIP: export the account once more.")
    parts = {
        name: PartRecord(_count(one["size"]), _count(one["rows"]), _like(DIGEST, one["sha256"])) for name, one in files.items()
    }
    texts = {name: _text(said[name]) for name in ("made_at", "made_by")}
    return Manifest(
        account=_like(UUID_TEXT, said["account"]),
        entries=_count(ledger["entries"]),
        head=_like(DIGEST, ledger["head"]) if ledger["head"] else "",
        parts=parts,
        **texts,
    )


def _count(value: Any) -> int:
    """Return a number of things."""
    if type(value) is not int or not 0 <= value < 2**53:
        message = f"{str(value)[:20]!r} is no number of anything"
        raise ValueError(message)
    return value


def _text(value: Any) -> str:
    """Return a short text."""
    if not isinstance(value, str) or len(value) > 100:  # noqa: PLR2004
        message = f"{str(value)[:20]!r} is no short text"
        raise ValueError(message)
    return value


def _like(pattern: re.Pattern[str], value: Any) -> str:
    """Return a text of a shape."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        message = f"{str(value)[:20]!r} is not what it should be"
        raise ValueError(message)
    return value


class Said:
    """An object of a file, whose values are asked for by name and kind: what is of another kind is refused by name."""

    def __init__(self, value: Any, where: str, size: int = 0) -> None:
        self.where, self.size = where, size
        if not isinstance(value, dict):
            raise self.refusal("", "an object")
        self.value = value

    def refusal(self, name: str, wanted: str) -> BundleRefused:
        """Return the refusal of a value."""
        return BundleRefused("bad_file", f"{self.where}: {name + ': ' if name else ''}this is not {wanted}.")

    def text(self, name: str, *, most: int = 200) -> str:
        """Return a text, empty where there is none."""
        value = self.value.get(name, "")
        if not isinstance(value, str) or len(value) > most or "\0" in value:
            raise self.refusal(name, f"a text of at most {most} characters")
        return value

    def number(self, name: str) -> Decimal | None:
        """Return a number, none where there is none; it is written as a text."""
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?", value, re.ASCII):
            raise self.refusal(name, "a plain number, written as a text")
        return Decimal(value)

    def whole(self, name: str) -> int | None:
        """Return a whole number, none where there is none."""
        value = self.value.get(name)
        if value is not None and (type(value) is not int or not 0 <= value < 2**31):
            raise self.refusal(name, "a whole number")
        return value

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """Return yes or no."""
        value = self.value.get(name, otherwise)
        if not isinstance(value, bool):
            raise self.refusal(name, "true or false")
        return value

    def each(self, name: str) -> "list[Said]":
        """Return the objects of a list."""
        value = self.value.get(name, [])
        if not isinstance(value, list):
            raise self.refusal(name, "a list")
        return [Said(one, f"{self.where}, {name} {number}") for number, one in enumerate(value, 1)]

    def texts(self, name: str) -> list[str]:
        """Return the texts of a list."""
        value = self.value.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and len(one) <= 500 for one in value):  # noqa: PLR2004
            raise self.refusal(name, "a list of texts")
        return list(value)


class Out(Protocol):
    """A file of a ZIP that is being written."""

    def write(self, text: str, *, rows: int = 1) -> None:
        """Add a text."""


class Writes(Protocol):
    """A ZIP that is being written, as higher floors see it."""

    def part(self, name: str) -> AbstractContextManager[Out]:
        """Write one file."""
        ...


class Reads(Protocol):
    """A ZIP that has come, as higher floors see it."""

    manifest: Manifest

    def objects(self, name: str, *, longest: int = LONGEST_LINE) -> Iterator[Said]:
        """Yield the JSON objects of a file, one a line of at most so many characters."""
        ...
