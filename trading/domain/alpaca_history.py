"""Which times Alpaca's portfolio history tells of: periods back from an end, and steps within days.

A step is named by its start; what is told of it is how things stood at its end.
"""

from __future__ import annotations

import calendar
import enum
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from marketdata.domain.calendars import sessions

NEW_YORK, EXCHANGE = ZoneInfo("America/New_York"), "XNYS"
PERIOD = re.compile(r"(?P<count>[0-9]{1,3})(?P<unit>[DWMAY])", re.ASCII)
EVERYTHING, MONTH, DAILY = "all", "1M", "1D"
STEPS: Mapping[str, timedelta] = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
}
DAYS_OF: Mapping[str, int] = {"D": 1, "W": 7, "M": 30, "A": 365, "Y": 365}
FIRST = date(1900, 1, 1)
DAY, YEAR = timedelta(days=1), 12
LONGEST = timedelta(days=31)  # in steps within days
MOST = 12_000  # steps at once
BY_MINUTE, BY_QUARTER = timedelta(days=7), timedelta(days=30)  # what is shorter is told in these steps
BACK = timedelta(days=14)  # no market is closed for longer
PRE_MARKET, AFTER_HOURS = time(4), time(20)  # in New York


class BadPeriod(ValueError):
    """There is no such period, or it is too long for the steps."""


class Reporting(enum.StrEnum):
    """At which hours steps within days are told."""

    MARKET = "market_hours"
    EXTENDED = "extended_hours"
    CONTINUOUS = "continuous"


def begin(last: date, period: str) -> date:
    """Return the first day of a period that ends on a day: a number of days, weeks, months or years (A), or `all`.

    :raises BadPeriod: if it is no period

    >>> begin(date(2024, 3, 31), "1M")
    datetime.date(2024, 3, 1)
    """
    if period.lower() == EVERYTHING:
        return FIRST
    count, unit = _parsed(period)
    if unit in "DW":
        return max(FIRST, last - timedelta(days=count * DAYS_OF[unit] - 1))
    months = last.year * YEAR + last.month - 1 - count * (YEAR if unit in "AY" else 1)
    year, month = divmod(months, YEAR)
    if year < FIRST.year:
        return FIRST
    return date(year, month + 1, min(last.day, calendar.monthrange(year, month + 1)[1])) + DAY


def usual_step(period: str, start: datetime | None, end: datetime) -> str:
    """Return the timeframe of a time where none is asked for.

    :raises BadPeriod: if it is no period

    >>> usual_step("1D", None, datetime(2024, 5, 6, tzinfo=UTC)), usual_step("1M", None, datetime(2024, 5, 6, tzinfo=UTC))
    ('1Min', '1D')
    """
    if start is not None:
        length = end - start
    elif period.lower() == EVERYTHING:
        return DAILY
    else:
        count, unit = _parsed(period)
        length = timedelta(days=count * DAYS_OF[unit])
    if length < BY_MINUTE:
        return "1Min"
    return "15Min" if length < BY_QUARTER else DAILY


def steps(step: timedelta, reporting: Reporting, *, period: str, start: datetime | None, end: datetime) -> list[datetime]:
    """Return the starts of the steps of a time, oldest first: those of a period up to the end, where there is no start.

    :raises BadPeriod: if it is no period, or too long
    """
    if reporting is Reporting.CONTINUOUS:
        begun = start or end - (end.date() - begin(end.date(), period) + DAY)
        found = _every(_floor(begun, step), end, step)
    else:
        begun = start or _morning(begin(_last_session(reporting, end), period))
        found = _in_sessions(step, reporting, begun, end)
    if end - begun > LONGEST + DAY:
        raise BadPeriod("a timeframe below 1D is for 30 days or less")
    told = list(islice(found, MOST + 1))
    if len(told) > MOST:
        raise BadPeriod(f"that would be more than {MOST:,} values: choose a longer timeframe or a shorter period")
    return told


def _parsed(period: str) -> tuple[int, str]:
    """Return the number and the unit of a period.

    :raises BadPeriod: if it is none
    """
    found = PERIOD.fullmatch(period)
    if found is None or not int(found["count"]):
        raise BadPeriod("period must be a number and D, W, M or A, such as 1M, or all")
    return int(found["count"]), found["unit"]


def _in_sessions(step: timedelta, reporting: Reporting, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the steps of the sessions that end after a start, each from its beginning to its end, which is one, too."""
    for each in sessions(EXCHANGE, start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date() + DAY):
        opens, closes = _hours(reporting, each.day, each.open_at, each.close_at)
        if closes >= start:
            yield from _every(opens, min(closes, end), step)


def _last_session(reporting: Reporting, end: datetime) -> date:
    """Return the day of the last session that has begun by an end."""
    today = end.astimezone(NEW_YORK).date()
    near = sessions(EXCHANGE, today - BACK, today + DAY)
    begun = [each.day for each in near if _hours(reporting, each.day, each.open_at, each.close_at)[0] <= end]
    return begun[-1] if begun else today


def _hours(reporting: Reporting, day: date, opens: datetime, closes: datetime) -> tuple[datetime, datetime]:
    """Return from when to when a session is told."""
    if reporting is Reporting.MARKET:
        return opens, closes
    return tuple(datetime.combine(day, hour, NEW_YORK).astimezone(UTC) for hour in (PRE_MARKET, AFTER_HOURS))  # type: ignore[return-value]


def _morning(day: date) -> datetime:
    """Return when a day starts in New York."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def _every(first: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    """Yield each instant from one to another, both included."""
    while first <= last:
        yield first
        first += step


def _floor(at: datetime, step: timedelta) -> datetime:
    """Return the start of the step that an instant falls into."""
    return at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % step
