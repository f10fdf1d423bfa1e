"""One question for rows wherever they are: exact, in order, each once, and the same from either side."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from django.db import connection, transaction

from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models import Bar, CorporateAction
from marketdata.selectors.series import Asked, read_series, windows
from marketdata.selectors.tables import BarRow, QuoteRow, TickRow, frame, rows, table
from tests.factories import LONG_AGO, make_bars, make_instrument, make_quotes, make_ticks
from tests.marketdata.filing import archive_at, file_away, lonely_day

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
TINY, HUGE = Decimal("0.0000000001"), Decimal("999999999999999.9999999999")


@pytest.fixture
def archive(tmp_path):
    with archive_at(tmp_path):
        yield


def bars_of(instruments, **more):
    return {"dataset": Dataset.BARS, "instruments": instruments, "timeframe": Timeframe.DAY, **more}


class TestExactness:
    def test_every_digit_arrives(self):
        instrument = make_instrument()
        figures = {"open": TINY, "low": TINY, "high": HUGE, "close": HUGE, "volume": Decimal("999999999999.999999999999")}
        Bar.objects.create(
            instrument=instrument, timeframe="1d", timestamp=LONG_AGO.replace(hour=0), **figures, recorded_at=LONG_AGO
        )
        [row] = rows(**bars_of([instrument]))
        assert row == BarRow(instrument.key, LONG_AGO.replace(hour=0), TINY, HUGE, TINY, HUGE, figures["volume"], None, None)
        found = table(**bars_of([instrument]))
        assert found.schema.field("close").type == pa.decimal128(25, 10)
        assert found.schema.field("timestamp").type == pa.timestamp("us", "UTC")
        assert found.column_names == ["instrument", *BarRow._fields[1:]]

    def test_floats_are_the_nearest_and_for_who_asks(self):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", Decimal("0.1")), ("2024-01-03", Decimal("123456789.123456789"))])
        assert list(frame(**bars_of([instrument]), floats=True).close) == [0.1, 123456789.123456789]
        exact = frame(**bars_of([instrument]))
        assert list(exact.close) == [Decimal("0.1"), Decimal("123456789.123456789")]
        assert exact.close.sum() == Decimal("123456789.223456789")


class TestFrame:
    def test_has_an_index_in_utc_and_names_instruments_where_there_are_several(self):
        first, second = make_instrument(), make_instrument()
        for instrument in (first, second):
            make_bars(instrument, [("2024-01-03", "2"), ("2024-01-02", "1")])
        one = frame(**bars_of([second]))
        assert isinstance(one.index, pd.DatetimeIndex)
        assert (one.index.name, str(one.index.tz)) == ("timestamp", "UTC")
        assert list(one.index) == [pd.Timestamp("2024-01-02", tz="UTC"), pd.Timestamp("2024-01-03", tz="UTC")]
        assert "instrument" not in one.columns
        both = frame(**bars_of([second, first]))
        assert list(both.instrument) == [second.key] * 2 + [first.key] * 2
        assert list(both.close) == [1, 2, 1, 2]

    def test_of_nothing_has_the_columns_all_the_same(self):
        empty = frame(**bars_of([make_instrument()]))
        assert (len(empty), str(empty.index.tz)) == (0, "UTC")
        assert list(empty.columns) == list(BarRow._fields[2:])
        assert rows(**bars_of([])) == []

    def test_counts_stay_whole_where_some_are_missing(self):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "1"), ("2024-01-03", "1")])
        Bar.objects.filter(instrument=instrument, timestamp__day=2).update(trade_count=2**53 + 1)
        counts = frame(**bars_of([instrument])).trade_count
        assert counts.iloc[0] == 2**53 + 1
        assert pd.isna(counts.iloc[1])


class TestPeriod:
    def test_without_a_start_reaches_back_to_the_first_bar_however_old(self):
        instrument = make_instrument()
        make_bars(instrument, [("1928-01-03", "17.66"), ("1969-12-31", "92.06"), ("1970-01-02", "93.00")])
        assert [row.timestamp.year for row in rows(**bars_of([instrument]))] == [1928, 1969, 1970]
        assert sum(read_series(window).num_rows for window in windows(Asked(**bars_of((instrument,))))) == 3

    def test_has_its_start_and_not_its_end(self):
        instrument = make_instrument()
        make_bars(instrument, [(f"2024-01-0{day}", str(day)) for day in range(1, 6)])
        period = {"start": datetime(2024, 1, 2, tzinfo=UTC), "end": datetime(2024, 1, 4, tzinfo=UTC)}
        assert [row.close for row in rows(**bars_of([instrument], **period))] == [2, 3]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"dataset": Dataset.BARS},
            {"dataset": Dataset.QUOTES, "timeframe": Timeframe.DAY},
            {"dataset": Dataset.QUOTES, "adjusted": True},
            {"dataset": Dataset.FX_RATES},
        ],
    )
    def test_a_question_that_makes_no_sense_is_refused(self, wrong):
        with pytest.raises(ValueError, match=r"timeframe|bars"):
            table(instruments=[], **wrong)

    def test_what_a_transaction_has_not_committed_is_not_seen(self):
        instrument = make_instrument()
        with transaction.atomic():
            make_bars(instrument, [("2024-01-02", "1")])
            assert rows(**bars_of([instrument])) == []
        assert len(rows(**bars_of([instrument]))) == 1


class TestBothSides:
    """A caller can't tell which side a row came from."""

    def fill(self):
        """Store two instruments' quotes of three days, some with fractions of a second."""
        start, instruments = lonely_day(), [make_instrument(), make_instrument()]
        for instrument in instruments:
            times = [start + number * DAY + timedelta(hours=9, microseconds=number * 250) for number in range(3)]
            make_quotes(instrument, [(time + second * SECOND, f"{1 + second}.5", "99") for time in times for second in range(3)])
        return start, instruments, {"dataset": Dataset.QUOTES, "instruments": instruments, "start": start, "end": start + 3 * DAY}

    def test_say_the_same_before_and_after_a_day_moves(self, archive):
        start, _, asked = self.fill()
        before = table(**asked)
        assert len(before) == 18
        file_away(Dataset.QUOTES, (start + DAY).date())
        assert table(**asked).equals(before)
        for number in (0, 2):
            file_away(Dataset.QUOTES, (start + number * DAY).date())
        assert table(**asked).equals(before)
        assert rows(**asked)[0] == QuoteRow(*(column[0].as_py() for column in before.columns))
        assert frame(**asked, floats=True).bid.sum() == sum(map(float, before["bid"].to_pylist()))

    def test_late_rows_of_a_day_stand_where_they_belong(self, archive):
        start, instruments, asked = self.fill()
        file_away(Dataset.QUOTES, start.date())
        late = start + timedelta(hours=9, seconds=1, microseconds=500)
        make_quotes(instruments[0], [(late, "7", "8")])
        found = rows(**asked)
        times = [row.timestamp for row in found if row.instrument == instruments[0].key]
        assert len(found) == 19
        assert times == sorted(times)
        assert late in times

    def test_ticks_of_one_instant_keep_their_order(self, archive):
        start, instrument = lonely_day(), make_instrument()
        make_ticks(instrument, [(start, price, size) for price in ("10", "9", "100") for size in ("3", "20")])
        asked = {"dataset": Dataset.TICKS, "instruments": [instrument], "start": start, "end": start + DAY}
        before = rows(**asked)
        assert [(row.price, row.size) for row in before] == [(9, 3), (9, 20), (10, 3), (10, 20), (100, 3), (100, 20)]
        assert isinstance(before[0], TickRow)
        file_away(Dataset.TICKS, start.date())
        assert rows(**asked) == before

    def test_parts_of_a_question_make_the_whole(self, archive):
        start, instruments, _ = self.fill()
        file_away(Dataset.QUOTES, (start + DAY).date())
        whole = Asked(Dataset.QUOTES, tuple(instruments), start + timedelta(hours=9, seconds=1), start + 3 * DAY)
        parts = [read_series(part) for part in windows(whole)]
        assert pa.concat_tables(parts, promote_options="permissive").to_pylist() == read_series(whole).to_pylist()
        assert len(parts) == 6

    def test_parts_of_bars_make_the_whole(self):
        instrument = make_instrument()
        make_bars(instrument, [("1971-01-04", "1"), ("2024-01-02", "2")])
        with connection.cursor() as cursor:
            cursor.execute("UPDATE marketdata_bar SET timeframe = '1m' WHERE instrument_id = %s", [instrument.pk])
        whole = Asked(Dataset.BARS, (instrument,), timeframe=Timeframe.MINUTE)
        parts = [read_series(part) for part in windows(whole)]
        assert [row["close"] for part in parts for row in part.to_pylist()] == [1, 2]
        assert all(len(part) <= 1 for part in parts)


