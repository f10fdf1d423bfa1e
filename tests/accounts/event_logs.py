"""Event logs as tests write them: the old design's, and what an account's export is."""

import csv
import io
import json
from datetime import UTC, datetime

from accounts.models import Account, ImportBatch, User
from accounts.models.tenancy import acting_as
from accounts.selectors.exports import event_log
from accounts.services.imports import import_file

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HEADINGS = ("event_id", "timestamp", "event_type", "data_json", "reason_json", "notes", "tags", "affects_cash", "cash_delta")


def event(event_id, event_type, data=None, cash="", **cells):
    """Return a row of an event log; what is not given is empty, the data are written as the old design wrote them."""
    row = dict.fromkeys(HEADINGS, "") | {"event_id": event_id, "timestamp": "2024-01-02 15:00:00Z", "event_type": event_type}
    return row | {"data_json": data if isinstance(data, str) else json.dumps(data or {}), "cash_delta": cash} | cells


def log_of(*rows, headings=HEADINGS) -> bytes:
    """Return rows as the bytes of a file."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, headings, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def bring_in(account: Account, content: bytes, *, actor: User | None = None, **options) -> ImportBatch:
    """Import a file as the account's owner."""
    actor = actor or account.owner
    with acting_as(actor.pk):
        return import_file(account=account, actor=actor, **{"file_name": "log.csv", "content": content, "at": NOW} | options)


def take_out(account: Account) -> bytes:
    """Export an account as its owner."""
    with acting_as(account.owner_id):
        return "".join(event_log(account)).encode()


def refusals(batch: ImportBatch) -> list[tuple[int, str]]:
    """Return the lines that were refused, each with its code."""
    return [(refusal["line"], refusal["code"]) for refusal in batch.refused]
