"""Read a file into a ledger: what is good goes in, and of every other line it is said why not.

A file may be read as often as you like: an entry is known by its source and id, and a file by its hash. It is read at once, or
kept after a preview and posted later by a worker, some lines at a time: whoever goes on with it ends with the same ledger.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.adapters import AUTO, reader_for
from accounts.adapters.base import NotReadable, StatementFile, StatementReader
from accounts.adapters.leftovers import as_list, refused_lines
from accounts.domain.fates import Spans
from accounts.domain.statements import InstrumentHints, StatementLine
from accounts.models import Account, ImportBatch, ImportFile, ImportQuestion, ImportStatus, User
from accounts.models.users import check_time_zone
from accounts.selectors.import_figures import compared, shown
from accounts.selectors.standing_figures import Standing, standing
from accounts.services.accounts import refuse_closed
from accounts.services.import_preview import foreseen
from accounts.services.import_run import Run
from accounts.services.instruments import InstrumentNames, Question
from marketdata.domain.money import plain

MAX_NAME = 255
PACKED = 1  # the level that packs fastest
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a file is to be read.

    `form` is its format, or "auto"; times that do not name their zone are of `time_zone`. With `create_on` instruments that an
    event log names and nobody knows are written down, those without an exchange on that one, if it is not empty. Of a file
    with several accounts `statement_account` says which one is meant. `mapping` says how the columns of any CSV are to be read.
    """

    form: str = AUTO
    time_zone: str = "UTC"
    create_on: str | None = None
    statement_account: str = ""
    mapping: Mapping[str, Any] | None = None


class SeveralAccounts(ValidationError):
    """The file holds several accounts of the broker's; which one is meant has to be said."""


@dataclass(slots=True)
class Reading:
    """A file that is being read: what it is, the run over its lines, and what the ledger held before."""

    batch: ImportBatch
    file: StatementFile
    reader: StatementReader
    run: Run
    before: Standing | None = None


@transaction.atomic
def import_file(
    *,
    account: Account,
    actor: User,
    file_name: str,
    content: bytes,
    at: datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
    **how: Any,
) -> ImportBatch:
    """Post the good lines of a file and return what became of each; a dry run returns the same and leaves nothing behind.

    How it is read, `ReadOptions` says. `progress` is told how many lines are done.

    :raises ValidationError: by field, if the file as a whole can't be read
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    options = ReadOptions(**how)
    batch = new_batch(account=account, actor=actor, file_name=file_name, content=content, at=at, options=options)
    with refusals_by_field():
        reading = open_file(batch, content, at)
        with transaction.atomic():
            if dry_run:
                preview(reading, progress)
                transaction.set_rollback(True)
            elif not repeats(reading):
                read(reading, progress)
    fill(reading, status=ImportStatus.PREVIEWED if dry_run else None)
    if not dry_run:
        batch.finished_at = at
        batch.save(force_insert=True)
        keep(reading, content)
    return batch


@transaction.atomic
def preview_file(
    *, account: Account, actor: User, file_name: str, content: bytes, at: datetime, options: ReadOptions
) -> ImportBatch:
    """Say what would become of the lines of a file, and keep it with that, to be posted when somebody says so.

    :raises ValidationError: by field, if the file as a whole can't be read
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    batch = new_batch(account=account, actor=actor, file_name=file_name, content=content, at=at, options=options)
    with refusals_by_field():
        reading = open_file(batch, content, at)
        with transaction.atomic():
            preview(reading)
            transaction.set_rollback(True)
    fill(reading, status=ImportStatus.PREVIEWED)
    batch.save(force_insert=True)
    keep(reading, content)
    return batch


