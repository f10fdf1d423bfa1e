"""The times that Alpaca's portfolio history tells of."""

from datetime import UTC, date, datetime, timedelta

import pytest

from trading.domain.alpaca_history import BadPeriod, Reporting, begin, steps, usual_step

QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
MONDAY = datetime(2024, 5, 6, tzinfo=UTC)


def clock(found: list[datetime]) -> list[str]:
    return [f"{each:%d %H:%M}" for each in found]


class TestBegin:
    def test_is_where_the_period_says(self):
        last = date(2024, 5, 31)
        assert [begin(last, period) for period in ("1D", "1W", "3M", "1A", "all")] == [
            last,
            date(2024, 5, 25),
            date(2024, 3, 1),
            date(2023, 6, 1),
            date(1900, 1, 1),
        ]
        assert begin(date(2024, 1, 1), "999A") == date(1900, 1, 1)

    @pytest.mark.parametrize("period", ["", "M", "0D", "1X", "-1D", "1000D", "1.5D", "١D"])
    def test_knows_what_is_none(self, period):
        with pytest.raises(BadPeriod):
            begin(date(2024, 5, 31), period)


class TestUsualStep:
    @pytest.mark.parametrize(
        ("period", "step"),
        [("1D", "1Min"), ("6D", "1Min"), ("1W", "15Min"), ("29D", "15Min"), ("1M", "1D"), ("1A", "1D"), ("all", "1D")],
    )
    def test_follows_from_the_period(self, period, step):
        assert usual_step(period, None, MONDAY) == step

    def test_follows_from_the_time_where_it_has_a_start(self):
        assert usual_step("1M", MONDAY - timedelta(days=2), MONDAY) == "1Min"
        assert usual_step("1M", MONDAY - timedelta(days=29), MONDAY) == "15Min"
        assert usual_step("1D", MONDAY - timedelta(days=31), MONDAY) == "1D"


class TestSteps:
    def test_of_a_session_reach_from_its_opening_to_its_close(self):
        found = steps(QUARTER, Reporting.MARKET, period="1D", start=None, end=MONDAY + timedelta(hours=23))
        assert (len(found), clock(found)[0], clock(found)[-1]) == (27, "06 13:30", "06 20:00")
        early = steps(HOUR, Reporting.MARKET, period="1D", start=None, end=datetime(2024, 7, 3, 22, tzinfo=UTC))
        assert clock(early) == ["03 13:30", "03 14:30", "03 15:30", "03 16:30"]

    def test_of_a_period_end_with_the_last_session_that_has_begun(self):
        for end in (MONDAY, MONDAY + timedelta(hours=13)):  # Sunday evening, and Monday before the opening
            assert clock(steps(HOUR, Reporting.MARKET, period="1D", start=None, end=end))[0] == "03 13:30"
        now = steps(QUARTER, Reporting.MARKET, period="1D", start=None, end=MONDAY + timedelta(hours=14, minutes=7))
        assert clock(now) == ["06 13:30", "06 13:45", "06 14:00"]
        week = steps(HOUR, Reporting.MARKET, period="1W", start=None, end=MONDAY + timedelta(hours=21))
        assert sorted({each.day for each in week}) == [1, 2, 3, 6, 30]

    def test_begin_with_the_session_that_a_start_falls_into_or_the_next(self):
        end = MONDAY + timedelta(hours=22)
        for start in (MONDAY + timedelta(hours=9), MONDAY + timedelta(hours=20), MONDAY - timedelta(days=2)):
            assert clock(steps(HOUR, Reporting.MARKET, period="1M", start=start, end=end))[0] == "06 13:30"
        assert steps(HOUR, Reporting.MARKET, period="1M", start=MONDAY + timedelta(hours=21), end=end) == []

    def test_go_on_before_and_after_hours_where_that_is_asked_for(self):
        found = steps(HOUR, Reporting.EXTENDED, period="1D", start=None, end=MONDAY + timedelta(days=1, hours=3))
        assert (clock(found)[0], clock(found)[-1], len(found)) == ("06 08:00", "07 00:00", 17)

    def test_go_on_always_where_that_is_asked_for(self):
        found = steps(HOUR, Reporting.CONTINUOUS, period="1D", start=None, end=MONDAY + timedelta(minutes=59))
        assert (clock(found)[0], clock(found)[-1], len(found)) == ("05 00:00", "06 00:00", 25)

    @pytest.mark.parametrize(
        ("step", "reporting", "period"),
        [
            (HOUR, Reporting.MARKET, "2M"),
            (HOUR, Reporting.CONTINUOUS, "all"),
            (timedelta(minutes=1), Reporting.CONTINUOUS, "30D"),
        ],
    )
    def test_are_not_too_many(self, step, reporting, period):
        with pytest.raises(BadPeriod):
            steps(step, reporting, period=period, start=None, end=MONDAY)
