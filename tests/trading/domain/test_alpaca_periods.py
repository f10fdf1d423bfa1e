"""The lengths of bars that Alpaca knows: when they start, and what they are put together from."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from marketdata.domain.bars import Bar, Timeframe
from trading.domain.alpaca_periods import BadPeriod, Period, put_together

NEW_YORK, INDIA, GREENWICH = ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")
MAY = datetime(2024, 5, 6, tzinfo=UTC)  # a Monday


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bar(at: str, open: str, high: str, low: str, close: str, volume: str | None = "10", **more) -> Bar:
    prices = map(Decimal, (open, high, low, close))
    return Bar(utc(at), *prices, volume=volume and Decimal(volume), **more)


class TestSpelling:
    @pytest.mark.parametrize(
        ("text", "means"),
        [
            ("1Min", "1Min"),
            ("59T", "59Min"),
            ("1H", "1Hour"),
            ("23Hour", "23Hour"),
            ("1D", "1Day"),
            ("1W", "1Week"),
            ("12M", "12Month"),
        ],
    )
    def test_long_and_short(self, text, means):
        assert str(Period.parse(text)) == means

    @pytest.mark.parametrize(
        "text", ["", "Min", "0Min", "60Min", "24H", "2Day", "2W", "5M", "1min", "1Min ", "1 Min", "１Min", "1Year"]
    )
    def test_what_is_none(self, text):
        with pytest.raises(BadPeriod):
            Period.parse(text)


class TestStarts:
    @pytest.mark.parametrize(
        ("period", "at", "start"),
        [
            ("1Min", "2024-05-06T14:30:59", "2024-05-06T14:30"),
            ("1Hour", "2024-05-06T14:30:00", "2024-05-06T14:00"),
            ("4Hour", "2024-05-06T14:30:00", "2024-05-06T12:00"),  # 8:00 in New York
            ("4Hour", "2024-01-08T14:30:00", "2024-01-08T13:00"),  # 8:00 as well
            ("30Min", "2024-05-06T14:59:00", "2024-05-06T14:30"),
            ("7Min", "2024-05-06T03:59:00", "2024-05-06T03:55"),  # the last one of a day is short
            ("1Day", "2024-05-06T03:59:00", "2024-05-05T04:00"),
            ("1Week", "2024-05-06T04:00:00", "2024-05-06T04:00"),
            ("1Month", "2024-01-31T23:00:00", "2024-01-01T05:00"),
            ("3Month", "2024-06-30T23:00:00", "2024-04-01T04:00"),
        ],
    )
    def test_where_the_exchange_is(self, period, at, start):
        assert Period.parse(period).start_of(utc(at), NEW_YORK) == utc(start)

    @pytest.mark.parametrize("period", ["1Min", "7Min", "15Min", "4Hour", "23Hour", "1Day", "1Week", "1Month", "12Month"])
    def test_the_next_one_starts_where_one_ends(self, period):
        one = Period.parse(period)
        start = one.start_of(utc("2024-03-08T21:30:00"), NEW_YORK)
        for _ in range(400):  # over the change of the clocks
            following = one.after(start, NEW_YORK)
            assert following > start
            assert one.start_of(following, NEW_YORK) == following
            start = following


class TestBase:
    @pytest.mark.parametrize(
        ("period", "zone", "base"),
        [
            ("1Hour", INDIA, Timeframe.HOUR),  # as it is stored
            ("2Hour", INDIA, Timeframe.QUARTER_HOUR),  # half past in UTC
            ("2Hour", NEW_YORK, Timeframe.HOUR),
            ("45Min", NEW_YORK, Timeframe.QUARTER_HOUR),
            ("10Min", GREENWICH, Timeframe.FIVE_MINUTES),
            ("7Min", NEW_YORK, Timeframe.MINUTE),
            ("1Month", NEW_YORK, Timeframe.DAY),
        ],
    )
    def test_is_the_longest_that_fits(self, period, zone, base):
        assert Period.parse(period).base(zone, MAY) is base


class TestBounds:
    def test_a_day_is_in_if_its_midnight_there_is(self):
        period = Period.parse("1Day")
        first, last = period.bounds(utc("2024-05-06T00:00:00"), utc("2024-05-08T03:59:59"), NEW_YORK)
        assert (first, last) == (utc("2024-05-06T00:00"), utc("2024-05-08T00:00"))  # the 6th and the 7th
        first, last = period.bounds(utc("2024-05-06T04:00:01"), utc("2024-05-08T04:00:00"), NEW_YORK)
        assert (first, last) == (utc("2024-05-07T00:00"), utc("2024-05-09T00:00"))

    def test_both_ends_are_in(self):
        period = Period.parse("5Min")
        assert period.bounds(utc("2024-05-06T14:30"), utc("2024-05-06T14:40"), NEW_YORK) == (
            utc("2024-05-06T14:30"),
            utc("2024-05-06T14:45"),
        )


class TestPutTogether:
    def test_half_an_hour_of_two_quarters(self):
        bars = [
            bar("2024-05-06T14:30", "10", "12", "9", "11", "10", vwap=Decimal(10), trade_count=3),
            bar("2024-05-06T14:45", "11", "15", "10", "14", "30", vwap=Decimal(14), trade_count=4),
            bar("2024-05-06T15:00", "14", "14", "13", "13"),
        ]
        for given in (bars, bars[::-1]):
            made = list(put_together(given, Period.parse("30Min"), NEW_YORK))
            one = made[given.index(bars[0]) and 1]
            assert (one.timestamp, one.open, one.high, one.low, one.close) == (utc("2024-05-06T14:30"), 10, 15, 9, 14)
            assert (one.volume, one.vwap, one.trade_count) == (40, 13, 7)
            assert {each.timestamp for each in made} == {utc("2024-05-06T14:30"), utc("2024-05-06T15:00")}

    def test_what_is_not_known_of_one_is_not_known_of_all(self):
        bars = [bar("2024-05-06T00:00", "1", "2", "1", "2", None), bar("2024-05-07T00:00", "2", "3", "2", "3")]
        (week,) = put_together(bars, Period.parse("1Week"), NEW_YORK)
        assert (week.timestamp, week.volume, week.vwap, week.trade_count) == (utc("2024-05-06T04:00"), None, None, None)
