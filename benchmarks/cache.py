"""What the cache saves: the latest quotes of 500 instruments and an account's performance, from it and without it.

Without it, quotes are looked up by their names and in the table that keeps the latest, and written as the API writes them; both
of performance are whole requests to an account with ten years of days. Under a stampede, so many ask at once for what takes a
tenth of a second to compute: the baseline is what all of them would have computed.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

from django.core.cache import caches
from django.db import connection
from django.test import Client

from benchmarks.derive import make_world
from benchmarks.harness import Harness
from marketdata.api.quotes import QuoteSerializer
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_instruments
from marketdata.selectors.prices import latest_quotes
from marketdata.services import cache, quotes
from marketdata.services.cache import ANALYSIS
from portfolio.services.answers import PERF

INSTRUMENTS, REPEATS, TRADES, CROWD, COMPUTING = 500, 10, 1000, 32, 0.1
LATEST = """
    INSERT INTO marketdata_latestquote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
    SELECT id, now(), 100.25, 100.5, 300, 200, now() FROM marketdata_instrument WHERE exchange = 'XBEN'
"""


def run(harness: Harness) -> None:
    """Measure both sides of each."""
    backend = caches["default"]
    prefix, backend.key_prefix = backend.key_prefix, f"bench-{os.getpid()}"
    try:
        measure_quotes(harness)
        measure_performance(harness)
        measure_stampede(harness)
    finally:
        backend.unlink("*")
        backend.key_prefix = prefix


def measure_quotes(harness: Harness) -> None:
    """Measure the latest quotes of many instruments."""
    Instrument.objects.bulk_create(
        Instrument(symbol=f"C{n}", exchange="XBEN", name=f"C{n}", asset_class="EQUITY", currency="USD")
        for n in range(INSTRUMENTS)
    )
    with connection.cursor() as cursor:
        cursor.execute(LATEST)
    chosen = list(Instrument.objects.filter(exchange="XBEN"))
    names = [instrument.key for instrument in chosen]
    quotes.warm_up(chosen)

    def without() -> None:
        known = {instrument.pk: instrument for instrument in find_instruments(names).values()}
        rows = [{"instrument": known[row.instrument_id], **row._asdict()} for row in latest_quotes(instrument_ids=list(known))]
        assert len(QuoteSerializer(rows, many=True).data) == INSTRUMENTS  # noqa: S101

    def kept() -> None:
        assert len(quotes.kept_rows(names) or ()) == INSTRUMENTS  # noqa: S101

    found = harness.interleave({"ours": timed(kept), "baseline": timed(without)})
    case = f"latest quotes of {INSTRUMENTS}: cache / database"
    harness.compare("cache", case, **found, unit="ms", goal="<= 0.5")


def measure_performance(harness: Harness) -> None:
    """Measure requests for an account's performance."""
    account = make_world(TRADES).account
    client = Client()
    client.force_login(account.owner)
    url = f"/api/v1/accounts/{account.pk}/performance/"

    def ask() -> None:
        assert client.get(url).status_code == 200  # noqa: S101

    def anew() -> float:
        spent = 0.0
        for _ in range(REPEATS):
            cache.invalidate(PERF, account.pk)
            started = time.perf_counter()
            ask()
            spent += time.perf_counter() - started
        return spent * 1000 / REPEATS

    ask()
    found = harness.interleave({"baseline": anew, "ours": timed(ask)})
    harness.compare("cache", "performance over ten years: cache / computed", **found, unit="ms", goal="<= 0.5")


def measure_stampede(harness: Harness) -> None:
    """Measure how much is computed when a crowd asks for the same at once."""

    def rush() -> float:
        computed: list[float] = []
        name = uuid4().hex

        def compute() -> int:
            computed.append(COMPUTING)
            time.sleep(COMPUTING)
            return 1

        with ThreadPoolExecutor(CROWD) as crowd:
            list(crowd.map(lambda _: cache.get_or_compute(ANALYSIS, name, compute=compute), range(CROWD)))
        return sum(computed)

    found = harness.interleave({"ours": rush, "baseline": partial(float, CROWD * COMPUTING)})
    harness.compare("cache", f"computed for {CROWD} who ask at once", **found, unit="s", goal="<= 0.04")


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return a contestant that does a work several times and tells the milliseconds that each took."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(REPEATS):
            work()
        return (time.perf_counter() - start) * 1000 / REPEATS

    return measure
