"""Every night actions are asked for, and bars that are missing between others."""

from datetime import UTC, date, datetime, timedelta

import pytest

from marketdata.adapters.base import Capabilities, Page, ProviderFailed, Source
from marketdata.models import Bar, CorporateAction, ProviderHealth
from marketdata.selectors.providers import Choice
from marketdata.services.nightly import fill_missing_bars, load_new_actions
from marketdata.services.sources import set_sources
from tests.factories import make_bars, make_instrument, unique_symbol
from tests.marketdata.adapters.fake import FakeProvider

AT = datetime(2024, 1, 20, 4, tzinfo=UTC)


class Company(Source):
    """A source of corporate actions, one of which nobody here has words for."""

    def __init__(self, *, name: str = "", fails: bool = False) -> None:
        super().__init__(name or f"company-{unique_symbol()}", Capabilities(corporate_actions=True))
        self.fails, self.asked = fails, []

    def corporate_actions(self, listing, start, end):
        self.asked.append((listing.symbol, start, end))
        if self.fails:
            raise ProviderFailed("not today")
        self.traffic.skip(f"{listing.key}: rights")
        yield Page(({"kind": "CASH_DIVIDEND", "ex_date": "2024-03-01", "cash": "0.24", "currency": "USD"},))


class TestActions:
    def test_are_all_asked_for_once_and_then_those_of_a_year(self):
        instrument, company = make_instrument(), Company()
        first = load_new_actions(instruments=[instrument], at=AT, providers=[company])
        again = load_new_actions(instruments=[instrument], at=AT, providers=[company])
        assert (first.asked, first.stored, again.stored, again.failed) == (1, 1, 0, 0)
        assert CorporateAction.objects.get(instrument=instrument).source == company.name
        (_, whole, _), (_, year, end) = company.asked
        assert (whole, year, end) == (date(1900, 1, 1), date(2023, 1, 20), date(2025, 1, 19))
        health = ProviderHealth.objects.get(provider=company.name)
        assert (health.skipped, health.last_skipped) == (2, f"{instrument.key}: rights")
        assert health.last_success_at == AT

    def test_come_from_the_next_source_where_one_fails(self):
        instrument, failing, company = make_instrument(), Company(fails=True), Company()
        report = load_new_actions(instruments=[instrument], at=AT, providers=[failing, FakeProvider(), company])
        assert (report.asked, report.failed, report.stored) == (2, 1, 1)
        assert ProviderHealth.objects.get(provider=failing.name).last_error == "not today"

    def test_come_from_the_sources_of_the_instrument_by_the_symbol_that_it_has_there(self, settings):
        instrument, one, other = make_instrument(), Company(), Company()
        settings.MARKETDATA_PROVIDERS = {each.name: {} for each in (one, other)}
        set_sources(instrument=instrument, sources=[Choice(other.name, "ELSE")])
        load_new_actions(instruments=[instrument], at=AT, providers=[one, other])
        assert (one.asked, [symbol for symbol, *_ in other.asked]) == ([], ["ELSE"])

    def test_say_where_they_stopped_when_the_time_is_over(self):
        instruments = [make_instrument() for _ in range(3)]
        company = Company()
        report = load_new_actions(instruments=instruments, at=AT, providers=[company], run_seconds=0)
        assert report.after == instruments[0].pk
        assert load_new_actions(instruments=instruments[2:], at=AT, providers=[company], run_seconds=0).after is None


class TestMissingBars:
    @pytest.fixture
    def instrument(self):
        """Return an instrument of New York that lacks two sessions between others."""
        instrument = make_instrument(exchange="XNYS")
        make_bars(instrument, [(f"2024-01-{day:02}", "10") for day in (2, 3, 4, 9, 10)])
        return instrument

    def days(self, instrument):
        return sorted(at.day for at in Bar.objects.filter(instrument=instrument).values_list("timestamp", flat=True))

    def test_are_asked_for_again_from_the_first_on(self, instrument):
        provider, whole = FakeProvider(days=12), make_instrument(exchange="XNYS")
        report = fill_missing_bars(instruments=[instrument, whole], at=AT, providers=[provider])
        assert [(symbol, start) for symbol, start, _ in provider.asked] == [(instrument.symbol, datetime(2024, 1, 5, tzinfo=UTC))]
        assert (report.asked, report.failed) == (1, 0)
        assert {5, 8} <= set(self.days(instrument))
        assert fill_missing_bars(instruments=[instrument], at=AT, providers=[provider]).asked == 0

    def test_come_from_the_next_source_where_one_has_none(self, instrument):
        empty, provider = FakeProvider(days=0), FakeProvider(days=12)
        report = fill_missing_bars(instruments=[instrument], at=AT, providers=[empty, provider])
        assert report.asked == 2
        assert {5, 8} <= set(self.days(instrument))

    def test_of_long_ago_are_left(self, instrument):
        assert fill_missing_bars(instruments=[instrument], at=AT + timedelta(days=90), providers=[FakeProvider()]).asked == 0
