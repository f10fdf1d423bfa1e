"""Taking quotes in beside a raw COPY of the same rows, ready made as text, into the same day's table.

Ours is the service as every source calls it: a frame is read, every rule is applied, keys are compared, the latest quotes and the
marks for the roll-up are written, findings would be kept. The baseline is handed its text before the clock starts and writes it
to the same partition in a transaction of its own; both grow that table in turn. Every round has rows of its own.
"""

import io
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import polars as pl
from django.db import connection, connections, models, transaction

from benchmarks.harness import Harness
from marketdata.domain.quality import Dataset
from marketdata.models import Instrument, LatestQuote
from marketdata.services.ingest import IngestReport, store_frame

ROWS = 50_000
INSTRUMENTS = 500
SOURCE = "bench"
DAY = datetime(2024, 3, 4, tzinfo=UTC)
OVERLAP_DAY = DAY + timedelta(days=1)
LONG_DAY = DAY + timedelta(days=2)
NOW = DAY + timedelta(days=30)
STEP = timedelta(microseconds=137)
LONG_STEP = timedelta(microseconds=8_000)  # between the batches of the long day
MILLION = 1_000_000
WRITERS, OVERLAPPING = 4, 6
COLUMNS = "instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at"

CHILD = """
import json, os, django
django.setup()
from benchmarks.__main__ import point_at
point_at(dict.fromkeys(("default", "system", "owner"), os.environ["BENCH_DATABASE"]))
from benchmarks import ingest
print(json.dumps(ingest.{call}))
"""

_slots = count()


FILL_STOCK = """
    INSERT INTO bench_stockquote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
    SELECT (%(ids)s::uuid[])[1 + n %% cardinality(%(ids)s::uuid[])], %(before)s - n * interval '7 milliseconds',
           100, 100.01, 5, 6, %(before)s
    FROM generate_series(1, %(rows)s) AS n
"""


class StockQuote(models.Model):
    """Quotes as a Django model has them that nobody has thought about: a key of its own, a foreign key, a unique pair."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    timestamp = models.DateTimeField()
    bid = models.DecimalField(max_digits=25, decimal_places=10)
    ask = models.DecimalField(max_digits=25, decimal_places=10)
    bid_size = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    ask_size = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        managed = False
        app_label = "marketdata"
        db_table = "bench_stockquote"
        constraints = [models.UniqueConstraint(fields=["instrument", "timestamp"], name="stock_quote_once")]

    def __str__(self) -> str:
        return f"{self.instrument} {self.timestamp}"


def run(harness: Harness) -> None:
    """Measure clean batches, duplicates, replays, the ORM, memory and writers at the same time."""
    ids = make_world()
    clean(harness, ids)
    duplicates(harness, ids)
    by_orm(harness, ids)
    memory(harness)
    together(harness)


def make_world() -> list[UUID]:
    """Make the instruments, and Django's table; they go with the database."""
    with connections["owner"].schema_editor() as editor:
        editor.create_model(StockQuote)
        editor.execute("GRANT SELECT, INSERT ON bench_stockquote TO bedrock_app")
    return [
        Instrument.objects.create(symbol=f"Q{number:03}", exchange="XTST", asset_class="EQUITY", currency="USD").pk
        for number in range(INSTRUMENTS)
    ]


def batch(ids: list[UUID], *, rows: int = ROWS, start: datetime | None = None) -> pl.DataFrame:
    """Return quotes of all instruments in the order of time, later than all before."""
    first = start or DAY + next(_slots) * ROWS * STEP
    chance = random.Random(str(first))
    cents = [10_000 + chance.randrange(-400, 400) for _ in range(rows)]
    names = [str(each) for each in ids]
    base = pl.DataFrame(
        {
            "instrument": [names[number % len(names)] for number in range(rows)],
            "bid": cents,
            "ask": [bid + chance.randrange(1, 9) for bid in cents],
            "bid_size": [chance.randrange(1, 900) for _ in range(rows)],
            "ask_size": [chance.randrange(1, 900) for _ in range(rows)],
        }
    )
    at = pl.datetime_range(first, first + (rows - 1) * STEP, STEP, time_unit="us", time_zone="UTC", eager=True)
    hundredth = pl.lit("0.01").cast(pl.Decimal(25, 10))
    return base.select(
        "instrument",
        at.alias("timestamp"),
        *[(pl.col(name).cast(pl.Decimal(25, 10)) * hundredth).cast(pl.Decimal(25, 10)) for name in ("bid", "ask")],
        *[pl.col(name).cast(pl.Decimal(24, 12)) for name in ("bid_size", "ask_size")],
    )


