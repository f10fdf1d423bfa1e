"""Read a file into a ledger: what is good goes in, and of every other line it is said why not.

A file may be read as often as you like: an entry is known by its source and id, and a file by its hash.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from accounts.adapters import AUTO, reader_for
from accounts.adapters.base import MAX_LINES, NotReadable, StatementFile
from accounts.domain.ledger import CLOCK_SKEW, EntryDraft, EntryRefused
from accounts.domain.statements import Item, LineRefused, Reference, Refusal, Remark, StatementLine, completed
from accounts.models import Account, ImportBatch, ImportStatus, LedgerEntry, Link, User
from accounts.models.users import check_time_zone
from accounts.selectors.instruments import currency_meant
from accounts.services import ledger
from accounts.services.accounts import refuse_closed
from accounts.services.instruments import InstrumentNames
from marketdata.domain.money import plain

CHUNK = 1_000
MAX_NAME = 255
LINK_REFUSALS = {
    "reversed": ("already_reversed", "The entry it takes back was taken back before."),
    "unknown": ("not_reversible", "The entry it takes back or replaces is a reversal itself."),
}


@transaction.atomic
def import_file(
    *,
    account: Account,
    actor: User,
    file_name: str,
    content: bytes,
    at: datetime,
    form: str = AUTO,
    time_zone: str = "UTC",
    dry_run: bool = False,
    create_on: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> ImportBatch:
    """Post the good lines of a file and return what became of each; a dry run returns the same and leaves nothing behind.

    `form` is the file's format, or "auto". Times that do not name their zone are of `time_zone`. Lines with instruments
    that are not known are refused; with `create_on` these are written down, those named without an exchange on that one,
    if it is not empty. `progress` is told how many lines are done.

    :raises ValidationError: by field, if the file as a whole can't be read
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    _check_zone(time_zone)
    batch = ImportBatch(account=account, actor=actor, created_at=at, file_name=file_name[-MAX_NAME:], size=len(content))
    batch.sha256 = hashlib.sha256(content).hexdigest()
    try:
        file = StatementFile(content)
        reader = reader_for(form, file)
        batch.format = reader.name
        with transaction.atomic():
            run = _Run(account, actor, at, InstrumentNames(create_on, account.base_currency))
            if not run.repeats(batch):
                run.take(reader.read(file, ZoneInfo(time_zone)), progress or (lambda lines: None))
            if dry_run:
                transaction.set_rollback(True)
    except NotReadable as error:
        raise ValidationError({"file": ValidationError(str(error), code=error.code)}) from error
    run.fill(batch, time_zone)
    if dry_run:
        batch.status = ImportStatus.PREVIEWED
    else:
        batch.save(force_insert=True)
    return batch


@dataclass(frozen=True, slots=True)
class _Ready:
    """A line whose draft is complete."""

    line: StatementLine
    draft: EntryDraft
    link: Link = field(default_factory=Link)


