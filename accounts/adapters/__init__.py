"""The formats in which statements come, each in a file of its own."""

from accounts.adapters.base import NotReadable, StatementReader
from accounts.adapters.event_csv import EventLog

READERS: tuple[StatementReader, ...] = (EventLog(),)
AUTO = "auto"
FORMATS = (AUTO, *(reader.name for reader in READERS))


def reader_for(name: str, text: str) -> StatementReader:
    """Return the reader of a format, or with "auto" the one that recognizes the text.

    :raises NotReadable: if there is none
    """
    for reader in READERS:
        if name == reader.name or (name == AUTO and reader.recognizes(text)):
            return reader
    known = ", ".join(reader.name for reader in READERS)
    if name != AUTO:
        raise NotReadable("unknown_format", f"There is no format {name}; there are {known}.")
    raise NotReadable("unknown_format", f"By its first line the file is in none of the formats that can be read: {known}.")
