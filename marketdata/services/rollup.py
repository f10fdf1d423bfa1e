"""Bars of every timeframe from ticks and quotes: made anew for every day of an instrument whose rows have changed.

A mark (`PendingRollup`) says that the rows of a day have changed; who stores rows leaves it in the same transaction. A day is
made anew as a whole, so that a late tick repairs its minute, its hour and its day, and a bar that follows from nothing any
more is removed. What a source has sent as a bar stays: the way in sees to that.

Ticks win: quotes make bars only of a day of which the instrument's ticks make none. A day's bars up to an hour are those that
start on that day of UTC; its daily bars are those of the sessions that reach into it.

One process rolls up at a time, for two neighboring days share a session. The marks are not locked while it works, because
whoever stores prices would wait; one that was left again meanwhile has another version and stays for the next run. Bars and
marks change in one transaction: killed at any point and run again, it ends with the same bars.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
from django.db import connection, transaction

from marketdata.adapters.store import StoreFailed
from marketdata.domain.archive import ArchiveUnreadable
from marketdata.domain.calendars import session_frame
from marketdata.domain.quality import Dataset
from marketdata.domain.rollup import SESSIONS, bars_of_quotes, bars_of_ticks
from marketdata.models.archive import ArchiveSegment
from marketdata.models.instruments import Instrument
from marketdata.models.prices import PendingRollup
from marketdata.selectors.archive import archived
from marketdata.selectors.rollup import FIGURES, INSTANT, midnight, rolled_up_bars, rows_between
from marketdata.services import ingest

SOURCE = "rollup"
TOGETHER = 500  # instruments whose day is rolled up in one transaction
BATCH = 50_000  # bars that are stored at once
HELD = (Dataset.TICKS, Dataset.QUOTES)
ALONE = "SELECT {} (hashtextextended('marketdata:rollup', 0))"
# Those of the earliest day that this run has not come to yet, each with the version it was seen in.
NEXT = """
    SELECT id, xmin::text, day, instrument_id FROM marketdata_pendingrollup
    WHERE (day, instrument_id) > (%(day)s, %(instrument)s) AND day = (
        SELECT min(day) FROM marketdata_pendingrollup WHERE (day, instrument_id) > (%(day)s, %(instrument)s)
    )
    ORDER BY instrument_id FETCH FIRST %(most)s ROWS WITH TIES
"""
DONE = """
    DELETE FROM marketdata_pendingrollup AS mark
    USING unnest(%s::bigint[], %s::text[]) AS seen (id, version)
    WHERE mark.id = seen.id AND mark.xmin::text = seen.version
"""
HOLD_HISTORIES = """
    SELECT FROM marketdata_pricehistory WHERE instrument_id = ANY (%s::uuid[]) ORDER BY instrument_id, timeframe FOR UPDATE
"""
REMOVE = """
    WITH gone AS (
        DELETE FROM marketdata_bar AS bar
        USING unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS stale (instrument_id, timeframe, timestamp)
        WHERE (bar.instrument_id, bar.timeframe, bar.timestamp) = (stale.instrument_id, stale.timeframe, stale.timestamp)
          AND bar.rolled_from <> ''
        RETURNING bar.instrument_id, bar.timeframe
    )
    SELECT instrument_id, timeframe, count(*) FROM gone GROUP BY instrument_id, timeframe
"""
SHORTEN = """
    UPDATE marketdata_pricehistory AS history
    SET rows = history.rows - gone.rows, revision = revision + 1,
        first_at = (SELECT min(timestamp) FROM marketdata_bar AS bar
                    WHERE bar.instrument_id = history.instrument_id AND bar.timeframe = history.timeframe),
        last_at = (SELECT max(timestamp) FROM marketdata_bar AS bar
                   WHERE bar.instrument_id = history.instrument_id AND bar.timeframe = history.timeframe)
    FROM unnest(%s::uuid[], %s::text[], %s::bigint[]) AS gone (instrument_id, timeframe, rows)
    WHERE history.instrument_id = gone.instrument_id AND history.timeframe = gone.timeframe
"""
MARK_LIVE = """
    INSERT INTO marketdata_pendingrollup (dataset, instrument_id, day, marked_at)
    SELECT %(dataset)s, latest.instrument_id, day, %(at)s
    FROM {latest} AS latest CROSS JOIN marketdata_days(%(dataset)s) AS day
    WHERE day >= %(since)s AND EXISTS (
        SELECT FROM {rows} AS one WHERE one.instrument_id = latest.instrument_id
          AND one.timestamp >= day::timestamp AT TIME ZONE 'UTC' AND one.timestamp < (day + 1)::timestamp AT TIME ZONE 'UTC'
    )
    ON CONFLICT (dataset, day, instrument_id) DO UPDATE SET marked_at = excluded.marked_at
