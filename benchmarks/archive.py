"""Rolling a day of quotes over to the archive, and reading one instrument's day from it, beside the database itself.

The day has a million quotes of 500 instruments: random walks in cents, lots, and times with the jitter of microseconds, so that
nothing compresses better than it would in earnest. Rolled over end to end, which is read, add up, write, flush, read back, add up
again, hash, record and drop, it is held against extracting the same sorted rows by ADBC and doing nothing with them. ADBC hands
numbers over as text, which is the plain way; multiplied to whole numbers by the database they come twice as fast, so that is
shown as well. The size is compared with the table and its index. One instrument's day, as a frame of exact decimals, comes from
the archive through our selector, and from the live table by a query over an ADBC connection that stays open.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from uuid import UUID

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl
from django.conf import settings
from django.db import connection, connections

from benchmarks.harness import Harness
from marketdata.domain.frames import SCHEMAS
from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment, Instrument
from marketdata.selectors.archive import archived
from marketdata.services.extraction import line_to_the_database
from marketdata.services.rollover import roll_over

INSTRUMENTS, QUICK_INSTRUMENTS, EACH = 500, 100, 2000
DAY, OTHER_DAY = date(2024, 1, 2), date(2024, 1, 3)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
OPEN, SESSION = timedelta(hours=14, minutes=30), 23_400_000_000  # microseconds
COLUMNS = "instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at"
SCALED = """
    instrument_id, timestamp, (bid * 10000000000)::bigint, (ask * 10000000000)::bigint,
    (bid_size * 1000000000000)::bigint, (ask_size * 1000000000000)::bigint, recorded_at
