"""A day that is over leaves the database whole, by a file that holds the same to the last digit, or it stays whole."""

import resource
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from marketdata.adapters.store import StoreFailed
from marketdata.domain.archive import ArchiveUnreadable, SegmentWriter, folder_of, name_of
from marketdata.domain.calendars import is_session
from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment
from marketdata.selectors.archive import has_archived
from marketdata.selectors.days import exchanges_on, finished_days, live_days
from marketdata.services import rollover
from marketdata.services.rollover import DayInUse, DayNotFinished, RolloverFailed, State, make_days, roll_over
from tests.factories import LONG_AGO, make_instrument, make_quotes, make_ticks, quiet_day
from tests.marketdata.archives import archive, filed, files, fill, has_table, live, noon, root, segments

MAXIMUM = "999999999999999.9999999999"


@pytest.fixture(params=[Dataset.QUOTES, Dataset.TICKS])
def dataset(request):
    return request.param


class TestADay:
    def test_moves_to_a_file_and_its_table_is_gone(self, dataset):
        day, one, other = quiet_day(dataset), make_instrument(), make_instrument()
        fill(day, one, other, dataset=dataset)
        outcome = archive(day, dataset)
        assert outcome.state is State.ARCHIVED
        assert not has_table(day, dataset)
        assert live(day, one, other, dataset=dataset) == 0
        segment = ArchiveSegment.objects.get(pk=outcome.segment.pk)
        assert (segment.rows, segment.part, segment.file) == (10, 0, name_of(dataset, day, 0))
        assert (segment.first_at, segment.last_at) == (noon(day), noon(day) + timedelta(seconds=4))
        assert segment.bytes == (root() / segment.file).stat().st_size
        assert segment.content.startswith("10 ")
        assert has_archived(dataset, [day, day + timedelta(days=1)]) == {day}

    def test_is_read_from_the_archive_as_it_was(self, dataset):
        day, one, other = quiet_day(dataset), make_instrument(), make_instrument()
        fill(day, one, other, dataset=dataset)
        archive(day, dataset)
        found = filed(day, other, dataset=dataset)
        price = "bid" if dataset is Dataset.QUOTES else "price"
        assert found[price].to_list() == [Decimal(f"101.{second:04}") for second in range(5)]
        assert found["instrument"].unique().to_list() == [str(other.pk)]
        assert filed(day, dataset=dataset)["instrument"].to_list() == sorted([str(one.pk)] * 5 + [str(other.pk)] * 5)
        assert filed(day, one, dataset=dataset, columns=["recorded_at"])["recorded_at"].to_list() == [LONG_AGO] * 5

    def test_keeps_numbers_that_fit_no_eight_bytes_and_those_with_every_digit(self):
        day, one = quiet_day(), make_instrument()
        bids = [(noon(day), "0.0000000001", MAXIMUM), (noon(day) + timedelta(microseconds=1), "922337203.6854775807", MAXIMUM)]
        make_quotes(one, bids)
        archive(day)
        found = filed(day, one)
        assert found["bid"].to_list() == [Decimal("0.0000000001"), Decimal("922337203.6854775807")]
        assert found["ask"].to_list() == [Decimal(MAXIMUM)] * 2
        assert found["timestamp"].to_list() == [bids[0][0], bids[1][0]]

    def test_keeps_what_is_missing_missing(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE marketdata_quote SET bid_size = NULL, ask_size = 0 WHERE instrument_id = %s", [one.pk])
        archive(day)
        found = filed(day, one)
        assert found["bid_size"].null_count() == 5
        assert found["ask_size"].to_list() == [Decimal(0)] * 5

    def test_keeps_the_conditions_of_trades_and_negative_prices(self):
        day, one = quiet_day("ticks"), make_instrument()
        make_ticks(one, [(noon(day), "-37.63", "1"), (noon(day), "-37.63", "2"), (noon(day), "5", "10000000.5")])
        with connection.cursor() as cursor:
            cursor.execute("UPDATE marketdata_tick SET conditions = 'Ä, @|' WHERE instrument_id = %s AND size = 2", [one.pk])
        archive(day, Dataset.TICKS)
        found = filed(day, one, dataset=Dataset.TICKS)
        assert found["price"].to_list() == [Decimal("-37.63"), Decimal("-37.63"), Decimal(5)]
        assert found["size"].to_list() == [Decimal(1), Decimal(2), Decimal("10000000.5")]
        assert found["conditions"].to_list() == ["", "Ä, @|", ""]

    def test_that_is_empty_is_only_dropped(self, dataset):
        day = quiet_day(dataset)
        with connection.cursor() as cursor:
            cursor.execute("SELECT marketdata_add_day(%s, %s)", [dataset, day])
        assert archive(day, dataset).state is State.EMPTY
        assert not has_table(day, dataset)
        assert segments(day, dataset) == []
        assert archive(day, dataset).state is State.ABSENT

    def test_may_come_back_and_becomes_further_parts(self):
        day, one = quiet_day(), make_instrument()
        for part in range(3):
            fill(day, one, first=part * 3, rows=3)
            assert archive(day).segment.part == part
        assert files(folder_of(Dataset.QUOTES, day)) == [name_of(Dataset.QUOTES, day, part) for part in range(3)]
        found = filed(day, one)
        assert found["timestamp"].to_list() == [noon(day) + timedelta(seconds=second) for second in range(9)]
        assert filed(day, one, columns=["bid"])["bid"].to_list() == found["bid"].to_list()

    def test_is_protected_from_being_written_to(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        path = root() / archive(day).segment.file
        assert path.stat().st_mode & 0o777 == 0o444

    def test_that_is_not_over_is_refused(self):
        today, one = datetime.now(UTC).date(), make_instrument()
        fill(today, one)
        with pytest.raises(DayNotFinished, match="is not over"):
            roll_over(dataset=Dataset.QUOTES, day=today, at=datetime.now(UTC))
        assert live(today, one) == 5

    def test_is_not_over_while_one_of_its_exchanges_trades(self):
        # a Sunday whose evening belongs to Monday's session, which none does before Christmas and the New Year
        day = next(day for day in iter(quiet_day, None) if day.weekday() == 6 and is_session("CMES", day + timedelta(days=1)))
        futures = make_instrument(exchange="CMES", asset_class="FUTURE")
        fill(day, futures)
        assert exchanges_on(Dataset.QUOTES, day) == {"CMES"}
        evening = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        with pytest.raises(DayNotFinished):
            roll_over(dataset=Dataset.QUOTES, day=day, at=evening)
        assert roll_over(dataset=Dataset.QUOTES, day=day, at=evening + timedelta(days=1)).state is State.ARCHIVED


class TestWhichDays:
    def test_the_next_days_are_made_ahead(self):
        at = datetime.now(UTC)
        make_days(at=at)
        days = {at.date() + timedelta(days=number) for number in range(4)}
        assert days <= set(live_days(Dataset.QUOTES)) & set(live_days(Dataset.TICKS))
        assert make_days(at=at) == 0

    def test_finished_ones_are_archived_but_for_the_last(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        for after, keep, finished in ((1, 0, True), (1, 1, False), (2, 1, True), (0, 0, False)):
            at = noon(day) + timedelta(days=after)
            assert (day in finished_days(Dataset.QUOTES, at, keep=keep)) is finished, (after, keep)


class TestNothingIsLost:
    def test_if_the_file_is_not_what_the_table_is(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one)

        def lose_a_row(step):
            if step == "written":
                (path,) = (root() / ".incoming").glob(f"quotes-{day}.*")
                table = pq.read_table(path)
                path.unlink()
                with SegmentWriter(path, Dataset.QUOTES) as writer:
                    writer.write(table.slice(1).to_batches()[0])

        with pytest.raises(RolloverFailed, match=rf"quotes of {day}: the file is not what the table is; instrument {one.pk}"):
            archive(day, on_step=lose_a_row)
        assert segments(day) == []
        assert [name for name in files() if str(day) in name] == []
        assert live(day, one) == 5
        assert archive(day).segment.rows == 5

    def test_if_the_archive_cannot_be_written_to(self, settings):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        settings.ARCHIVE_URL = "file:///dev/full/archive"
        with pytest.raises(StoreFailed, match="Could not write to the archive"):
            archive(day)
        assert live(day, one) == 5
        assert segments(day) == []

    def test_if_the_disk_is_full(self, settings, tmp_path):
        day, one = quiet_day(), make_instrument()
        fill(day, one, rows=500)
        settings.ARCHIVE_URL = tmp_path.as_uri()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # no file may grow beyond that
        try:
            with pytest.raises(OSError, match="File too large"):
                archive(day)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert live(day, one) == 500
        assert segments(day) == []
        assert files() == []
        assert archive(day).segment.rows == 500

    def test_if_the_setting_names_no_archive(self, settings):
        settings.ARCHIVE_URL = "ftp://somewhere"
        with pytest.raises(ImproperlyConfigured, match="ARCHIVE_URL"):
            archive(quiet_day())

    def test_by_a_file_that_a_dead_run_left_with_other_rows(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one, rows=3)
        first = archive(day).segment
        content = (root() / first.file).read_bytes()
        ArchiveSegment.objects.filter(pk=first.pk).delete()  # as if it had never been committed, ...
        fill(day, one, rows=3)  # ... with the table still there, and rows that came since
        fill(day, one, first=3, rows=2)
        second = archive(day).segment
        assert (second.part, second.rows) == (0, 5)
        assert filed(day, one).height == 5
        assert files(folder_of(Dataset.QUOTES, day)) == [second.file]
        # but what holds rows that are nowhere else is set aside, not removed
        ArchiveSegment.objects.filter(pk=second.pk).delete()
        fill(day, one, rows=1)
        third = archive(day).segment
        assert third.rows == 1
        aside = files(f"set-aside/{folder_of(Dataset.QUOTES, day)}")
        assert aside == [f"set-aside/{second.file}.{second.sha256[:12]}"]
        assert content != (root() / aside[0]).read_bytes()

    def test_a_damaged_segment_answers_nothing_rather_than_half(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        segment = archive(day).segment
        path = root() / segment.file
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(ArchiveUnreadable, match=rf"quotes of {day}, part 0 can't be read: there is no {segment.file}"):
            filed(day, one)
        path.write_bytes(content[:200] + b"????" + content[204:])
        with pytest.raises(ArchiveUnreadable, match=segment.file):
            filed(day, one)
        path.write_bytes(content)
        assert filed(day, one).height == 5


class TestTogether:
    def test_the_second_of_two_says_that_it_is_being_done(self):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        heard = []

        def look(step):
            if step == "held":
                thread = threading.Thread(target=lambda: heard.append(_closing(lambda: archive(day).state)))
                thread.start()
                thread.join(30)

        assert archive(day, on_step=look).state is State.ARCHIVED
        assert heard == [State.BUSY]
        assert len(segments(day)) == 1

    def test_who_reads_all_the_time_keeps_the_day_where_it_is(self, monkeypatch):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        monkeypatch.setattr(rollover, "WAITS", (0.01,))
        reading, done = threading.Event(), threading.Event()

        def read():
            with transaction.atomic():
                live(day, one)
                reading.set()
                done.wait(30)

        thread = threading.Thread(target=lambda: _closing(read))
        thread.start()
        reading.wait(30)
        with pytest.raises(DayInUse, match="are being read; try again later"):
            archive(day)
        done.set()
        thread.join(30)
        assert live(day, one) == 5
        assert archive(day).state is State.ARCHIVED
        assert files(folder_of(Dataset.QUOTES, day)) == [name_of(Dataset.QUOTES, day, 0)]


def _closing(work):
    try:
        return work()
    finally:
        connection.close()
