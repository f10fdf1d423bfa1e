"""Statements as tests write them, and what a reader makes of them."""

from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from accounts.adapters import detect, reader_for
from accounts.adapters.base import StatementFile
from accounts.domain.ledger import EntryDraft
from accounts.domain.statements import Item, Refusal, StatementLine, completed

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "fixtures"


def published(path: str) -> bytes:
    """Return a published sample; a test that needs one is skipped where there is none."""
    file = PUBLISHED / path
    if not file.exists():
        pytest.skip(f"{path} is not here")
    return file.read_bytes()


def items(content: str | bytes, form: str = "auto", zone: str = "UTC") -> list[Item]:
    """Return all that a statement says, in the format that it shows by its content."""
    file = StatementFile(content.encode() if isinstance(content, str) else content)
    return list(reader_for(form, file).read(file, ZoneInfo(zone)))


def format_of(content: str | bytes) -> str:
    """Return the format that a file shows beyond doubt, or nothing."""
    found = detect(StatementFile(content.encode() if isinstance(content, str) else content))
    return found.reader.name if found.reader else ""


def lines(content: str | bytes, form: str = "auto", zone: str = "UTC") -> list[StatementLine]:
    """Return the lines of a statement, none of which is refused."""
    found = items(content, form, zone)
    assert [item for item in found if isinstance(item, Refusal)] == []
    return [item for item in found if isinstance(item, StatementLine)]


def refusals(content: str | bytes, form: str = "auto") -> list[tuple[int, str]]:
    """Return the numbers of the lines that are refused, and the codes."""
    return [(item.line, item.code) for item in items(content, form) if isinstance(item, Refusal)]


def drafts(content: str | bytes, form: str = "auto") -> list[EntryDraft]:
    """Return the drafts of a statement's lines as the ledger would get them, each of which it would take."""
    made = []
    for line in lines(content, form):
        instrument = uuid4() if line.instrument else None
        draft = completed(line, instrument_id=instrument, currency="EUR", multiplier=line.hints.multiplier or 1)
        if line.reverses is None:
            draft.check()
        made.append(draft)
    return made


def said(content: str | bytes, *names: str, form: str = "auto") -> list[tuple]:
    """Return some fields of every draft of a statement, texts for numbers, without zeros at the end."""
    return [tuple(plain(getattr(draft, name)) for name in names) for draft in drafts(content, form)]


def plain(value: object) -> object:
    """Return a number as the shortest text for it, and anything else as it is."""
    if hasattr(value, "as_tuple"):
        return f"{value.normalize():f}" if value else "0"
    return value.value if hasattr(value, "value") else value
