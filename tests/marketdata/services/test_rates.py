"""Rates of the currencies that are used are stored once, and asked for from where they end."""

from datetime import UTC, date, datetime
from decimal import Decimal

from marketdata.adapters.base import Capabilities, Page, ProviderAway, Source
from marketdata.adapters.ecb import EcbProvider
from marketdata.models import FxRate, ProviderHealth
from marketdata.services.rates import refresh_rates
from tests.factories import make_instrument, unique_symbol

AT = datetime(2024, 1, 15, 18, tzinfo=UTC)


class Rates(Source):
    """Has one rate for one day of each currency, or is away."""

    def __init__(self, *, away=False, day=date(1998, 1, 2)):
        super().__init__(f"rates-{unique_symbol()}", Capabilities(fx_rates=True))
        self.away, self.day, self.asked = away, day, []

    def fx_rates(self, base, quote, start, end):
        self.asked.append((quote, start, end))
        if self.away:
            raise ProviderAway("nobody there")
        if start <= self.day < end:
            yield Page(({"base": base, "quote": quote, "date": self.day, "rate": "1.5"},))


def test_real_rates_are_there_without_a_network():
    make_instrument(currency="NOK")
    refresh_rates(at=AT, currencies=["NOK"], providers=[EcbProvider(name="ecb")])
    (again,) = refresh_rates(at=AT, currencies=["NOK"], providers=[EcbProvider(name="ecb")])
    assert (again.outcome.value, again.report.stored, again.report.refused) == ("NOTHING_NEW", 0, [])
    assert FxRate.objects.filter(base="EUR", quote="NOK", date__lte=AT.date()).count() > 6_000
    assert FxRate.objects.get(base="EUR", quote="NOK", date="2008-07-15").rate == Decimal("8.037")


def test_the_next_source_is_asked_if_one_is_away_which_is_asked_no_more():
    away, there = Rates(away=True), Rates()
    runs = refresh_rates(at=AT, currencies=["ISK", "RON", "EUR"], providers=[away, there], since=date(1998, 1, 1))
    assert [(run.currency, run.outcome.value) for run in runs][:1] == [("ISK", "FAILED")]
    assert len(away.asked) == 1
    assert [asked[0] for asked in there.asked] == ["ISK", "RON"]
    assert ProviderHealth.objects.get(provider=away.name).last_error == "nobody there"


def test_the_currencies_of_instruments_are_asked_for_if_none_is_named():
    make_instrument(currency="PHP")
    source = Rates()
    refresh_rates(at=AT, providers=[source], since=date(1998, 1, 1))
    asked = [currency for currency, *_ in source.asked]
    assert "PHP" in asked
    assert "EUR" not in asked


def test_the_next_source_is_asked_if_one_has_had_nothing_new_for_days():
    old, new = Rates(day=date(1998, 1, 2)), Rates(day=date(1998, 3, 2))
    refresh_rates(at=datetime(1998, 1, 3, tzinfo=UTC), currencies=["XPF"], providers=[old], since=date(1998, 1, 1))
    runs = refresh_rates(at=datetime(1998, 3, 3, tzinfo=UTC), currencies=["XPF"], providers=[old, new])
    assert [(run.provider, run.outcome.value) for run in runs] == [(old.name, "NOTHING_NEW"), (new.name, "STORED")]
    asked = refresh_rates(at=datetime(1998, 3, 4, tzinfo=UTC), currencies=["XPF"], providers=[old, new])
    assert [(run.provider, run.outcome.value) for run in asked] == [(old.name, "NOTHING_NEW")]
