"""Bars of a day of 500 instruments from the archive's Parquet, beside PostgreSQL making them from the same rows in its partition.

Ours reads the day as every caller does and makes the bars of all timeframes, on the exchange's session, with volume, the exact
average price and the number of trades. The baseline is a GROUP BY that makes the same figures for the minute bars of the
day alone, and hands back no rows but a sum: it is spared the longer bars, the sessions and the way to the client. A second
baseline is spared volumes and averages as well, and makes no more than the four prices: no goal is set beside it, for it is
less than what anybody needs.
"""

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from tempfile import TemporaryDirectory
from uuid import UUID

import polars as pl
from django.db import connection, connections
from django.test.utils import override_settings

from benchmarks.harness import Harness
from marketdata.domain.calendars import session_frame
from marketdata.domain.quality import Dataset
from marketdata.domain.rollup import bars_of_ticks
from marketdata.models import Instrument
from marketdata.selectors.rollup import midnight, rows_between
from marketdata.services.rollover import roll_over

INSTRUMENTS = 500
ROWS, QUICK_ROWS = 1_000_000, 200_000
LIVE, ARCHIVED = date(2024, 3, 5), date(2024, 3, 4)
EXCHANGE = "XNAS"
LAST_PLACE = Decimal("1e-10")
# The same trades on both days: at random times of the session, prices that walk, sizes from 1 to 500.
FILL = """
    INSERT INTO marketdata_tick (instrument_id, timestamp, price, size, conditions, recorded_at)
    SELECT ids.id, timestamptz '{day} 14:30+00' + (place * 23400000000 / {each} + moved) * interval '1 microsecond',
           100 + sum(step) OVER (PARTITION BY ids.id ORDER BY place), size, '', now()
    FROM (
        SELECT number, place, (hashint8(number * 1000003::bigint + place) & 1048575) %% (23400000000 / {each}) AS moved,
               ((hashint8(place * 7919::bigint + number) & 1023) %% 7 - 3) / 100.0 AS step,
               1 + (hashint8(place * 104729::bigint + number) & 1023) %% 500 AS size
        FROM generate_series(1, {instruments}) AS number, generate_series(0, {each} - 1) AS place
    ) AS trades
    JOIN unnest(%s::uuid[]) WITH ORDINALITY AS ids (id, number) USING (number)
    ORDER BY ids.id, place
"""
# The rows come in the order of the index, so that each bar's prices are put together once, first and last as they are.
IN_THE_DATABASE = """
    SELECT count(*), sum(prices[1]), sum(highest), sum(lowest), sum(prices[trades]), sum(volume), sum(average), sum(trades) FROM (
        SELECT instrument_id, minute, array_agg(price) AS prices, max(price) AS highest, min(price) AS lowest, count(*) AS trades,
               sum(size) AS volume, round(sum(price * size) / sum(size), 10) AS average
        FROM (
            SELECT instrument_id, date_trunc('minute', timestamp) AS minute, price, size FROM {table}
            ORDER BY instrument_id, timestamp
        ) AS ordered
        GROUP BY instrument_id, minute
    ) AS bars
"""
# The same for the four prices alone.
PRICES_ALONE = """
    SELECT count(*), sum(prices[1]), sum(highest), sum(lowest), sum(prices[cardinality(prices)]) FROM (
        SELECT instrument_id, minute, array_agg(price) AS prices, max(price) AS highest, min(price) AS lowest
        FROM (
            SELECT instrument_id, date_trunc('minute', timestamp) AS minute, price FROM {table} ORDER BY instrument_id, timestamp
        ) AS ordered
        GROUP BY instrument_id, minute
    ) AS bars
"""


def run(harness: Harness) -> None:
    """Measure the bars of a day."""
    with TemporaryDirectory() as folder, override_settings(ARCHIVE_URL=f"file://{folder}"):
        ids = make_days(QUICK_ROWS if harness.quick else ROWS)
        sessions = sessions_of(ids)
        check(ids, sessions)
        contestants = {"ours": lambda: ours(ids, sessions), "same": in_the_database, "prices": prices_in_the_database}
        measured = harness.interleave(contestants)
    case = f"{INSTRUMENTS} instruments, {QUICK_ROWS if harness.quick else ROWS:,} ticks from Parquet"
    faster = {name: [1 / seconds for seconds in taken] for name, taken in measured.items()}
    alone = f"{case}, beside the four prices alone"
    for baseline, said, goal in (("same", case, ">= 1.7"), ("prices", alone, ">= 0.0")):
        harness.compare("rollup", said, ours=faster["ours"], baseline=faster[baseline], unit="days/s", goal=goal)


def make_days(rows: int) -> list[UUID]:
    """Make two days of the same trades: one in the database, and one in the archive."""
    made = [
        Instrument.objects.create(symbol=f"R{number:03}", exchange=EXCHANGE, asset_class="EQUITY", currency="USD")
        for number in range(INSTRUMENTS)
    ]
    ids = [instrument.pk for instrument in made]
    with connection.cursor() as cursor:
        for day in (ARCHIVED, LIVE):
            cursor.execute("SELECT marketdata_add_day('ticks', %s)", [day])
            cursor.execute(FILL.format(day=day, each=rows // INSTRUMENTS, instruments=INSTRUMENTS), [ids])
    roll_over(dataset=Dataset.TICKS, day=ARCHIVED, at=datetime.now(UTC))
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {table()}")
    return ids


def table() -> str:
    """Return the table of the day that stays in the database."""
    return f"marketdata_tick_{LIVE:%Y%m%d}"


def sessions_of(ids: list[UUID]) -> pl.DataFrame:
    """Return the session of every instrument on the archived day."""
    day = session_frame([EXCHANGE], ARCHIVED, LIVE)
    return pl.DataFrame({"instrument": [str(each) for each in ids]}).join(day.drop("exchange"), how="cross")


def make_bars(ids: list[UUID], sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of the archived day."""
    start = midnight(ARCHIVED)
    rows = rows_between(dataset=Dataset.TICKS, instrument_ids=ids, start=start, end=start + timedelta(days=1))
    return bars_of_ticks(rows, sessions)


def ours(ids: list[UUID], sessions: pl.DataFrame) -> float:
    """Return how long our bars take."""
    start = time.perf_counter()
    make_bars(ids, sessions)
    return time.perf_counter() - start


def prices_in_the_database() -> float:
    """Return how long the database takes for the four prices of the minute bars."""
    return in_the_database(PRICES_ALONE)


def in_the_database(query: str = IN_THE_DATABASE) -> float:
    """Return how long the database takes for the minute bars."""
    with connection.cursor() as cursor:
        start = time.perf_counter()
        cursor.execute(query.format(table=table()))
        cursor.fetchall()
        return time.perf_counter() - start


def check(ids: list[UUID], sessions: pl.DataFrame) -> None:
    """See that both make the same minute bars; the database rounds a half up where we round it to the even neighbor."""
    minutes = make_bars(ids, sessions).filter(pl.col("timeframe") == "1m")
    columns = ("open", "high", "low", "close", "volume", "vwap", "trade_count")
    mine = [minutes.height, *[minutes[name].sum() for name in columns]]
    with connection.cursor() as cursor:
        cursor.execute(IN_THE_DATABASE.format(table=table()))
        theirs = list(cursor.fetchone())
    averages = abs(mine.pop(-2) - theirs.pop(-2))
    if mine != theirs or averages > minutes.height * LAST_PLACE:
        raise AssertionError(f"the bars differ: {mine} and {theirs}, the averages by {averages}")
