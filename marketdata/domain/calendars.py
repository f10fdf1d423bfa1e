"""When exchanges trade: sessions, holidays and early closes by MIC.

The hours are those of the package exchange_calendars. Two kinds of markets are not in it:

- `CRYPTO` trades always: every day is a session from midnight to midnight, UTC;
- of an exchange it does not know, and of years before its records begin or after they end, every weekday is taken for a
  session from midnight to midnight, UTC: nothing that happens there is thrown away for want of a timetable.

Importing this takes a second or two, because pandas is imported with it: it is for jobs, not for pages.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import exchange_calendars
import pandas as pd
import polars as pl

from marketdata.domain.instruments import CRYPTO_MARKET

# Exchanges that keep the hours of another one and that the package does not list.
SAME_HOURS = {
    **dict.fromkeys(("IEXG", "XCHI", "XPHL", "XBOS", "XCIS", "EDGA", "EDGX", "BATY", "MEMX", "EPRL", "LTSE"), "XNYS"),
    **dict.fromkeys(("XCME", "XCBT", "XNYM", "XCEC", "GLBX"), "CMES"),
    "IFUS": "IEPA",
}
WEEKEND = 5
DAY = timedelta(days=1)
FRAME = {"exchange": pl.String, "day": pl.Date, "open": pl.Datetime("us", "UTC"), "close": pl.Datetime("us", "UTC")}


@dataclass(frozen=True, slots=True)
class Session:
    """A trading day of an exchange: it opens at `open_at` and has closed at `close_at`; `day` is what the exchange calls it."""

    day: date
    open_at: datetime
    close_at: datetime


def is_known(mic: str) -> bool:
    """Say whether the hours of an exchange are known; those of the others are every weekday from midnight to midnight.

    >>> is_known("XNAS"), is_known("CRYPTO"), is_known("XTST")
    (True, True, False)
    """
    return mic == CRYPTO_MARKET or SAME_HOURS.get(mic, mic) in exchange_calendars.get_calendar_names()


def sessions(mic: str, start: date, end: date) -> tuple[Session, ...]:
    """Return the sessions of an exchange whose days lie in [start, end), oldest first.

    >>> [str(session.day) for session in sessions("XNYS", date(2024, 7, 3), date(2024, 7, 6))]  # the 4th is a holiday
    ['2024-07-03', '2024-07-05']
    >>> sessions("XNYS", date(2024, 7, 3), date(2024, 7, 4))[0].close_at.isoformat()  # closes early before it
    '2024-07-03T17:00:00+00:00'
    """
    if end <= start:
        return ()
    found: list[Session] = []
    for year in range(start.year, (end - DAY).year + 1):
        found += _year(mic, year)
    return tuple([session for session in found if start <= session.day < end])


def session_on(mic: str, day: date) -> Session | None:
    """Return the session of a day, or nothing if the exchange does not trade on it."""
    return next(iter(sessions(mic, day, day + DAY)), None)


def is_session(mic: str, day: date) -> bool:
    """Say whether an exchange trades on a day.

    >>> is_session("XLON", date(2024, 12, 25)), is_session("CRYPTO", date(2024, 12, 25))
    (False, True)
    """
    return session_on(mic, day) is not None


def close_of(mic: str, day: date) -> datetime | None:
    """Return when an exchange closes on a day, or nothing if it does not trade on it."""
    session = session_on(mic, day)
    return session.close_at if session else None


def holidays(mic: str, start: date, end: date) -> tuple[date, ...]:
    """Return the weekdays in [start, end) on which an exchange does not trade.

    >>> [str(day) for day in holidays("XNYS", date(2024, 12, 1), date(2025, 1, 1))]
    ['2024-12-25']
    """
    trades = {session.day for session in sessions(mic, start, end)}
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    return tuple([day for day in days if day.weekday() < WEEKEND and day not in trades])


def session_frame(mics: Collection[str], start: date, end: date) -> pl.DataFrame:
    """Return the sessions of exchanges whose days lie in [start, end): exchange, day, open, close, in this order.

    >>> session_frame(["XNYS"], date(2024, 7, 3), date(2024, 7, 6)).row(0)[2].isoformat()
    '2024-07-03T13:30:00+00:00'
    """
    rows = [(mic, each.day, each.open_at, each.close_at) for mic in sorted(set(mics)) for each in sessions(mic, start, end)]
    return pl.DataFrame(rows, schema=FRAME, orient="row")


def all_closed(mics: Collection[str], day: date, at: datetime) -> bool:
    """Say whether at an instant a day of UTC is over, and every session that reaches into it has closed.

    A session of New York may reach into the next day of UTC, and one of Chicago opens on the evening before.

    >>> all_closed(["XNYS"], date(2024, 7, 3), datetime(2024, 7, 3, 20, tzinfo=UTC))
    False
    >>> all_closed(["XNYS"], date(2024, 7, 3), datetime(2024, 7, 4, tzinfo=UTC))
    True
    """
    midnight = datetime.combine(day + DAY, time(), UTC)
    near = [each for mic in set(mics) for each in sessions(mic, day - DAY, day + 2 * DAY)]
    return at >= max([midnight, *(each.close_at for each in near if each.open_at < midnight)])


@cache
def _year(mic: str, year: int) -> tuple[Session, ...]:
    """Return the sessions of a year."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    if mic != CRYPTO_MARKET and is_known(mic):
        name = SAME_HOURS.get(mic, mic)
        kept_from, kept_to = _records(name)
        known = _known_sessions(name, max(first, kept_from), min(last, kept_to))
        if kept_from <= first and last <= kept_to:
            return known
        around = [each for each in _plain_sessions(first, last, weekends=False) if not kept_from <= each.day <= kept_to]
        return tuple(sorted([*known, *around], key=lambda each: each.day))
    return _plain_sessions(first, last, weekends=mic == CRYPTO_MARKET)


@cache
def _records(name: str) -> tuple[date, date]:
    """Return the first and the last day that the package has hours of."""
    calendar = exchange_calendars.get_calendar(name)
    bounds = (calendar.bound_min(), calendar.bound_max())
    return (
        date(1970, 1, 1) if bounds[0] is None else bounds[0].date(),
        date(2100, 12, 31) if bounds[1] is None else bounds[1].date(),
    )


def _known_sessions(name: str, first: date, last: date) -> tuple[Session, ...]:
    """Return the sessions that the package knows, from the first day to the last, both included."""
    if last < first:
        return ()
    # It wants at least one session between the two: a margin has one.
    start = max(first - 30 * DAY, _records(name)[0])
    calendar = exchange_calendars.get_calendar(name, start=pd.Timestamp(start), end=pd.Timestamp(last))
    table = calendar.schedule.loc[pd.Timestamp(first) :]
    return tuple(
        [
            Session(day.date(), opens.to_pydatetime(), closes.to_pydatetime())
            for day, opens, closes in zip(table.index, table["open"], table["close"], strict=True)
        ]
    )


def _plain_sessions(first: date, last: date, *, weekends: bool) -> tuple[Session, ...]:
    """Return a session from midnight to midnight for every day, or for every weekday."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return tuple([_whole(day) for day in days if weekends or day.weekday() < WEEKEND])


def _whole(day: date) -> Session:
    """Return a session that lasts all day."""
    midnight = datetime.combine(day, time(), UTC)
    return Session(day, midnight, midnight + DAY)
