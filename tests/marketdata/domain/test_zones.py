"""The time zones of exchanges are those of the package that knows their hours."""

from datetime import UTC, datetime

import exchange_calendars
import pytest

from marketdata.domain.bars import Timeframe
from marketdata.domain.zones import ZONES, market_day, zone_of

# no exchanges, and those that the package puts into a neighbor's zone, which makes no difference
OTHERS = {"us_futures", "24/5", "24/7", "XBOG", "XDUS", "XHAM"}


def zone_of_package(name: str) -> str | None:
    """Return the zone that the package has an exchange in; None if it can't work the exchange's timetable out."""
    try:
        return str(exchange_calendars.get_calendar(name, start="2023-01-02", end="2024-02-29").tz)
    except (NotImplementedError, ValueError):
        return None


def test_are_those_of_the_package():
    names = set(exchange_calendars.get_calendar_names(include_aliases=False)) - OTHERS
    known = {name: zone for name in names if (zone := zone_of_package(name))}
    assert known == {name: ZONES.get(name) for name in known}
    assert len(known) > 50


@pytest.mark.parametrize(
    ("mic", "instant", "day"),
    [
        ("XASX", "2024-01-09T22:59:59Z", "2024-01-10"),  # 9:59 in the morning there
        ("XASX", "2024-01-09T12:59:59Z", "2024-01-09"),
        ("XASX", "2024-06-09T14:00:00Z", "2024-06-10"),
        ("XNZE", "2024-01-09T21:00:00Z", "2024-01-10"),
        ("XTKS", "2024-01-10T00:00:00Z", "2024-01-10"),
        ("XNYS", "2024-01-10T00:30:00Z", "2024-01-09"),  # after hours
        ("XLON", "2024-01-10T08:00:00Z", "2024-01-10"),
        ("CRYPTO", "2024-01-10T00:00:00Z", "2024-01-10"),
        ("XNON", "2024-01-09T23:59:59Z", "2024-01-09"),
    ],
)
def test_part_the_days_of_shorter_bars(mic, instant, day):
    assert str(market_day(datetime.fromisoformat(instant), Timeframe.MINUTE, mic)) == day


def test_a_daily_bar_is_of_the_day_it_says():
    for mic in ("XASX", "XNYS"):
        assert str(market_day(datetime(2024, 1, 10, tzinfo=UTC), Timeframe.DAY, mic)) == "2024-01-10"


def test_the_ends_of_time_have_a_day():
    assert market_day(datetime(1, 1, 1, tzinfo=UTC), Timeframe.HOUR, "XNYS").year == 1
    assert market_day(datetime(9999, 12, 31, 23, tzinfo=UTC), Timeframe.HOUR, "XASX").year == 9999
    assert zone_of("XASX") is zone_of("XASX")
