"""The one way in for prices: validated, stored once however often they arrive, and told what became of every row.

What happens to a row:

- it can't be read or breaks a rule of severity ERROR: *refused*, the others go in;
- its key is new: *stored*, and if it breaks a rule of severity WARNING also *warned*;
- its key is known with the same figures: *known*, nothing is written;
- its key is known with other figures: *refused* as conflicting, the first figures stay. A caller who knows better
  passes `correct=True`: then the new figures replace the old ones and the row counts as *corrected*.

Refused and warned rows are kept as quality issues. Writers of one series wait for each other at its history's row: of
batches that overlap nothing is lost and nothing doubled, whoever sends them at the same time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from marketdata.domain.quality import Dataset, Finding, Level, Severity, examine, finding
from marketdata.domain.rows import Shape, Values, read_rows
from marketdata.models.instruments import Instrument
from marketdata.services.batches import batch_of
from marketdata.services.histories import Change, lock_histories, note_changes
from marketdata.services.quality import Found, record_findings
from marketdata.services.staging import BAR_TABLE, CONFLICTS, CORRECT, FX_TABLE, INSERT, QUOTE_TABLE, Target, staged

CONFLICTING = {
    Dataset.BARS: ("conflicting_bar", "close"),
    Dataset.QUOTES: ("conflicting_quote", "bid"),
    Dataset.FX_RATES: ("conflicting_rate", "rate"),
}


Row = Mapping[str, object]
NOTHING: Row = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who sent a batch, when it came, whether it may replace what is known, and what its rows share."""

    source: str
    recorded_at: datetime
    correct: bool
    common: Row


@dataclass(slots=True)
class IngestReport:
    """What became of the rows of a batch; findings name the row by its index among those that came.

    `last` is the time of the latest row that was not refused by a rule.
    """

    stored: int = 0
    known: int = 0
    corrected: int = 0
    refused: list[Finding] = field(default_factory=list)
    warned: list[Finding] = field(default_factory=list)
    last: datetime | date | None = None

    def __add__(self, other: "IngestReport") -> "IngestReport":
        return IngestReport(
            self.stored + other.stored,
            self.known + other.known,
            self.corrected + other.corrected,
            self.refused + other.refused,
            self.warned + other.warned,
            other.last or self.last,
        )


