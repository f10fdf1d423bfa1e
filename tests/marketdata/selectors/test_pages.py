"""Pages that the database writes: byte for byte what the serializers write, by key, over live rows and the archive alike."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.formats import JSONRenderer
from marketdata.api.bars import BarSerializer
from marketdata.api.quotes import QuoteSerializer
from marketdata.api.ticks import TickSerializer
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models import Bar, CorporateAction, Quote, Tick
from marketdata.selectors.pages import Pages
from marketdata.selectors.series import Asked
from tests.factories import LONG_AGO, make_bars, make_instrument, make_quotes, make_ticks
from tests.marketdata.filing import archive_at, file_away, lonely_day

DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
NUMBERS = ["0.0000000001", "1", "10", "100.10", "999999999999999.9999999999", "123456.7890000000", "0.1"]
TEXTS = [
    "",
    "@ T",
    '"quoted" \\ and /',
    "line\nbreak\r\ttab",
    "\x01\x1f\x7f",
    "Zürich 東京 🚀",
    "\u2028\u2029\ufeff",
    "=1+1",
    "'\"}],{",
]


@pytest.fixture
def archive(tmp_path):
    with archive_at(tmp_path):
        yield


def walk(asked, limit, *, descending=False):
    """Return all rows, page after page."""
    pages, key, found = Pages(asked), None, []
    while rows := pages.after(key, descending=descending, limit=limit):
        found += rows
        key = pages.key_of(rows[-1])
    return found


def whole(asked, *, descending=False):
    return Pages(asked).after(None, descending=descending, limit=10_000)


class TestBytes:
    def test_of_bars_are_the_serializer_s(self):
        instrument = make_instrument()
        make_bars(instrument, [(date(2024, 1, 2) + number * DAY, text) for number, text in enumerate(NUMBERS)])
        Bar.objects.filter(instrument=instrument, timestamp__day=3).update(volume=None, vwap=Decimal("7.5000"), trade_count=12)
        Bar.objects.filter(instrument=instrument, timestamp__day=4).update(volume=Decimal("0E-12"), vwap=0, trade_count=0)
        stored = Bar.objects.filter(instrument=instrument).select_related("instrument").order_by("timestamp")
        asked = Asked(Dataset.BARS, (instrument,), timeframe=Timeframe.DAY)
        assert self.written(asked) == JSONRenderer().render(BarSerializer(stored, many=True).data)

    def test_of_negative_prices_too(self):
        instrument = make_instrument()
        make_bars(instrument, [("2020-04-20", "-37.63"), ("2020-04-21", "0")])
        stored = Bar.objects.filter(instrument=instrument).order_by("timestamp")
        asked = Asked(Dataset.BARS, (instrument,), timeframe=Timeframe.DAY)
        assert self.written(asked) == JSONRenderer().render(BarSerializer(stored, many=True).data)

    def test_of_quotes_and_trades_are_the_serializer_s(self, archive):
        start, instrument = lonely_day(), make_instrument()
        times = [start, start + MOMENT, start + timedelta(milliseconds=120), start + timedelta(hours=1), start + DAY - MOMENT]
        make_quotes(
            instrument, [(time, number, "999999999999999.9999999999") for time, number in zip(times, NUMBERS, strict=False)]
        )
        make_ticks(instrument, [(time, number, "0.000000000001") for time, number in zip(times * 2, NUMBERS, strict=False)])
        for number, text in enumerate(TEXTS):
            time = start + timedelta(hours=2, seconds=number)
            make_ticks(instrument, [(time, "1", "0")])
            with connection.cursor() as cursor:
                where = "WHERE instrument_id = %s AND timestamp = %s"
                cursor.execute(f"UPDATE marketdata_tick SET conditions = %s {where}", [text, instrument.pk, time])
        for dataset, model, serializer, order in (
            (Dataset.QUOTES, Quote, QuoteSerializer, ("timestamp",)),
            (Dataset.TICKS, Tick, TickSerializer, ("timestamp", "price", "size")),
        ):
            stored = model.objects.filter(instrument=instrument).select_related("instrument").order_by(*order)
            expected = JSONRenderer().render(serializer(stored, many=True).data)
            asked = Asked(dataset, (instrument,), start, start + DAY)
            assert self.written(asked) == expected
            file_away(dataset, start.date())
            assert self.written(asked) == expected

    def written(self, asked):
        return f"[{','.join(whole(asked))}]".encode()


class TestPaging:
    def fill(self):
        start, instruments = lonely_day(), tuple(make_instrument() for _ in range(3))
        for instrument in instruments:
            make_ticks(
                instrument,
                [
                    (start + number * DAY + timedelta(seconds=second), price, size)
                    for number in range(4)
                    for second in range(2)
                    for price, size in (("9", "3"), ("10", "3"), ("10", "20"))
                ],
            )
        return start, Asked(Dataset.TICKS, instruments, start, start + 4 * DAY)

    @pytest.mark.parametrize("filed", [(), (0,), (1, 2), (0, 1, 2, 3)])
    @pytest.mark.parametrize("limit", [1, 5, 7, 100])
    def test_loses_and_repeats_nothing_wherever_the_days_are(self, archive, filed, limit):
        start, asked = self.fill()
        before = whole(asked)
        assert len(before) == 72
        for number in filed:
            file_away(Dataset.TICKS, (start + number * DAY).date())
        assert whole(asked) == before
        assert walk(asked, limit) == before
        assert walk(asked, limit, descending=True) == before[::-1]

    def test_goes_on_where_it_was_when_days_move_meanwhile(self, archive):
        start, asked = self.fill()
        before, pages = whole(asked), Pages(asked)
        first = pages.after(None, descending=False, limit=20)
        file_away(Dataset.TICKS, start.date())
        file_away(Dataset.TICKS, (start + DAY).date())
        assert first + pages.after(pages.key_of(first[-1]), descending=False, limit=100) == before

    def test_of_late_rows_puts_them_where_they_belong(self, archive):
        start, asked = self.fill()
        file_away(Dataset.TICKS, start.date())
        make_ticks(asked.instruments[1], [(start + timedelta(milliseconds=500), "1", "1")])
        assert [orjson.loads(row)["price"] for row in walk(asked, 4)][9] == "1"

    def test_in_the_order_of_time_whatever_the_instrument(self):
        instruments = tuple(make_instrument() for _ in range(3))
        for number, instrument in enumerate(instruments):
            make_bars(instrument, [(f"2024-01-{day:02}", str(number + 1)) for day in range(1, 8)])
        asked = Asked(Dataset.BARS, instruments, timeframe=Timeframe.DAY)
        rows = [orjson.loads(row) for row in walk(asked, 4)]
        assert [row["close"] for row in rows] == ["1", "2", "3"] * 7
        assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)
        assert whole(Asked(Dataset.BARS, (), timeframe=Timeframe.DAY)) == []

    def test_takes_one_query_however_many_instruments(self):
        instruments = tuple(make_instrument() for _ in range(5))
        for instrument in instruments:
            make_bars(instrument, [("2024-01-02", "1")])
        with CaptureQueriesContext(connection) as queries:
            assert len(whole(Asked(Dataset.BARS, instruments, timeframe=Timeframe.DAY))) == 5
        assert len(queries) == 1


class TestSplits:
    def test_are_seen_in_either_view(self):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-09", "420"), ("2024-01-10", "105"), ("2024-01-11", "105")])
        CorporateAction.objects.create(
            kind="SPLIT", instrument=instrument, ex_date=date(2024, 1, 10), ratio=Decimal(4), recorded_at=LONG_AGO
        )
        asked = {"dataset": Dataset.BARS, "instruments": (instrument,), "timeframe": Timeframe.DAY}
        closes = lambda **more: [orjson.loads(row)["close"] for row in walk(Asked(**asked, **more), 2)]  # noqa: E731
        assert closes() == ["420", "105", "105"]
        assert closes(adjusted=True) == ["105", "105", "105"]
        assert closes(adjusted=True, as_of=date(2024, 1, 9)) == ["420", "105", "105"]
        Bar.objects.filter(instrument=instrument, timestamp=datetime(2024, 1, 9, tzinfo=UTC)).update(
            adjusted_through=date(2024, 2, 1)
        )
        assert closes() == ["1680", "105", "105"]
        assert closes(adjusted=True) == ["420", "105", "105"]