@transaction.atomic
def queue_file(
    *, account: Account, actor: User, file_name: str, content: bytes, at: datetime, options: ReadOptions
) -> ImportBatch:
    """Keep a file to be posted by the next worker.

    :raises ValidationError: by field, if its format can't be told
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    batch = new_batch(account=account, actor=actor, file_name=file_name, content=content, at=at, options=options)
    with refusals_by_field():
        open_file(batch, content, at)
    batch.status = ImportStatus.WAITING
    batch.save(force_insert=True)
    ImportFile.objects.create(batch=batch, account=account, content=zlib.compress(content, PACKED))
    return batch


class NotAPreview(ValidationError):
    """The import is more than a preview: undo it instead."""


@transaction.atomic
def change_preview(*, batch: ImportBatch, changes: Mapping[str, Any], actor: User, at: datetime) -> ImportBatch:
    """Read a kept file in another way, and say what would become of its lines then.

    :raises NotAPreview: if it was posted
    :raises ValidationError: by field, if it can't be read so
    """
    batch = _preview_of(batch)
    batch.options = batch.options | dict(changes)
    return preview_again(batch=batch, actor=actor, at=at)


@transaction.atomic
def discard_preview(*, batch: ImportBatch) -> None:
    """Throw a kept file away that was never posted.

    :raises NotAPreview: if it was
    """
    _preview_of(batch).delete()


def _preview_of(batch: ImportBatch) -> ImportBatch:
    """Return a locked import that is a preview.

    :raises NotAPreview: if it is more than that
    """
    batch = ImportBatch.objects.select_for_update(of=("self",)).select_related("account", "actor").get(pk=batch.pk)
    if batch.status != ImportStatus.PREVIEWED:
        raise NotAPreview("The import is no preview any more.", code="not_a_preview")
    return batch


def preview_again(*, batch: ImportBatch, actor: User, at: datetime) -> ImportBatch:
    """Look at a kept file once more, after answers or changed options."""
    content, batch.actor = content_of(batch), actor
    with refusals_by_field():
        reading = open_file(batch, content, at)
        with transaction.atomic():
            preview(reading)
            transaction.set_rollback(True)
    fill(reading, status=ImportStatus.PREVIEWED)
    batch.save()
    keep(reading, content)
    return batch


@contextmanager
def refusals_by_field() -> Iterator[None]:
    """Say of a file that can't be read at all that it is the field `file`."""
    try:
        yield
    except NotReadable as error:
        raise ValidationError({"file": ValidationError(str(error), code=error.code)}) from error


def new_batch(
    *, account: Account, actor: User, file_name: str, content: bytes, at: datetime, options: ReadOptions
) -> ImportBatch:
    """Return the record of a file, not stored yet.

    :raises ValidationError: if the time zone is none
    """
    try:
        check_time_zone(options.time_zone)
    except ValidationError as refusal:
        raise ValidationError({"time_zone": refusal.error_list}) from refusal
    return ImportBatch(
        account=account,
        actor=actor,
        created_at=at,
        file_name=file_name[-MAX_NAME:],
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        options=asdict(options),
    )


def open_file(batch: ImportBatch, content: bytes, at: datetime) -> Reading:
    """Return a file with the reader of its format and a run that has not begun.

    :raises NotReadable: if it is in none, or if several come into question
    """
    options = ReadOptions(**batch.options)
    file = StatementFile(content)
    reader = reader_for(options.form, file, options.mapping)
    batch.format = reader.name
    names = InstrumentNames(options.create_on, batch.account.base_currency, batch.actor, reader.name)
    run = Run(batch.account, batch.actor, at, names, options.statement_account, before=Spans(batch.spans))
    undone = ImportBatch.objects.filter(account=batch.account, status=ImportStatus.UNDONE)
    run.undone = undone.exists()
    return Reading(batch, file, reader, run)


def repeats(reading: Reading) -> bool:
    """Say whether the very file went in before, every line of it: then there is nothing left to do."""
    batch, run = reading.batch, reading.run
    before = ImportBatch.objects.filter(
        account=batch.account,
        sha256=batch.sha256,
        format=batch.format,
        options=batch.options,
        status=ImportStatus.POSTED,
        remarks=[],
        posted__gt=0,
    ).exclude(pk=batch.pk)
    found = before.order_by("-created_at").first()
    if found is None:
        return False
    run.lines = run.known = found.lines
    return True


def read(reading: Reading, progress: Progress | None = None) -> None:
    """Post the lines of a file.

    :raises SeveralAccounts: if it holds several accounts and none was asked for
    """
    options = ReadOptions(**reading.batch.options)
    if not options.statement_account:
        refuse_several(reading)
    items = reading.reader.read(reading.file, ZoneInfo(options.time_zone))
    reading.run.take(items, progress or (lambda lines: None))
    reading.run.note_created()


def refuse_several(reading: Reading) -> None:
    """Refuse a file with several accounts of the broker's, before anything of it is posted.

    :raises SeveralAccounts: naming them
    """
    if not getattr(reading.reader, "several_accounts", True):
        return
    items = reading.reader.read(reading.file, ZoneInfo("UTC"))
    names = {item.account for item in items if isinstance(item, StatementLine) and item.account}
    if len(names) > 1:
        told = ", ".join(sorted(names)[:20])
        detail = f"The file holds the accounts {told}: send it once for each, and name that one as statement_account."
        raise SeveralAccounts({"statement_account": ValidationError(detail, code="several_accounts")})


