"""A hundred thousand bars, fetched whole: as a DataFrame and as a Parquet file of the API, beside the raw driver.

The baseline hands the same query, with its numbers cast to float8 by PostgreSQL, to ADBC and takes the Arrow table it makes; one
with the numbers as they are stored, which ADBC turns into text, is shown beside it. Ours reads exact decimals, puts them into
columns of that type and makes a DataFrame with its index; the API finds out who asks, writes the file, and sends it.
"""

import io
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as pq
from django.db import connection, connections
from django.test import Client
from psycopg.conninfo import make_conninfo

from accounts.models import Scope, User
from accounts.models.tenancy import acting_as
from accounts.services.tokens import issue_token
from benchmarks.harness import Harness
from marketdata.api.files import PARQUET
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models import Bar, Instrument
from marketdata.selectors.tables import frame

BARS = 100_000
START = datetime(2023, 1, 2, tzinfo=UTC)
END = START + timedelta(minutes=BARS)
NUMBERS = ("open", "high", "low", "close", "volume", "vwap")
MAKE = """
    INSERT INTO marketdata_bar
        (instrument_id, timeframe, timestamp, open, high, low, close, volume, vwap, trade_count, recorded_at)
    SELECT %s, '1m', %s + n * interval '1 minute', p, p + 0.37, p - 0.41, p + 0.05,
           (random() * 100000)::numeric(12, 2), p + 0.0123, (random() * 1000)::int, now()
    FROM (SELECT n, (100 + 10 * sin(n / 1000.0) + random())::numeric(12, 4) AS p FROM generate_series(0, %s - 1) AS n) AS walk
"""
RAW = """
    SELECT timestamp, {numbers}, trade_count FROM marketdata_bar
    WHERE instrument_id = '{id}' AND timeframe = '1m' AND timestamp >= '{start}' AND timestamp < '{end}' ORDER BY timestamp
"""


def run(harness: Harness) -> None:
    """Measure the ways to fetch a long series."""
    instrument = make_world()
    asked: dict[str, Any] = {
        "dataset": Dataset.BARS,
        "instruments": [instrument],
        "timeframe": Timeframe.MINUTE,
        "start": START,
        "end": END,
    }
    client, query = (
        make_client(),
        {"instrument": instrument.key, "timeframe": "1m", "start": START.isoformat(), "end": END.isoformat()},
    )
    with raw_line() as line:
        found = harness.interleave(
            {
                "raw floats": timed(lambda: read_raw(line, instrument, "{0}::float8 AS {0}")),
                "raw numbers": timed(lambda: read_raw(line, instrument, "{0}")),
                "exact": timed(lambda: len(frame(**asked))),
                "floats": timed(lambda: len(frame(**asked, floats=True))),
                "parquet": timed(lambda: fetch_parquet(client, query)),
                "objects": timed(lambda: len(list(Bar.objects.filter(instrument=instrument).order_by("timestamp")))),
            }
        )
    raw = found["raw floats"]
    for name, case, goal in (
        ("exact", "DataFrame of exact decimals / ADBC float8", "<= 1.2"),
        ("floats", "DataFrame of floats / ADBC float8", "<= 1.2"),
        ("parquet", "Parquet through the API / ADBC float8", "<= 2.0"),
    ):
        harness.compare("fetch", f"{BARS:,} bars: {case}", ours=found[name], baseline=raw, unit="ms", goal=goal)
    for name, case, goal in (
        ("raw numbers", "DataFrame of exact decimals / ADBC numeric", "<= 1.2"),
        ("objects", "DataFrame of exact decimals / model objects", "<= 0.125"),
    ):
        harness.compare("fetch", f"{BARS:,} bars: {case}", ours=found["exact"], baseline=found[name], unit="ms", goal=goal)


def make_world() -> Instrument:
    """Make an instrument with a hundred thousand bars of a minute, as a table that has been in use has them."""
    instrument = Instrument.objects.create(symbol="FETCH", exchange="XTST", asset_class="EQUITY", currency="USD")
    with connection.cursor() as cursor:
        cursor.execute(MAKE, [instrument.pk, START, BARS])
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE marketdata_bar")
    return instrument


def make_client() -> Client:
    """Return a client with a token that may read."""
    user = User.objects.create_user("bench-fetch@example.com")
    with acting_as(user.pk):
        secret = issue_token(user=user, name="bench", scopes=[Scope.READ], at=datetime.now(UTC)).secret
    return Client(headers={"Authorization": f"Bearer {secret}", "Accept": PARQUET})


def raw_line() -> adbc.Connection:
    """Open a connection of the driver alone."""
    connection.ensure_connection()
    info = connection.connection.info
    return adbc.connect(make_conninfo(**info.get_parameters(), password=info.password), autocommit=True)


def read_raw(line: adbc.Connection, instrument: Instrument, number: str) -> int:
    """Return how many rows the driver hands over as an Arrow table."""
    numbers = ", ".join(number.format(name) for name in NUMBERS)
    with line.cursor() as cursor:
        cursor.execute(RAW.format(numbers=numbers, id=instrument.pk, start=START, end=END))
        return int(cursor.fetch_arrow_table().num_rows)


def fetch_parquet(client: Client, query: dict[str, str]) -> int:
    """Return how many rows the file has that the API sends."""
    answer: Any = client.get("/api/v1/bars/", query)
    if answer.status_code != 200:
        raise AssertionError(answer.content)
    return int(pq.read_metadata(io.BytesIO(b"".join(answer.streaming_content))).num_rows)


def timed(work: Callable[[], int]) -> Callable[[], float]:
    """Return a contestant that tells the milliseconds that all bars take."""

    def measure() -> float:
        start = time.perf_counter()
        if work() != BARS:
            raise AssertionError("a bar is missing")
        return (time.perf_counter() - start) * 1000

    return measure
