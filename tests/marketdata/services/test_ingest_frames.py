"""Frames go in as rows do: every rule is applied, the latest is kept, roll-ups give way, and what is archived stays."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from marketdata.domain.frames import UnusableFrame
from marketdata.domain.quality import TOLD, Dataset, Rule, Severity
from marketdata.domain.rules import OURS
from marketdata.models import Bar, LatestQuote, LatestTick, PendingRollup, QualityIssue, Quote, Tick
from marketdata.services.ingest import store_bars, store_frame, store_ticks
from tests.factories import make_instrument

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
HUGE = "999999999999"

ODD_CENTS = Rule("odd_cents", Severity.ERROR, "Odd.", "bid", frozenset({Dataset.QUOTES}), check=pl.col("bid") == Decimal("1.01"))
ASKS_FOR_NOTHING = Rule("asks", Severity.ERROR, "None.", "bid", frozenset({Dataset.QUOTES}), check=pl.col("nothing") > 1)
TAKEN = Rule("missing", Severity.ERROR, "Twice.", check=pl.lit(value=True))
HERE = "tests.marketdata.services.test_ingest_frames"


def quotes(instrument, count=3, start=NOON, /, **columns):
    """Return quotes a second apart."""
    times = [start + timedelta(seconds=number) for number in range(count)]
    made = {"instrument": [str(instrument.pk)] * count, "timestamp": times, "bid": ["10"] * count, "ask": ["10.1"] * count}
    return pl.DataFrame(made | columns)


def store(frame, dataset=Dataset.QUOTES, **options):
    return store_frame(**{"dataset": dataset, "source": "test", "frame": frame, "recorded_at": NOW} | options)


def told(report):
    return [(each.index, each.rule) for each in [*report.refused, *report.warned]]


def test_a_frame_is_stored_once_and_the_latest_is_kept():
    instrument = make_instrument()
    assert store(quotes(instrument)).stored == 3
    report = store(quotes(instrument, 4))
    assert (report.stored, report.known, report.refused) == (1, 3, [])
    assert LatestQuote.objects.get(instrument=instrument).timestamp == NOON + timedelta(seconds=3)
    store(quotes(instrument, 1, NOON - timedelta(days=1)))
    assert LatestQuote.objects.get(instrument=instrument).timestamp == NOON + timedelta(seconds=3)
    assert {mark.day.day for mark in PendingRollup.objects.filter(instrument=instrument)} == {2, 3}
    assert Quote.objects.filter(instrument=instrument).count() == 5


def test_a_time_beyond_all_calendars_costs_no_other_row_and_is_told_as_it_was_sent():
    instrument = make_instrument()
    sent = ["0000-01-01T00:00:00Z", "2024-01-03T25:00:00Z", "2024-01-03T12:00:00Z"]
    report = store(quotes(instrument, timestamp=sent))
    assert (report.stored, told(report)) == (1, [(0, "not_a_time"), (1, "not_a_time")])
    assert [each.value for each in report.refused] == sent[:2]
    assert {issue.record["timestamp"] for issue in QualityIssue.objects.filter(instrument=instrument)} == set(sent[:2])


def test_nor_does_one_of_a_column_of_times():
    instrument = make_instrument()
    late = pl.Series([0, 253_402_300_800_000_000, -62_167_219_200_000_001]).cast(pl.Datetime("us", "UTC"))
    report = store(quotes(instrument, timestamp=late))
    assert (report.stored, told(report)) == (1, [(1, "not_a_time"), (2, "not_a_time")])
    assert "10000" in report.refused[0].value


def test_identifiers_may_be_spelled_in_capitals_and_unknown_ones_are_refused():
    instrument = make_instrument()
    names = [str(instrument.pk).upper(), "nobody", str(instrument.pk)]
    report = store(quotes(instrument, instrument=names))
    assert (report.stored, told(report)) == (2, [(1, "unknown_instrument")])


def test_a_correction_of_the_latest_is_the_latest():
    instrument = make_instrument()
    store(quotes(instrument))
    changed = quotes(instrument, bid=["10", "10", "9"])
    assert told(store(changed)) == [(2, "conflicting_quote")]
    assert store(changed, correct=True).corrected == 1
    assert LatestQuote.objects.get(instrument=instrument).bid == 9


def test_a_float_stops_the_batch_by_name():
    with pytest.raises(UnusableFrame, match="bid is Float64"):
        store(quotes(make_instrument(), bid=[1.0, 2.0, 3.0]))


def test_of_many_faults_the_first_are_told_and_all_are_counted():
    instrument, count = make_instrument(), TOLD + 500
    source = f"many {instrument.pk}"
    report = store(quotes(instrument, count, bid=["11"] * count), source=source)
    assert (len(report.refused), report.refused_rows, report.counts) == (TOLD, count, {"ask_not_below_bid": count})
    issues = QualityIssue.objects.filter(source=source)
    assert (issues.count(), sum(issues.values_list("times", flat=True))) == (TOLD + 1, count)


def tick(instrument, **changes):
    return {"instrument": instrument, "timestamp": NOON, "price": "10", "size": "1"} | changes


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"price": "0"}, "tick_above_floor"),
        ({"price": "100000"}, "tick_below_ceiling"),
        ({"size": "-1"}, "size_not_negative"),
        ({"size": "0"}, "size_is_positive"),
        ({"size": HUGE}, "size_believable"),
        ({"timestamp": NOW + timedelta(hours=1)}, "not_in_the_future"),
        ({"timestamp": datetime(1969, 12, 31, tzinfo=UTC)}, "has_a_day"),
        ({"timestamp": NOW + timedelta(days=8)}, "has_a_day"),
        ({"conditions": "x" * 101}, "text_too_long"),
        ({"conditions": 7}, "not_a_text"),
    ],
)
def test_trades_keep_their_rules(changes, rule):
    instrument = make_instrument()
    report = store_ticks(source="test", rows=[tick(instrument, **changes)], recorded_at=NOW)
    assert rule in [name for _, name in told(report)]
    assert report.stored == (OURS[rule].severity is not Severity.ERROR)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"bid": ["10", "15", "15"], "ask": ["16"] * 3}, "no_quote_jump"),
        ({"bid_size": ["1", HUGE, "1"]}, "bid_size_believable"),
        ({"ask_size": ["1", HUGE, "1"]}, "ask_size_believable"),
        ({"ask": ["10.1", "11.1", "10.1"]}, "narrow_spread"),
        ({"timestamp": [NOON + timedelta(seconds=5), NOON, NOON + timedelta(seconds=6)]}, "in_order"),
    ],
)
def test_a_doubtful_quote_goes_in_and_is_told(columns, rule):
    report = store(quotes(make_instrument(), **columns))
    assert report.stored == 3
    assert (1, rule) in told(report)


def test_trades_of_one_instant_are_several_and_the_last_that_came_is_the_latest():
    instrument = make_instrument()
    rows = [tick(instrument, price="11"), tick(instrument, price="10"), tick(instrument, price="11", size="2")]
    assert store_ticks(source="test", rows=[*rows, rows[0]], recorded_at=NOW).stored == 3
    assert Tick.objects.filter(instrument=instrument).count() == 3
    assert LatestTick.objects.get(instrument=instrument).price in {10, 11}
    report = store_ticks(source="test", rows=[rows[0] | {"conditions": "T"}], recorded_at=NOW)
    assert told(report) == [(0, "conflicting_tick")]
    assert told(
        store_ticks(source="test", rows=[tick(instrument, timestamp=NOON + timedelta(1), price="20")], recorded_at=NOW)
    ) == [(0, "no_tick_jump")]


class TestRolledUp:
    def store(self, instrument, close, rolled_from="", **options):
        row = {"timestamp": NOON, "open": close, "high": close, "low": close, "close": close, "rolled_from": rolled_from}
        common = {"instrument": instrument, "timeframe": "1h"}
        report = store_bars(source="test", rows=[row], common=common, recorded_at=NOW, **options)
        bar = Bar.objects.get(instrument=instrument)
        return report.stored, report.known, report.corrected, len(report.refused), bar.close, bar.rolled_from

    def test_gives_way_to_what_a_source_sends_and_never_replaces_it(self):
        instrument = make_instrument()
        assert self.store(instrument, "10", "ticks") == (1, 0, 0, 0, 10, "ticks")
        assert self.store(instrument, "11", "ticks") == (0, 0, 1, 0, 11, "ticks")
        assert self.store(instrument, "11", "ticks") == (0, 1, 0, 0, 11, "ticks")
        assert self.store(instrument, "12") == (0, 0, 1, 0, 12, "")
        assert self.store(instrument, "13", "ticks", correct=True) == (0, 1, 0, 0, 12, "")
        assert self.store(instrument, "13") == (0, 0, 0, 1, 12, "")


class TestOwnRules:
    def test_are_applied(self, settings):
        settings.MARKETDATA_RULES = [f"{HERE}.ODD_CENTS"]
        report = store(quotes(make_instrument(), bid=["1.01", "1", "1"], ask=["1.02"] * 3))
        assert (report.stored, told(report)) == (2, [(0, "odd_cents")])

    @pytest.mark.parametrize("path", ["nowhere.RULE", "tests.factories", "tests.factories.make_bars", f"{HERE}.TAKEN"])
    def test_what_is_no_rule_is_refused_by_name(self, settings, path):
        settings.MARKETDATA_RULES = [path]
        with pytest.raises(ImproperlyConfigured, match=path):
            store(quotes(make_instrument()))

    def test_a_check_that_asks_for_what_is_not_there_is_refused_by_name(self, settings):
        settings.MARKETDATA_RULES = [f"{HERE}.ASKS_FOR_NOTHING"]
        with pytest.raises(ImproperlyConfigured, match="asks"):
            store(quotes(make_instrument()))


KILLED = """
import os, signal, sys, django
django.setup()
from django.db import connections
for each in connections.all():
    each.settings_dict["NAME"] = sys.argv[1]
from marketdata.models import Instrument
from marketdata.services import tables
from tests.marketdata.services import test_ingest_frames as here
tables.keep_latest = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
here.store(here.quotes(Instrument.objects.get(pk=sys.argv[2])))
"""


def test_killed_before_the_end_nothing_is_there_and_a_second_run_stores_it_all():
    instrument = make_instrument()
    arguments = [sys.executable, "-c", KILLED, connection.settings_dict["NAME"], str(instrument.pk)]
    killed = subprocess.run(arguments, env=os.environ.copy(), check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert not Quote.objects.filter(instrument=instrument).exists()
    assert store(quotes(instrument)).stored == 3
    assert LatestQuote.objects.filter(instrument=instrument).exists()
