"""XML taken apart piece by piece: no document type, no entities, nothing from elsewhere, and a bound on how deep it goes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from accounts.adapters.base import CHUNK, NotReadable, StatementFile

DEEPEST = 40
MOST_ATTRIBUTES = 300
MOST_ELEMENTS = 2_000_000
LONGEST = 4 * 1024 * 1024
MOST_PIECES, LONGEST_TEXT = 20, 1_000


@dataclass(frozen=True, slots=True)
class Element:
    """The start or the end of an element, with its attributes, and at the end the text in it."""

    name: str
    starts: bool
    attributes: dict[str, str]
    line: int
    text: str = ""


class _Refused(Exception):
    """The document holds what no statement needs."""


def elements(file: StatementFile) -> Iterator[Element]:
    """Yield the starts and ends of the elements of an XML document.

    :raises NotReadable: if it is no XML, or holds a document type or entities, which are how XML does harm
    """
    file.refuse_more_than(MOST_ELEMENTS, b"<", "elements")
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator=None)
    found: list[Element] = []
    _listen(parser, found)
    text, fed, count = file.open(), 0, 0
    while piece := text.read(CHUNK):
        piece = _undeclared(piece) if not fed else piece
        fed += len(piece)
        for element in _parsed(parser, found, piece, final=False):
            count += 1
            yield element
        if count > MOST_ELEMENTS:
            raise NotReadable("too_many_lines", f"The XML has more than {MOST_ELEMENTS:,} elements; split it.")
        if fed - parser.CurrentByteIndex > LONGEST:
            raise NotReadable(
                "line_too_long", f"One element of the XML has more than {LONGEST // 1024**2} MB: this is no statement."
            )
    yield from _parsed(parser, found, "", final=True)


def _undeclared(piece: str) -> str:
    """Return the first piece of a text without the declaration of an encoding: it was decoded already."""
    bare = piece.lstrip("\ufeff \r\n\t")
    if not bare.startswith("<?xml"):
        return bare
    declaration, _, rest = bare.partition("?>")
    return "\n" * declaration.count("\n") + rest


def _parsed(parser: Any, found: list[Element], piece: str, *, final: bool) -> Iterator[Element]:
    """Yield what a piece of a document holds."""
    try:
        parser.Parse(piece.encode("utf-8", "replace"), final)
    except expat.ExpatError as error:
        yield from found
        found.clear()
        code = "broken_xml"
        raise NotReadable(code, f"The XML breaks off in line {error.lineno}: download the file once more.") from error
    except _Refused as error:
        raise NotReadable("unsafe_xml", str(error)) from error
    yield from found
    found.clear()


def _listen(parser: Any, found: list[Element]) -> None:
    """Write down what a parser meets, and stop it at what no statement needs."""
    depth: list[str] = []
    texts: list[list[str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(depth) >= DEEPEST or len(attributes) > MOST_ATTRIBUTES:
            raise _Refused("The XML is nested deeper, or has more attributes, than any statement.")
        depth.append(name)
        texts.append([])
        found.append(Element(name, True, attributes, parser.CurrentLineNumber))

    def end(name: str) -> None:
        depth.pop()
        found.append(Element(name, False, {}, parser.CurrentLineNumber, "".join(texts.pop()).strip()))

    def characters(data: str) -> None:
        if texts and len(texts[-1]) < MOST_PIECES:
            texts[-1].append(data[:LONGEST_TEXT])

    def refuse(*_: object) -> None:
        raise _Refused("The XML declares a document type or entities, which no statement needs: it is not read.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.buffer_text = True
