"""Prices come in by one way: every row is stored once, known, or refused with its reason, however often it comes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from marketdata.models import Bar, FxRate, PriceHistory, QualityIssue, Quote
from marketdata.services.ingest import level_of, store_bars, store_fx_rates, store_quotes
from tests.factories import make_instrument, unique_symbol

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
FIRST = date(2024, 1, 1)


def row(day="2024-01-02", close="10", **changes):
    """Return a bar that opens, trades and closes at one price."""
    return {"timestamp": day, "open": close, "high": close, "low": close, "close": close, "volume": "100"} | changes


def store(instrument, *rows, source="test", **options):
    """Store daily bars of an instrument."""
    common = {"instrument": instrument, "timeframe": "1d"}
    return store_bars(source=source, rows=rows, common=common, recorded_at=NOW, **options)


def told(findings):
    """Return what was found, briefly."""
    return [(each.index, each.rule, each.field) for each in findings]


def days_of(instrument):
    return [bar.timestamp.date().isoformat() for bar in Bar.objects.filter(instrument=instrument).order_by("timestamp")]


class TestStoreBars:
    def test_keeps_figures_to_the_last_digit(self):
        instrument = make_instrument()
        store(
            instrument,
            row(close="0.1234567891", volume="123456789012.123456789012", vwap=Decimal("0.1234567891"), trade_count="7"),
        )
        bar = Bar.objects.get(instrument=instrument)
        assert (bar.close, bar.volume, bar.trade_count) == (Decimal("0.1234567891"), Decimal("123456789012.123456789012"), 7)
        assert bar.recorded_at == NOW

    def test_knows_what_came_before(self):
        instrument = make_instrument()
        assert store(instrument, row(), row("2024-01-03")).stored == 2
        again = store(instrument, row(), row("2024-01-03", close="10.0000"), row("2024-01-04"))
        assert (again.stored, again.known, again.refused) == (1, 2, [])

    def test_refuses_other_figures_of_a_known_bar(self):
        instrument = make_instrument()
        store(instrument, row())
        report = store(instrument, row(close="11"))
        assert told(report.refused) == [(0, "conflicting_bar", "close")]
        assert Bar.objects.get(instrument=instrument).close == 10
        assert QualityIssue.objects.get(instrument=instrument).severity == "WARNING"

    def test_replaces_figures_where_it_is_told_to(self):
        instrument = make_instrument()
        store(instrument, row(), row("2024-01-03"))
        report = store(instrument, row(), row("2024-01-03", close="11", volume=None), correct=True)
        assert (report.stored, report.known, report.corrected, report.refused) == (0, 1, 1, [])
        assert [bar.close for bar in Bar.objects.filter(instrument=instrument).order_by("timestamp")] == [10, 11]
        assert Bar.objects.filter(instrument=instrument, volume=None).count() == 1

    def test_takes_a_repetition_in_the_batch_for_known_and_a_contradiction_for_a_conflict(self):
        instrument = make_instrument()
        report = store(instrument, row(), row(), row(close="11"))
        assert (report.stored, report.known) == (1, 1)
        assert told(report.refused) == [(2, "conflicting_bar", "close")]

    @pytest.mark.parametrize(
        ("bad", "rule", "field"),
        [
            (row(close="NaN"), "not_a_number", "open"),
            (row(close="11", open="10", low="10.0000000001", high="11"), "low_is_lowest", "low"),
            (row(low="10.0000000001", high="11", open="11"), "low_is_lowest", "low"),
            (row(close="9", open="10", low="9", high="9.9999999999"), "high_is_highest", "high"),
            (row(low="9", high="9.9999999999", open="9"), "high_is_highest", "high"),
            (row("2024-01-08T05:00:00Z"), "starts_on_its_grid", "timestamp"),
            (row("2024-06-02"), "not_in_the_future", "timestamp"),
            (row(close="0"), "price_above_floor", "low"),
            (row(close="100000"), "price_below_ceiling", "high"),
            (row(volume="-1"), "volume_not_negative", "volume"),
            (row(trade_count=-1), "trade_count_not_negative", "trade_count"),
            (row(timeframe="1y"), "unknown_timeframe", "timeframe"),
            (row(instrument=uuid7()), "unknown_instrument", "instrument"),
            (row(open=10.5), "not_a_number", "open"),
            (row(open=""), "missing", "open"),
            ("2024-01-02,10", "not_a_row", ""),
        ],
    )
    def test_keeps_one_bad_row_out_and_the_others_in(self, bad, rule, field):
        instrument = make_instrument()
        report = store(instrument, row("2024-01-03"), bad, row("2024-01-04"))
        assert (1, rule, field) in told(report.refused)
        assert days_of(instrument) == ["2024-01-03", "2024-01-04"]

    @pytest.mark.parametrize(
        ("rows", "found"),
        [
            ([row(), row("2024-01-03", close="15")], (1, "no_jump", "close")),
            ([row("2024-01-03"), row("2024-01-02")], (1, "in_order", "timestamp")),
            ([row(vwap="11")], (0, "vwap_between_low_and_high", "vwap")),
        ],
    )
    def test_lets_a_doubtful_row_in_and_tells(self, rows, found):
        instrument = make_instrument()
        report = store(instrument, *rows)
        assert told(report.warned) == [found]
        assert report.stored == len(rows)
        assert QualityIssue.objects.filter(instrument=instrument, rule=found[1], severity="WARNING").count() == 1

    def test_measures_a_jump_from_the_last_close_stored(self):
        instrument = make_instrument()
        store(instrument, row("2024-01-02"))
        assert told(store(instrument, row("2024-01-09", close="20")).warned) == [(0, "no_jump", "close")]
        assert store(instrument, row("2024-01-05", close="11")).warned == []

    def test_measures_no_jump_from_a_row_that_was_refused(self):
        report = store(make_instrument(), row("2024-01-02"), row("2024-01-03", close="99999999"), row("2024-01-04"))
        assert (report.stored, report.warned) == (2, [])

    def test_warns_of_a_row_when_it_is_stored_and_not_when_it_is_known(self):
        instrument = make_instrument()
        assert len(store(instrument, row(), row("2024-01-03", close="15")).warned) == 1
        assert store(instrument, row(), row("2024-01-03", close="15")).warned == []

    def test_believes_an_instrument_that_says_what_it_costs(self):
        berkshire = make_instrument(price_ceiling=Decimal(1_000_000))
        assert store(berkshire, row(close="700000")).stored == 1
        bitcoin = make_instrument(symbol=unique_symbol("B")[:12], asset_class="CRYPTO", exchange="CRYPTO")
        assert store(bitcoin, row(close="120000")).stored == 1
        oil = make_instrument(asset_class="FUTURE")
        assert store(oil, row(close="-37.63")).stored == 1

    def test_counts_a_fault_that_comes_again_instead_of_writing_it_twice(self):
        instrument = make_instrument()
        for _ in range(3):
            store(instrument, row(close="x"))
        assert set(QualityIssue.objects.filter(instrument=instrument).values_list("field", "times")) == {
            (name, 3) for name in ("open", "high", "low", "close")
        }

    def test_keeps_the_row_as_it_came_beside_the_fault(self):
        instrument = make_instrument()
        store(instrument, row(close="1\x00\ud800"), source="rubbish")
        issue = QualityIssue.objects.filter(instrument=instrument, field="close").get()
        assert issue.record["close"] == "1\ufffd?"
        assert (issue.source, issue.dataset, issue.value, issue.found_at) == ("rubbish", "bars", "1\ufffd?", NOW)

    def test_of_an_empty_batch_makes_nothing(self):
        report = store(make_instrument())
        assert (report.stored, report.known, report.last) == (0, 0, None)


class TestLevels:
    def test_strict_is_the_usual_one(self):
        assert level_of("any") == "STRICT"

    def test_a_source_may_be_taken_less_strictly(self, settings):
        settings.MARKETDATA_QUALITY = {"lax": "WARN", "trusted": "OFF"}
        instrument = make_instrument()
        report = store(instrument, row(close="100000"), source="lax")
        assert (report.stored, told(report.warned)) == (1, [(0, "price_below_ceiling", "high")])
        report = store(instrument, row("2024-01-03", close="900000"), source="trusted")
        assert (report.stored, report.warned) == (1, [])

    def test_what_is_no_level_is_refused_by_name(self, settings):
        settings.MARKETDATA_QUALITY = {"default": "LOOSE"}
        with pytest.raises(ImproperlyConfigured, match="LOOSE"):
            level_of("any")

    def test_what_the_tables_demand_is_refused_at_every_level(self, settings):
        settings.MARKETDATA_QUALITY = {"default": "OFF"}
        report = store(make_instrument(), row(low="11"), row("2024-01-03"))
        assert (report.stored, told(report.refused)) == (1, [(0, "low_is_lowest", "low")])


class TestRevisions:
    def test_an_append_leaves_the_revision_and_a_change_of_the_past_raises_it(self):
        instrument = make_instrument()

        def history_after(*rows, **options):
            store(instrument, *rows, **options)
            history = PriceHistory.objects.get(instrument=instrument, timeframe="1d")
            return history.revision, history.rows, history.first_at.date().isoformat(), history.last_at.date().isoformat()

        assert history_after(row("2024-01-03"), row("2024-01-04")) == (1, 2, "2024-01-03", "2024-01-04")
        assert history_after(row("2024-01-05")) == (1, 3, "2024-01-03", "2024-01-05")
        assert history_after(row("2024-01-05")) == (1, 3, "2024-01-03", "2024-01-05")
        assert history_after(row("2024-01-05", close="11")) == (1, 3, "2024-01-03", "2024-01-05")
        assert history_after(row("2024-01-02")) == (2, 4, "2024-01-02", "2024-01-05")
        assert history_after(row("2024-01-05", close="11"), correct=True) == (3, 4, "2024-01-02", "2024-01-05")
        assert history_after(row("2024-01-01"), row("2024-01-08")) == (4, 6, "2024-01-01", "2024-01-08")


prices = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("500"), places=2)
bars = st.builds(
    lambda day, prices: row(
        (FIRST + timedelta(days=day)).isoformat(), open=prices[1], high=max(prices), low=min(prices), close=prices[2]
    ),
    st.integers(min_value=0, max_value=20),
    st.tuples(prices, prices, prices, prices),
)
broken = st.sampled_from([row(close="x"), row("2024-02-30"), row(low="999"), None, 5, {}])


class TestLaws:
    @settings(max_examples=40)
    @given(st.lists(bars | broken, max_size=25), st.data())
    def test_batches_in_any_cut_and_however_often_store_the_same(self, rows, data):
        whole, cut = make_instrument(), make_instrument()
        report = store(whole, *rows)
        edge = data.draw(st.integers(min_value=0, max_value=len(rows)))
        parts = [store(cut, *rows[:edge]), store(cut, *rows), store(cut, *rows[edge:])]

        def figures(instrument):
            return list(
                Bar.objects.filter(instrument=instrument)
                .order_by("timestamp")
                .values_list("timestamp", "open", "high", "low", "close")
            )

        assert figures(whole) == figures(cut)
        assert sum(part.stored for part in parts) == report.stored == len(figures(whole))
        assert report.stored + report.known + len({each.index for each in report.refused}) == len(rows)


class TestStoreQuotes:
    def quote(self, **changes):
        return {"timestamp": "2024-01-02T15:00:00Z", "bid": "10", "ask": "10.1", "bid_size": "5", "ask_size": None} | changes

    def test_stores_once(self):
        instrument = make_instrument()
        for stored, known in ((2, 0), (0, 2)):
            report = store_quotes(
                source="test",
                rows=[self.quote(), self.quote(timestamp="2024-01-02T15:00:01Z")],
                common={"instrument": instrument},
                recorded_at=NOW,
            )
            assert (report.stored, report.known) == (stored, known)
        assert Quote.objects.filter(instrument=instrument).count() == 2

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"bid": "0"}, "bid_is_positive"),
            ({"ask": "9.99"}, "ask_not_below_bid"),
            ({"ask": "100000"}, "ask_below_ceiling"),
            ({"bid_size": "-1"}, "bid_size_not_negative"),
            ({"timestamp": "2999-01-01T00:00:00Z"}, "not_in_the_future"),
            ({"timestamp": "2024-01-02T15:00:00"}, "not_a_time"),
        ],
    )
    def test_refuses_what_is_no_quote(self, changes, rule):
        report = store_quotes(
            source="test", rows=[self.quote(**changes)], common={"instrument": make_instrument()}, recorded_at=NOW
        )
        assert report.stored == 0
        assert rule in [each.rule for each in report.refused]

    def test_a_wide_spread_goes_in_and_is_told(self):
        rows = [self.quote(ask="11"), self.quote(timestamp="2024-01-02T15:00:01Z", ask="11.0000000001")]
        report = store_quotes(source="test", rows=rows, common={"instrument": make_instrument()}, recorded_at=NOW)
        assert (report.stored, told(report.warned)) == (2, [(1, "narrow_spread", "ask")])

    def test_a_quote_in_between_conflicts(self):
        instrument = make_instrument()
        for rule in ([], ["conflicting_quote"]):
            report = store_quotes(
                source="test", rows=[self.quote(bid="9.9" if rule else "10")], common={"instrument": instrument}, recorded_at=NOW
            )
            assert [each.rule for each in report.refused] == rule


class TestStoreFxRates:
    """Pairs are shared by all tests: each takes days of its own in the past."""

    def rate(self, day, **changes):
        return {"base": "GBP", "quote": "SEK", "date": day, "rate": "13.25"} | changes

    def store(self, *rows, **options):
        return store_fx_rates(source="test", rows=rows, recorded_at=NOW, **options)

    def test_stores_once_and_keeps_the_first_figures(self):
        FxRate.objects.filter(base="GBP", quote="SEK").delete()
        assert self.store(self.rate("2001-01-02")).stored == 1
        report = self.store(self.rate("2001-01-02"), self.rate("2001-01-02", rate="13.5"), self.rate("2001-01-03", rate="20"))
        assert (report.stored, report.known, told(report.refused)) == (1, 1, [(1, "conflicting_rate", "rate")])
        assert told(report.warned) == [(2, "no_rate_jump", "rate")]
        assert self.store(self.rate("2001-01-02", rate="13.5"), correct=True).corrected == 1
        assert FxRate.objects.get(base="GBP", quote="SEK", date="2001-01-02").rate == Decimal("13.5")

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"rate": "0"}, "rate_is_positive"),
            ({"quote": "GBP"}, "currencies_differ"),
            ({"base": "gbp"}, "unknown_currency"),
            ({"date": "2024-06-03"}, "day_not_in_the_future"),
            ({"date": "2024-06-01T00:00:00Z"}, "not_a_time"),
        ],
    )
    def test_refuses_what_is_no_rate(self, changes, rule):
        report = self.store(self.rate("2001-01-02") | changes)
        assert (report.stored, [each.rule for each in report.refused]) == (0, [rule])
