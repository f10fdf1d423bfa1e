"""The hours of an exchange, and what they mean for an order: when it can be given, when it trades, and when it is over by itself.

An order for the day that is given after the close is for the next session; holidays and early closes are those of the calendar.
Where the hours of an exchange are not known, nothing is refused for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trading.domain.drafts import AT_ONCE, OrderDraft, OrderRefused
from trading.domain.orders import TimeInForce
from trading.domain.problems import Problem, refuse_if

BEFORE = timedelta(hours=5, minutes=30)  # extended hours begin so long before the open, and end so long after the close
AFTER = timedelta(hours=4)
OPENING_ENDS = timedelta(minutes=2)  # so long before an auction no more orders are taken for it
CLOSING_ENDS = timedelta(minutes=10)
AT_ONCE_ENDS = timedelta(minutes=2)  # what is to be filled at once is over after that, wherever it waited


@dataclass(frozen=True, slots=True)
class Hours:
    """One session of an exchange; extended hours surround it."""

    open_at: datetime
    close_at: datetime

    @property
    def first(self) -> datetime:
        """When extended hours begin."""
        return self.open_at - BEFORE

    def covers(self, begins: datetime, ends: datetime, *, extended: bool) -> bool:
        """Say whether a stretch of time lies in the session."""
        first, last = (self.first, self.close_at + AFTER) if extended else (self.open_at, self.close_at)
        return first <= begins and ends <= last

    def end(self, *, extended: bool) -> datetime:
        """When an order for the day ends."""
        return self.close_at + AFTER if extended else self.close_at


@dataclass(frozen=True, slots=True)
class Span:
    """From when an order can trade, and when it is over by itself; none: at once, or never."""

    begins: datetime | None = None
    ends: datetime | None = None


def check_hours(draft: OrderDraft, sessions: Sequence[Hours], at: datetime) -> None:
    """Refuse an order that cannot be given at this time; `sessions` are those around it, none where they are not known.

    :raises OrderRefused: by field
    """
    refuse_if(_bad_time(draft, sessions, at), OrderRefused)


def span_of(draft: OrderDraft, sessions: Sequence[Hours], at: datetime) -> Span:
    """Return when an order given at a time trades, and until when it may leave for its broker.

    `sessions` begin with the one before that time; there are none where they are not known.
    """
    time, extended = draft.time_in_force, draft.extended_hours
    if time in AT_ONCE:
        return Span(None, at + AT_ONCE_ENDS)
    if time is TimeInForce.OPG:
        session = next((each for each in sessions if each.open_at >= at), None)
        return Span(session.open_at, session.open_at) if session else Span()
    session = next((each for each in sessions if each.end(extended=extended) > at), None)
    if session is None:
        return Span()
    if time is TimeInForce.CLS:
        return Span(session.close_at, session.close_at)
    begins = session.first if extended else session.open_at
    return Span(begins if begins > at else None, session.end(extended=extended) if time is TimeInForce.DAY else None)


def _bad_time(draft: OrderDraft, sessions: Sequence[Hours], at: datetime) -> Iterator[Problem]:
    """Yield why an order cannot be given now."""
    time = draft.time_in_force
    now = next((each for each in sessions if each.open_at <= at < each.close_at), None)
    later = next((each for each in sessions if each.open_at > at), None)
    if time in AT_ONCE and now is None and later is not None:
        detail = f"The market is closed until {_told(later.open_at)}; what is to be filled at once ({time}) needs it open."
        yield Problem("time_in_force", "market_closed", f"{detail} Choose DAY or GTC.")
    elif time is TimeInForce.OPG and now is not None:
        yield Problem("time_in_force", "auction_over", f"The opening auction is over; place it after {_told(now.close_at)}.")
    elif time is TimeInForce.OPG and later is not None and at > later.open_at - OPENING_ENDS:
        detail = f"The opening auction of {_told(later.open_at)} takes no more orders; choose DAY."
        yield Problem("time_in_force", "auction_closed", detail)
    elif time is TimeInForce.CLS and now is not None and at > now.close_at - CLOSING_ENDS:
        detail = f"The closing auction of {_told(now.close_at)} takes no more orders; choose DAY, or place it after that."
        yield Problem("time_in_force", "auction_closed", detail)


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
