"""A rate of a day is the last one known by then, never a later one, and says how it was found and how old it is."""

from datetime import date
from decimal import Decimal
from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.domain.fx import Leg
from marketdata.models import FxRate
from marketdata.selectors.fx import rate_on, rates_on
from marketdata.selectors.prices import fx_rates
from tests.factories import LONG_AGO

# currencies of their own for each test: rates are shared by all tests of a database
CODES = iter("".join(letters) for letters in product("QWXZ", "BCDFGHJKLMNPQRSTVWXZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


@pytest.fixture
def new():
    taken = set(FxRate.objects.values_list("base", flat=True)) | set(FxRate.objects.values_list("quote", flat=True))
    return lambda: next(code for code in CODES if code not in taken)


def store(base, quote, *rates):
    FxRate.objects.bulk_create(FxRate(base=base, quote=quote, date=day, rate=rate, recorded_at=LONG_AGO) for day, rate in rates)


class TestRateOn:
    def test_is_the_last_one_known_by_the_day(self, new):
        one, two = new(), new()
        store(one, two, ("2024-01-05", "1.25"), ("2024-01-08", "1.3"))
        for day, rate, of in ((5, "1.25", 5), (7, "1.25", 5), (8, "1.3", 8), (30, "1.3", 8)):
            found = rate_on((one, two), date(2024, 1, day))
            assert (found.rate, found.date, found.path) == (Decimal(rate), date(2024, 1, of), "direct")
        assert found.age(date(2024, 1, 30)) == 22
        assert found.stale(date(2024, 1, 30), after=7)

    def test_is_none_before_the_first_one(self, new):
        one, two = new(), new()
        store(one, two, ("2024-01-05", "1.25"))
        assert rate_on((one, two), date(2024, 1, 4)) is None
        assert rate_on((one, new()), date(2024, 1, 4)) is None

    def test_is_one_for_the_same_currency(self):
        found = rate_on(("USD", "USD"), date(2024, 1, 4))
        assert (found.rate, found.path, found.age(date(2024, 1, 4))) == (1, "same", 0)

    def test_is_turned_round_where_the_inverse_is_newer(self, new):
        one, two = new(), new()
        store(one, two, ("2024-01-05", "1.25"))
        store(two, one, ("2024-01-05", "0.5"), ("2024-01-06", "0.4"))
        assert rate_on((one, two), date(2024, 1, 5)).path == "direct"
        found = rate_on((one, two), date(2024, 1, 6))
        assert (found.path, found.rate, found.legs) == (
            "inverse",
            Decimal("2.5"),
            (Leg((two, one), date(2024, 1, 6), Decimal("0.4")),),
        )

    @pytest.mark.parametrize("hub", ["EUR", "USD"])
    @pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
    def test_goes_over_a_third_currency_on_a_day_that_both_sides_know(self, new, hub, turned):
        one, two = new(), new()
        first, second = ((hub, one) if turned[0] else (one, hub)), ((two, hub) if turned[1] else (hub, two))
        store(*first, ("2024-01-05", "1.25"), ("2024-01-06", "2"))
        store(*second, ("2024-01-04", "3"), ("2024-01-05", "4"))
        found = rate_on((one, two), date(2024, 1, 9))
        assert (found.path, found.date) == (f"via {hub}", date(2024, 1, 5))
        assert [leg.pair for leg in found.legs] == [first, second]
        assert found.rate == (Decimal("0.8") if turned[0] else Decimal("1.25")) * (Decimal("0.25") if turned[1] else Decimal(4))
        assert rate_on((one, two), date(2024, 1, 4)) is None

    def test_asks_once_for_many(self, new):
        one, two = new(), new()
        store(one, two, ("2024-01-05", "1.25"))
        wanted = [((one, two), date(2024, 1, day)) for day in range(1, 31)]
        with CaptureQueriesContext(connection) as queries:
            found = rates_on([*wanted, *wanted])
        assert (len(queries), len(found)) == (1, 26)
        assert rates_on([]) == {}

    @settings(max_examples=25)
    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 12)), min_size=1, max_size=30, unique=True), st.integers(1, 14))
    def test_agrees_with_the_series_that_valuations_use(self, rows, day):
        one, two = next(CODES), next(CODES)
        while FxRate.objects.filter(base__in=[one, two]).exists():
            one, two = next(CODES), next(CODES)
        pairs = [(one, two), (two, one), (one, "EUR"), ("EUR", one), (two, "EUR"), ("EUR", two)]
        for number, (pair, on) in enumerate(rows):
            store(*pairs[pair], (f"2023-05-{on:02}", Decimal(number + 2) / 4))
        asked = date(2023, 5, day)
        series = fx_rates(pairs=[(one, two)], start=asked, end=date.fromordinal(asked.toordinal() + 1)).get((one, two))
        found = rate_on((one, two), asked)
        assert (found and (found.date, found.rate)) == (series and (series.days[-1], series.values[-1]))