@dataclass(slots=True)
class _Run:
    """One run over the lines of a file: what was posted so far, and what was refused."""

    account: Account
    actor: User
    at: datetime
    names: InstrumentNames
    lines: int = 0
    posted: int = 0
    known: int = 0
    naive: int = 0
    remarks: list[Remark] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    pending: list[_Ready] = field(default_factory=list)
    waiting: set[Reference] = field(default_factory=set)  # what is to be posted, or taken back, by those pending

    def repeats(self, batch: ImportBatch) -> bool:
        """Say whether the very file went in before, every line of it: then there is nothing left to do."""
        before = ImportBatch.objects.filter(
            account=self.account, sha256=batch.sha256, format=batch.format, status=ImportStatus.POSTED, remarks=[]
        )
        self.lines = self.known = before.values_list("lines", flat=True).first() or 0
        return self.lines > 0

    def take(self, items: Iterable[Item], progress: Callable[[int], None]) -> None:
        """Post the lines of a statement in their order, some at a time.

        :raises NotReadable: if there are too many
        """
        waiting = self._lines_of(items)
        while chunk := list(islice(waiting, CHUNK)):
            self.lines += len(chunk)
            if self.lines > MAX_LINES:
                raise NotReadable("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
            self.names.learn(line for line in chunk if isinstance(line, StatementLine))
            for line in chunk:
                if isinstance(line, Refusal):
                    self.refused.append(line)
                else:
                    self._consider(line)
            self._flush()
            progress(self.lines)

    def _lines_of(self, items: Iterable[Item]) -> Iterator[StatementLine | Refusal]:
        """Yield the lines of a statement, good and bad, and keep what else it says that its reader should see."""
        for item in items:
            if isinstance(item, StatementLine | Refusal):
                yield item
            elif isinstance(item, Remark):
                self.remarks.append(item)

    def fill(self, batch: ImportBatch, time_zone: str) -> None:
        """Write down what became of the lines."""
        batch.lines, batch.posted, batch.known = self.lines, self.posted, self.known
        batch.refused = [asdict(refusal) for refusal in sorted(self.refused, key=lambda refusal: refusal.line)]
        batch.remarks = [asdict(remark) for remark in self.remarks]
        if self.naive:
            assumed = f"{self.naive:,} times without an offset were read as {time_zone}."
            batch.remarks.append({"code": "naive_times", "detail": assumed})
        if not self.refused:
            batch.status = ImportStatus.POSTED
        else:
            batch.status = ImportStatus.PARTIAL if self.posted or self.known else ImportStatus.REFUSED

    def _consider(self, line: StatementLine) -> None:
        """Put a line where it waits to be posted, or refuse it."""
        try:
            draft = self._draft(line)
            reference = line.reverses or line.corrects
            if reference:
                if reference in self.waiting:
                    self._flush()
                ready = self._linked(line, draft)
            else:
                draft.check()
                ready = _Ready(line, draft)
        except LineRefused as refusal:
            self._refuse(line, refusal.code, str(refusal))
        except EntryRefused as refusal:
            self._refuse(line, "invalid_entry", str(refusal))
        else:
            self.pending.append(ready)
            self.waiting |= {Reference(draft.source, draft.external_id)} | ({line.reverses} if line.reverses else set())
            self.naive += not line.names_zone

    def _draft(self, line: StatementLine) -> EntryDraft:
        """Return the draft of a line with everything that the file left open."""
        if line.takes_back:
            raise LineRefused(
                "unknown_original",
                f"amount: it takes back a {line.draft.kind} that is not in this file; import the statement that holds it first.",
            )
        if line.draft.occurred_at > self.at + CLOCK_SKEW:
            raise LineRefused("future_time", "timestamp: the time lies in the future.")
        instrument = self.names.meant_by(line)
        draft = completed(
            line,
            instrument_id=instrument.pk if instrument else None,
            currency=currency_meant(instrument, priced=line.draft.price is not None, otherwise=self.account.base_currency),
            multiplier=instrument.multiplier if instrument else Decimal(1),
        )
        base = self.account.base_currency
        if line.rate and line.rate.currency == base != draft.currency and not line.reverses:
            return replace(draft, data={**draft.data, "fx_rate": plain(line.rate.value)})
        return draft

    def _linked(self, line: StatementLine, draft: EntryDraft) -> _Ready:
        """Return a line with the entry it takes back, whose mirror image it must be, or the one it replaces."""
        if line.reverses is None:
            draft.check()
            return _Ready(line, draft, Link(corrects=self._entry(line.corrects).pk))
        entry = self._entry(line.reverses)
        if entry.reverses_id is not None:
            raise LineRefused(*LINK_REFUSALS["unknown"])
        mirror = replace(
            ledger.mirrored(entry, reason=draft.reason_primary, explanation=draft.reason_explanation),
            **{name: getattr(draft, name) for name in ("notes", "tags", "source", "external_id", "multiplier")},
        )
        unlike = [name for name in ledger.differences(mirror, draft) if name != "data" or draft.data]
        if unlike:
            raise LineRefused(
                "not_a_mirror",
                f"A reversal repeats entry #{entry.sequence} with every sign turned round: correct {', '.join(unlike)}.",
            )
        replace(ledger.turned(mirror), notes=mirror.notes or entry.notes).check()
        return _Ready(line, mirror, Link(reverses=entry.pk))

    def _entry(self, reference: Reference | None) -> LedgerEntry:
        """Return the entry a line refers to."""
        assert reference is not None  # noqa: S101
        entries = LedgerEntry.objects.filter(account=self.account, source=reference.source)
        own_id = _uuid(reference.external_id)
        entry = entries.filter(external_id=reference.external_id).first() or (
            entries.filter(pk=own_id, external_id="").first() if own_id else None
        )
        if entry is None:
            raise LineRefused(
                "unknown_entry",
                f"data.ledger: there is no entry {reference.external_id[:100]} before this line, or it was refused.",
            )
        return entry

    def _flush(self) -> None:
        """Post the lines that wait."""
        pending, self.pending, self.waiting = self.pending, [], set()
        self._post(self._without_known(pending))

    def _without_known(self, pending: list[_Ready]) -> list[_Ready]:
        """Return the lines that are not entries of this very ledger, exported under their own ids."""
        ids = {own_id for ready in pending if (own_id := _uuid(ready.draft.external_id))}
        known = LedgerEntry.objects.filter(account=self.account, external_id="").in_bulk(ids) if ids else {}
        left = []
        for ready in pending:
            entry = known.get(_uuid(ready.draft.external_id))
            if entry is None or entry.source != ready.draft.source:
                left.append(ready)
            elif unlike := ledger.differences(entry, ready.draft):
                self._refuse(ready.line, "conflicting_entry", f"It is entry #{entry.sequence}, with another {', '.join(unlike)}.")
            else:
                self.known += 1
        return left

    def _post(self, pending: list[_Ready]) -> None:
        """Post lines; where the database refuses a figure that passed our own rules, find the one line it is in."""
        if not pending:
            return
        drafts, links = [ready.draft for ready in pending], [ready.link for ready in pending]
        try:
            with transaction.atomic():
                done = ledger.post_entries(account=self.account, drafts=drafts, actor=self.actor, partial=True, links=links)
        except (DataError, IntegrityError) as error:
            if len(pending) > 1:
                half = len(pending) // 2
                self._post(pending[:half])
                self._post(pending[half:])
            else:
                self._refuse(pending[0].line, "refused_by_database", str(error).partition("\n")[0][:200])
            return
        for ready, posted in zip(pending, done, strict=True):
            self._note(ready, posted)

    def _note(self, ready: _Ready, posted: ledger.Posted) -> None:
        """Count what became of a line."""
        if posted.outcome == "created":
            self.posted += 1
        elif posted.outcome == "known":
            self.known += 1
        elif posted.outcome != "conflicting":
            self._refuse(ready.line, *LINK_REFUSALS[posted.outcome])
        elif posted.entry_id is None:
            self._refuse(ready.line, "conflicting_entry", "event_id: a line above has the same one, with other figures.")
        else:
            refusal = ledger.conflict(account=self.account, draft=ready.draft, actor=self.actor)
            self._refuse(ready.line, "conflicting_entry", " ".join(refusal.messages))

    def _refuse(self, line: StatementLine, code: str, detail: str) -> None:
        self.refused.append(Refusal(line.number, code, detail))


def _check_zone(name: str) -> None:
    """Refuse a name that is no time zone, as that field."""
    try:
        check_time_zone(name)
    except ValidationError as refusal:
        raise ValidationError({"time_zone": refusal.error_list}) from refusal


def _uuid(text: str) -> UUID | None:
    """Return the id that a text spells as we write it, or None."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
