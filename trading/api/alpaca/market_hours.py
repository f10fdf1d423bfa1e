"""When the market is open: the clock and the calendar of the New York exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.domain.calendars import Session, sessions
from trading.api.alpaca.base import AlpacaView
from trading.api.alpaca.words import choice, day

EXCHANGE, NEW_YORK = "XNYS", ZoneInfo("America/New_York")
AHEAD = timedelta(days=14)  # no market is closed for longer
WHOLE_DAY = timedelta(hours=24)
FIRST, LAST = date(1970, 1, 1), date(2029, 12, 31)
DATES = {"trading": "date", "settlement": "settlement_date"}  # what `start` and `end` mean
# after how many sessions a trade is settled, from which day on
SETTLING = ((date(2024, 5, 28), 1), (date(2017, 9, 5), 2), (date(1995, 6, 7), 3), (FIRST, 5))


class ClockView(AlpacaView):
    """Whether the market is open."""

    def get(self, request: Request) -> Response:
        """Return the time, and when the market opens and closes next, in New York's time."""
        return Response(clock_row(timezone.now()))


class CalendarView(AlpacaView):
    """The days on which the market is open."""

    def get(self, request: Request) -> Response:
        """Return the sessions from `start` to `end`, both included; with `date_type` SETTLEMENT those that are settled then."""
        query = request.query_params
        first, last = day(query.get("start"), "start") or FIRST, day(query.get("end"), "end") or LAST
        first, last = max(first, FIRST), min(last, LAST)
        counts = choice(query.get("date_type"), "date_type", DATES, "trading")
        if first > last:
            return Response([])
        near = sessions(EXCHANGE, max(first - AHEAD, FIRST), last + AHEAD)
        found = [each for each in near if each.close_at - each.open_at < WHOLE_DAY]
        rows = (calendar_row(found, number) for number, each in enumerate(found) if each.day <= last)
        return Response([row for row in rows if row[counts] and first.isoformat() <= row[counts] <= last.isoformat()])


def clock_row(at: datetime) -> dict[str, Any]:
    """Return what Alpaca's clock says at an instant.

    >>> row = clock_row(datetime(2024, 7, 3, 15, tzinfo=ZoneInfo("UTC")))
    >>> row["is_open"], row["next_open"], row["next_close"]  # the 4th is a holiday, and the 3rd short
    (True, '2024-07-05T09:30:00-04:00', '2024-07-03T13:00:00-04:00')
    """
    today = at.astimezone(NEW_YORK).date()
    near = sessions(EXCHANGE, today, today + AHEAD)
    return {
        "timestamp": _there(at),
        "is_open": any(each.open_at <= at < each.close_at for each in near),
        "next_open": _there(next(each.open_at for each in near if each.open_at > at)),
        "next_close": _there(next(each.close_at for each in near if each.close_at > at)),
    }


def calendar_row(found: Sequence[Session], number: int) -> dict[str, Any]:
    """Return a session as Alpaca tells it, in New York's time."""
    each = found[number]
    wait = next(after for since, after in SETTLING if each.day >= since)
    settled = found[number + wait].day if number + wait < len(found) else None
    return {
        "date": each.day.isoformat(),
        "open": each.open_at.astimezone(NEW_YORK).strftime("%H:%M"),
        "close": each.close_at.astimezone(NEW_YORK).strftime("%H:%M"),
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": settled.isoformat() if settled else None,
    }


def _there(at: datetime) -> str:
    return at.astimezone(NEW_YORK).isoformat()