def store_bars(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store bars: mappings of instrument, timeframe, timestamp, open, high, low, close, volume, vwap, trade_count.

    `common` holds values that all rows share. Numbers are decimals or their plain spelling, never floats.
    """
    return _store(BAR_TABLE, Delivery(source, recorded_at, correct, common), rows)


def store_quotes(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store quotes: mappings of instrument, timestamp, bid, ask, bid_size, ask_size; see `store_bars`."""
    return _store(QUOTE_TABLE, Delivery(source, recorded_at, correct, common), rows)


def store_fx_rates(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store rates of days: mappings of base, quote, date, rate; see `store_bars`."""
    return _store(FX_TABLE, Delivery(source, recorded_at, correct, common), rows)


def level_of(source: str) -> Level:
    """Return how strictly the rules are applied to a source, by the setting MARKETDATA_QUALITY.

    :raises ImproperlyConfigured: if that names no level
    """
    levels: Mapping[str, str] = getattr(settings, "MARKETDATA_QUALITY", {})
    named = levels.get(source, levels.get("default", Level.STRICT))
    if named not in set(Level):
        raise ImproperlyConfigured(f"MARKETDATA_QUALITY: {named!r} is no level; there are {', '.join(Level)}.")
    return Level(named)


@transaction.atomic
def _store(target: Target, delivery: Delivery, came: Iterable[object]) -> IngestReport:
    """Take a batch through reading, rules and storing, and write down what was wrong with it."""
    shape, rows = target.shape, _with_common(came, delivery.common)
    read, refused = read_rows(shape, rows)
    report = IngestReport(refused=refused)
    about = _known_instruments(shape, read, report)
    warned = _apply_rules(shape, delivery, read, about, report)
    _drop_repeated(shape, read, report)
    written = _write(target, delivery, read, report) if read else set()
    report.warned = [each for each in warned if each.index in written]
    report.refused.sort(key=lambda each: each.index)
    found = [
        Found(each, rows[each.index], _instrument_id(rows[each.index], about.get(each.index), delivery.common))
        for each in report.refused + report.warned
    ]
    record_findings(dataset=shape.dataset, source=delivery.source, found=found, at=delivery.recorded_at)
    return report


def _with_common(rows: Iterable[object], common: Row) -> list[object]:
    """Return the rows with the values they share."""
    return [{**common, **row} if common and isinstance(row, Mapping) else row for row in rows]


def _instrument_id(row: object, instrument: Instrument | None, common: Row) -> UUID | None:
    """Return the instrument a row is about, if it names one that exists."""
    named = instrument or (row if isinstance(row, Mapping) else common).get("instrument")
    return named.pk if isinstance(named, Instrument) else None


def _known_instruments(shape: Shape, read: dict[int, Values], report: IngestReport) -> dict[int, Instrument]:
    """Return the instrument of each row, refusing the rows of unknown ones."""
    if "instrument" not in shape.key:
        return {}
    known = {each.pk: each for each in Instrument.objects.filter(pk__in={values[0] for values in read.values()})}
    about = {index: known[values[0]] for index, values in read.items() if values[0] in known}
    for index in [index for index in read if index not in about]:
        report.refused.append(finding("unknown_instrument", index=index, field="instrument", value=read.pop(index)[0]))
    return about


def _apply_rules(
    shape: Shape, delivery: Delivery, read: dict[int, Values], about: Mapping[int, Instrument], report: IngestReport
) -> list[Finding]:
    """Refuse the rows that break an ERROR rule and return the breaches of milder ones by the rest."""
    level = level_of(delivery.source)
    errors = examine(batch_of(shape, read, about, delivery.recorded_at), level=level, severity=Severity.ERROR)
    report.refused += errors
    for index in {each.index for each in errors}:
        del read[index]
    # Only now is the price before each row one that can be believed.
    rest = batch_of(shape, read, about, delivery.recorded_at)
    return [each for mild in (Severity.WARNING, Severity.INFO) for each in examine(rest, level=level, severity=mild)]


def _drop_repeated(shape: Shape, read: dict[int, Values], report: IngestReport) -> None:
    """Leave one row for each key: a repetition is known, and refused if its figures differ."""
    first: dict[Values, int] = {}
    for index in list(read):
        kept = first.setdefault(shape.key_of(read[index]), index)
        if kept == index:
            continue
        values = read.pop(index)
        if values == read[kept]:
            report.known += 1
        else:
            report.refused.append(_conflict(shape, index, values))


def _write(target: Target, delivery: Delivery, read: Mapping[int, Values], report: IngestReport) -> set[int]:
    """Write the rows whose keys are new, compare the others, and return the indices of the rows written."""
    shape = target.shape
    by_key = {shape.key_of(values): index for index, values in read.items()}
    histories = lock_histories(dataset=shape.dataset, series={shape.series_of(values) for values in read.values()})
    with staged(target, read) as run:
        stored = {by_key[key] for key in run(INSERT, delivery.recorded_at)}
        differing = {index for (index,) in run(CONFLICTS, [index for index in read if index not in stored])}
        corrected = differing if delivery.correct else set()
        if corrected:
            run(CORRECT, delivery.recorded_at, list(corrected))
    report.stored += len(stored)
    report.corrected += len(corrected)
    report.known += len(read) - len(stored) - len(differing)
    report.refused += [_conflict(shape, index, read[index]) for index in sorted(differing - corrected)]
    report.last = max(map(shape.time_of, read.values()))
    written = stored | corrected
    changes = [Change(shape.series_of(read[each]), shape.time_of(read[each]), each in stored) for each in written]
    note_changes(dataset=shape.dataset, histories=histories, changes=changes)
    return written


def _conflict(shape: Shape, index: int, values: Values) -> Finding:
    """Return the finding of a row whose key is taken by other figures."""
    rule, field = CONFLICTING[shape.dataset]
    return finding(rule, index=index, field=field, value=values[shape.columns.index(field)])
