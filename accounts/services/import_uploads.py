"""Files that people bring by hand: kept even where it has to be asked how they are to be read, and read as the answer says."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.guesses import guess
from accounts.domain.statements import StatementLine
from accounts.models import Account, ImportBatch, ImportFile, ImportQuestion, ImportStatus, User
from accounts.services.imports import (
    PACKED,
    ReadOptions,
    SeveralAccounts,
    change_preview,
    content_of,
    new_batch,
    open_file,
    preview_file,
    refusals_by_field,
)

MOST_CHOICES = 50
UNSURE, UNKNOWN, SEVERAL = "unsure_format", "unknown_format", "several_accounts"


@transaction.atomic
def take_file(
    *, account: Account, actor: User, file_name: str, content: bytes, at: datetime, options: ReadOptions
) -> ImportBatch:
    """Keep a file and say what would become of its lines; or keep it with the question how it is to be read.

    That is asked by a remark with `choices`, and the batch has no format until it is answered: the formats that come into
    question, or the accounts of the file; `table` says whether it can be read by its columns, too.

    :raises ValidationError: by field, if it can't be read in any way
    :raises AccountClosed: if the account is closed
    """
    file: dict[str, Any] = {"account": account, "actor": actor, "file_name": file_name, "content": content, "at": at}
    try:
        return preview_file(**file, options=options)
    except ValidationError as refusal:
        batch = new_batch(**file, options=options)
        batch.remarks = [_question(refusal, batch, content, at)]
    batch.status = ImportStatus.PREVIEWED
    batch.save(force_insert=True)
    ImportFile.objects.create(batch=batch, account=account, content=zlib.compress(content, PACKED))
    return batch


@transaction.atomic
def read_otherwise(*, batch: ImportBatch, changes: Mapping[str, Any], actor: User, at: datetime) -> ImportBatch:
    """Read a kept file in another way; where that leaves a question open, keep it with that.

    :raises NotAPreview: if it was posted
    :raises ValidationError: by field, if it can't be read so
    """
    try:
        return change_preview(batch=batch, changes=changes, actor=actor, at=at)
    except SeveralAccounts as refusal:
        changed = ImportBatch.objects.select_for_update(of=("self",)).select_related("account", "actor").get(pk=batch.pk)
        changed.options = changed.options | dict(changes)
        changed.remarks = [_question(refusal, changed, content_of(changed), at)]
        changed.format, changed.fates, changed.figures, changed.refused = "", [], {}, []
        changed.lines = changed.posted = changed.known = changed.progress = 0
        changed.save()
        ImportQuestion.objects.filter(batch=changed).delete()
        return changed


def _question(refusal: ValidationError, batch: ImportBatch, content: bytes, at: datetime) -> dict[str, Any]:
    """Return what has to be asked where a file was refused, as a remark.

    :raises ValidationError: the refusal, if there is nothing to ask
    """
    cause = refusal.__cause__
    if isinstance(refusal, SeveralAccounts):
        return _remark(SEVERAL, refusal, accounts_in(batch, content, at), table=False)
    table = isinstance(cause, NotReadable) and is_a_table(content)
    if isinstance(cause, NotReadable) and (cause.code == UNSURE or (cause.code == UNKNOWN and table)):
        return _remark(cause.code, refusal, cause.candidates, table=table)
    raise refusal


def _remark(code: str, refusal: ValidationError, choices: Sequence[str], *, table: bool) -> dict[str, Any]:
    """Return a refusal as a remark."""
    return {"code": code, "detail": " ".join(refusal.messages), "choices": list(choices)[:MOST_CHOICES], "table": table}


def accounts_in(batch: ImportBatch, content: bytes, at: datetime) -> list[str]:
    """Return the accounts that a file holds, as it calls them."""
    with refusals_by_field():
        reading = open_file(batch, content, at)
        items = reading.reader.read(reading.file, ZoneInfo(batch.options["time_zone"]))
        found = {item.account for item in items if isinstance(item, StatementLine) and item.account}
    batch.format = ""  # until it is known which one is meant
    return sorted(found)


def is_a_table(content: bytes) -> bool:
    """Say whether a file can be read by its columns: some rows of two cells or more below a line of headings."""
    try:
        found = guess(StatementFile(content))
    except NotReadable:
        return False
    return len(found.headings) > 1 and any(len(row) > 1 for row in found.rows)
