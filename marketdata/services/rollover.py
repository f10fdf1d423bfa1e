"""The days that are over leave the database for the archive, each in one transaction: all of it, or nothing.

While the rows of a day are written to a file the day is held alone, so that nobody writes to it. The file is read back and
added up, the database adds its rows up by itself, and only if both say the same is the file given its name, its segment's row
written and the day's table dropped. Whoever is killed on the way leaves the table as it was, and at most a file that no segment
names: the next run takes it if it is what it would have written, and makes place if not.

Rows that come late to a day that has been archived start its table anew; they are its next part.
"""

import enum
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.db.models import Max
from psycopg import sql
from psycopg.errors import LockNotAvailable

from marketdata.adapters.store import Kept, Store, archive_store
from marketdata.domain.archive import ARCHIVED, SCHEMA_VERSION, SegmentReader, digest_of_footer, name_of
from marketdata.domain.quality import Dataset
from marketdata.domain.totals import Totals, difference, totals_of
from marketdata.models.archive import ArchiveSegment
from marketdata.selectors.days import is_finished, live_days, table_of
from marketdata.services.extraction import totals_in_the_database, write_day

log = logging.getLogger(__name__)
Made = TypeVar("Made")

AHEAD = 3  # days, so that a day's table is there before its first row even if no job ran for a while
# To drop a day's table nobody may read any: those who come meanwhile wait behind us. So we ask for a moment, and ask again.
LOCK_TIMEOUT = "400ms"
WAITS = (0.2, 0.5, 1, 2, 4, 8, 8, 8)


class State(enum.StrEnum):
    """What became of a day."""

    ARCHIVED = "archived"
    EMPTY = "empty"
    ABSENT = "absent"
    BUSY = "busy"


class DayNotFinished(ValidationError):
    """The day is not over yet, everywhere that it has rows of."""

    def __init__(self, dataset: Dataset, day: date) -> None:
        super().__init__(
            f"{day} is not over for all exchanges that it has {dataset} of: wait until they have closed.", code="day_not_finished"
        )


class DayInUse(Exception):
    """The day could not be had alone for a moment, however often that was tried; it is left as it was."""


class RolloverFailed(Exception):
    """The file does not hold what the table does; the table is left as it was."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a day: archived as a segment; dropped, as it was empty; not there; or being archived by somebody else."""

    dataset: Dataset
    day: date
    state: State
    segment: ArchiveSegment | None = None


Step = Callable[[str], None]


def _unwatched(_step: str) -> None:
    """Pass over a step."""


def make_days(*, at: datetime) -> int:
    """Make the tables of today and the next days, and return how many were missing."""
    today = at.astimezone(UTC).date()
    days = [today + timedelta(days=number) for number in range(AHEAD + 1)]
    return sum(bool(_ask("SELECT marketdata_add_day(%s, %s)", dataset, day)) for dataset in ARCHIVED for day in days)


def roll_over(*, dataset: Dataset, day: date, at: datetime, on_step: Step = _unwatched) -> Outcome:
    """Move a day that is over to the archive; `on_step` hears of every step as it is done.

    :raises DayNotFinished: if the day is not over
    :raises DayInUse: if it was being used all the time
    :raises RolloverFailed: if the file is not what the table is
    :raises StoreFailed: if the archive can't be written to
    """
    store = archive_store()
    with transaction.atomic(durable=True):
        if not _ask("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", f"marketdata:rollover:{dataset}:{day}"):
            return Outcome(dataset, day, State.BUSY)
        _patiently(
            lambda: _ask("SELECT marketdata_hold_day(%s, %s, true)", dataset, day), f"{dataset} of {day} are being written"
        )
        on_step("held")
        if day not in live_days(dataset):
            return Outcome(dataset, day, State.ABSENT)
        if not is_finished(dataset, day, at):
            raise DayNotFinished(dataset, day)
        segment = None
        if _ask(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table_of(dataset, day))):
            segment = _archive(store, dataset=dataset, day=day, at=at, on_step=on_step)
        drop = "SELECT marketdata_drop_day(%s, %s, %s)"
        _patiently(lambda: _ask(drop, dataset, day, segment and segment.pk), f"{dataset} are being read")
        on_step("dropped")
    on_step("committed")
    return Outcome(dataset, day, State.ARCHIVED if segment else State.EMPTY, segment)


