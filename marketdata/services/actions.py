"""Write down what companies did to their shares, and rename or retire the instruments that are concerned.

What happens to a row is what happens to prices (see `services.ingest`): it is stored once by (instrument, ex-date, kind, label);
the same again is known; with other figures it is refused as conflicting, unless the caller corrects. A change of symbol renames
its instrument and a delisting makes it inactive: at once where the ex-date has come, else on its day by `apply_due`. The old
symbol stays with the action, and `selectors.instruments` finds the instrument by it. Whoever changes or deletes an action that
was applied takes that back.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from marketdata.domain.actions import COLUMNS, FIGURES, ActionDraft, ActionKind, doubts, read_action
from marketdata.domain.quality import Dataset, Finding, Level, finding
from marketdata.models.actions import APPLIED_KINDS, CorporateAction
from marketdata.models.instruments import Instrument
from marketdata.selectors.actions import due
from marketdata.selectors.instruments import find_each
from marketdata.selectors.prices import closes_before
from marketdata.services.ingest import level_of
from marketdata.services.instruments import update_instrument
from marketdata.services.quality import Found, record_findings

log = logging.getLogger(__name__)
BATCH = 5_000
Drafts = dict[int, ActionDraft]


class ActionExists(ValidationError):
    """The instrument has an action of that kind, day and label already."""


@dataclass(slots=True)
class ActionReport:
    """What became of the rows; findings name a row by its place among those that came."""

    stored: int = 0
    known: int = 0
    corrected: int = 0
    refused: list[Finding] = field(default_factory=list)
    warned: list[Finding] = field(default_factory=list)

    def add(self, other: "ActionReport", *, start: int) -> None:
        """Add what became of the rows from a place on."""
        self.stored += other.stored
        self.known += other.known
        self.corrected += other.corrected
        self.refused += [replace(each, index=each.index + start) for each in other.refused]
        self.warned += [replace(each, index=each.index + start) for each in other.warned]


@dataclass(slots=True)
class Batch:
    """Rows on their way in: as they came, those that could be read, and what became of them."""

    source: str
    rows: Sequence[object]
    recorded_at: datetime
    drafts: Drafts
    instruments: dict[UUID, Instrument]
    report: ActionReport

    def refuse(self, index: int, rule: str, name: str, value: object = "", detail: str = "") -> None:
        """Keep a row out."""
        self.drafts.pop(index, None)
        self.report.refused.append(finding(rule, index=index, field=name, value=value, detail=detail))


def store_actions(*, source: str, rows: Iterable[object], recorded_at: datetime, correct: bool = False) -> ActionReport:
    """Store actions: mappings with the names of their fields; instruments are written as keys, symbols or rows of the table.

    Numbers are decimals or their plain spelling, never floats. Findings name a row by its place among those that came.
    """
    came = list(rows)
    total = ActionReport()
    for start in range(0, len(came), BATCH):
        total.add(_store(source, came[start : start + BATCH], recorded_at, correct=correct), start=start)
    return total


@transaction.atomic
def create_action(*, fields: Mapping[str, object], source: str, recorded_at: datetime) -> CorporateAction:
    """Write an action down, and apply it where its day has come.

    :raises ActionExists: if there is one of its kind, day and label
    :raises ValidationError: by field, if one is wrong
    """
    draft = _checked(fields)
    _refuse_known(draft)
    action = CorporateAction(source=source, recorded_at=recorded_at, **_columns(draft))
    action.save(force_insert=True)
    _apply([action.pk], recorded_at)
    return CorporateAction.objects.select_related("instrument", "other").get(pk=action.pk)


@transaction.atomic
def update_action(*, action: CorporateAction, changes: Mapping[str, object], recorded_at: datetime) -> CorporateAction:
    """Change fields of an action; what it did to its instrument is taken back, and done again as the action now says.

    :raises ActionExists: if there is one of its new kind, day and label
    :raises ValidationError: by field, if one is wrong
    """
    current = CorporateAction.objects.select_for_update(of=("self",)).select_related("instrument", "other").get(pk=action.pk)
    if changes:
        _take_back(current)
        draft = _checked({name: getattr(current, name) for name in COLUMNS} | dict(changes))
        _refuse_known(draft, but=current)
        for name, value in _columns(draft).items():
            setattr(current, name, value)
        current.recorded_at = recorded_at
        current.save()
        _apply([current.pk], recorded_at)
    return CorporateAction.objects.select_related("instrument", "other").get(pk=current.pk)


@transaction.atomic
def delete_action(*, action: CorporateAction) -> None:
    """Forget an action that never was, and take back what it did to its instrument.

    :raises ValidationError: if the instrument can't have its old symbol back, because another one has that by now
    """
    current = CorporateAction.objects.select_for_update(of=("self",)).select_related("instrument").get(pk=action.pk)
    _take_back(current)
    current.delete()


def apply_due(*, at: datetime) -> list[CorporateAction]:
    """Rename and retire the instruments whose day has come; return the actions applied.

    What can't be done, because the new symbol is taken, is logged and waits.
    """
    return _apply(None, at)


def _apply(ids: Collection[UUID] | None, at: datetime) -> list[CorporateAction]:
    """Apply the actions that are due, all or some; those of one transaction see what the ones before them did."""
    done = []
    tried: set[UUID] = set()
    while action := due(today=at.astimezone(UTC).date(), among=ids).exclude(pk__in=tried).first():
        tried.add(action.pk)
        try:
            with transaction.atomic():
                _apply_one(action, at)
        except ValidationError as refusal:
            if ids is not None:
                raise
            log.warning("%s could not be applied: %s", action, "; ".join(refusal.messages))
        else:
            done.append(action)
    return done


def _apply_one(action: CorporateAction, at: datetime) -> None:
    """Rename or retire the instrument of an action."""
    instrument = action.instrument
    if action.kind == ActionKind.DELISTING:
        update_instrument(instrument=instrument, changes={"active": False})
    else:
        if action.old_symbol not in {"", instrument.symbol}:
            told = f"It is called {instrument.symbol}, not {action.old_symbol}."
            raise ValidationError({"old_symbol": ValidationError(told, code="not_its_symbol")})
        action.old_symbol = instrument.symbol
        update_instrument(instrument=instrument, changes={"symbol": action.new_symbol})
    action.applied_at = at
    action.save(update_fields=["applied_at", "old_symbol"])


def _take_back(action: CorporateAction) -> None:
    """Undo what an action did to its instrument, unless that has changed since."""
    if action.applied_at is None:
        return
    instrument = action.instrument
    if action.kind == ActionKind.DELISTING:
        update_instrument(instrument=instrument, changes={"active": True})
    elif instrument.symbol == action.new_symbol:
        update_instrument(instrument=instrument, changes={"symbol": action.old_symbol})
    action.applied_at, action.old_symbol = None, ""


def _checked(fields: Mapping[str, object]) -> ActionDraft:
    """Return the action that fields say.

    :raises ValidationError: by field
    """
    draft, faults = read_action(fields)
    if draft is None:
        raise ValidationError({each.field or "kind": ValidationError(each.detail, code=each.rule) for each in faults})
    return draft


def _refuse_known(draft: ActionDraft, *, but: CorporateAction | None = None) -> None:
    """Refuse an action whose key is taken.

    :raises ActionExists: saying so
    """
    instrument, ex_date, kind, label = draft.key
    known = CorporateAction.objects.filter(instrument=instrument, ex_date=ex_date, kind=kind, label=label)
    if (known.exclude(pk=but.pk) if but else known).exists():
        raise ActionExists(
            f"There is a {kind} on {ex_date} already; give another label to tell them apart.", code="action_exists"
        )


def _columns(draft: ActionDraft) -> dict[str, Any]:
    """Return an action as the table's columns."""
    values = asdict(draft)
    return values | {
        "kind": draft.kind.value,
        "instrument_id": values.pop("instrument"),
        "other_id": values.pop("other"),
    }


