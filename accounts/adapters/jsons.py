"""JSON taken apart element by element: of a long list no more than one element is in memory, and numbers stay exact."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.adapters.base import CHUNK, MAX_LINES, NotReadable, StatementFile

LONGEST = 4 * 1024 * 1024
MOST_DIGITS = 60
MOST_ELEMENTS = 2 * MAX_LINES
SPACE = re.compile(r"[ \t\r\n\ufeff]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A value in a document: the name of the list or the field it stands in, the line it starts on, and what it is."""

    name: str
    line: int
    value: Any
    listed: bool


class _Broken(ValueError):
    """The text is no JSON."""


def pieces(file: StatementFile) -> Iterator[Piece]:
    """Yield the elements of the outer list, or the fields of the outer object, those that are lists one by one.

    :raises NotReadable: if it is no JSON, or one element is larger than any of a statement
    """
    scan = _Scan(file)
    try:
        first = scan.peek()
        if first == "[":
            yield from scan.listed("")
        elif first == "{":
            yield from scan.fields()
        else:
            raise _Broken("it begins with neither [ nor {")
        if scan.peek():
            raise _Broken("something follows its end")
    except _Broken as error:
        raise NotReadable("broken_json", f"Line {scan.line}: this is no JSON: {error}.") from error
    except RecursionError as error:
        raise NotReadable("broken_json", f"Line {scan.line}: the JSON is nested too deeply.") from error


class _Scan:
    """A place in a text, of which only the part around it is in memory."""

    def __init__(self, file: StatementFile) -> None:
        self.text = file.open()
        self.buffer, self.at, self.line = "", 0, 1
        self.decoder = json.JSONDecoder(
            parse_float=_number, parse_int=_number, parse_constant=_refuse, object_pairs_hook=_object, strict=False
        )

    def peek(self) -> str:
        """Return the next sign that is no space, nothing at the end."""
        while True:
            found = SPACE.match(self.buffer, self.at)
            self._move(found.end() if found else self.at)
            if self.at < len(self.buffer) or not self._more():
                return self.buffer[self.at : self.at + 1]

    def take(self, signs: str) -> str:
        """Return the next sign, which has to be one of some."""
        sign = self.peek()
        if not sign or sign not in signs:
            raise _Broken(f"{' or '.join(signs)} is missing" if sign else "it breaks off")
        self._move(self.at + 1)
        return sign

    def value(self) -> tuple[int, Any]:
        """Return the next value and the line it starts on."""
        self.peek()
        line = self.line
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                complete = error.pos < len(self.buffer) - 1 and "Unterminated" not in error.msg
                if (complete and error.pos < len(self.buffer) - MOST_DIGITS) or not self._more():
                    raise _Broken(error.msg) from error
                continue
            if end < len(self.buffer) or not self._more():  # a number may go on
                self._move(end)
                return line, value

    def listed(self, name: str) -> Iterator[Piece]:
        """Yield the elements of a list."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        for _ in range(MOST_ELEMENTS):
            line, value = self.value()
            yield Piece(name, line, value, listed=True)
            if self.take(",]") == "]":
                return
        raise NotReadable("too_many_lines", f"The file has more than {MOST_ELEMENTS:,} records; split it.")

    def fields(self) -> Iterator[Piece]:
        """Yield the fields of an object, those that are lists element by element."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            _, name = self.value()
            if not isinstance(name, str):
                raise _Broken("the name of a field is no text")
            self.take(":")
            if self.peek() == "[":
                yield from self.listed(name)
            else:
                line, value = self.value()
                yield Piece(name, line, value, listed=False)
            if self.take(",}") == "}":
                return

    def _move(self, to: int) -> None:
        """Go on to a place."""
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def _more(self) -> bool:
        """Take in more of the text, and say whether there was any."""
        if len(self.buffer) - self.at > LONGEST:
            raise _Broken(f"one element has more than {LONGEST // 1024**2} MB")
        piece = self.text.read(CHUNK)
        self.buffer, self.at = self.buffer[self.at :] + piece, 0
        return bool(piece)


def _number(text: str) -> Decimal:
    """Return a number of a document, exactly."""
    if len(text) > MOST_DIGITS:
        raise _Broken("a number has too many digits")
    number = Decimal(text)
    if number and abs(number.adjusted()) > MOST_DIGITS:  # written out, it would fill the memory
        raise _Broken(f"{text} is beyond all numbers of a statement")
    return number


def _refuse(text: str) -> Any:
    """Refuse what is no number, though some programs write it."""
    raise _Broken(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, whose names have to differ."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Broken("a field comes twice in one object")
    return made


def text_in(value: Any) -> str:
    """Return what a simple value says as a cell of a table would, nothing for what is none.

    >>> text_in(Decimal("4.50")), text_in(None), text_in(True), text_in({})
    ('4.50', '', 'true', '')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, str) else ""
