"""Writers that come at the same time, over connections of their own, lose nothing and double nothing."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection

from marketdata.models import Bar, PriceHistory, ProviderState, Quote
from marketdata.services.ingest import IngestReport, store_bars, store_quotes
from tests.factories import make_instrument

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
START = datetime(2020, 1, 1, tzinfo=UTC)
WRITERS = 6


def together(work: Callable[[int], IngestReport], count: int = WRITERS) -> list[IngestReport]:
    """Do the same work in several threads that start at one moment, and return what each reports."""
    results: list[IngestReport | BaseException] = [AssertionError("never ran")] * count
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            gate.wait()
            results[number] = work(number)
        except BaseException as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def bars(days, close="10"):
    return [
        {"timestamp": START + timedelta(days=day), "open": close, "high": close, "low": close, "close": close} for day in days
    ]


def test_overlapping_batches_store_every_bar_once():
    instrument = make_instrument()

    def write(number):
        days = range(number * 40, number * 40 + 100)
        common = {"instrument": instrument, "timeframe": "1d"}
        return store_bars(source="test", rows=bars(days), common=common, recorded_at=NOW)

    reports = together(write)
    wanted = (WRITERS - 1) * 40 + 100
    assert sum(report.stored for report in reports) == wanted
    assert sum(report.stored + report.known for report in reports) == WRITERS * 100
    assert Bar.objects.filter(instrument=instrument).count() == wanted
    history = PriceHistory.objects.get(instrument=instrument)
    assert (history.rows, history.first_at, history.last_at) == (wanted, START, START + timedelta(days=wanted - 1))
    assert 1 <= history.revision <= WRITERS


def test_of_contradicting_batches_one_wins_whole_and_the_others_are_told():
    instrument = make_instrument()

    def write(number):
        common = {"instrument": instrument, "timeframe": "1d"}
        return store_bars(source=f"test {number}", rows=bars(range(50), close=str(number + 10)), common=common, recorded_at=NOW)

    reports = together(write)
    assert sorted(report.stored for report in reports) == [0] * (WRITERS - 1) + [50]
    assert sum(len(report.refused) for report in reports) == (WRITERS - 1) * 50
    assert Bar.objects.filter(instrument=instrument).values("close").distinct().count() == 1
    assert PriceHistory.objects.get(instrument=instrument).revision == 1


def test_batches_over_many_series_in_any_order_do_not_lock_each_other_out():
    instruments = [make_instrument() for _ in range(8)]

    def write(number):
        order = instruments if number % 2 else instruments[::-1]
        rows = [row | {"instrument": instrument} for instrument in order for row in bars(range(20))]
        return store_bars(source="test", rows=rows, common={"timeframe": "1d"}, recorded_at=NOW)

    reports = together(write)
    assert sum(report.stored for report in reports) == 8 * 20
    assert set(PriceHistory.objects.filter(instrument__in=instruments).values_list("rows", "revision")) == {(20, 1)}


def test_quotes_have_no_history_to_wait_at_and_are_stored_once_all_the_same():
    instruments = [make_instrument() for _ in range(3)]

    def write(number):
        order = instruments if number % 2 else instruments[::-1]
        rows = [
            {"instrument": instrument, "timestamp": START + timedelta(seconds=second), "bid": "1", "ask": "1.05"}
            for second in range(100)
            for instrument in order
        ]
        return store_quotes(source="test", rows=rows, recorded_at=NOW)

    reports = together(write)
    assert sum(report.stored for report in reports) == 300
    assert sum(report.known for report in reports) == (WRITERS - 1) * 300
    assert Quote.objects.filter(instrument__in=instruments).count() == 300
    assert not ProviderState.objects.filter(instrument__in=instruments).exists()