"""
MARK_ARCHIVED = """
    INSERT INTO marketdata_pendingrollup (dataset, instrument_id, day, marked_at)
    SELECT %s, instrument_id, %s, %s FROM unnest(%s::uuid[]) AS archived (instrument_id)
    WHERE EXISTS (SELECT FROM marketdata_instrument WHERE id = instrument_id)
    ON CONFLICT (dataset, day, instrument_id) DO UPDATE SET marked_at = excluded.marked_at
"""
LATEST = {Dataset.TICKS: "marketdata_latesttick", Dataset.QUOTES: "marketdata_latestquote"}
TABLES = {Dataset.TICKS: "marketdata_tick", Dataset.QUOTES: "marketdata_quote"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RollupReport:
    """What a roll-up did: days of instruments made anew, and what became of their bars."""

    days: int = 0
    stored: int = 0
    corrected: int = 0
    known: int = 0
    removed: int = 0
    refused: int = 0
    failed: int = 0  # days whose rows can't be read; they stay marked
    left: int = 0  # days that wait for the next run

    def __add__(self, other: "RollupReport") -> "RollupReport":
        return RollupReport(*[getattr(self, each.name) + getattr(other, each.name) for each in fields(self)])


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark as it was seen."""

    id: int
    version: str
    day: date
    instrument_id: UUID


def roll_up(*, instrument_ids: Iterable[UUID], days: Iterable[date], at: datetime) -> RollupReport:
    """Make the bars of days of UTC anew, whether they are marked or not; wait for whoever is at it."""
    report = RollupReport()
    instruments = sorted(set(instrument_ids))
    for day in sorted(set(days)):
        for first in range(0, len(instruments), TOGETHER):
            with transaction.atomic():
                _run(ALONE.format("pg_advisory_xact_lock"))
                report += _roll_day(day, instruments[first : first + TOGETHER], at)
    return report


def roll_up_pending(*, at: datetime, budget: timedelta = timedelta(minutes=2)) -> RollupReport:
    """Make the bars of the marked days anew, the earliest day first, each once; begin no other when the budget is used up.

    If another process is at it, that one does it. A day that the archive can't give back keeps its marks, and does not keep
    others from theirs.
    """
    report, stop, seen = RollupReport(), time.monotonic() + budget.total_seconds(), (date.min, UUID(int=0))
    while time.monotonic() < stop:
        marks: list[Mark] = []
        try:
            with transaction.atomic():
                if _run(ALONE.format("pg_try_advisory_xact_lock"))[0][0]:
                    marks = _next_marks(seen)
                if not marks:
                    return report
                done = _roll_day(marks[0].day, sorted({mark.instrument_id for mark in marks}), at)
                _run(DONE, [mark.id for mark in marks], [mark.version for mark in marks])
        except (ArchiveUnreadable, StoreFailed) as error:
            log.error("The bars of %s can't be made: %s", marks[0].day if marks else "a day", error)
            done = RollupReport(failed=len(marks))
        report += done
        seen = (marks[-1].day, marks[-1].instrument_id)
    return report + RollupReport(left=PendingRollup.objects.count())


@transaction.atomic
def mark_days(*, dataset: Dataset, since: date, at: datetime) -> None:
    """Mark every day since one on which an instrument has ticks, or quotes, so that its bars are made anew."""
    _run(MARK_LIVE.format(latest=LATEST[dataset], rows=TABLES[dataset]), {"dataset": dataset, "since": since, "at": at})
    segments = ArchiveSegment.objects.filter(dataset=dataset, day__gte=since)
    for day in sorted(set(segments.values_list("day", flat=True))):
        start = midnight(day)
        try:
            rows = archived(
                dataset=dataset, instrument_ids=None, start=start, end=start + timedelta(days=1), columns=["instrument"]
            )
        except (ArchiveUnreadable, StoreFailed) as error:
            log.error("%s of %s can't be marked: %s", dataset, day, error)
            continue
        _run(MARK_ARCHIVED, dataset, day, at, rows["instrument"].unique().to_list())


def _next_marks(seen: tuple[date, UUID]) -> list[Mark]:
    """Return marks of one day, in the order of their instruments, that come after those seen."""
    return [Mark(*row) for row in _run(NEXT, {"day": seen[0], "instrument": seen[1], "most": TOGETHER})]


def _roll_day(day: date, instrument_ids: list[UUID], at: datetime) -> RollupReport:
    """Make the bars of one day of instruments anew, in the transaction at hand."""
    sessions = _sessions_on(day, instrument_ids)
    bars = _bars_of(day, instrument_ids, sessions)
    _run(HOLD_HISTORIES, instrument_ids)
    removed = _remove(_stale(day, instrument_ids, sessions, bars))
    report = RollupReport(days=len(instrument_ids), removed=removed)
    # instruments in order: whoever stores bars takes the histories in the same
    for batch in bars.sort("instrument", "timeframe", "timestamp").iter_slices(BATCH):
        done = ingest.store_frame(dataset=Dataset.BARS, source=SOURCE, frame=batch, recorded_at=at, correct=True)
        report += RollupReport(stored=done.stored, corrected=done.corrected, known=done.known, refused=done.refused_rows)
    return report


