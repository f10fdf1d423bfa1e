"""When exchanges trade: sessions, holidays and early closes by MIC.

The hours are those of the package exchange_calendars. Two kinds of markets are not in it:

- `CRYPTO` trades always: every day is a session from midnight to midnight, UTC;
- of an exchange that it does not know or whose timetable it can't work out, and of days before its records begin or after
  they end, every weekday is taken for a session from midnight to midnight, UTC: nothing that happens there is thrown away
  for want of a timetable.

Importing this takes a second or two, because pandas is imported with it: it is for jobs, not for pages.
"""

from collections.abc import Collection, Iterable
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
FIRST, LAST = date(1970, 1, 1), date(2100, 12, 31)
INSTANT = pl.Datetime("us", "UTC")
TABLE = pl.Schema({"day": pl.Date(), "open": INSTANT, "close": INSTANT})
FRAME = pl.Schema({"exchange": pl.String(), **TABLE})


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
    return mic == CRYPTO_MARKET or not _recorded(SAME_HOURS.get(mic, mic)).is_empty()


def sessions(mic: str, start: date, end: date) -> tuple[Session, ...]:
    """Return the sessions of an exchange whose days lie in [start, end), oldest first.

    >>> [str(session.day) for session in sessions("XNYS", date(2024, 7, 3), date(2024, 7, 6))]  # the 4th is a holiday
    ['2024-07-03', '2024-07-05']
    >>> sessions("XNYS", date(2024, 7, 3), date(2024, 7, 4))[0].close_at.isoformat()  # closes early before it
    '2024-07-03T17:00:00+00:00'
    """
    return tuple([Session(*row) for row in _between(mic, start, end).iter_rows()])


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
    tables = [
        _between(mic, start, end).select(pl.lit(mic).alias("exchange"), "day", "open", "close") for mic in sorted(set(mics))
    ]
    return pl.concat(tables) if tables else pl.DataFrame(schema=FRAME)


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


def _between(mic: str, start: date, end: date) -> pl.DataFrame:
    """Return the sessions of an exchange in [start, end) as a table; all are kept, sorted by day, so two searches find them."""
    table = _table(mic)
    first = table["day"].search_sorted(start, side="left")
    return table.slice(first, max(0, table["day"].search_sorted(end, side="left") - first))


@cache
def _table(mic: str) -> pl.DataFrame:
    """Return every session of an exchange: those on record, and what is taken for one before and after them."""
    if mic == CRYPTO_MARKET:
        return _whole_days(FIRST, LAST, weekends=True)
    recorded = _recorded(SAME_HOURS.get(mic, mic))
    if recorded.is_empty():
        return _whole_days(FIRST, LAST, weekends=False)
    first, last = recorded["day"][0], recorded["day"][-1]
    # A record that begins or ends with a year begins or ends with its first or last session, which may be some days within.
    before = _whole_days(FIRST, date(first.year, first.month, 1) - DAY, weekends=False)
    after = _whole_days(date(last.year + last.month // 12, last.month % 12 + 1, 1), LAST, weekends=False)
    return pl.concat([before, recorded, after])


@cache
def _recorded(name: str) -> pl.DataFrame:
    """Return the sessions that the package has of an exchange; none if it has no timetable or can't work it out."""
    try:
        kind = type(exchange_calendars.get_calendar(name))
        bounds = {"start": pd.Timestamp(FIRST), "end": pd.Timestamp(LAST)}
        lowest, highest = kind.bound_min(), kind.bound_max()
        if lowest is not None:
            bounds["start"] = max(bounds["start"], lowest)
        if highest is not None:
            bounds["end"] = min(bounds["end"], highest)
        schedule = exchange_calendars.get_calendar(name, **bounds).schedule
    except (exchange_calendars.errors.InvalidCalendarName, NotImplementedError, ValueError):
        return pl.DataFrame(schema=TABLE)
    columns = {"day": schedule.index, "open": schedule["open"], "close": schedule["close"]}
    return pl.DataFrame({name: _microseconds(column) for name, column in columns.items()}).cast(TABLE)


def _microseconds(instants: Iterable[pd.Timestamp]) -> pl.Series:
    """Return instants of pandas as a column in UTC."""
    return pl.Series(pd.DatetimeIndex(instants).tz_localize(None).as_unit("us").to_numpy()).dt.replace_time_zone("UTC")


def _whole_days(first: date, last: date, *, weekends: bool) -> pl.DataFrame:
    """Return a session from midnight to midnight for every day from the first to the last, or for every weekday."""
    days = pl.DataFrame({"day": pl.date_range(first, last, eager=True)}, schema={"day": pl.Date})
    if not weekends:
        days = days.filter(pl.col("day").dt.weekday() <= WEEKEND)
    midnight = pl.col("day").cast(INSTANT)
    return days.select("day", midnight.alias("open"), (midnight + DAY).alias("close"))