def as_text(frame: pl.DataFrame) -> bytes:
    """Return quotes as COPY reads them as text."""
    stamp = pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00")
    out = io.BytesIO()
    frame.with_columns(stamp, recorded_at=pl.lit(NOW.isoformat())).write_csv(out, separator="\t", include_header=False)
    return out.getvalue()


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def raw_copy(text: bytes, day: datetime = DAY) -> None:
    """Write text straight into the table of a day."""
    statement = f"COPY marketdata_quote_{day:%Y%m%d} ({COLUMNS}) FROM STDIN"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(text)


def ours(frame: pl.DataFrame, *, source: str = SOURCE, **expected: int) -> float:
    """Store a batch, see that it became of it what should, and return the rows a second."""
    reports: list[IngestReport] = []
    taken = seconds(lambda: reports.append(store(frame, source)))
    for name, number in expected.items():
        if getattr(reports[0], name) != number:
            raise AssertionError(f"{name} is {getattr(reports[0], name)} and not {number}")
    return frame.height / taken


def store(frame: pl.DataFrame, source: str = SOURCE) -> IngestReport:
    """Store a batch by the service."""
    return store_frame(dataset=Dataset.QUOTES, source=source, frame=frame, recorded_at=NOW)


def baseline(ids: list[UUID]) -> float:
    """Write a batch as text, and return the rows a second."""
    text = as_text(batch(ids))
    return ROWS / seconds(lambda: raw_copy(text))


def clean(harness: Harness, ids: list[UUID]) -> None:
    """Measure batches of nothing but new rows: later than all that is known, and of the past."""
    ours(batch(ids), stored=ROWS)
    measured = harness.interleave({"raw": lambda: baseline(ids), "clean": lambda: ours(batch(ids), stored=ROWS)})
    harness.compare("ingest", "clean batch", ours=measured["clean"], baseline=measured["raw"], unit="rows/s", goal=">= 0.9")
    # later rows are known: nothing tells beforehand that these are new
    LatestQuote.objects.filter(pk__in=ids).update(timestamp=NOW)
    measured = harness.interleave(
        {
            "raw": lambda: baseline(ids),
            "past": lambda: ours(batch(ids), source="bench past", stored=ROWS),
            "last": lambda: last_row_known(ids),
        }
    )
    raw = measured["raw"]
    harness.compare("ingest", "clean batch of the past", ours=measured["past"], baseline=raw, unit="rows/s", goal=">= 0.9")
    harness.compare(
        "ingest", "first duplicate is the last row", ours=measured["last"], baseline=raw, unit="rows/s", goal=">= 0.3"
    )


def last_row_known(ids: list[UUID]) -> float:
    """Store a batch of which only the row that is written last is known, for a feed that has never sent a known one."""
    frame = batch(ids)
    ours(frame.sort("instrument", "timestamp").tail(1), source="bench before", stored=1)
    return ours(frame, source=f"bench {next(_slots)}", stored=ROWS - 1, known=1)


def duplicates(harness: Harness, ids: list[UUID]) -> None:
    """Measure feeds that send rows again: some of each batch, and whole batches."""

    def partly(share: float) -> float:
        known = batch(ids)
        ours(known, stored=ROWS)
        again = known.sample(int(ROWS * share), seed=1)
        frame = pl.concat([batch(ids).head(ROWS - again.height), again]).sort("timestamp")
        return ours(frame, stored=ROWS - again.height, known=again.height)

    def replay() -> float:
        frame = batch(ids)
        ours(frame, stored=ROWS)
        return ours(frame, known=ROWS)

    for past in (False, True):
        LatestQuote.objects.filter(pk__in=ids).update(timestamp=NOW if past else DAY)
        measured = harness.interleave(
            {"raw": lambda: baseline(ids), "one": lambda: partly(0.01), "half": lambda: partly(0.5), "replay": replay}
        )
        raw, of = measured["raw"], " of the past" if past else ""
        harness.compare("ingest", f"1 % known{of}", ours=measured["one"], baseline=raw, unit="rows/s", goal=">= 0.5")
        harness.compare("ingest", f"50 % known{of}", ours=measured["half"], baseline=raw, unit="rows/s", goal=">= 0.5")
        harness.compare("replay", f"all known{of}", ours=measured["replay"], baseline=raw, unit="rows/s", goal=">= 0.9")


