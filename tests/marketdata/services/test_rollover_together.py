"""Who writes to a day while it is archived loses no row and stores none twice, whoever of them comes first."""

import threading
from datetime import timedelta
from decimal import Decimal

from django.db import IntegrityError, connection, connections, transaction

from config.processes import wait_until
from marketdata.models import Quote
from marketdata.services.ingest import store_quotes
from marketdata.services.rollover import State
from tests.factories import make_instrument, quiet_day
from tests.marketdata.archives import NOW, archive, filed, live, noon, segments

WRITERS, BATCHES, SIZE = 3, 12, 20


def send(day, instrument, first, rows):
    """Send quotes of so many seconds, from the first on."""
    sent = [
        {"timestamp": noon(day) + timedelta(seconds=second), "bid": f"100.{second:04}", "ask": f"101.{second:04}"}
        for second in range(first, first + rows)
    ]
    return store_quotes(source="test", rows=sent, common={"instrument": instrument}, recorded_at=NOW)


def everything(day, instrument):
    """Return the times and bids of all rows of a day, live and archived."""
    start = noon(day) - timedelta(hours=12)
    rows = Quote.objects.filter(instrument=instrument, timestamp__gte=start, timestamp__lt=start + timedelta(days=1))
    return sorted([*rows.values_list("timestamp", "bid"), *filed(day, instrument, columns=["timestamp", "bid"]).rows()])


def archive_while_written(day, instrument):
    """Let writers send batches that overlap while the day is archived as often as that can be done; return all reports."""
    reports, failures, outcomes = [], [], []
    gate, left = threading.Barrier(WRITERS + 1), threading.Semaphore(0)

    def write(number):
        try:
            gate.wait(30)
            for turn in range(BATCHES):  # half of a batch is in somebody else's, too
                reports.append(send(day, instrument, (turn * WRITERS + number) * SIZE // 2, SIZE))
        except BaseException as error:
            failures.append(error)
        finally:
            left.release()
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    gate.wait(30)
    done = 0
    while done < WRITERS:
        outcomes.append(archive(day).state)
        done += left.acquire(blocking=False)
    for thread in threads:
        thread.join(60)
    assert failures == []
    return reports, [*outcomes, archive(day).state]


def test_writers_and_rollovers_of_one_day_at_the_same_time():
    day, instrument = quiet_day(), make_instrument()
    reports, outcomes = archive_while_written(day, instrument)
    assert [finding for report in reports for finding in report.refused] == []
    wanted = (WRITERS * BATCHES + 1) * SIZE // 2
    expected = [(noon(day) + timedelta(seconds=second), Decimal(f"100.{second:04}")) for second in range(wanted)]
    assert everything(day, instrument) == expected
    assert live(day, instrument) == 0
    assert set(outcomes) <= {State.ARCHIVED, State.ABSENT, State.EMPTY}
    assert len(segments(day)) == outcomes.count(State.ARCHIVED)
    assert sum(segment.rows for segment in segments(day)) == wanted == sum(report.stored for report in reports)


def test_what_is_archived_is_known_when_it_comes_again():
    day, instrument = quiet_day(), make_instrument()
    send(day, instrument, 0, 3)
    archive(day)
    report = send(day, instrument, 0, 5)
    assert (report.stored, report.known) == (2, 3)
    assert archive(day).segment.part == 1
    assert [when.second for when, _ in everything(day, instrument)] == [0, 1, 2, 3, 4]


def test_a_row_that_somebody_writes_by_hand_meanwhile_is_not_dropped():
    day, instrument = quiet_day(), make_instrument()
    send(day, instrument, 0, 3)
    archive(day)
    with connection.cursor() as cursor:
        cursor.execute("SELECT marketdata_add_day('quotes', %s)", [day])
    done = []

    def drop():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT marketdata_drop_day('quotes', %s, %s)", [day, segments(day)[0].pk])
        except IntegrityError as error:
            done.append(str(error))
        finally:
            connection.close()

    with transaction.atomic(), connection.cursor() as cursor:  # as no service does: without holding the day
        cursor.execute(
            "INSERT INTO marketdata_quote (instrument_id, timestamp, bid, ask, recorded_at) VALUES (%s, %s, 1, 2, now())",
            [instrument.pk, noon(day) + timedelta(hours=1)],
        )
        thread = threading.Thread(target=drop)
        thread.start()
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = to_regclass(%s) AND NOT granted)"

        def waiting():
            with connections["owner"].cursor() as looking:
                looking.execute(waits, [f"marketdata_quote_{day:%Y%m%d}"])
                return looking.fetchone()[0]

        assert wait_until(waiting, seconds=20)
    thread.join(20)
    assert len(done) == 1
    assert "has 1 rows and the segment 3" in done[0]
    assert live(day, instrument) == 1