def _archive(store: Store, *, dataset: Dataset, day: date, at: datetime, on_step: Step) -> ArchiveSegment:
    """Write the file of a day and the row of its segment."""
    last = ArchiveSegment.objects.filter(dataset=dataset, day=day).aggregate(last=Max("part"))["last"]
    part = 0 if last is None else last + 1
    name, label = name_of(dataset, day, part), f"{dataset}-{day}"
    store.remove_incoming(label)
    with store.incoming(label) as path:
        expected = _write(path, dataset=dataset, day=day, on_step=on_step)
        with path.open("rb") as file:
            footer = digest_of_footer(file)
        on_step("written")
        staged = store.stage(path)
        on_step("staged")
        found = _read_back(path, dataset, day)  # what is staged has the same bytes
        if wrong := difference(expected, found):
            raise RolloverFailed(f"{dataset} of {day}: the file is not what the table is; {wrong}.")
        on_step("compared")
        _publish(store, dataset, staged, name)
        on_step("published")
    segment = ArchiveSegment.objects.create(
        dataset=dataset,
        day=day,
        part=part,
        file=name,
        rows=expected.sums.rows,
        first_at=expected.sums.first_at,
        last_at=expected.sums.last_at,
        bytes=staged.bytes,
        sha256=staged.sha256,
        footer_sha256=footer,
        content=expected.content,
        schema_version=SCHEMA_VERSION,
        recorded_at=at,
        verified_at=at,
    )
    on_step("recorded")
    return segment


def _write(path: Path, *, dataset: Dataset, day: date, on_step: Step) -> Totals:
    """Write a day's rows to a file and return what they add up to, as the database says."""
    totals = totals_in_the_database(dataset, day)
    write_day(path, dataset=dataset, day=day, totals=totals, on_rows=lambda: on_step("writing"))
    return totals


def _read_back(path: Path, dataset: Dataset, day: date) -> Totals:
    """Return what the rows of a file add up to.

    Every page is held against its checksum by the library that wrote it; the values are read by another one.
    """
    with path.open("rb") as source:
        SegmentReader(source, dataset).check()
    return totals_of(dataset, day, [pl.scan_parquet(path, hive_partitioning=False, glob=False)])


def _publish(store: Store, dataset: Dataset, staged: Kept, name: str) -> None:
    """Give a staged file its name, which no segment has; a file left there by a run that was killed is taken or makes place."""
    if store.exists(name):
        there = store.look(name)
        if (there.bytes, there.sha256) == (staged.bytes, staged.sha256):
            store.remove(staged.name)
            return
        if _is_part_of(store, dataset, there.name, staged.name):
            store.remove(name)
        else:
            aside = f"set-aside/{name}.{there.sha256[:12]}"
            log.warning("%s holds other rows than its day and belongs to no segment: it is now %s", name, aside)
            store.set_aside(name, aside)
    store.publish(staged.name, name)


def _is_part_of(store: Store, dataset: Dataset, name: str, whole: str) -> bool:
    """Say whether every row of a file is in another one, too."""
    try:
        few, many = (_all_rows(store, dataset, each) for each in (name, whole))
    except (OSError, ValueError):  # not a file of ours, or a damaged one
        return False
    return few.join(many, on=few.columns, how="anti", nulls_equal=True).is_empty()


def _all_rows(store: Store, dataset: Dataset, name: str) -> Any:
    """Return all rows of a file."""
    source = store.open(name)
    try:
        return SegmentReader(source, dataset).everything()
    finally:
        source.close()


def _patiently(work: Callable[[], Made], why: str) -> Made:
    """Do what needs a lock; wait for the lock for a moment only, but again and again.

    :raises DayInUse: if it could never be had
    """
    for wait in (*WAITS, None):
        try:
            with transaction.atomic():
                before = _ask("SHOW lock_timeout")
                _ask("SELECT set_config('lock_timeout', %s, true)", LOCK_TIMEOUT)
                made = work()
                _ask("SELECT set_config('lock_timeout', %s, true)", before)
                return made
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
        if wait is not None:
            time.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311  not a secret
    raise DayInUse(f"{why}; try again later.")


def _ask(query: str | sql.Composed, *values: Any) -> Any:
    """Return the one value that a query answers."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()[0]