"""
TABLE = "marketdata_quote_{day:%Y%m%d}"
READS = 20
PORTION = 10_000  # lines


def run(harness: Harness) -> None:
    """Measure the rollover, the size of what it makes, and reading from it."""
    folder = Path(mkdtemp(prefix="bedrock-bench-"))
    before, settings.ARCHIVE_URL = settings.ARCHIVE_URL, folder.as_uri()
    try:
        measure(harness, World(QUICK_INSTRUMENTS if harness.quick else INSTRUMENTS))
    finally:
        settings.ARCHIVE_URL = before
        rmtree(folder)


def measure(harness: Harness, world: "World") -> None:
    """Measure everything, round by round."""
    world.fill(DAY)
    size = world.table_size(DAY)
    measured = harness.interleave(
        {"rollover": world.rollover, "plain": world.extract(COLUMNS), "scaled": world.extract(SCALED)}, warm_up=not harness.quick
    )
    world.fill(OTHER_DAY)
    roll_over(dataset=Dataset.QUOTES, day=DAY, at=NOW)
    file = ArchiveSegment.objects.get(day=DAY).bytes
    if not world.from_the_archive(world.ids[0]).equals(world.live(world.ids[0])):
        raise RuntimeError("The archive does not answer what the live table does.")
    measured |= harness.interleave({"archive": world.reading(world.from_the_archive), "live": world.reading(world.live)})
    rates = {name: [world.rows / seconds for seconds in measured[name]] for name in ("rollover", "plain", "scaled")}
    for case, baseline, goal in (
        ("rollover : ADBC extract", "plain", ">= 0.8"),
        ("rollover : ADBC extract of numbers scaled", "scaled", ">= 0.8"),
    ):
        harness.compare("archive", case, ours=rates["rollover"], baseline=rates[baseline], unit="rows/s", goal=goal)
    per_row = {"ours": [file / world.rows], "baseline": [size / world.rows]}
    harness.compare("archive", "file : table with index", **per_row, unit="bytes/row", goal="<= 0.10")
    reads = {"ours": measured["archive"], "baseline": measured["live"]}
    harness.compare("archive", "an instrument's day, archive : live", **reads, unit="ms", goal="<= 2")


class World:
    """A day of quotes that can be stored as often as it is archived."""

    def __init__(self, instruments: int) -> None:
        made = Instrument.objects.bulk_create(
            Instrument(symbol=f"BENCH{number:03}", exchange="XNYS", name="Bench", asset_class="EQUITY", currency="USD")
            for number in range(instruments)
        )
        self.ids = [one.pk for one in made]
        self.rows = instruments * EACH
        # as they arrive: by time, all instruments mixed, so that reading them by instrument is work
        self.lines = sorted(chain.from_iterable(quotes_of(one) for one in self.ids), key=lambda line: line.split("\t", 2)[1])
        self.line = adbc.connect(line_to_the_database(), autocommit=True)

    def fill(self, day: date) -> None:
        """Store the quotes as those of a day; ingest has a benchmark of its own, so they are copied."""
        start = f"{day}T"
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT marketdata_add_day('quotes', %s)", [day])
            with cursor.copy(f"COPY {TABLE.format(day=day)} ({COLUMNS}) FROM STDIN") as copy:
                for first in range(0, self.rows, PORTION):
                    copy.write("".join(self.lines[first : first + PORTION]).replace("@", start))
            cursor.execute(f"ANALYZE {TABLE.format(day=day)}")

    def table_size(self, day: date) -> int:
        """Return the bytes of a day's table with its index."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [TABLE.format(day=day)])
            return int(cursor.fetchone()[0])

    def rollover(self) -> float:
        """Return the seconds that a rollover takes; then bring everything back to where it was."""
        started = time.perf_counter()
        roll_over(dataset=Dataset.QUOTES, day=DAY, at=NOW)
        took = time.perf_counter() - started
        ArchiveSegment.objects.get(day=DAY, rows=self.rows).delete()
        self.fill(DAY)
        return took

    def extract(self, columns: str) -> Callable[[], float]:
        """Return the extraction of the day, sorted: the seconds it takes to have all rows in memory."""

        def contestant() -> float:
            started = time.perf_counter()
            with adbc.connect(line_to_the_database(), autocommit=True) as line, line.cursor() as cursor:
                cursor.execute(f"SELECT {columns} FROM {TABLE.format(day=DAY)} ORDER BY instrument_id, timestamp")
                cursor.fetch_arrow_table()
            return time.perf_counter() - started

        return contestant

    def reading(self, read: Callable[[UUID], pl.DataFrame]) -> Callable[[], float]:
        """Return a way of reading as a contestant: the milliseconds for one instrument's day, the mean of several."""

        def contestant() -> float:
            started = time.perf_counter()
            for number in range(READS):
                read(self.ids[number * (len(self.ids) // READS)])
            return (time.perf_counter() - started) * 1000 / READS

        return contestant

    def from_the_archive(self, instrument: UUID) -> pl.DataFrame:
        """Return an instrument's day from the archive."""
        start = datetime.combine(DAY, datetime.min.time(), UTC)
        end = start + timedelta(days=1)
        return archived(dataset=Dataset.QUOTES, instrument_ids=[instrument], start=start, end=end).drop("timestamp")

    def live(self, instrument: UUID) -> pl.DataFrame:
        """Return the same rows from the live table, as the same frame."""
        with self.line.cursor() as cursor:
            cursor.execute(
                "SELECT instrument_id::text AS instrument, bid::text, ask::text, bid_size::text, ask_size::text "
                f"FROM marketdata_quote WHERE instrument_id = '{instrument}' AND timestamp >= '{OTHER_DAY}' "
                f"AND timestamp < '{OTHER_DAY + timedelta(days=1)}' ORDER BY timestamp"
            )
            found = pl.DataFrame(cursor.fetch_arrow_table())
        return found.cast({name: dtype for name, dtype in SCHEMAS[Dataset.QUOTES].items() if name != "timestamp"})


def quotes_of(instrument: UUID) -> Iterator[str]:
    """Return an instrument's quotes of a day as lines of COPY, with @ for the day."""
    chance = np.random.default_rng(instrument.int % 2**32)
    times = np.sort(chance.choice(SESSION, EACH, replace=False)) + int(OPEN.total_seconds() * 1_000_000)
    middle = np.maximum(chance.integers(1_000, 60_000) + np.cumsum(chance.integers(-3, 4, EACH)), 100)
    spread = chance.integers(1, 6, EACH)
    sizes = chance.integers(1, 60, (2, EACH)) * 100
    columns = (times, middle, middle + spread, *sizes)
    return map(line_of, [str(instrument)] * EACH, *(column.tolist() for column in columns))


def line_of(instrument: str, at: int, bid: int, ask: int, bid_size: int, ask_size: int) -> str:
    """Return a quote as a line of COPY."""
    seconds, micro = divmod(at, 1_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro:06}Z"
    return f"{instrument}\t@{clock}\t{bid / 100:.2f}\t{ask / 100:.2f}\t{bid_size}\t{ask_size}\t2024-01-04T00:00:00Z\n"
