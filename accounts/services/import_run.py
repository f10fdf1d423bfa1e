"""One run over the lines of a file: what can be posted is, and of every other line it is kept why not."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID

from django.db import DataError, IntegrityError, transaction

from accounts.adapters.base import MAX_LINES, NotReadable
from accounts.domain.fates import Fate, Fates, Spans
from accounts.domain.happenings import ratio_text
from accounts.domain.ledger import CLOCK_SKEW, ZERO, EntryDraft, EntryKind, EntryRefused
from accounts.domain.statements import (
    CashBalance,
    Fact,
    Heading,
    Holding,
    Item,
    LineRefused,
    Reference,
    Refusal,
    Remark,
    Skipped,
    StatementLine,
    completed,
)
from accounts.models import Account, LedgerEntry, Link, User
from accounts.selectors.instruments import currency_meant
from accounts.selectors.originals import original_of, taken_back_before
from accounts.selectors.standing_figures import units_of
from accounts.services import ledger
from accounts.services.instruments import InstrumentNames, Question, Unsure
from marketdata.domain.money import plain

CHUNK = 1_000
LINK_REFUSALS = {
    "reversed": ("already_reversed", "The entry it takes back was taken back before."),
    "unknown": ("not_reversible", "The entry it takes back or replaces is a reversal itself."),
}


@dataclass(frozen=True, slots=True)
class Ready:
    """A line whose draft is complete."""

    line: StatementLine
    draft: EntryDraft
    link: Link = field(default_factory=Link)


@dataclass(slots=True)
class Run:
    """One run over the lines of a file: what was posted so far, and what was refused.

    `scope` is what each chunk of lines is posted in; `statement_account` the account of the file whose lines are meant, empty
    for all of them; `before` the entries of an earlier try. With `undone`, entries of this account were taken back with their
    import: their lines may come again.
    """

    account: Account
    actor: User
    at: datetime
    names: InstrumentNames
    statement_account: str = ""
    undone: bool = False
    before: Spans = field(default_factory=Spans)
    scope: Callable[[], AbstractContextManager[None]] = nullcontext
    lines: int = 0
    posted: int = 0
    known: int = 0
    naive: int = 0
    remarks: list[Remark] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    pending: list[Ready] = field(default_factory=list)
    waiting: set[Reference] = field(default_factory=set)  # what is to be posted, or taken back, by those pending
    fates: Fates = field(default_factory=Fates)
    spans: Spans = field(default_factory=Spans)
    questions: dict[str, Question] = field(default_factory=dict)
    headings: list[Heading] = field(default_factory=list)
    balances: dict[tuple[str, str], CashBalance] = field(default_factory=dict)
    holdings: dict[tuple[str, ...], Holding] = field(default_factory=dict)

    def anew(self) -> "Run":
        """Return a run like this one that has not begun."""
        names = InstrumentNames(self.names.create_on, self.names.currency, self.names.user, self.names.source)
        return Run(self.account, self.actor, self.at, names, self.statement_account, self.undone, self.before, self.scope)

    def take(self, items: Iterable[Item], progress: Callable[[int], None]) -> None:
        """Post the lines of a statement in their order, some at a time.

        :raises NotReadable: if there are too many
        """
        waiting = self._lines_of(items)
        while chunk := list(islice(waiting, CHUNK)):
            self.lines += len(chunk)
            if self.lines > MAX_LINES:
                raise NotReadable("too_many_lines", f"The file has more than {MAX_LINES:,} lines; split it.")
            with self.scope():
                self.names.learn(line for line in chunk if isinstance(line, StatementLine))
                for line in chunk:
                    if isinstance(line, Refusal):
                        self.refuse(line.line, line.code, line.detail)
                    else:
                        self.consider(line)
                self._flush()
                progress(self.lines)

    def _lines_of(self, items: Iterable[Item]) -> Iterator[StatementLine | Refusal]:
        """Yield the lines of a statement, good and bad, and keep what else it says."""
        for item in items:
            if isinstance(item, Refusal):
                yield item
            elif not isinstance(item, StatementLine):
                self.keep_fact(item)
            elif self._is_meant(item.account):
                yield item
            else:
                self.fates.note(item.number, Fate.SKIPPED)

    def keep_fact(self, fact: Fact) -> None:
        """Keep what a statement says beside its lines."""
        match fact:
            case Skipped():
                self.fates.note(fact.line, Fate.SKIPPED)
            case Remark():
                self.remarks.append(fact)
            case Heading():
                self.headings.append(fact)
            case CashBalance() if self._is_meant(fact.account):
                self._keep_balance(fact)
            case Holding() if self._is_meant(fact.account):
                self.holdings[fact.account, *fact.hints.identity] = fact

    def _keep_balance(self, said: CashBalance) -> None:
        """Keep the last balance of a currency."""
        known = self.balances.get((said.account, said.currency))
        if known is None or known.day is None or said.day is None or said.day >= known.day:
            self.balances[said.account, said.currency] = said

    def _is_meant(self, account: str) -> bool:
        """Say whether the lines of an account of the file are asked for."""
        return not self.statement_account or account in {"", self.statement_account}

    def consider(self, line: StatementLine) -> None:
        """Put a line where it waits to be posted, or refuse it, or keep the question it leaves."""
        try:
            ready = self._ready(line)
        except Unsure as unsure:
            self.ask(unsure.question, line.number)
            self.fates.note(line.number, Fate.QUESTION)
        except LineRefused as refusal:
            self.refuse(line.number, refusal.code, str(refusal))
        except EntryRefused as refusal:
            self.refuse(line.number, "invalid_entry", str(refusal))
        else:
            self.pending.append(ready)
            of = Reference(ready.draft.source, ready.draft.external_id)
            self.waiting |= {of} | ({line.reverses} if line.reverses else set())
            self.naive += not line.names_zone

    def ask(self, question: Question, first_line: int, lines: int = 1) -> None:
        """Keep a question that lines leave: as the first of them puts it, in whatever order they come."""
        kept = self.questions.get(question.identity)
        if kept is None or first_line < kept.first_line:
            question.lines = kept.lines if kept is not None else 0
            question.first_line = first_line
            kept = self.questions[question.identity] = question
        kept.lines += lines

    def give(self) -> list[Ready]:
        """Return the lines that wait, which wait no longer."""
        pending, self.pending, self.waiting = self.pending, [], set()
        return pending

    def _ready(self, line: StatementLine) -> Ready:
        """Return a line whose draft is complete and lawful, with what it takes back or replaces.

        :raises LineRefused: if it can't be taken
        :raises EntryRefused: if it breaks the rules of its kind
        :raises Unsure: if its instrument has to be asked for
        """
        draft = self._draft(line)
        if line.takes_back:
            self._flush()
            return self._taking_back(line, draft)
        reference = line.reverses or line.corrects
        if not reference:
            draft.check()
            return Ready(line, draft)
        if reference in self.waiting:
            self._flush()
        return self._linked(line, draft)

    def _draft(self, line: StatementLine) -> EntryDraft:
        """Return the draft of a line with everything that the file left open."""
        if line.draft.occurred_at > self.at + CLOCK_SKEW:
            raise LineRefused("future_time", "timestamp: the time lies in the future.")
        instrument = self.names.meant_by(line)
        draft = completed(
            line,
            instrument_id=instrument.pk if instrument else None,
            currency=currency_meant(instrument, priced=line.draft.price is not None, otherwise=self.account.base_currency),
            multiplier=line.hints.multiplier or (instrument.multiplier if instrument else Decimal(1)),
        )
        if draft.kind is EntryKind.SPLIT and draft.quantity and "ratio" not in draft.data:
            draft = self._with_ratio(draft)
        base = self.account.base_currency
        if line.rate and line.rate.currency == base != draft.currency and not line.reverses:
            return replace(draft, data={**draft.data, "fx_rate": plain(line.rate.value)})
        return draft

    def _with_ratio(self, draft: EntryDraft) -> EntryDraft:
        """Return a split that states only the units that came, with the ratio that follows from those held before."""
        self._flush()
        known = LedgerEntry.objects.filter(account=self.account, source=draft.source, external_id=draft.external_id).first()
        if known is not None and draft.external_id:
            return replace(draft, data={**draft.data, "ratio": known.data.get("ratio", "")})
        assert draft.instrument_id is not None  # noqa: S101
        held = units_of(self.account, before=draft.occurred_at, only=[draft.instrument_id]).get(draft.instrument_id, ZERO)
        if not held or (held + draft.quantity) * held <= 0:
            raise LineRefused(
                "missing_ratio",
                f"ratio: the ledger holds {plain(held)} before the split and {plain(draft.quantity)} came, which tells no "
                "ratio: import the earlier statements first.",
            )
        return replace(draft, data={**draft.data, "ratio": ratio_text(held + draft.quantity, held)})

    def _taking_back(self, line: StatementLine, draft: EntryDraft) -> Ready:
        """Return the reversal of the entry that a line takes back, which the file does not hold and the ledger may."""
        entry = original_of(self.account, draft, line.reverses)
        if entry is None:
            raise LineRefused(
                "unknown_original",
                f"amount: it takes back a {draft.kind} that is neither in this file nor in the ledger; import the statement "
                "that holds it first.",
            )
        mirror = replace(
            ledger.mirrored(entry, reason=draft.reason_primary, explanation=draft.reason_explanation),
            notes=draft.notes,
            source=draft.source,
            external_id=draft.external_id,
        )
        return Ready(line, mirror, Link(reverses=entry.pk))

    def _linked(self, line: StatementLine, draft: EntryDraft) -> Ready:
        """Return a line with the entry it takes back, whose mirror image it must be, or the one it replaces."""
        if line.reverses is None:
            draft.check()
            return Ready(line, draft, Link(corrects=self._entry(line.corrects).pk))
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
        return Ready(line, mirror, Link(reverses=entry.pk))

    def _entry(self, reference: Reference | None) -> LedgerEntry:
        """Return the entry a line refers to."""
        assert reference is not None  # noqa: S101
        entries = LedgerEntry.objects.filter(account=self.account, source=reference.source)
        own_id = own_id_of(reference.external_id)
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
        pending = self.give()
        if self.undone and pending:
            pending = self._anew(pending)
        self._post(self._without_known(pending))

    def _anew(self, pending: list[Ready]) -> list[Ready]:
        """Return the lines with another id where the entry of theirs was taken back together with its import."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for ready in pending:
            ids[ready.draft.source].append(ready.draft.external_id)
        fresh = {source: taken_back_before(self.account, source, of) for source, of in ids.items()}
        return [
            replace(ready, draft=replace(ready.draft, external_id=new))
            if (new := fresh[ready.draft.source].get(ready.draft.external_id))
            else ready
            for ready in pending
        ]

    def _without_known(self, pending: list[Ready]) -> list[Ready]:
        """Return the lines that are not entries of this very ledger, exported under their own ids."""
        ids = {own_id for ready in pending if (own_id := own_id_of(ready.draft.external_id))}
        known = LedgerEntry.objects.filter(account=self.account, external_id="").in_bulk(ids) if ids else {}
        left = []
        for ready in pending:
            entry = known.get(own_id_of(ready.draft.external_id)) if known else None
            if entry is None or entry.source != ready.draft.source:
                left.append(ready)
            elif unlike := ledger.differences(entry, ready.draft):
                detail = f"It is entry #{entry.sequence}, with another {', '.join(unlike)}."
                self.refuse(ready.line.number, "conflicting_entry", detail)
            else:
                self._note_known(ready, entry.sequence)
        return left

    def _post(self, pending: list[Ready]) -> None:
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
                self.refuse(pending[0].line.number, "refused_by_database", str(error).partition("\n")[0][:200])
            return
        for ready, posted in zip(pending, done, strict=True):
            self.note_outcome(ready, posted)

    def note_outcome(self, ready: Ready, posted: ledger.Posted) -> None:
        """Count what became of a line."""
        if posted.outcome == "created":
            self.posted += 1
            self.spans.add(posted.sequence or 0)
            self.fates.note(ready.line.number, Fate.POSTED)
        elif posted.outcome == "known":
            self._note_known(ready, posted.sequence)
        elif posted.outcome != "conflicting":
            self.refuse(ready.line.number, *LINK_REFUSALS[posted.outcome])
        elif posted.entry_id is None:
            detail = "event_id: a line above has the same one, with other figures."
            self.refuse(ready.line.number, "conflicting_entry", detail)
        else:
            refusal = ledger.conflict(account=self.account, draft=ready.draft, actor=self.actor)
            self.refuse(ready.line.number, "conflicting_entry", " ".join(refusal.messages))

    def _note_known(self, ready: Ready, sequence: int | None) -> None:
        """Count a line whose entry is there: of an earlier try of this very import, or known before it."""
        if sequence and sequence in self.before and sequence not in self.spans:
            self.posted += 1
            self.spans.add(sequence)
            self.fates.note(ready.line.number, Fate.POSTED)
        else:
            self.known += 1
            self.fates.note(ready.line.number, Fate.KNOWN)

    def note(self, code: str, detail: str) -> None:
        """Keep something about the whole file that its reader should see."""
        self.remarks.append(Remark(code, detail))

    def note_created(self) -> None:
        """Say which instruments are written down; a preview takes that back."""
        if created := self.names.created:
            shown_names = ", ".join(created[:20])
            detail = (
                f"{len(created):,} instruments that nobody knew are written down with the lines that name them: {shown_names}."
            )
            self.note("instruments_created", detail)

    def refuse(self, line: int, code: str, detail: str) -> None:
        """Keep why a line was not taken."""
        self.refused.append(Refusal(line, code, detail))
        self.fates.note(line, Fate.REFUSED)


def own_id_of(text: str) -> UUID | None:
    """Return the id that a text spells as we write it, or None."""
    if len(text) != 36:  # noqa: PLR2004  how long an id is
        return None
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
