"""The first page of our lists over ten million rows beside that of a stock ModelAdmin over the same table.

Both are asked for through the test client, as one user, with everything in between, and show a hundred rows of the same columns;
only the admin class differs. The stock one counts all rows, twice. The goal was stated for ten million rows: with fewer, the
figures are told and no goal is claimed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from importlib import reload
from uuid import UUID

from django.contrib import admin
from django.db import connections, models
from django.test import Client
from django.urls import clear_url_caches, reverse
from unfold.admin import ModelAdmin

from accounts.models import User
from benchmarks.harness import Harness
from config import urls
from marketdata.admin.prices import BarAdmin
from marketdata.models import Instrument

ROWS, QUICK_ROWS = 10_000_000, 1_000_000
INSTRUMENTS = 500
SHOWN = 100  # rows on a page, of both: what a stock page shows
# Bars of every instrument by the minute, as they are stored.
FILL = """
    INSERT INTO bench_bar (instrument_id, timeframe, timestamp, open, high, low, close, volume, rolled_from, recorded_at)
    SELECT id, '1m', timestamptz '2000-01-01 00:00+00' + place * interval '1 minute', mid, mid + 0.0275, mid - 0.03, mid + 0.0125,
           100 + place * 7919 %% 9973, '', now()
    FROM unnest(%s::uuid[]) AS id, generate_series(1, %s) AS place, LATERAL (SELECT 100 + place * 104729 %% 99991 / 1000.0 AS mid)
"""


class BenchBar(models.Model):
    """The table of bars once more, under another name."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3)
    timestamp = models.DateTimeField()
    open = models.DecimalField(max_digits=25, decimal_places=10)
    high = models.DecimalField(max_digits=25, decimal_places=10)
    low = models.DecimalField(max_digits=25, decimal_places=10)
    close = models.DecimalField(max_digits=25, decimal_places=10)
    volume = models.DecimalField(max_digits=24, decimal_places=12)
    vwap = models.DecimalField(max_digits=25, decimal_places=10)
    trade_count = models.BigIntegerField()
    adjusted_through = models.DateField()
    rolled_from = models.CharField(max_length=8)
    recorded_at = models.DateTimeField()

    class Meta:
        managed = False
        app_label = "marketdata"
        db_table = "bench_bar"
        constraints = [models.UniqueConstraint(fields=["instrument", "timeframe", "timestamp"], name="bench_bar_once")]

    def __str__(self) -> str:
        return f"{self.instrument} {self.timestamp}"


class StockBar(BenchBar):
    """The same rows for the other page."""

    class Meta:
        proxy = True
        app_label = "marketdata"

    __str__ = BenchBar.__str__


class Stock(ModelAdmin):
    """What Django and Unfold do without being told: the page that a project begins with."""

    list_display = ("timestamp", "instrument", "timeframe", "open", "high", "low", "close", "volume")
    list_select_related = ("instrument",)
    list_per_page = SHOWN


class Ours(BarAdmin):
    """Our page of bars, as long as the stock one."""

    list_per_page = list_max_show_all = SHOWN


def run(harness: Harness) -> None:
    """Measure first pages."""
    rows = QUICK_ROWS if harness.quick else ROWS
    goal = ">= 0.0" if harness.quick else ">= 20"
    ids = fill(rows)
    client = Client()
    client.force_login(User.objects.create_superuser("bench@example.com", "bench"))
    with pages():
        one = f"instrument__id__exact={ids[0]}"
        for name, query in {"unfiltered": "", "of one instrument": one, "of one timeframe": "timeframe__exact=1m"}.items():
            ours, stock = (
                partial(load, client, reverse(f"admin:marketdata_{model._meta.model_name}_changelist"), query)
                for model in (BenchBar, StockBar)
            )
            measured = harness.interleave({"ours": ours, "stock": stock})
            faster = [[1 / seconds for seconds in measured[each]] for each in ("ours", "stock")]
            harness.compare(
                "admin", f"first page {name}, {rows:,} rows", ours=faster[0], baseline=faster[1], unit="pages/s", goal=goal
            )
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE bench_bar")


def fill(rows: int) -> list[UUID]:
    """Make the table, as the real one is, and fill it; return the instruments in it."""
    ids = [
        Instrument.objects.create(symbol=f"A{number:03}", exchange="XTST", asset_class="EQUITY", currency="USD").pk
        for number in range(INSTRUMENTS)
    ]
    with connections["owner"].cursor() as cursor:
        cursor.execute("CREATE TABLE bench_bar (LIKE marketdata_bar INCLUDING DEFAULTS INCLUDING IDENTITY)")
        cursor.execute(FILL, [ids, rows // INSTRUMENTS])
        cursor.execute("ALTER TABLE bench_bar ADD PRIMARY KEY (id)")
        cursor.execute("ALTER TABLE bench_bar ADD CONSTRAINT bench_bar_once UNIQUE (instrument_id, timeframe, timestamp)")
        cursor.execute("CREATE INDEX ON bench_bar (timeframe)")
        cursor.execute("GRANT SELECT ON bench_bar TO bedrock_app")
        cursor.execute("VACUUM ANALYZE bench_bar")
        cursor.execute("SELECT pg_has_role('pg_checkpoint', 'usage')")
        if cursor.fetchone()[0]:
            cursor.execute("CHECKPOINT")  # what filling the table has left to be written is no part of either page
    return ids


@contextmanager
def pages() -> Iterator[None]:
    """Give both tables a page for as long as they are measured."""
    admin.site.register(BenchBar, Ours)
    admin.site.register(StockBar, Stock)
    clear_url_caches()
    reload(urls)
    try:
        yield
    finally:
        admin.site.unregister([BenchBar, StockBar])
        clear_url_caches()
        reload(urls)


def load(client: Client, address: str, query: str) -> float:
    """Return how long a page takes."""
    start = time.perf_counter()
    answer = client.get(f"{address}?{query}")
    taken = time.perf_counter() - start
    shown = answer.content.count(b"data-row ")
    if answer.status_code != HTTPStatus.OK or shown != SHOWN:
        raise AssertionError(f"{address} answered {answer.status_code} with {shown} rows")
    return taken
