"""When orders can be given and when they trade, by the calendar of New York: a holiday, an early close, nights and weekends."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from marketdata.domain.calendars import sessions
from trading.domain.drafts import OrderDraft, OrderRefused
from trading.domain.hours import Hours, Span, check_hours, span_of
from trading.domain.orders import OrderType, Side, TimeInForce

# Wednesday July 3rd 2024 closes at 13:00 in New York, which is 17:00 UTC; the 4th is a holiday
FIRST, LAST = datetime(2024, 7, 1, tzinfo=UTC).date(), datetime(2024, 7, 12, tzinfo=UTC).date()
DAYS = [Hours(each.open_at, each.close_at) for each in sessions("XNYS", FIRST, LAST)]


def at(text):
    """Return an instant of July 2024, UTC."""
    return datetime.fromisoformat(f"2024-07-{text}:00+00:00")


def draft(time, **fields):
    return OrderDraft(side=Side.BUY, quantity=Decimal(1), time_in_force=TimeInForce(time), **fields)


def problem(time, when, days=DAYS):
    """Return the name of what is wrong, or nothing."""
    try:
        check_hours(draft(time), days, at(when))
    except OrderRefused as refused:
        (only,) = refused.problems
        assert only.field == "time_in_force"
        return only.code
    return ""


@pytest.mark.parametrize(
    ("time", "when", "told"),
    [
        ("IOC", "02T13:29", "market_closed"),
        ("IOC", "02T13:30", ""),
        ("FOK", "02T19:59", ""),
        ("FOK", "02T20:00", "market_closed"),
        ("IOC", "03T16:59", ""),
        ("IOC", "03T17:00", "market_closed"),  # the early close
        ("IOC", "04T15:00", "market_closed"),  # the holiday
        ("IOC", "06T15:00", "market_closed"),  # a Saturday
        ("OPG", "02T13:27", ""),
        ("OPG", "02T13:29", "auction_closed"),
        ("OPG", "02T15:00", "auction_over"),
        ("OPG", "02T20:00", ""),
        ("OPG", "04T15:00", ""),
        ("CLS", "02T19:49", ""),
        ("CLS", "02T19:51", "auction_closed"),
        ("CLS", "02T20:00", ""),
        ("CLS", "03T16:49", ""),
        ("CLS", "03T16:51", "auction_closed"),
        ("CLS", "04T15:00", ""),
        ("DAY", "06T15:00", ""),
        ("GTC", "02T20:00", ""),
    ],
)
def test_what_can_be_given_when(time, when, told):
    assert problem(time, when) == told


@pytest.mark.parametrize("time", ["IOC", "OPG", "CLS"])
def test_nothing_is_refused_where_the_hours_are_not_known(time):
    assert problem(time, "06T15:00", days=()) == ""


def test_a_refusal_says_when_it_can_be_had():
    with pytest.raises(OrderRefused, match="until 2024-07-05 13:30 UTC"):
        check_hours(draft("IOC"), DAYS, at("04T15:00"))


@pytest.mark.parametrize(
    ("time", "extended", "when", "begins", "ends"),
    [
        ("DAY", False, "02T15:00", None, "02T20:00"),
        ("DAY", False, "02T20:00", "03T13:30", "03T17:00"),
        ("DAY", False, "03T17:00", "05T13:30", "05T20:00"),  # over the holiday
        ("DAY", False, "05T21:00", "08T13:30", "08T20:00"),  # over the weekend
        ("DAY", True, "02T21:00", None, "03T00:00"),
        ("DAY", True, "03T18:00", None, "03T21:00"),  # four hours after an early close
        ("DAY", True, "03T22:00", "05T08:00", "06T00:00"),
        ("GTC", False, "02T15:00", None, None),
        ("GTC", False, "06T15:00", "08T13:30", None),
        ("OPG", False, "02T21:00", "03T13:30", "03T13:30"),
        ("CLS", False, "03T15:00", "03T17:00", "03T17:00"),
        ("IOC", False, "02T15:00", None, "02T15:02"),
    ],
)
def test_when_an_order_trades_and_is_over(time, extended, when, begins, ends):
    asked = {"type": OrderType.LIMIT, "limit_price": Decimal(1), "extended_hours": extended}
    around = [each for each in DAYS if each.close_at > at(when) - timedelta(days=1)]
    assert span_of(draft(time, **asked), around, at(when)) == Span(begins and at(begins), ends and at(ends))


def test_unknown_hours_leave_an_order_as_it_is():
    assert span_of(draft("DAY"), (), at("02T15:00")) == Span()