@transaction.atomic
def _store(source: str, rows: Sequence[object], recorded_at: datetime, *, correct: bool) -> ActionReport:
    """Take a batch through reading, rules and storing, and write down what was wrong with it."""
    batch = Batch(source, rows, recorded_at, {}, {}, ActionReport())
    _read(batch)
    _drop_repeated(batch)
    warned = _doubted(batch)
    written = _write(batch, correct=correct)
    report = batch.report
    report.warned = [each for each in warned if each.index in written]
    report.refused.sort(key=lambda each: each.index)
    found = [Found(each, rows[each.index], _about(batch, each.index)) for each in report.refused + report.warned]
    record_findings(dataset=Dataset.CORPORATE_ACTIONS, source=source, found=found, at=recorded_at)
    return report


def _about(batch: Batch, index: int) -> UUID | None:
    """Return the instrument a row is about, where it could be read."""
    row = batch.rows[index]
    named = row.get("instrument") if isinstance(row, Mapping) else None
    draft = batch.drafts.get(index)
    return draft.instrument if draft else getattr(named, "pk", None)


def _read(batch: Batch) -> None:
    """Find the instruments that rows name, and read the rows."""
    rows = [row for row in batch.rows if isinstance(row, Mapping)]
    named = [row.get(name) for row in rows for name in ("instrument", "other")]
    texts = find_each({text for text in named if isinstance(text, str) and text})
    given = {each for each in named if isinstance(each, UUID)}
    batch.instruments = {each.pk: each for each in [*texts.values(), *named] if isinstance(each, Instrument)}
    batch.instruments |= Instrument.objects.in_bulk(given - set(batch.instruments))
    for index, row in enumerate(batch.rows):
        draft, faults = read_action(_with_instruments(row, texts), index=index)
        unknown = dict(_unknown(row, texts, batch.instruments))
        batch.report.refused += [each for each in faults if each.field not in unknown]
        if draft is not None and not unknown:
            batch.drafts[index] = draft
        for name, detail in unknown.items():
            batch.refuse(index, "unknown_instrument", name, row.get(name) if isinstance(row, Mapping) else "", detail)