class TestSplits:
    """Four for one on the 10th, five percent in shares on the 20th."""

    def make(self, through=None):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-09", "420"), ("2024-01-10", "105"), ("2024-01-20", "100")])
        for kind, day, ratio in (("SPLIT", 10, "4"), ("STOCK_DIVIDEND", 20, "0.05")):
            CorporateAction.objects.create(
                kind=kind, instrument=instrument, ex_date=date(2024, 1, day), ratio=Decimal(ratio), recorded_at=LONG_AGO
            )
        Bar.objects.filter(instrument=instrument).update(adjusted_through=through)
        return instrument

    def seen(self, instrument, **more):
        return [(row.close, row.volume) for row in rows(**bars_of([instrument], **more))]

    def test_adjusted_bars_are_comparable(self):
        assert self.seen(self.make(), adjusted=True) == [(100, 4200), (100, 1050), (100, 1000)]
        assert self.seen(self.make()) == [(420, 1000), (105, 1000), (100, 1000)]

    def test_as_of_a_day_a_later_split_has_not_happened(self):
        assert self.seen(self.make(), adjusted=True, as_of=date(2024, 1, 19)) == [(105, 4000), (105, 1000), (100, 1000)]

    def test_nothing_is_adjusted_twice_and_the_raw_view_takes_it_out(self):
        instrument = make_instrument()
        instrument = self.make(through=date(2024, 1, 15))  # as if the source had divided by four already
        assert self.seen(instrument, adjusted=True)[0] == (400, 1050)
        assert self.seen(instrument)[:2] == [(1680, 250), (105, 1000)]
        assert self.seen(instrument)[2] == (100, 1000)

    def test_each_of_several_instruments_has_its_own(self):
        split, plain = self.make(), make_instrument()
        make_bars(plain, [("2024-01-09", "1")])
        found = rows(**bars_of([plain, split], adjusted=True))
        assert [(row.instrument, row.close) for row in found[:2]] == [(plain.key, 1), (split.key, 100)]

    def test_what_does_not_come_out_even_is_rounded_to_the_places_kept(self):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-09", "100")])
        CorporateAction.objects.create(
            kind="SPLIT", instrument=instrument, ex_date=date(2024, 1, 10), ratio=Decimal(3), recorded_at=LONG_AGO
        )
        [row] = rows(**bars_of([instrument], adjusted=True))
        assert row.close == Decimal("33.3333333333")
        assert row.vwap is None