def _sessions_on(day: date, instrument_ids: list[UUID]) -> pl.DataFrame:
    """Return the sessions of instruments that reach into a day of UTC: one that opens on the evening before is among them."""
    listed = Instrument.objects.filter(pk__in=instrument_ids).values_list("pk", "exchange")
    exchanges = pl.DataFrame(
        [(str(pk), exchange) for pk, exchange in listed], schema={"instrument": pl.String, "exchange": pl.String}, orient="row"
    )
    around = session_frame(exchanges["exchange"].unique().to_list(), day - timedelta(days=1), day + timedelta(days=3))
    reaching = around.filter((pl.col("open") < midnight(day + timedelta(days=1))) & (pl.col("close") > midnight(day)))
    return exchanges.join(reaching, on="exchange").select(list(SESSIONS)).sort("instrument", "open")


def _bars_of(day: date, instrument_ids: list[UUID], sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of a day, of ticks and, where these make none, of quotes."""
    last = pl.col("close").max()  # and the print of the closing auction, at that very instant
    end = pl.when(last.dt.truncate("1d") == last).then(last).otherwise(last.dt.offset_by("1us"))
    spans = sessions.group_by("instrument").agg(start=pl.col("open").min(), end=end)
    _hold(spans)
    of_ticks = _owned(bars_of_ticks(_rows(Dataset.TICKS, spans), sessions), day)
    made = of_ticks.select("instrument", *_unit()).unique()
    whole = sessions.group_by("instrument").len("days").with_columns(pl.col("days") + 1)
    counted = whole.join(made.group_by("instrument").len("made"), on="instrument", how="left")
    lacking = counted.filter(pl.col("made").fill_null(0) < pl.col("days"))
    quotes = _rows(Dataset.QUOTES, spans.join(lacking, on="instrument", how="semi"))
    of_quotes = _owned(bars_of_quotes(quotes, sessions), day).with_columns(_unit())
    rest = of_quotes.join(made, on=["instrument", "daily", "date"], how="anti").select(of_ticks.columns)
    return pl.concat([of_ticks, rest])


def _unit() -> list[pl.Expr]:
    """Return what ticks or quotes make alone: the bars up to an hour of a day, or the bar of a session."""
    return [(pl.col("timeframe") == "1d").alias("daily"), pl.col("timestamp").dt.date().alias("date")]


def _owned(bars: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the bars that are made of a day of UTC: of sessions that reach into it, those up to an hour that start on it."""
    return bars.filter((pl.col("timeframe") == "1d") | (pl.col("timestamp").dt.date() == day))


def _hold(spans: pl.DataFrame) -> None:
    """Keep the days that are read where they are until the transaction ends: a rollover waits."""
    days = spans.select(pl.col("start").dt.date(), pl.col("end").dt.offset_by("-1us").dt.date())
    first, last = days["start"].min(), days["end"].max()
    if isinstance(first, date) and isinstance(last, date):
        for number in range((last - first).days + 1):
            for dataset in HELD:
                _run("SELECT marketdata_hold_day(%s, %s)", dataset, first + timedelta(days=number))


def _rows(dataset: Dataset, spans: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of instruments, each over its span; those that share one are read together."""
    columns = {"instrument": pl.String(), "timestamp": INSTANT, **FIGURES[dataset]}
    parts = [pl.DataFrame(schema=columns)]
    for (start, end), some in spans.group_by("start", "end"):
        instruments = [UUID(each) for each in some["instrument"]]
        parts.append(rows_between(dataset=dataset, instrument_ids=instruments, start=start, end=end))
    return pl.concat(parts)


def _stale(day: date, instrument_ids: list[UUID], sessions: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return the keys of bars that we made and that follow from nothing any more."""
    before = rolled_up_bars(instrument_ids=instrument_ids, day=day, daily=[*sessions["day"].unique(), day])
    days = sessions.select("instrument", pl.lit(True).alias("ours"), date="day")
    dated = before.with_columns(date=pl.col("timestamp").dt.date()).join(days, on=["instrument", "date"], how="left")
    ours = dated.filter((pl.col("date") == day) | pl.col("ours"))
    return ours.join(bars, on=["instrument", "timeframe", "timestamp"], how="anti")


def _remove(stale: pl.DataFrame) -> int:
    """Remove bars and let their histories say so; return how many there were."""
    if stale.is_empty():
        return 0
    gone = _run(REMOVE, stale["instrument"].to_list(), stale["timeframe"].to_list(), stale["timestamp"].to_list())
    if gone:
        _run(SHORTEN, *[list(column) for column in zip(*gone, strict=True)])
    return sum(number for _, _, number in gone)


def _run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement in the transaction at hand and return its rows; a mapping alone holds values by name."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values[0] if len(values) == 1 and isinstance(values[0], dict) else values)
        return cursor.fetchall() if cursor.description else []