def preview(reading: Reading, progress: Progress | None = None) -> None:
    """Find out what the lines of a file would change; whatever is posted for that, the caller takes back."""
    account = reading.batch.account
    before = standing(account)
    after = None
    if not repeats(reading):
        zone = ZoneInfo(reading.batch.options["time_zone"])
        after = foreseen(reading.run, reading.reader, reading.file, zone, before, progress)
        if after is None:
            reading.run = reading.run.anew()
            read(reading, progress)
    reading.batch.figures = {
        **shown(before, after or standing(account)),
        **compared(
            account, reading.run.balances.values(), reading.run.holdings.values(), reading.run.headings, reading.run.names
        ),
    }


def fill(reading: Reading, *, status: str | None = None) -> None:
    """Write down what became of the lines of a file."""
    write_down(reading.batch, reading.run, status=status)


def write_down(batch: ImportBatch, run: Run, *, status: str | None = None) -> None:
    """Write down what became of the lines of a run."""
    batch.lines, batch.posted, batch.known, batch.progress = run.lines, run.posted, run.known, run.lines
    batch.refused = [asdict(refusal) for refusal in sorted(run.refused, key=lambda refusal: refusal.line)]
    batch.remarks = [asdict(remark) for remark in run.remarks]
    batch.fates = run.fates.runs()
    batch.asked = [told(question) for question in run.questions.values()]  # type: ignore[attr-defined]
    if status != ImportStatus.PREVIEWED:
        batch.spans = run.spans.pairs
    if run.naive:
        assumed = f"{run.naive:,} times without an offset were read as {batch.options['time_zone']}."
        batch.remarks.append({"code": "naive_times", "detail": assumed})
    if status:
        batch.status = status
    elif not run.refused and not run.questions:
        batch.status = ImportStatus.POSTED
    else:
        batch.status = ImportStatus.PARTIAL if run.posted or run.known else ImportStatus.REFUSED


def keep(reading: Reading, content: bytes) -> None:
    """Keep a file for as long as there is something to do with it, its refused lines, and the questions it leaves."""
    batch, run = reading.batch, reading.run
    to_do = batch.status == ImportStatus.PREVIEWED or bool(run.questions)
    left = refused_lines(reading.file, {refusal.line for refusal in run.refused}, run.fates) if run.refused else b""
    if to_do or left:
        ImportFile.objects.update_or_create(
            batch=batch,
            defaults={
                "account": batch.account,
                "content": zlib.compress(content, PACKED) if to_do else b"",
                "refused": zlib.compress(left, PACKED) if left else b"",
            },
        )
    else:
        ImportFile.objects.filter(batch=batch).delete()
    ImportQuestion.objects.filter(batch=batch).exclude(identity__in=run.questions).filter(instrument__isnull=True).delete()
    for question in run.questions.values():
        ImportQuestion.objects.update_or_create(
            batch=batch,
            identity=question.identity,
            defaults={"account": batch.account, **told(question)},
        )


def told(question: Question) -> dict[str, Any]:
    """Return what is kept of a question."""
    return {
        "hints": hints_shown(question.hints),
        "candidates": [one.key for one in question.candidates],
        "why": question.why,
        "lines": question.lines,
        "first_line": question.first_line,
    }


def hints_shown(hints: InstrumentHints) -> dict[str, str]:
    """Return what a file says about an instrument, without what it does not say."""
    said = {
        name: getattr(hints, name) for name in ("isin", "figi", "symbol", "exchange", "venue", "name", "asset_class", "currency")
    }
    said |= {"cusip": hints.cusip, "wkn": hints.wkn, "multiplier": plain(hints.multiplier) if hints.multiplier else ""}
    return {name: text for name, text in said.items() if text}


def content_of(batch: ImportBatch) -> bytes:
    """Return the content of a file that was kept.

    :raises FileGone: if it was not, or is no longer needed
    """
    kept = ImportFile.objects.filter(batch=batch).exclude(content=b"").first()
    if kept is None:
        raise FileGone("The file is not kept any more: send it again.", code="file_gone")
    return zlib.decompress(bytes(kept.content), bufsize=max(batch.size, 1))


def refused_file(batch: ImportBatch) -> bytes:
    """Return the refused lines of an import with their headings, or where the file was no table, why each was refused."""
    kept = ImportFile.objects.filter(batch=batch).exclude(refused=b"").first()
    return zlib.decompress(bytes(kept.refused)) if kept else as_list(batch.refused)


class FileGone(ValidationError):
    """There is nothing left to do with the file, so it was not kept."""
