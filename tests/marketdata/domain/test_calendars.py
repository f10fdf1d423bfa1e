"""When exchanges trade: regular days, holidays, early closes, summer time, and those nobody has a timetable of."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain import calendars

DAYS = st.dates(date(1972, 1, 1), date(2090, 1, 1))
MICS = st.sampled_from(["XNYS", "XNAS", "XLON", "XTKS", "XHKG", "CMES", "CRYPTO", "XTST", "XTAE"])


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_ordinary_day_in_new_york_moves_with_its_summer_time():
    winter, summer = (calendars.session_on("XNAS", date(2024, month, 10)) for month in (1, 7))
    assert (winter.open_at, winter.close_at) == (at("2024-01-10T14:30"), at("2024-01-10T21:00"))
    assert (summer.open_at, summer.close_at) == (at("2024-07-10T13:30"), at("2024-07-10T20:00"))


@pytest.mark.parametrize(
    ("mic", "day", "close"),
    [
        ("XNYS", date(2024, 11, 29), "2024-11-29T18:00"),  # the day after Thanksgiving
        ("IEXG", date(2024, 12, 24), "2024-12-24T18:00"),
        ("XLON", date(2024, 12, 24), "2024-12-24T12:30"),
        ("XNYS", date(1987, 10, 19), "1987-10-19T20:00"),  # in those days summer time was over later than this
    ],
)
def test_closes_early_where_it_does(mic, day, close):
    assert calendars.close_of(mic, day) == at(close)


@pytest.mark.parametrize(
    ("mic", "day"),
    [
        ("XNYS", date(2024, 7, 4)),
        ("XNYS", date(2001, 9, 12)),
        ("XNAS", date(2024, 3, 29)),
        ("XLON", date(2022, 9, 19)),
        ("XTKS", date(2024, 1, 2)),
        ("XNYS", date(2024, 1, 6)),
    ],
)
def test_holidays_and_weekends_are_no_sessions(mic, day):
    assert not calendars.is_session(mic, day)
    assert calendars.close_of(mic, day) is None


def test_crypto_trades_always_and_an_unknown_exchange_on_weekdays():
    week = (date(2024, 1, 1), date(2024, 1, 8))
    assert len(calendars.sessions("CRYPTO", *week)) == 7
    assert len(calendars.sessions("XTST", *week)) == 5
    session = calendars.session_on("XTST", date(2024, 1, 1))
    assert session.close_at - session.open_at == timedelta(days=1)
    assert not calendars.is_known("XTST")


def test_a_timetable_that_cannot_be_worked_out_is_as_good_as_none():
    assert calendars.is_known("XTAE") or calendars.is_session("XTAE", date(2024, 1, 5))


def test_beyond_the_records_of_an_exchange_every_weekday_counts():
    assert calendars.is_session("XTKS", date(1980, 1, 1))  # its records begin in 1997
    assert not calendars.is_session("XTKS", date(1999, 1, 1))


def test_a_table_holds_the_sessions_of_several_exchanges():
    frame = calendars.session_frame(["XNYS", "XLON", "XNYS"], date(2024, 7, 3), date(2024, 7, 6))
    assert frame.schema == calendars.FRAME
    assert frame["exchange"].to_list() == ["XLON"] * 3 + ["XNYS"] * 2
    assert calendars.session_frame([], date(2024, 7, 3), date(2024, 7, 6)).is_empty()


def test_a_day_is_over_when_every_session_that_reaches_into_it_has_closed():
    friday = date(2024, 1, 5)
    assert not calendars.all_closed(["XNYS"], friday, at("2024-01-05T23:59:59"))
    assert calendars.all_closed(["XNYS"], friday, at("2024-01-06T00:00"))
    sunday = date(2024, 1, 7)  # Monday's futures begin on the evening before
    assert not calendars.all_closed(["CMES"], sunday, at("2024-01-08T22:59"))
    assert calendars.all_closed(["CMES"], sunday, at("2024-01-08T23:00"))
    assert calendars.all_closed([], friday, at("2024-01-06T00:00"))


@given(MICS, DAYS, st.integers(0, 800))
def test_sessions_follow_one_another_and_are_the_same_in_every_form(mic, start, length):
    end = start + timedelta(days=length)
    found = calendars.sessions(mic, start, end)
    assert all(start <= each.day < end and each.open_at < each.close_at for each in found)
    assert [each.day for each in found] == sorted({each.day for each in found})
    assert [each.open_at for each in found] == sorted(each.open_at for each in found)
    frame = calendars.session_frame([mic], start, end)
    assert frame.select(pl.col("day", "open", "close")).rows() == [(each.day, each.open_at, each.close_at) for each in found]
    off = calendars.holidays(mic, start, end)
    assert not {each.day for each in found} & set(off)
    weekdays = [day for day in (start + timedelta(days=number) for number in range(length)) if day.weekday() < 5]
    assert sorted({each.day for each in found if each.day.weekday() < 5} | set(off)) == weekdays
