"""An instrument has sources of its own in an order, each perhaps under another symbol; without any, all are asked."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from marketdata.adapters.base import ProviderAway
from marketdata.models import Bar, ProviderHealth
from marketdata.selectors.providers import Choice, sources_of
from marketdata.services.providers import refresh
from marketdata.services.sources import set_sources
from tests.factories import make_instrument, unique_symbol
from tests.marketdata.adapters.fake import FakeProvider, Raising

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)


def called(settings, *providers):
    """Set sources up by name."""
    settings.MARKETDATA_PROVIDERS = {each.name: {} for each in providers}
    return providers


def runs(instrument, *providers, at=NOON):
    report = refresh(instruments=[instrument], at=at, providers=providers, page_seconds=5)
    return [(each.provider, each.outcome.value, each.report.stored) for each in report.runs]


def test_those_it_has_are_asked_in_their_order_and_no_others(settings):
    one, two, three = called(settings, FakeProvider(), FakeProvider(), FakeProvider(known=["ODD"]))
    instrument = make_instrument()
    set_sources(instrument=instrument, sources=[Choice(three.name, "ODD"), Choice(one.name)])
    assert runs(instrument, one, two, three) == [(three.name, "STORED", 14)]
    assert [symbol for symbol, *_ in three.asked] == ["ODD"]
    assert (one.asked, two.asked) == ([], [])


def test_the_next_takes_over_where_the_first_has_stopped_and_the_first_goes_on_when_it_is_back():
    instrument, first, second = make_instrument(), FakeProvider(), FakeProvider(name=f"second-{unique_symbol()}")
    assert runs(instrument, first, second, at=NOON - timedelta(days=5)) == [(first.name, "STORED", 9)]
    broken = Raising(name=first.name, error=ProviderAway("away"))
    assert runs(instrument, broken, second) == [(first.name, "FAILED", 0), (second.name, "STORED", 5)]
    assert second.asked[0][1] == datetime(2024, 1, 10, tzinfo=UTC)  # not all of it again
    later = NOON + timedelta(days=1)
    assert runs(instrument, first, second, at=later) == [(first.name, "STORED", 1)]
    assert Bar.objects.filter(instrument=instrument).count() == 15


def test_the_next_is_asked_where_the_first_has_nothing_or_nothing_of_late():
    instrument, first, second = make_instrument(), FakeProvider(days=0), FakeProvider(name=f"second-{unique_symbol()}", days=3)
    assert runs(instrument, first, second) == [(first.name, "NOTHING_NEW", 0), (second.name, "STORED", 3)]
    third = FakeProvider(name=f"third-{unique_symbol()}")
    found = runs(instrument, second, third, at=NOON + timedelta(hours=1))
    assert found == [(second.name, "NOTHING_NEW", 0), (third.name, "STORED", 11)]
    assert runs(instrument, third, first, at=NOON + timedelta(hours=2)) == [(third.name, "NOTHING_NEW", 0)]


def test_a_source_whose_breaker_is_open_is_not_asked_at_all():
    away, there = Raising(error=ProviderAway("nobody there")), FakeProvider(name=f"there-{unique_symbol()}")
    for _ in range(8):
        assert runs(make_instrument(), away, there)[-1] == (there.name, "STORED", 14)
    assert ProviderHealth.objects.get(provider=away.name).failures == 5
    assert runs(make_instrument(), away, there) == [(there.name, "STORED", 14)]


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        ([Choice("nobody")], "unknown_provider"),
        ([Choice("sample"), Choice("sample")], "repeated_provider"),
        ([Choice("sample", "x" * 41)], "bad_symbol"),
        ([Choice("sample", "A\n")], "bad_symbol"),
        ([Choice("sample", "АAPL")], "bad_symbol"),
    ],
)
def test_what_makes_no_sense_is_refused(sources, code):
    instrument = make_instrument()
    with pytest.raises(ValidationError) as refusal:
        set_sources(instrument=instrument, sources=sources)
    assert [error.code for error in refusal.value.error_dict["sources"]] == [code]
    assert sources_of([instrument]) == {}


def test_one_that_is_no_longer_set_up_may_stay(settings):
    instrument = make_instrument()
    set_sources(instrument=instrument, sources=[Choice("sample"), Choice("files")])
    settings.MARKETDATA_PROVIDERS = {"files": {}}
    set_sources(instrument=instrument, sources=[Choice("files"), Choice("sample", "ZZ")])
    assert sources_of([instrument])[instrument.pk] == [Choice("files"), Choice("sample", "ZZ")]
