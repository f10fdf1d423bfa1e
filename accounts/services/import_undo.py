"""Take a whole import back: a reversal for each of its entries, all of them or none, seen as one act."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.fates import Spans
from accounts.domain.ledger import EntryDraft
from accounts.models import ImportBatch, ImportFile, ImportStatus, LedgerEntry, Link, User
from accounts.selectors.originals import UNDO
from accounts.services import ledger
from accounts.services.accounts import refuse_closed

CHUNK = 1_000
REASON = "IMPORT_UNDONE"
DONE = (ImportStatus.POSTED, ImportStatus.PARTIAL, ImportStatus.FAILED, ImportStatus.REFUSED)


class NotUndoable(ValidationError):
    """The import has posted nothing, is being posted, or was undone before."""


@transaction.atomic
def undo_import(*, batch: ImportBatch, actor: User, at: datetime, explanation: str = "") -> ImportBatch:
    """Take back what an import has posted; entries that were taken back one by one stay so. Its lines may be posted again.

    :raises NotUndoable: if it has posted nothing, is being posted, or was undone before
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(batch.account)
    batch = ImportBatch.objects.select_for_update(of=("self",)).select_related("account").get(pk=batch.pk)
    if batch.status == ImportStatus.UNDONE:
        raise NotUndoable("The import was undone before.", code="already_undone")
    if batch.status not in DONE or not batch.spans:
        raise NotUndoable("The import has posted nothing that could be taken back.", code="nothing_to_undo")
    undone = Spans()
    why = explanation or f"The import of {batch.file_name} was undone."
    for entries in _entries(batch):
        drafts = [_mirrored(entry, batch, why) for entry in entries]
        links = [Link(reverses=entry.pk) for entry in entries]
        done = ledger.post_entries(account=batch.account, drafts=drafts, actor=actor, partial=True, links=links)
        for one in done:
            if one.outcome == "created":
                undone.add(one.sequence or 0)
    batch.undone, batch.undone_at, batch.status = undone.pairs, at, ImportStatus.UNDONE
    batch.save(update_fields=["undone", "undone_at", "status"])
    ImportFile.objects.filter(batch=batch).delete()
    return batch


def _mirrored(entry: LedgerEntry, batch: ImportBatch, why: str) -> EntryDraft:
    """Return the mirror image of an entry, as part of the undoing of an import."""
    draft = ledger.mirrored(entry, reason=REASON, explanation=why)
    return replace(draft, source=UNDO, external_id=f"{batch.pk}:{entry.sequence}")


def _entries(batch: ImportBatch) -> Iterator[list[LedgerEntry]]:
    """Yield the entries of an import that nobody has taken back, the last first, some at a time."""
    for first, end in reversed(batch.spans):
        for last in range(end, first - 1, -CHUNK):
            start = max(first, last - CHUNK + 1)
            found = LedgerEntry.objects.filter(account=batch.account, sequence__range=(start, last), reverses__isnull=True)
            yield list(found.filter(reversals__isnull=True).order_by("-sequence"))
