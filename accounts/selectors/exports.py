"""An account's ledger as the file that brings it into another account, without loss."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import F, TextField
from django.db.models.functions import Cast

from accounts.adapters import event_csv
from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.domain.statements import Reference, StatementLine
from accounts.models import Account, LedgerEntry

CHUNK = 2_000
FIGURES = (
    *("occurred_at", "currency", "quantity", "price", "cash", "fee", "tax", "reason_primary", "reason_explanation"),
    *("notes", "source", "group"),
)
OWN = ("id", "sequence", "kind", "external_id", "tags", "reverses_id", "corrects_id")


def event_log(account: Account) -> Iterator[str]:
    """Yield the rows of the event log of an account, its headings first; read it inside the member's transaction."""
    yield event_csv.heading()
    for line in statement_lines(account):
        yield event_csv.row(line)


def statement_lines(account: Account, *, until: int | None = None) -> Iterator[StatementLine]:
    """Yield the entries of an account's ledger, up to a sequence, in the order of recording, as lines of a statement."""
    entries = LedgerEntry.objects.filter(account=account).order_by("sequence")
    if until is not None:
        entries = entries.filter(sequence__lte=until)
    linked = {f"{link}_{name}": F(f"{link}__{name}") for link in ("reverses", "corrects") for name in ("source", "external_id")}
    instrument = {"symbol": F("instrument__symbol"), "exchange": F("instrument__exchange")}
    # as text, so that a number in it stays the number it is
    computed = linked | instrument | {"json": Cast("data", TextField())}
    rows = entries.annotate(**computed).values(*OWN, *FIGURES, *computed)
    for row in rows.iterator(chunk_size=CHUNK):
        yield _line(row)


def _line(row: dict[str, Any]) -> StatementLine:
    """Return an entry as a line of a statement; one without an id of its source is known by its own."""
    draft = EntryDraft(
        kind=EntryKind(row["kind"]),
        external_id=row["external_id"] or str(row["id"]),
        data=json.loads(row["json"], parse_float=Decimal),
        tags=tuple(row["tags"]),
        **{name: row[name] for name in FIGURES},
    )
    return StatementLine(
        number=row["sequence"],
        draft=draft,
        instrument=f"{row['symbol']}:{row['exchange']}" if row["symbol"] else "",
        reverses=_reference(row, "reverses"),
        corrects=_reference(row, "corrects"),
    )


def _reference(row: dict[str, Any], link: str) -> Reference | None:
    """Return the entry that a row takes back or replaces."""
    entry_id = row[f"{link}_id"]
    return Reference(row[f"{link}_source"], row[f"{link}_external_id"] or str(entry_id)) if entry_id else None