def _with_instruments(row: object, texts: Mapping[str, Instrument | ValidationError]) -> object:
    """Return a row with the instruments that its texts mean."""
    if not isinstance(row, Mapping):
        return row
    meant = {name: texts.get(row[name]) for name in ("instrument", "other") if isinstance(row.get(name), str) and row[name]}
    return {**row, **meant}


def _unknown(
    row: object, texts: Mapping[str, Instrument | ValidationError], known: Mapping[UUID, Instrument]
) -> Iterable[tuple[str, str]]:
    """Yield the fields of a row that name no instrument, and why."""
    if not isinstance(row, Mapping):
        return
    for name in ("instrument", "other"):
        value = row.get(name)
        meant = texts.get(value) if isinstance(value, str) else None
        if isinstance(meant, ValidationError):
            yield name, " ".join(meant.messages)
        elif isinstance(value, UUID) and value not in known:
            yield name, "No instrument has that id."


def _drop_repeated(batch: Batch) -> None:
    """Leave one row for each action: a repetition is known, and refused if its figures differ."""
    first: dict[tuple[Any, ...], ActionDraft] = {}
    for index, draft in list(batch.drafts.items()):
        kept = first.setdefault(draft.key, draft)
        if kept is draft:
            continue
        del batch.drafts[index]
        if kept.figures == draft.figures:
            batch.report.known += 1
        else:
            batch.report.refused.append(_conflict(index, kept.figures, draft))


def _doubted(batch: Batch) -> list[Finding]:
    """Return what is odd about the actions, where their source is looked at."""
    if level_of(batch.source) is Level.OFF:
        return []
    days = {
        index: (draft.instrument, "1d", datetime.combine(draft.ex_date, time(), UTC))
        for index, draft in batch.drafts.items()
        if draft.kind is ActionKind.CASH_DIVIDEND and draft.currency == batch.instruments[draft.instrument].currency
    }
    closes = closes_before(days.values())
    today = batch.recorded_at.astimezone(UTC).date()
    return [
        doubt
        for index, draft in batch.drafts.items()
        for doubt in doubts(draft, index=index, today=today, close=closes.get(days[index]) if index in days else None)
    ]


def _write(batch: Batch, *, correct: bool) -> set[int]:
    """Write the actions that are new, compare the others, apply what is due, and return the indices of those written."""
    by_key = {draft.key: index for index, draft in batch.drafts.items()}
    made = [
        CorporateAction(source=batch.source[:100], recorded_at=batch.recorded_at, **_columns(draft))
        for draft in batch.drafts.values()
    ]
    CorporateAction.objects.bulk_create(made, ignore_conflicts=True)
    ours = {action.pk for action in made}
    about = {draft.instrument for draft in batch.drafts.values()}
    days: set[date] = {draft.ex_date for draft in batch.drafts.values()}
    written: set[int] = set()
    there = CorporateAction.objects.select_for_update(of=("self",)).select_related("instrument")
    for known in there.filter(instrument__in=about, ex_date__in=days).order_by("ex_date", "id"):
        index = by_key.get((known.instrument_id, known.ex_date, known.kind, known.label))
        if index is not None and _settle(batch, index, known, new=known.pk in ours, correct=correct):
            written.add(index)
    return written


def _settle(batch: Batch, index: int, known: CorporateAction, *, new: bool, correct: bool) -> bool:
    """Compare a row with what is there under its key, and say whether it was written."""
    draft, report = batch.drafts[index], batch.report
    figures = tuple(known.other_id if name == "other" else getattr(known, name) for name in FIGURES)
    offered = draft.figures if draft.old_symbol else _without_old(draft.figures, figures)
    if not new and figures == offered:
        report.known += 1
        return False
    if not new and not correct:
        report.refused.append(_conflict(index, figures, draft))
        del batch.drafts[index]
        return False
    if new and known.kind not in APPLIED_KINDS:
        report.stored += 1
        return True
    try:
        with transaction.atomic():
            if new:
                _apply([known.pk], batch.recorded_at)
            else:
                update_action(
                    action=known, changes={name: getattr(draft, name) for name in FIGURES}, recorded_at=batch.recorded_at
                )
    except ValidationError as refusal:
        if new:
            known.delete()
        name, told = next(iter(getattr(refusal, "message_dict", {"new_symbol": refusal.messages}).items()))
        rule = "not_its_symbol" if name == "old_symbol" else "symbol_is_taken"
        batch.refuse(index, rule, name, getattr(draft, name, ""), " ".join(told))
        return False
    report.stored += new
    report.corrected += not new
    return True


def _without_old(offered: tuple[Any, ...], known: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return figures with the old symbol that is known: a row need not say it, it is filled in."""
    place = FIGURES.index("old_symbol")
    return (*offered[:place], known[place], *offered[place + 1 :])


def _conflict(index: int, known: Sequence[Any], draft: ActionDraft) -> Finding:
    """Return the finding of a row whose key is taken by other figures, naming the first that differs."""
    name = next(name for name, ours, theirs in zip(FIGURES, known, draft.figures, strict=True) if ours != theirs)
    return finding("conflicting_action", index=index, field=name, value=getattr(draft, name))
