"""Bars made of what is stored: repaired by late rows, never over a source's, and the same however often it is killed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from config.celery import app
from marketdata.domain.quality import Dataset
from marketdata.models import Bar, PendingRollup, PriceHistory, QualityIssue
from marketdata.selectors.checks import Scope, rolled_otherwise
from marketdata.services import ingest, rollup
from marketdata.services.rollover import State
from marketdata.tasks import roll_up_pending
from tests.factories import make_instrument, make_ticks, quiet_day
from tests.marketdata.archives import NOW as NOW_LATE
from tests.marketdata.archives import archive, noon, root

NOW = datetime(2024, 3, 8, 12, tzinfo=UTC)
DAY = date(2024, 3, 5)  # a Tuesday
OPENS = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
TIMEFRAMES = ["1m", "5m", "15m", "1h", "1d"]


def send_ticks(instrument, rows, *, at=NOW):
    """Send trades of (seconds after the opening, price, size)."""
    sent = [{"timestamp": OPENS + timedelta(seconds=after), "price": price, "size": size} for after, price, size in rows]
    report = ingest.store_ticks(source="test", rows=sent, common={"instrument": instrument}, recorded_at=at)
    assert not report.refused
    return report


def send_quotes(instrument, rows):
    """Send quotes of (seconds after the opening, bid, ask)."""
    sent = [{"timestamp": OPENS + timedelta(seconds=after), "bid": bid, "ask": ask} for after, bid, ask in rows]
    assert not ingest.store_quotes(source="test", rows=sent, common={"instrument": instrument}, recorded_at=NOW).refused


def forget_tick(instrument, after):
    """Take a trade back, as a correction of the exchange would."""
    with connection.cursor() as cursor:
        moment = OPENS + timedelta(seconds=after)
        cursor.execute("DELETE FROM marketdata_tick WHERE instrument_id = %s AND timestamp = %s", [instrument.pk, moment])


def roll(*instruments, days=(DAY,), at=NOW):
    return rollup.roll_up(instrument_ids=[each.pk for each in instruments], days=days, at=at)


def bars(instrument, timeframe=None):
    """Return bars as (timeframe, start, open, high, low, close, volume, vwap, trades, made of)."""
    found = Bar.objects.filter(instrument=instrument, **({"timeframe": timeframe} if timeframe else {}))
    columns = ("timeframe", "timestamp", "open", "high", "low", "close", "volume", "vwap", "trade_count", "rolled_from")
    return list(found.order_by("timeframe", "timestamp").values_list(*columns))


def marked(instrument):
    return set(PendingRollup.objects.filter(instrument=instrument).values_list("dataset", "day"))


@pytest.fixture
def listed():
    return make_instrument(exchange="XNAS")


class TestRollUp:
    def test_makes_bars_of_every_timeframe(self, listed):
        send_ticks(listed, [(-60, "90", "1"), (5, "10", "2"), (50, "12", "1"), (70, "11", "1"), (6.5 * 3600 + 1, "99", "1")])
        report = roll(listed)
        assert (report.stored, report.removed, report.refused) == (6, 0, 0)
        midnight = datetime(2024, 3, 5, tzinfo=UTC)
        day = (Decimal(10), Decimal(12), Decimal(10), Decimal(11), Decimal(4), Decimal("10.75"), 3, "ticks")
        assert bars(listed, "1d") == [("1d", midnight, *day)]
        assert bars(listed, "1h") == [("1h", OPENS - timedelta(minutes=30), *day)]
        first = (Decimal(10), Decimal(12), Decimal(10), Decimal(12), Decimal(3), Decimal("10.6666666667"), 2, "ticks")
        assert bars(listed, "1m")[0] == ("1m", OPENS, *first)
        assert not QualityIssue.objects.filter(instrument=listed, source="rollup").exists()

    def test_does_many_instruments_at_once(self):
        many = [make_instrument(exchange=exchange) for exchange in ("XNAS", "XTKS", "CRYPTO", "XTST") for _ in range(3)]
        for instrument in many:
            send_ticks(instrument, [(0, "10", "2"), (8 * 3600, "12", "2")])
        assert roll(*many).days == 12
        found = {each.exchange: len(bars(each, "1m")) for each in many}
        assert found == {"XNAS": 1, "CRYPTO": 2, "XTST": 2, "XTKS": 0}  # Tokyo is closed in the afternoon of UTC

    def test_puts_the_evening_before_into_the_session_of_the_day(self):
        future = make_instrument(exchange="XCME")
        send_ticks(future, [(0, "10", "1"), (8.6 * 3600, "20", "1"), (24 * 3600, "30", "1")])  # Tuesday 14:30, 23:06, Wednesday
        roll(future)
        assert [(str(row[1].date()), row[2], row[5]) for row in bars(future, "1d")] == [
            ("2024-03-05", 10, 10),
            ("2024-03-06", 20, 30),
        ]
        assert [row[1].hour for row in bars(future, "1h")] == [14, 23]  # Wednesday's hours are Wednesday's
        roll(future, days=[DAY + timedelta(days=1)])
        assert len(bars(future, "1h")) == 3
        assert len(bars(future, "1d")) == 2

    def test_takes_the_print_of_the_closing_auction_for_the_close_of_the_day(self, listed):
        session = 6.5 * 3600
        send_ticks(listed, [(session - 1, "10", "1"), (session, "11", "500"), (session + 1, "99", "1")])
        roll(listed)
        (daily,), (last,) = bars(listed, "1d"), bars(listed, "1m")
        assert (daily[5], daily[6]) == (last[5], last[6]) == (11, 501)
        assert last[1] == OPENS + timedelta(seconds=session - 60)
        assert not [one for one in rolled_otherwise(Scope(NOW, DAY)) if one.instrument_id == listed.pk]

    def test_stores_nothing_twice(self, listed):
        send_ticks(listed, [(5, "10", "2")])
        roll(listed)
        report = roll(listed, at=NOW + timedelta(hours=1))
        assert (report.stored, report.corrected, report.known, report.removed) == (0, 0, 5, 0)
        assert PriceHistory.objects.get(instrument=listed, timeframe="1d").rows == 1

    def test_repairs_the_bars_of_a_late_tick(self, listed):
        send_ticks(listed, [(5, "10", "2"), (1000, "11", "1")])
        roll(listed)
        before = PriceHistory.objects.get(instrument=listed, timeframe="1d").revision
        send_ticks(listed, [(20, "15", "1")])
        roll(listed)
        assert [row[3] for row in bars(listed) if row[1] <= OPENS] == [15, 15, 15, 15, 15]
        assert [row[3] for row in bars(listed, "1m")] == [15, 11]
        assert PriceHistory.objects.get(instrument=listed, timeframe="1d").revision > before

    def test_removes_bars_that_follow_from_nothing_any_more(self, listed):
        send_ticks(listed, [(5, "10", "2"), (1000, "11", "1")])
        roll(listed)
        before = PriceHistory.objects.get(instrument=listed, timeframe="1m")
        forget_tick(listed, 1000)
        assert roll(listed).removed == 3  # its minute, five minutes and quarter of an hour
        after = PriceHistory.objects.get(instrument=listed, timeframe="1m")
        assert (after.rows, after.last_at) == (1, OPENS)
        assert after.revision > before.revision
        forget_tick(listed, 5)
        assert roll(listed).removed == 5
        assert bars(listed) == []
        assert PriceHistory.objects.get(instrument=listed, timeframe="1d").last_at is None

    def test_leaves_the_bars_of_a_source_alone(self, listed):
        sent = {"timestamp": datetime(2024, 3, 5, tzinfo=UTC), "open": "1", "high": "9", "low": "1", "close": "9"}
        ingest.store_bars(source="test", rows=[sent], common={"instrument": listed, "timeframe": "1d"}, recorded_at=NOW)
        send_ticks(listed, [(5, "10", "2")])
        report = roll(listed)
        assert (report.stored, report.known, report.refused) == (4, 1, 0)
        assert bars(listed, "1d")[0][5] == 9
        forget_tick(listed, 5)
        assert roll(listed).removed == 4
        assert len(bars(listed)) == 1

    def test_takes_quotes_where_there_are_no_ticks(self, listed):
        send_quotes(listed, [(5, "10", "10.5"), (400, "20", "21")])
        roll(listed)
        assert [row[2:] for row in bars(listed, "1d")] == [
            (Decimal("10.25"), Decimal("20.5"), Decimal("10.25"), Decimal("20.5"), None, None, None, "quotes")
        ]
        assert len(bars(listed, "1m")) == 2
        send_ticks(listed, [(6, "11", "1")])
        report = roll(listed)
        assert {row[-1] for row in bars(listed)} == {"ticks"}
        assert len(bars(listed, "1m")) == 1
        assert report.removed == 2  # the later minute and five minutes follow from quotes alone

    def test_does_nothing_on_a_day_without_a_session(self, listed):
        sunday = date(2024, 3, 3)
        assert roll(listed, days=[sunday]).stored == 0


class TestADayInTheArchive:
    def test_makes_the_same_bars_and_is_repaired_by_a_late_tick(self):
        day, coin = quiet_day(Dataset.TICKS), make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
        make_ticks(coin, [(noon(day), "10", "2"), (noon(day) + timedelta(minutes=7), "12", "2")])
        roll(coin, days=[day])
        expected = bars(coin)
        assert len(expected) == 7
        assert archive(day, Dataset.TICKS).state is State.ARCHIVED
        Bar.objects.filter(instrument=coin).delete()
        roll(coin, days=[day])
        assert bars(coin) == expected
        late = {"timestamp": noon(day) + timedelta(seconds=1), "price": "15", "size": "1"}
        assert ingest.store_ticks(source="test", rows=[late], common={"instrument": coin}, recorded_at=NOW_LATE).stored == 1
        assert marked(coin) == {("ticks", day)}
        rollup.roll_up_pending(at=NOW_LATE)
        assert [row[2:7] for row in bars(coin, "1d")] == [(10, 15, 10, 12, 5)]

    def test_is_done_again_since_a_day(self):
        day, coin = quiet_day(Dataset.TICKS), make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
        make_ticks(coin, [(noon(day), "10", "2")])
        archive(day, Dataset.TICKS)
        rollup.mark_days(dataset=Dataset.TICKS, since=day, at=NOW_LATE)
        assert ("ticks", day) in marked(coin)

    def test_that_cannot_be_read_keeps_its_marks_and_no_other_from_its_bars(self, listed):
        day, coin = quiet_day(Dataset.TICKS), make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
        make_ticks(coin, [(noon(day), "10", "2")])
        segment = archive(day, Dataset.TICKS).segment
        PendingRollup.objects.create(dataset="ticks", instrument=coin, day=day, marked_at=NOW)
        send_ticks(listed, [(5, "10", "2")])
        file = root() / segment.file
        kept = file.read_bytes()
        file.unlink()
        try:
            report = rollup.roll_up_pending(at=NOW_LATE)
        finally:
            file.write_bytes(kept)
            file.chmod(0o444)
        assert report.failed >= 1
        assert marked(coin) == {("ticks", day)}
        assert len(bars(listed)) == 5
        rollup.roll_up_pending(at=NOW_LATE)
        assert marked(coin) == set()


class TestRollUpPending:
    def test_works_through_the_marks(self, listed):
        send_ticks(listed, [(5, "10", "2"), (24 * 3600, "11", "1")])
        assert marked(listed) == {("ticks", DAY), ("ticks", DAY + timedelta(days=1))}
        rollup.roll_up_pending(at=NOW)
        assert marked(listed) == set()
        assert [row[2] for row in bars(listed, "1d")] == [10, 11]

    def test_leaves_a_mark_that_was_left_again_meanwhile(self, listed):
        send_ticks(listed, [(5, "10", "2")])
        mark = rollup._next_marks((DAY, UUID(int=listed.pk.int - 1)))[0]
        assert mark.instrument_id == listed.pk
        send_ticks(listed, [(6, "11", "2")])
        rollup._run(rollup.DONE, [mark.id], [mark.version])
        assert marked(listed) == {("ticks", DAY)}

    def test_begins_nothing_when_its_time_is_up(self, listed):
        send_ticks(listed, [(5, "10", "2")])
        assert rollup.roll_up_pending(at=NOW, budget=timedelta(0)).left >= 1
        assert marked(listed)

    def test_is_done_by_the_task_that_the_beat_sends(self, listed):
        send_ticks(listed, [(5, "10", "2")])
        assert app.conf.beat_schedule["roll up bars"]["task"] == roll_up_pending.name
        roll_up_pending()
        assert len(bars(listed)) == 5

    def test_is_told_by_the_command(self, listed, capsys):
        send_ticks(listed, [(5, "10", "2")])
        call_command("roll_up")
        assert "bars stored" in capsys.readouterr().out
        assert len(bars(listed)) == 5

    def test_does_all_days_again_since_one(self, listed):
        send_ticks(listed, [(5, "10", "2")])
        call_command("roll_up")
        Bar.objects.filter(instrument=listed).delete()
        call_command("roll_up")
        assert bars(listed) == []
        call_command("roll_up", since=DAY, dataset="ticks")
        assert len(bars(listed)) == 5
        Bar.objects.filter(instrument=listed).delete()
        rollup.mark_days(dataset=Dataset.TICKS, since=DAY + timedelta(days=1), at=NOW)
        assert marked(listed) == set()

    def test_makes_the_same_bars_wherever_it_is_killed(self, listed):
        send_ticks(listed, [(second, str(10 + second % 7), "1") for second in range(0, 3000, 10)])
        roll(listed)
        expected = bars(listed)
        for step in range(1, 5):
            Bar.objects.filter(instrument=listed).delete()
            PriceHistory.objects.filter(instrument=listed).delete()
            send_ticks(listed, [(4000 + step, "10", "1")])
            forget_tick(listed, 4000 + step)
            assert kill_at(step) == -signal.SIGKILL
            assert marked(listed) == {("ticks", DAY)}
            assert bars(listed) == []
        rollup.roll_up_pending(at=NOW)
        assert bars(listed) == expected
        assert marked(listed) == set()


def kill_at(step: int) -> int:
    """Let another process roll up and kill itself at a step of it; return how it ended."""
    script = f"""
import os, signal
from config import embedded
embedded.provide()
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connections
for each in connections.all():
    each.settings_dict["NAME"] = settings.DATABASES[each.alias]["NAME"] = {settings.DATABASES["default"]["NAME"]!r}
from datetime import UTC, datetime
from marketdata.services import rollup
steps = [(rollup, "_bars_of"), (rollup, "_remove"), (rollup.ingest, "store_frame"), (rollup, "_run")]
module, name = steps[{step} - 1]
real = getattr(module, name)
def dying(*arguments, **named):
    done = real(*arguments, **named)
    if name != "_run" or arguments[0] == rollup.DONE:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
setattr(module, name, dying)
rollup.roll_up_pending(at=datetime({NOW.year}, {NOW.month}, {NOW.day}, tzinfo=UTC))
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, env=os.environ.copy(), timeout=120, check=False)
    return done.returncode
