"""The latest quotes of 500 instruments beside a plain read of 500 rows, and beside looking for each among all quotes.

The plain read fetches the same columns of the same rows of the table that keeps the latest, as tuples, by their keys. The other
baseline is what that table spares: a lateral join into the quotes, of which there are two
million: 200 of each instrument on each of 20 days, and each day is a partition.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import connection

from benchmarks.harness import Harness
from marketdata.models import Instrument
from marketdata.selectors.prices import latest_quotes, latest_ticks

INSTRUMENTS, REPEATS = 500, 20
PLAIN = "SELECT instrument_id, timestamp, {figures} FROM marketdata_latest{kind} WHERE instrument_id = ANY (%s::uuid[])"
LATERAL = """
    SELECT wanted.id, timestamp, bid, ask, bid_size, ask_size FROM unnest(%s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM marketdata_quote WHERE instrument_id = wanted.id ORDER BY timestamp DESC LIMIT 1) AS newest
"""
MAKE = [
    """SELECT marketdata_add_day(dataset, date '2024-01-01' + n)
       FROM unnest(array['quotes', 'ticks']) AS dataset, generate_series(1, 20) AS n""",
    """INSERT INTO marketdata_quote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
       SELECT id, timestamptz '2024-01-01 09:00Z' + day * interval '1 day' + n * interval '17 seconds',
              100 + n * 0.01, 100.02 + n * 0.01, 100 + n, 200, now()
       FROM marketdata_instrument, generate_series(1, 20) AS day, generate_series(1, 200) AS n""",
    """INSERT INTO marketdata_tick (instrument_id, timestamp, price, size, recorded_at)
       SELECT instrument_id, timestamp, bid, bid_size, recorded_at FROM marketdata_quote""",
    """INSERT INTO marketdata_latestquote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
       SELECT DISTINCT ON (instrument_id) * FROM marketdata_quote ORDER BY instrument_id, timestamp DESC""",
    """INSERT INTO marketdata_latesttick (instrument_id, timestamp, price, size, conditions, recorded_at)
       SELECT DISTINCT ON (instrument_id) * FROM marketdata_tick ORDER BY instrument_id, timestamp DESC""",
    "ANALYZE marketdata_quote, marketdata_tick, marketdata_latestquote, marketdata_latesttick",
]


def run(harness: Harness) -> None:
    """Measure the look-up of 500 latest rows."""
    ids = make_world()
    found = harness.interleave(
        {
            "ours": timed(lambda: latest_quotes(instrument_ids=ids)),
            "plain": timed(lambda: read(PLAIN.format(figures="bid, ask, bid_size, ask_size", kind="quote"), ids)),
            "lateral": timed(lambda: read(LATERAL, ids)),
            "our ticks": timed(lambda: latest_ticks(instrument_ids=ids)),
            "plain ticks": timed(lambda: read(PLAIN.format(figures="price, size, conditions", kind="tick"), ids)),
        }
    )
    case = f"quotes of {INSTRUMENTS} instruments / plain read"
    harness.compare("latest", case, ours=found["ours"], baseline=found["plain"], unit="ms", goal="<= 1.2")
    case = f"trades in {INSTRUMENTS} instruments / plain read"
    harness.compare("latest", case, ours=found["our ticks"], baseline=found["plain ticks"], unit="ms", goal="<= 1.2")
    harness.compare("latest", "quotes / lateral join", ours=found["ours"], baseline=found["lateral"], unit="ms", goal="<= 0.33")


def make_world() -> list[UUID]:
    """Make instruments with quotes and trades."""
    instruments = Instrument.objects.bulk_create(
        Instrument(symbol=f"L{number:04}", exchange="XTST", asset_class="EQUITY", currency="USD") for number in range(INSTRUMENTS)
    )
    with connection.cursor() as cursor:
        for statement in MAKE:
            cursor.execute(statement)
    return [each.pk for each in instruments]


def read(query: str, ids: list[UUID]) -> list[Any]:
    """Return the rows of a query as they come."""
    with connection.cursor() as cursor:
        cursor.execute(query, [ids])
        rows: list[Any] = cursor.fetchall()
    if len(rows) != INSTRUMENTS:
        raise AssertionError("a row is missing")
    return rows


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return a contestant that does a work several times and tells the milliseconds that each took."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(REPEATS):
            work()
        return (time.perf_counter() - start) * 1000 / REPEATS

    return measure
