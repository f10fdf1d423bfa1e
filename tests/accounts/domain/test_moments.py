"""Days and times as files write them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from accounts.domain.moments import DAY_FIRST, ISO, US, day, midnight, moment, stamp
from accounts.domain.statements import LineRefused

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "order", "said"),
    [
        ("2023-04-17", ISO, date(2023, 4, 17)),
        ("20230417", ISO, date(2023, 4, 17)),
        ("17.04.2023", ISO, date(2023, 4, 17)),
        ("04/17/2023", US, date(2023, 4, 17)),
        ("1/6/2024", US, date(2024, 1, 6)),
        ("17/11/2021", DAY_FIRST, date(2021, 11, 17)),
        ("01-09-2021", DAY_FIRST, date(2021, 9, 1)),
        ("20500606", DAY_FIRST, date(2050, 6, 6)),
        ("January 1, 2024", ISO, date(2024, 1, 1)),
        ("03-Feb-2024", US, date(2024, 2, 3)),
    ],
)
def test_a_day_is_read_in_the_order_of_its_format(text, order, said):
    assert day(text, "Date", order) == said


@pytest.mark.parametrize(
    "text", ["", "not-a-date", "2023-02-30", "13/13/2023", "16-9-21x", "2023-1-1x", "31/12/1024", "1" * 5000]
)
def test_what_is_no_day_is_refused_by_the_name_of_its_column(text):
    with pytest.raises(LineRefused, match=r"^Date: ") as refusal:
        day(text, "Date", DAY_FIRST)
    assert refusal.value.code == "bad_date"


def test_a_day_alone_stays_that_day_in_every_zone():
    assert midnight(date(2024, 3, 10)) == datetime(2024, 3, 10, tzinfo=UTC)
    assert stamp("2024-03-10", "Date", NEW_YORK) == (datetime(2024, 3, 10, tzinfo=UTC), True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("20180209;111929", datetime(2018, 2, 9, 16, 19, 29, tzinfo=UTC)),
        ("2013-06-17, 20:25:00", datetime(2013, 6, 18, 0, 25, tzinfo=UTC)),
        ("2018-07-09 11:19", datetime(2018, 7, 9, 15, 19, tzinfo=UTC)),
        ("2026-03-06T10:20:05.865123Z", datetime(2026, 3, 6, 10, 20, 5, 865123, tzinfo=UTC)),
        ("2024-01-02T15:00:00+05:30", datetime(2024, 1, 2, 9, 30, tzinfo=UTC)),
        ("2025-01-17 16:57:02 UTC", datetime(2025, 1, 17, 16, 57, 2, tzinfo=UTC)),
    ],
)
def test_a_time_is_of_the_zone_that_it_or_else_its_format_names(text, said):
    assert stamp(text, "dateTime", NEW_YORK) == (said, False)


def test_a_time_of_twelve_hours_is_read():
    assert moment(date(2024, 1, 2), "12:05 am", "Time", ZoneInfo("UTC")).hour == 0
    assert moment(date(2024, 1, 2), "2:21:05 PM", "Time", ZoneInfo("UTC")).hour == 14


def test_a_time_that_was_twice_is_the_first_and_one_that_never_was_is_refused():
    assert moment(date(2024, 11, 3), "01:30", "Time", NEW_YORK) == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    with pytest.raises(LineRefused, match="never was") as refusal:
        moment(date(2024, 3, 10), "02:30", "Time", NEW_YORK)
    assert refusal.value.code == "bad_time"
