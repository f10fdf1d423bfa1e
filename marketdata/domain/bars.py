"""What a bar is, and the times at which bars start."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timeframe(enum.StrEnum):
    """How long a bar lasts."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    QUARTER_HOUR = "15m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def seconds(self) -> int:
        """The length of a bar in seconds."""
        return SECONDS[self]

    @property
    def duration(self) -> timedelta:
        """The length of a bar."""
        return timedelta(seconds=self.seconds)

    def start_of(self, at: datetime) -> datetime:
        """Return the start of the bar that an instant falls into.

        >>> Timeframe.HOUR.start_of(datetime(2024, 1, 2, 15, 59, tzinfo=UTC)).isoformat()
        '2024-01-02T15:00:00+00:00'
        """
        return at - (at - EPOCH) % self.duration


SECONDS: Mapping[Timeframe, int] = {
    Timeframe.MINUTE: 60,
    Timeframe.FIVE_MINUTES: 300,
    Timeframe.QUARTER_HOUR: 900,
    Timeframe.HOUR: 3600,
    Timeframe.DAY: 86400,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The prices of one instrument over one period; `timestamp` is its start in UTC."""

    timestamp: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None = None
    vwap: Decimal | None = None
    trade_count: int | None = None
