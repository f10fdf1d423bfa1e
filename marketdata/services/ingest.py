"""The one way in for prices: validated, stored once however often they arrive, and told what became of every row.

What happens to a row:

- it can't be read or breaks a rule of severity ERROR: *refused*, the others go in;
- its key is new: *stored*, and if it breaks a rule of severity WARNING also *warned*;
- its key is known with the same figures: *known*, nothing is written;
- its key is known with other figures: *refused* as conflicting, the first figures stay. A caller who knows better
  passes `correct=True`: then the new figures replace the old ones and the row counts as *corrected*.

A bar that a source sends replaces one that was rolled up without being told to, and is never replaced by one.

Refused and warned rows are kept as quality issues: all are counted, the first thousand of a rule are told row by row. Writers of
one series wait for each other; of batches that overlap nothing is lost and nothing doubled, whoever sends them at the same time.
Rows travel as columns: mappings are read one by one and become a frame, a frame is never taken apart.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

import polars as pl
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, transaction

from marketdata.domain.frames import frame_of, read_frame
from marketdata.domain.quality import BrokenRule, Dataset, Finding, Findings, Level, Severity, examine, tell, values_of
from marketdata.domain.rows import SHAPES, Shape, read_rows
from marketdata.domain.rules import CONFLICTING
from marketdata.models.instruments import Instrument
from marketdata.services.batches import Instruments, in_order, known_instruments, same_as_before, with_context
from marketdata.services.quality import Found, record_findings
from marketdata.services.registry import rules_in_force
from marketdata.services.storing import Outcome
from marketdata.services.tables import Delivery, write_batch

ATTEMPTS = 5
TRY_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock: nothing was written, the same batch may come again

SETTLED = "The day is archived with other figures, and what is archived is not changed."

Row = Mapping[str, object]
NOTHING: Row = MappingProxyType({})
Answer = TypeVar("Answer")


@dataclass(slots=True)
class IngestReport:
    """What became of the rows of a batch; findings name the row by its index among those that came.

    `refused` and `warned` hold the first thousand findings of each rule, `counts` has them all; `refused_rows` counts the rows
    that were kept out. `last` is the time of the latest row that was not refused by a rule.
    """

    stored: int = 0
    known: int = 0
    corrected: int = 0
    refused: list[Finding] = field(default_factory=list)
    warned: list[Finding] = field(default_factory=list)
    last: datetime | date | None = None
    refused_rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "IngestReport") -> "IngestReport":
        refused, warned = Findings(), Findings()
        refused.add([*self.refused, *other.refused])
        warned.add([*self.warned, *other.warned])
        return IngestReport(
            self.stored + other.stored,
            self.known + other.known,
            self.corrected + other.corrected,
            refused.told,
            warned.told,
            other.last or self.last,
            self.refused_rows + other.refused_rows,
            {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in {**self.counts, **other.counts}},
        )


@dataclass(frozen=True, slots=True)
class Came:
    """A batch as it came: how many rows, those that can be read, what is wrong with the others, and a look at any of them."""

    count: int
    rows: pl.DataFrame
    unreadable: Findings
    look: Callable[[Sequence[int]], Sequence[object]]
    common: Row


def store_bars(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store bars: mappings of instrument, timeframe, timestamp, open, high, low, close, volume, vwap, trade_count.

    `common` holds values that all rows share. Numbers are decimals or their plain spelling, never floats. `adjusted_through` is
    the day up to which splits are in the prices, `rolled_from` what the bar was made of; both are usually empty.
    """
    return _store_rows(Delivery(Dataset.BARS, source, recorded_at, correct), rows, common)


