"""The formats in which statements come, each in a file of its own.

Every module here that has a READER is a format: who adds one adds a file, and its sample to the tests.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.adapters.base import NotReadable, StatementFile, StatementReader
from accounts.adapters.mapped import MappedTable

AUTO = "auto"
SURE, CLEAR, POSSIBLE = 0.8, 0.3, 0.3


def _found() -> tuple[StatementReader, ...]:
    """Return the readers of all modules, by name; the event log, which is our own, first."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    readers = [reader for module in modules for reader in getattr(module, "READERS", ())]
    return tuple(sorted(readers, key=lambda reader: (reader.name != "event_log", reader.name)))


READERS = _found()
FORMATS = (AUTO, *(reader.name for reader in READERS))


@dataclass(frozen=True, slots=True)
class Detection:
    """Which format a file is in: the reader where there is no doubt, and those that come into question, the likeliest first."""

    reader: StatementReader | None
    candidates: tuple[tuple[str, float], ...]


def detect(file: StatementFile) -> Detection:
    """Say by its content, never by its name, which format a file is in."""
    weighed = [(reader, reader.certainty(file)) for reader in READERS]
    likely = sorted(((reader, sure) for reader, sure in weighed if sure >= POSSIBLE), key=lambda pair: -pair[1])
    candidates = tuple((reader.name, sure) for reader, sure in likely)
    if not likely or likely[0][1] < SURE:
        return Detection(None, candidates)
    second = likely[1][1] if len(likely) > 1 else 0.0
    return Detection(likely[0][0] if likely[0][1] - second >= CLEAR else None, candidates)


def reader_for(name: str, file: StatementFile, mapping: Mapping[str, Any] | None = None) -> StatementReader:
    """Return the reader of a format, or with "auto" the one whose format the file is in without a doubt.

    With a mapping it is any table, whose columns that explains.

    :raises NotReadable: if there is none, or if several come into question
    """
    if mapping is not None:
        return MappedTable(mapping)
    known = ", ".join(reader.name for reader in READERS)
    if name != AUTO:
        for reader in READERS:
            if reader.name == name:
                return reader
        raise NotReadable("unknown_format", f"There is no format {name}; there are {known}.")
    found = detect(file)
    if found.reader:
        return found.reader
    if found.candidates:
        names = [name for name, _ in found.candidates]
        raise NotReadable("unsure_format", f"The file may be one of {', '.join(names)}: say which.", names)
    raise NotReadable("unknown_format", f"By its content the file is in none of the formats that can be read: {known}.")
