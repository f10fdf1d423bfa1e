"""A source that keeps failing is left alone by all workers, and one of them sees whether it is back."""

from datetime import UTC, datetime, timedelta

from django.db import connection

from marketdata.adapters.base import ProviderAway, ProviderFailed, ProviderThrottled, Traffic
from marketdata.models import ProviderHealth
from marketdata.services import breaker
from marketdata.services.breaker import may_ask, note_progress, note_success, note_trouble, reset_breaker
from tests.factories import unique_symbol
from tests.marketdata.services.test_ingest_together import together

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def source():
    return f"source-{unique_symbol()}"


def fail(name, times=breaker.MOST_FAILURES, at=NOON):
    for _ in range(times):
        note_trouble(provider=name, trouble=ProviderAway("nobody there"), at=at)
    return ProviderHealth.objects.get(provider=name)


def test_some_failures_in_a_row_open_it_and_a_success_between_does_not_count():
    name = source()
    assert fail(name, breaker.MOST_FAILURES - 1).circuit == "CLOSED"
    note_success(provider=name, at=NOON)
    assert fail(name, breaker.MOST_FAILURES - 1).circuit == "CLOSED"
    assert may_ask(provider=name, at=NOON)
    health = fail(name, 1)
    assert (health.circuit, health.not_before, health.last_error) == ("OPEN", NOON + MINUTE, "nobody there")
    assert not may_ask(provider=name, at=NOON + MINUTE - timedelta(seconds=1))


def test_what_it_cannot_answer_though_it_is_there_is_no_failure():
    name = source()
    for _ in range(9):
        note_trouble(provider=name, trouble=ProviderFailed("no such symbol"), at=NOON)
    health = ProviderHealth.objects.get(provider=name)
    assert (health.circuit, health.failures, health.last_error) == ("CLOSED", 0, "no such symbol")


def test_one_worker_alone_sees_whether_it_is_back():
    name = source()
    fail(name)

    def work(_):
        allowed = may_ask(provider=name, at=NOON + MINUTE)
        connection.close()
        return allowed

    assert sorted(together(work))[-2:] == [False, True]
    assert not may_ask(provider=name, at=NOON + MINUTE)
    assert may_ask(provider=name, at=NOON + 2 * MINUTE)  # the one who asked has died


def test_it_rests_longer_each_time_and_closes_when_the_source_is_back():
    name = source()
    at, pauses = NOON, []
    fail(name, breaker.MOST_FAILURES - 1)
    for _ in range(9):
        rest = fail(name, 1, at).not_before
        pauses.append(rest - at)
        assert may_ask(provider=name, at=rest)
        at = rest
    assert pauses[:4] == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert pauses[-1] == breaker.LONGEST_PAUSE
    note_success(provider=name, at=at)
    health = ProviderHealth.objects.get(provider=name)
    assert (health.circuit, health.failures, health.not_before, health.last_success_at) == ("CLOSED", 0, None, at)


def test_a_source_that_wants_to_be_left_alone_is():
    name = source()
    note_trouble(provider=name, trouble=ProviderThrottled("too often", 600), at=NOON)
    assert not may_ask(provider=name, at=NOON + 9 * MINUTE)
    assert may_ask(provider=name, at=NOON + 10 * MINUTE)


def test_nobody_is_left_alone_for_ever_by_its_own_word():
    name = source()
    note_trouble(provider=name, trouble=ProviderThrottled("too often", 1e30), at=NOON)
    assert may_ask(provider=name, at=NOON + timedelta(hours=6))


def test_an_operator_closes_it():
    name = source()
    fail(name)
    assert reset_breaker(provider=name).circuit == "CLOSED"
    assert may_ask(provider=name, at=NOON)


def test_what_asking_costs_is_counted_once():
    name, traffic = source(), Traffic(requests=3, retries=2, throttled=1)
    for _ in range(2):
        note_progress(provider=name, progress="AAPL", traffic=traffic)
    health = ProviderHealth.objects.get(provider=name)
    assert (health.requests, health.retries, health.throttled, health.progress) == (3, 2, 1, "AAPL")
