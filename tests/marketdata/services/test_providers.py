"""A refresh fetches what is new and survives whatever the providers do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from marketdata.adapters.base import ProviderFailed
from marketdata.models import Bar, PriceHistory, ProviderState, QualityIssue
from marketdata.services import providers as service
from marketdata.services.providers import Series, load_series, refresh
from tests.factories import make_instrument, unique_symbol
from tests.marketdata.adapters.fake import FakeProvider, Raising, Rambling, Stalling
from tests.marketdata.services.test_ingest_together import together

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)  # fourteen bars of the fake are over by then
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def usual_name(monkeypatch):
    """Give the fakes of a test one name that no other test uses."""
    monkeypatch.setattr(FakeProvider, "usual_name", called("fake"))


def days(number):
    return timedelta(days=number)


def stored(instrument):
    return Bar.objects.filter(instrument=instrument).count()


def state_of(instrument, provider="fake"):
    return ProviderState.objects.get(instrument=instrument, provider__startswith=provider, timeframe="1d")


def called(name):
    """Return a name that no other test gives a provider: what one has done is held against its name."""
    return f"{name}-{unique_symbol()}"


def short(name):
    return name.partition("-")[0]


def run(instrument, *providers, at=NOON, **options):
    """Refresh one instrument and return the outcomes."""
    report = refresh(instruments=[instrument], at=at, providers=providers, page_seconds=options.pop("page_seconds", 5), **options)
    return [(short(each.provider), each.outcome.value, each.report.stored) for each in report.runs]


class TestRefresh:
    def test_fetches_the_bars_that_are_over_and_then_only_what_is_new(self):
        instrument, provider = make_instrument(), FakeProvider()
        assert run(instrument, provider) == [("fake", "STORED", 14)]
        assert run(instrument, provider, at=NOON + timedelta(minutes=1)) == [("fake", "NOTHING_NEW", 0)]
        assert run(instrument, provider, at=NOON + days(2)) == [("fake", "STORED", 2)]
        assert [start for _, start, _ in provider.asked] == [service.BEGINNING, START + days(14)]
        assert stored(instrument) == PriceHistory.objects.get(instrument=instrument).rows == 16
        assert PriceHistory.objects.get(instrument=instrument).revision == 1

    def test_does_not_take_a_bar_that_is_not_over_even_if_it_is_handed_one(self):
        class Hasty(FakeProvider):
            def rows(self, start, end):
                return super().rows(start, end + days(1))

        instrument = make_instrument()
        run(instrument, Hasty())
        assert stored(instrument) == 14
        assert not QualityIssue.objects.filter(instrument=instrument).exists()

    def test_resumes_after_the_last_page_that_was_stored(self):
        instrument = make_instrument()
        assert run(instrument, Raising(after=2)) == [("fake", "FAILED", 12)]
        assert state_of(instrument).resume_from == START + days(12)
        healthy = FakeProvider()
        assert run(instrument, healthy, at=NOON + timedelta(hours=1)) == [("fake", "STORED", 2)]
        assert healthy.asked[0][1] == START + days(12)
        assert stored(instrument) == 14

    def test_resumes_where_a_killed_run_stopped(self):
        """A page and the place to resume from are one transaction: a run that dies between pages repeats nothing."""
        instrument, provider = make_instrument(), FakeProvider()
        series = Series(provider, instrument, service.Timeframe.DAY, NOON)
        service._store_and_mark(series, next(series.pages(START)))
        assert state_of(instrument).resume_from == START + days(6)
        assert run(instrument, provider) == [("fake", "STORED", 8)]
        assert stored(instrument) == 14

    def test_does_not_go_back_when_a_slower_run_stores_an_older_page(self):
        series = Series(FakeProvider(), make_instrument(), service.Timeframe.DAY, NOON)
        older, newer, _ = series.pages(START)
        service._store_and_mark(series, newer)
        service._store_and_mark(series, older)
        assert state_of(series.instrument).resume_from == START + days(12)

    def test_passes_over_a_provider_that_raises_and_asks_the_next(self):
        instrument = make_instrument()
        assert run(instrument, Raising(name=called("broken")), FakeProvider()) == [
            ("broken", "FAILED", 0),
            ("fake", "STORED", 14),
        ]
        state = state_of(instrument, "broken")
        assert (state.failures, state.last_outcome, state.resume_from) == (1, "FAILED", None)
        assert state.last_detail == "RuntimeError: the feed is down\ufffd"

    def test_gives_up_a_provider_that_stalls_and_does_not_wait_for_it_again(self):
        first, second, stalling = make_instrument(), make_instrument(), Stalling(name=called("slow"), after=1)
        report = refresh(instruments=[first, second], at=NOON, providers=[stalling, FakeProvider()], page_seconds=0.3)
        stalling.let_go.set()
        assert [(short(each.provider), each.outcome.value) for each in report.runs] == [
            ("slow", "STALLED"),
            ("fake", "STORED"),
            ("fake", "STORED"),
        ]
        assert (stored(first), stored(second)) == (14, 14)
        assert len(stalling.asked) == 1
        assert state_of(first, "slow").resume_from == START + days(6)

    def test_keeps_the_good_rows_of_rubbish_and_records_the_bad_ones(self):
        instrument = make_instrument()
        for at in (NOON, NOON + days(1)):
            run(instrument, Rambling(), at=at)
        assert stored(instrument) == 15
        found = QualityIssue.objects.filter(instrument=instrument).values_list("rule", flat=True)
        assert {"not_a_row", "not_a_number", "not_a_time", "missing", "price_above_floor"} <= set(found)
        assert QualityIssue.objects.filter(source=FakeProvider.usual_name, rule="not_a_row").exists()

    @pytest.mark.parametrize("page", [None, [1, 2], "page", {"rows": []}])
    def test_takes_what_is_no_page_for_a_failure(self, page):
        class Odd(FakeProvider):
            def bars(self, listing, timeframe, start, end):
                yield page

        assert run(make_instrument(), Odd()) == [("fake", "FAILED", 0)]

    @pytest.mark.parametrize("method", ["covers", "bars"])
    def test_survives_a_provider_that_raises_before_it_begins(self, method):
        broken = FakeProvider(name=called("broken"))
        setattr(broken, method, lambda *args: 1 / 0)
        assert run(make_instrument(), broken, FakeProvider()) == [("broken", "FAILED", 0), ("fake", "STORED", 14)]

    def test_asks_only_who_has_the_instrument(self):
        instrument = make_instrument()
        assert run(instrument, FakeProvider(name=called("other"), known=["X"]), FakeProvider()) == [("fake", "STORED", 14)]
        assert not ProviderState.objects.filter(instrument=instrument, provider="other").exists()
        assert run(make_instrument(), FakeProvider(known=["X"])) == []

    def test_rests_longer_after_each_failure_and_not_at_all_after_a_success(self):
        instrument = make_instrument()
        pauses, at = [], NOON
        for _ in range(12):
            assert run(instrument, Raising(), at=at) == [("fake", "FAILED", 0)]
            rest = state_of(instrument).not_before
            assert run(instrument, Raising(), at=rest - timedelta(seconds=1)) == []
            pauses.append(rest - at)
            at = rest
        assert pauses[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
        assert pauses[-1] == timedelta(hours=6)
        assert run(instrument, FakeProvider(), at=at)[0][1] == "STORED"
        assert (state_of(instrument).failures, state_of(instrument).not_before) == (0, None)

    def test_ends_in_time_and_begins_with_the_rest_the_next_time(self):
        first, second = make_instrument(), make_instrument()
        nothing = refresh(instruments=[first, second], at=NOON, providers=[FakeProvider()], run_seconds=0)
        assert (nothing.runs, nothing.left, nothing.stored) == ([], [first, second], 0)
        refresh(instruments=[first], at=NOON, providers=[FakeProvider()])
        provider = FakeProvider()
        report = refresh(instruments=[first, second], at=NOON + days(1), providers=[provider])
        assert [symbol for symbol, *_ in provider.asked] == [second.symbol, first.symbol]
        assert report.stored == 16

    def test_ends_in_time_within_a_long_series_and_goes_on_with_it_the_next_time(self):
        instrument = make_instrument()
        late = service._run(Series(FakeProvider(), instrument, service.Timeframe.DAY, NOON, deadline=0))
        assert (late.outcome.value, late.report.stored, late.detail) == ("STORED", 6, service.NO_TIME)
        assert state_of(instrument).last_detail == service.NO_TIME
        assert run(instrument, FakeProvider()) == [("fake", "STORED", 8)]

    def test_of_a_fault_of_our_own_does_not_blame_the_provider(self, monkeypatch):
        def no_disk(**_):
            raise OSError("disk full")

        monkeypatch.setattr(service, "store_bars", no_disk)
        instrument = make_instrument()
        with pytest.raises(OSError, match="disk full"):
            run(instrument, FakeProvider())
        assert not ProviderState.objects.filter(instrument=instrument).exists()

    def test_runs_at_the_same_time_write_no_bar_twice(self):
        instrument = make_instrument()

        def work(number):
            report = refresh(instruments=[instrument], at=NOON, providers=[FakeProvider(page=number + 2)])
            connection.close()
            return report

        reports = together(work)
        assert sum(report.stored for report in reports) == stored(instrument) == 14
        assert state_of(instrument).resume_from == START + days(14)
        assert PriceHistory.objects.get(instrument=instrument).revision == 1


class TestLoadSeries:
    def test_tells_page_by_page(self):
        instrument = make_instrument()
        series = Series(FakeProvider(), instrument, service.Timeframe.DAY, NOON)
        assert [(len(page.rows), report.stored) for page, report in load_series(series=series)] == [(6, 6), (6, 6), (2, 2)]
        assert [report.known for _, report in load_series(series=series, start=START + days(13))] == [1]

    def test_lets_failures_through(self):
        series = Series(Raising(after=1), make_instrument(), service.Timeframe.DAY, NOON)
        pages = load_series(series=series)
        assert next(pages)[1].stored == 6
        with pytest.raises(ProviderFailed):
            next(pages)
