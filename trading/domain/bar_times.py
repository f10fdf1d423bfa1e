"""When a bar is over, and until when one may act on it. For jobs, as it knows the hours of exchanges."""

from __future__ import annotations

from datetime import datetime, timedelta

from marketdata.domain.bars import Timeframe
from marketdata.domain.calendars import session_on, sessions

LEAST_GRACE = timedelta(minutes=5)
BARS_OF_GRACE = 2
DAY = timedelta(days=1)
LONGEST_PAUSE = timedelta(days=30)  # no exchange is closed for longer


def known_from(timeframe: Timeframe, exchange: str, start: datetime) -> datetime:
    """Return when a bar is over and can be known; one of a day when the session of its exchange has closed.

    >>> from datetime import UTC
    >>> known_from(Timeframe.DAY, "XNYS", datetime(2024, 7, 3, tzinfo=UTC)).isoformat()
    '2024-07-03T17:00:00+00:00'
    """
    session = session_on(exchange, start.date()) if timeframe is Timeframe.DAY else None
    return session.close_at if session is not None else start + timeframe.duration


def fresh_until(timeframe: Timeframe, exchange: str, start: datetime) -> datetime:
    """Return until when one may still enter on a bar: of a day, before the next session has closed; else two bars long.

    >>> from datetime import UTC
    >>> fresh_until(Timeframe.DAY, "XNYS", datetime(2024, 7, 3, tzinfo=UTC)).isoformat()
    '2024-07-05T20:00:00+00:00'
    """
    if timeframe is not Timeframe.DAY:
        return start + timeframe.duration + max(timeframe.duration * BARS_OF_GRACE, LEAST_GRACE)
    first = start.date() + DAY
    following = sessions(exchange, first, first + LONGEST_PAUSE)
    return following[0].close_at if following else start + DAY + DAY