def store_quotes(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store quotes: mappings of instrument, timestamp, bid, ask, bid_size, ask_size; see `store_bars`."""
    return _store_rows(Delivery(Dataset.QUOTES, source, recorded_at, correct), rows, common)


def store_ticks(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store trades: mappings of instrument, timestamp, price, size, conditions; see `store_bars`."""
    return _store_rows(Delivery(Dataset.TICKS, source, recorded_at, correct), rows, common)


def store_fx_rates(
    *, source: str, rows: Iterable[object], recorded_at: datetime, common: Row = NOTHING, correct: bool = False
) -> IngestReport:
    """Store rates of days: mappings of base, quote, date, rate; see `store_bars`."""
    return _store_rows(Delivery(Dataset.FX_RATES, source, recorded_at, correct), rows, common)


def store_frame(
    *, dataset: Dataset, source: str, frame: pl.DataFrame, recorded_at: datetime, correct: bool = False
) -> IngestReport:
    """Store a frame with the columns of `frames.SCHEMAS`; what is optional may be missing.

    Batches of some ten thousand rows are the best; hand in ten million one after the other, nothing is kept between them.

    :raises UnusableFrame: if a column is missing or of a type that is not read, such as a float
    """
    rows, unreadable = read_frame(dataset, frame)
    came = Came(frame.height, rows, unreadable, lambda indices: _looked_at(frame, indices), NOTHING)
    return _whole(lambda: _store(Delivery(dataset, source, recorded_at, correct), came))


def level_of(source: str) -> Level:
    """Return how strictly the rules are applied to a source, by the setting MARKETDATA_QUALITY.

    :raises ImproperlyConfigured: if that names no level
    """
    levels: Mapping[str, str] = settings.MARKETDATA_QUALITY
    named = levels.get(source, levels.get("default", Level.STRICT))
    if named not in set(Level):
        raise ImproperlyConfigured(f"MARKETDATA_QUALITY: {named!r} is no level; there are {', '.join(Level)}.")
    return Level(named)


def _looked_at(frame: pl.DataFrame, indices: Sequence[int]) -> list[Row]:
    """Return rows of a frame as they came."""
    columns = [values_of(column) for column in frame[list(indices)].iter_columns()]
    return [dict(zip(frame.columns, values, strict=True)) for values in zip(*columns, strict=True)]


def _store_rows(delivery: Delivery, rows: Iterable[object], common: Row) -> IngestReport:
    """Read rows one by one and store them."""
    shape = SHAPES[delivery.dataset]
    came = [{**common, **row} if common and isinstance(row, Mapping) else row for row in rows]
    read, refused = read_rows(shape, came)
    unreadable = Findings()
    unreadable.add(refused)
    batch = Came(len(came), frame_of(shape, read), unreadable, lambda indices: [came[index] for index in indices], common)
    return _whole(lambda: _store(delivery, batch))


def _whole(work: Callable[[], Answer]) -> Answer:
    """Do a piece of work in a transaction; where it is the outermost one, once more if others were in its way."""
    for attempt in range(1, ATTEMPTS + 1):
        outermost = not connection.in_atomic_block
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if not outermost or attempt == ATTEMPTS or getattr(error.__cause__, "sqlstate", "") not in TRY_AGAIN:
                raise
    raise AssertionError("unreachable")


def _store(delivery: Delivery, came: Came) -> IngestReport:
    """Take a batch through rules and storing, and write down what was wrong with it."""
    shape, refused = SHAPES[delivery.dataset], Findings()
    refused.extend(came.unreadable)
    rows, about, unknown = known_instruments(delivery.dataset, came.rows)
    refused.extend(unknown)
    rows, known, outcome, warned = in_order(shape, rows), 0, Outcome(), Findings()
    last: Any = None
    if rows.height:
        rows = _apply_rules(shape, delivery, rows, about, refused)
    if rows.height:
        last = rows[shape.time].max()
        rows, known = _once_each(shape, rows, refused)
        outcome = write_batch(delivery, rows, about)
        refused.extend(_conflicts(shape, rows, outcome.conflicting))
        refused.extend(_conflicts(shape, rows, outcome.settled, SETTLED))
        warned = _doubts(delivery, rows, outcome)
    _record(delivery, came, about, refused, warned)
    accepted = outcome.stored.len() + outcome.corrected.len() + known + outcome.known
    return IngestReport(
        stored=outcome.stored.len(),
        known=known + outcome.known,
        corrected=outcome.corrected.len(),
        refused=sorted(refused.told, key=lambda each: each.index),
        warned=sorted(warned.told, key=lambda each: each.index),
        last=last,
        refused_rows=came.count - accepted,
        counts=dict(refused.counts + warned.counts),
    )


def _apply_rules(
    shape: Shape, delivery: Delivery, rows: pl.DataFrame, about: Instruments | None, refused: Findings
) -> pl.DataFrame:
    """Refuse the rows that break an ERROR rule; return the others beside what the milder rules ask for."""
    rows = with_context(shape, rows, about)
    found, bad = _examine(delivery, rows, {Severity.ERROR})
    if not bad.len():
        return rows
    refused.extend(found)
    # Only now is the price before each row one that can be believed.
    return with_context(shape, rows.filter(~pl.col("index").is_in(bad.implode())), about)


def _doubts(delivery: Delivery, rows: pl.DataFrame, outcome: Outcome) -> Findings:
    """Return what is doubtful about the rows that were written."""
    if outcome.stored.len() != rows.height:
        rows = rows.filter(pl.col("index").is_in(pl.concat([outcome.stored, outcome.corrected]).implode()))
    return _examine(delivery, rows, {Severity.WARNING, Severity.INFO})[0]


def _examine(delivery: Delivery, rows: pl.DataFrame, severities: set[Severity]) -> tuple[Findings, pl.Series]:
    """Apply the rules in force to a batch.

    :raises ImproperlyConfigured: naming a rule that can't be applied
    """
    try:
        return examine(
            rows,
            rules=rules_in_force(),
            dataset=delivery.dataset,
            level=level_of(delivery.source),
            severities=severities,
            at=delivery.recorded_at,
        )
    except BrokenRule as error:
        raise ImproperlyConfigured(f"MARKETDATA_RULES: {error}") from error


def _once_each(shape: Shape, rows: pl.DataFrame, refused: Findings) -> tuple[pl.DataFrame, int]:
    """Leave the first row of each key: a repetition is known, and refused if its figures differ."""
    repeated = rows.select(same_as_before(tuple(shape.key))).to_series()
    if not repeated.any():
        return rows, 0
    figures = [name for name in shape.figures if name not in {"adjusted_through", "rolled_from"}]
    same = pl.all_horizontal([pl.col(name).eq_missing(pl.col(name).first().over(list(shape.key))) for name in figures])
    differs = repeated & ~rows.select(same).to_series()
    refused.extend(_conflicts(shape, rows.filter(repeated), rows.filter(differs)["index"]))
    return rows.filter(~repeated), int((repeated & ~differs).sum())


def _conflicts(shape: Shape, rows: pl.DataFrame, indices: pl.Series, detail: str = "") -> Findings:
    """Return the findings of those rows whose keys are taken by other figures."""
    if not indices.len():
        return Findings()
    rule, field = CONFLICTING[shape.dataset]
    return tell(rows.filter(pl.col("index").is_in(indices.implode())), rule, field=field, detail=detail)


def _record(delivery: Delivery, came: Came, about: Instruments | None, refused: Findings, warned: Findings) -> None:
    """Keep what was found as issues: row by row, and of each rule the rest of its breaches as one."""
    told = [*refused.told, *warned.told]
    known = set(about.ids) if about else set()
    rows = came.look([each.index for each in told])
    found = [Found(each, row, _instrument_id(row, came.common, known)) for each, row in zip(told, rows, strict=True)]
    for findings in (refused, warned):
        last = {each.rule: each for each in findings.told}
        found += [
            Found(last[name], {"rows": f"{count} more rows of the batch"}, None, times=count)
            for name, count in findings.untold().items()
        ]
    record_findings(dataset=delivery.dataset, source=delivery.source, found=found, at=delivery.recorded_at)


def _instrument_id(row: object, common: Row, known: set[str]) -> UUID | None:
    """Return the instrument a row is about, if it names one that exists."""
    named = (row if isinstance(row, Mapping) else common).get("instrument")
    if isinstance(named, Instrument):
        return named.pk
    text = str(named).lower()
    return UUID(text) if text in known else None