def by_orm(harness: Harness, ids: list[UUID]) -> None:
    """Measure Django's own way beside ours."""

    def orm() -> float:
        frame = batch(ids)
        return frame.height / seconds(lambda: bulk_create(frame))

    LatestQuote.objects.filter(pk__in=ids).update(timestamp=DAY)
    with connection.cursor() as cursor:  # both have a busy day behind them: ours in partitions of other days
        cursor.execute(FILL_STOCK, {"ids": ids, "rows": 1_000_000 if harness.quick else 10_000_000, "before": DAY})
    with connections["owner"].cursor() as cursor:  # or else the server would do it while both are measured
        cursor.execute("VACUUM (ANALYZE) bench_stockquote")
    measured = harness.interleave({"orm": orm, "ours": lambda: ours(batch(ids), stored=ROWS)})
    harness.compare(
        "ingest", "beside bulk_create", ours=measured["ours"], baseline=measured["orm"], unit="rows/s", goal=">= 20.0"
    )


def bulk_create(frame: pl.DataFrame) -> None:
    """Write quotes as Django does."""
    names = frame.columns[1:]
    made = [
        StockQuote(instrument_id=UUID(row[0]), recorded_at=NOW, **dict(zip(names, row[1:], strict=True)))
        for row in frame.iter_rows()
    ]
    with transaction.atomic():
        StockQuote._default_manager.bulk_create(made, batch_size=1000, ignore_conflicts=True)


def memory(harness: Harness) -> None:
    """Measure how the memory of a process grows from its first million of rows to its last."""
    millions = 2 if harness.quick else 10
    (peaks,) = in_processes(f"swallow({millions})")
    harness.compare(
        "ingest", f"peak memory of {millions} million rows", ours=peaks[-1:], baseline=peaks[:1], unit="MB", goal="<= 1.1"
    )


def swallow(millions: int) -> list[float]:
    """Store millions of rows, and return after each the peak of memory so far."""
    ids = instruments()
    peaks = []
    for number in range(millions * MILLION // ROWS):
        store(batch(ids, start=LONG_DAY + number * ROWS * LONG_STEP))
        if (number + 1) * ROWS % MILLION == 0:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return peaks


def together(harness: Harness) -> None:
    """Let processes store the same batches at one time, each in an order of its own, and count what is there."""
    reports = in_processes(*[f"overlap({number})" for number in range(WRITERS)])
    if any(stored + known != OVERLAPPING * ROWS for stored, known in reports):
        raise AssertionError(f"not every row was stored or known: {reports}")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM marketdata_quote_{OVERLAP_DAY:%Y%m%d}")
        there = float(cursor.fetchone()[0])
    stored = float(sum(each[0] for each in reports))
    wanted = float(OVERLAPPING * ROWS)
    case = f"rows of {WRITERS} writers of the same batches"
    harness.compare("ingest", f"{case}, in the table", ours=[there], baseline=[wanted], unit="rows", goal=">= 1.0")
    harness.compare("ingest", f"{case}, told as stored", ours=[stored], baseline=[wanted], unit="rows", goal="<= 1.0")


def overlap(number: int) -> tuple[int, int]:
    """Store the batches that all writers store, and return how many rows were stored and known."""
    ids = instruments()
    order = list(range(OVERLAPPING))
    random.Random(number).shuffle(order)
    reports = [store(batch(ids, start=OVERLAP_DAY + each * ROWS * STEP), f"bench writer {number}") for each in order]
    return sum(each.stored for each in reports), sum(each.known for each in reports)


def instruments() -> list[UUID]:
    """Return the instruments of the benchmark."""
    return list(Instrument.objects.filter(symbol__regex=r"^Q\d{3}$", exchange="XTST").order_by("pk").values_list("pk", flat=True))


def in_processes(*calls: str) -> list[Any]:
    """Make calls to this module, each in a new process, all at one time, and return what each answers."""
    environment = os.environ | {"BENCH_DATABASE": str(connection.settings_dict["NAME"])}
    running = [
        subprocess.Popen(  # noqa: S603  our own interpreter and text
            [sys.executable, "-c", CHILD.format(call=call)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for call in calls
    ]
    answers = [each.communicate()[0] for each in running]
    if any(each.returncode for each in running):
        raise AssertionError("a process has failed")
    return [json.loads(answer) for answer in answers]
