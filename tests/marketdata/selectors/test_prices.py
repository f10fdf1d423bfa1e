"""Prices and rates over a period: nothing from the future, the last one before it carried in, one query for all."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from marketdata.domain.bars import Timeframe
from marketdata.models import Bar, CorporateAction, FxHistory, FxRate, LatestQuote
from marketdata.selectors.prices import (
    Reach,
    bars,
    closes,
    fx_rates,
    fx_reach,
    latest_closes,
    latest_quotes,
    latest_ticks,
    price_reach,
    quotes,
    written_closes,
)
from marketdata.services.ingest import store_bars, store_fx_rates, store_quotes
from tests.factories import make_instrument, make_quotes, make_ticks

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
FIRST = date(2024, 1, 1)


def day(number):
    return FIRST + timedelta(days=number)


def stored(closes_by_day, timeframe="1d", **fields):
    """Return a new instrument with these closes."""
    instrument = make_instrument(**fields)
    rows = [
        {
            "timestamp": datetime.combine(day(number), datetime.min.time(), UTC),
            **dict.fromkeys(("open", "high", "low", "close"), close),
        }
        for number, close in closes_by_day.items()
    ]
    store_bars(source="test", rows=rows, common={"instrument": instrument, "timeframe": timeframe}, recorded_at=NOW)
    return instrument


def store_rates(pair, rates_by_day):
    """Store rates of a pair that only one test uses, from an empty table of it on."""
    base, quote = pair
    FxRate.objects.filter(base=base, quote=quote).delete()
    FxHistory.objects.filter(base=base, quote=quote).delete()
    rows = [{"base": base, "quote": quote, "date": day(number), "rate": rate} for number, rate in rates_by_day.items()]
    return store_fx_rates(source="test", rows=rows, recorded_at=NOW)


class TestCloses:
    def test_start_with_the_last_close_before_the_period_and_end_before_its_end(self):
        instrument = stored({1: "10", 2: "11.50", 5: "12", 6: "13"})
        series = closes(instrument_ids=[instrument.pk], start=day(4), end=day(6))[instrument.pk]
        assert series.days == (day(2), day(5))
        assert series.values == (Decimal("11.5"), Decimal("12"))

    def test_begin_with_the_period_where_nothing_was_before(self):
        instrument = stored({4: "10"})
        assert closes(instrument_ids=[instrument.pk], start=day(4), end=day(9))[instrument.pk].days == (day(4),)

    def test_leave_out_who_has_none(self):
        instrument, later, hourly = make_instrument(), stored({8: "1"}), stored({1: "1"}, timeframe="1h")
        wanted = [instrument.pk, later.pk, hourly.pk, uuid7()]
        assert closes(instrument_ids=wanted, start=day(0), end=day(8)) == {}
        assert closes(instrument_ids=[], start=day(0), end=day(8)) == {}

    def test_take_one_query_for_all(self):
        ids = [stored({1: "1", 2: "2"}).pk for _ in range(5)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(closes(instrument_ids=ids, start=day(0), end=day(9))) == 5
        assert len(queries) == 1

    @settings(max_examples=30)
    @given(
        st.dictionaries(
            st.integers(min_value=0, max_value=30), st.decimals(min_value=1, max_value=99999, places=10), max_size=12
        ),
        st.integers(min_value=0, max_value=30),
        st.integers(min_value=0, max_value=30),
    )
    def test_say_what_the_table_says(self, known, start, end):
        instrument = stored(known)
        found = closes(instrument_ids=[instrument.pk], start=day(start), end=day(end)).get(instrument.pk)
        before = [number for number in sorted(known) if number < start][-1:]
        within = [number for number in sorted(known) if start <= number < end]
        assert (found.days if found else ()) == tuple(map(day, before + within))
        assert (found.values if found else ()) == tuple(known[number] for number in before + within)


class TestLatest:
    def test_close_is_the_last_on_or_before_the_day(self):
        instrument, bare = stored({1: "10", 3: "11"}), make_instrument()
        found = latest_closes(instrument_ids=[instrument.pk, bare.pk], day=day(2))
        assert {pk: (close.day, close.value) for pk, close in found.items()} == {instrument.pk: (day(1), Decimal(10))}
        assert latest_closes(instrument_ids=[instrument.pk], day=day(3))[instrument.pk].value == 11
        assert latest_closes(instrument_ids=[instrument.pk], day=day(0)) == {}

    def test_quote_is_the_newest_of_each_instrument(self):
        first, second, bare = (make_instrument() for _ in range(3))
        rows = [
            {"instrument": instrument, "timestamp": NOW - timedelta(minutes=minutes), "bid": str(minutes), "ask": str(minutes)}
            for minutes in (3, 2, 1)
            for instrument in (first, second)
        ]
        store_quotes(source="test", rows=rows, recorded_at=NOW)
        found = latest_quotes(instrument_ids=[first.pk, second.pk, bare.pk])
        assert {(quote.instrument_id, quote.bid) for quote in found} == {(first.pk, 1), (second.pk, 1)}
        assert quotes(instrument=first, start=NOW - timedelta(minutes=2), end=NOW - timedelta(minutes=1)).count() == 1
        assert quotes(instrument=first).count() == 3

    def test_trade_is_the_newest_of_each_instrument(self):
        first, bare = make_instrument(), make_instrument()
        make_ticks(first, [(NOW - timedelta(minutes=minutes), str(minutes), "7") for minutes in (3, 1, 2)])
        found = latest_ticks(instrument_ids=[first.pk, bare.pk])
        assert [(tick.instrument_id, tick.price, tick.size) for tick in found] == [(first.pk, 1, 7)]

    def test_rows_written_past_the_ingest_are_found_too(self):
        instrument = make_instrument()
        make_quotes(instrument, [(NOW - timedelta(minutes=minutes), str(minutes), "9") for minutes in (1, 2)])
        LatestQuote.objects.filter(instrument=instrument).delete()
        assert [quote.bid for quote in latest_quotes(instrument_ids=[instrument.pk])] == [1]

    def test_quotes_of_many_take_one_plain_read(self):
        ids = []
        for _ in range(3):
            instrument = make_instrument()
            make_quotes(instrument, [(NOW, "1", "2")])
            ids.append(instrument.pk)
        with CaptureQueriesContext(connection) as queries:
            assert len(latest_quotes(instrument_ids=ids)) == 3
        assert len(queries) == 1


class TestAsTraded:
    """A source may send closes that are adjusted for splits; what was held on a day is worth what was traded on it."""

    SPLITS = ((day(10), "4"), (day(20), "10"))

    def make(self):
        instrument = stored({9: "2.5", 12: "100", 21: "11"})
        for ex_date, ratio in self.SPLITS:
            CorporateAction.objects.create(
                kind="SPLIT", instrument=instrument, ex_date=ex_date, ratio=Decimal(ratio), recorded_at=NOW
            )
        # the close of the first day was 100 as traded; its source knew both splits, that of the second day none
        Bar.objects.filter(instrument=instrument, close=Decimal("2.5")).update(adjusted_through=day(25))
        return instrument

    def test_are_the_closes_and_the_last_one(self):
        instrument = self.make()
        series = closes(instrument_ids=[instrument.pk, stored({9: "7"}).pk], start=day(0), end=day(30))
        assert series[instrument.pk].values == (100, 100, 11)
        assert latest_closes(instrument_ids=[instrument.pk], day=day(9))[instrument.pk].value == 100
        assert latest_closes(instrument_ids=[instrument.pk], day=day(13))[instrument.pk].value == 100

    def test_are_written_with_ten_places_for_who_reads_them_as_numbers(self):
        instrument = self.make()
        [(_, _, written)] = written_closes(instrument_ids=[instrument.pk], start=day(0), end=day(30), using="system")
        assert written == "100.0000000000,100.0000000000,11.0000000000"


class TestBars:
    def test_start_in_the_period(self):
        instrument = stored({1: "1", 2: "2", 3: "3"})
        midnight = datetime(2024, 1, 3, tzinfo=UTC)
        found = bars(instrument=instrument, timeframe=Timeframe.DAY, start=midnight, end=midnight + timedelta(days=1))
        assert [bar.close for bar in found] == [2]
        assert bars(instrument=instrument, timeframe=Timeframe.DAY).count() == 3
        assert not bars(instrument=instrument, timeframe=Timeframe.HOUR).exists()


class TestFxRates:
    def test_are_found_directly_turned_round_and_across(self):
        store_rates(("EUR", "ISK"), {1: "150", 2: "160"})
        store_rates(("EUR", "CZK"), {2: "32", 3: "40"})
        found = fx_rates(pairs=[("EUR", "ISK"), ("CZK", "EUR"), ("CZK", "ISK"), ("ISK", "SYP")], start=day(0), end=day(9))
        assert found[("EUR", "ISK")].values == (150, 160)
        assert found[("CZK", "EUR")].values == (Decimal("0.03125"), Decimal("0.025"))
        assert found[("CZK", "ISK")].days == (day(2),)
        assert found[("CZK", "ISK")].values == (5,)
        assert ("ISK", "SYP") not in found

    def test_start_with_the_last_rate_before_the_period(self):
        store_rates(("EUR", "MDL"), {1: "19", 2: "20", 5: "21", 7: "22"})
        series = fx_rates(pairs=[("EUR", "MDL")], start=day(4), end=day(7))[("EUR", "MDL")]
        assert (series.days, series.values) == ((day(2), day(5)), (20, 21))
        assert fx_rates(pairs=[("EUR", "MDL")], start=day(5), end=day(6))[("EUR", "MDL")].days == (day(2), day(5))
        assert fx_rates(pairs=[("EUR", "MDL")], start=day(0), end=day(1)) == {}

    def test_of_nothing_are_nothing(self):
        assert fx_rates(pairs=[], start=day(0), end=day(9)) == {}


class TestReach:
    def test_says_how_far_a_series_goes_and_how_often_its_past_changed(self):
        instrument, bare = stored({1: "10", 3: "11"}), make_instrument()
        found = price_reach(instrument_ids=[instrument.pk, bare.pk])
        assert found == {instrument.pk: Reach(1, day(1), day(3)), bare.pk: Reach()}

    @pytest.mark.parametrize("pair", [("EUR", "KGS"), ("KGS", "EUR"), ("KGS", "GEL")])
    def test_of_a_pair_grows_with_any_rate_it_may_rest_on(self, pair):
        store_rates(("EUR", "KGS"), {1: "90"})
        before = fx_reach(pairs=[pair])[pair]
        assert store_fx_rates(
            source="test", rows=[{"base": "EUR", "quote": "KGS", "date": day(0), "rate": "91"}], recorded_at=NOW
        ).stored
        after = fx_reach(pairs=[pair])[pair]
        assert after.revision == before.revision + 1
        assert after.first == min(before.first, day(0))

    def test_of_an_unknown_pair_is_none(self):
        assert fx_reach(pairs=[("TTD", "SYP")])[("TTD", "SYP")] == Reach()
