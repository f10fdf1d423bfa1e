"""What a reader of statements is: it takes the text of a file apart, line by line, and never touches the database."""

from collections.abc import Iterator
from typing import Protocol
from zoneinfo import ZoneInfo

from accounts.domain.statements import Refusal, StatementLine

MAX_BYTES = 50 * 1024 * 1024
MAX_LINES = 200_000


class NotReadable(ValueError):
    """The file as a whole can't be read; `code` says in which way, the text what to do."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class StatementReader(Protocol):
    """One format of statements."""

    name: str

    def recognizes(self, text: str) -> bool:
        """Say whether a text looks like a statement in this format."""
        ...

    def read(self, text: str, zone: ZoneInfo) -> Iterator[StatementLine | Refusal]:
        """Yield the lines of a statement in their order; times that do not name their zone are of the given one.

        :raises NotReadable: if nothing in it can be read
        """
        ...


def text_of(content: bytes) -> str:
    """Return the text of a file, without the mark that some programs put in front of it.

    :raises NotReadable: if it is too large, empty, or no UTF-8 text
    """
    if len(content) > MAX_BYTES:
        raise NotReadable("too_large", f"The file has more than {MAX_BYTES // 1024**2} MB; split it.")
    if not content.strip():
        raise NotReadable("empty_file", "The file is empty.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotReadable("not_utf8", f"Line {line} is not UTF-8 text: save the file as CSV UTF-8, then try again.") from error
