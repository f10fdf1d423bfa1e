"""The lengths of bars that Alpaca's API knows, and when such bars start.

What we store are bars of a few lengths; all others are put together from those. A bar of minutes or hours counts from midnight
where the exchange is, one of a day or longer is named by the midnight, there, that its first day starts with.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from math import gcd
from zoneinfo import ZoneInfo

from marketdata.domain.bars import Bar, Timeframe
from portfolio.domain.exact import EXACT

DAY = timedelta(days=1)
SPELLING = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)", re.ASCII)
VWAP_PLACES = Decimal("0.0000000001")


class Unit(enum.StrEnum):
    """What a period is counted in."""

    MINUTE = "Min"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


SHORT: Mapping[str, Unit] = {"T": Unit.MINUTE, "H": Unit.HOUR, "D": Unit.DAY, "W": Unit.WEEK, "M": Unit.MONTH}
AMOUNTS: Mapping[Unit, Sequence[int]] = {
    Unit.MINUTE: range(1, 60),
    Unit.HOUR: range(1, 24),
    Unit.DAY: (1,),
    Unit.WEEK: (1,),
    Unit.MONTH: (1, 2, 3, 4, 6, 12),
}
SECONDS: Mapping[Unit, int] = {Unit.MINUTE: 60, Unit.HOUR: 3600}
MOST_DAYS: Mapping[Unit, int] = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31}


class BadPeriod(ValueError):
    """There is no bar of that length."""


@dataclass(frozen=True, slots=True)
class Period:
    """How long a bar lasts."""

    amount: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Period:
        """Return the period that a text means.

        :raises BadPeriod: if it means none

        >>> str(Period.parse("15T")), str(Period.parse("1Day"))
        ('15Min', '1Day')
        """
        match = SPELLING.fullmatch(text)
        if match is None:
            raise BadPeriod(f"invalid timeframe: {text[:20]}")
        amount, word = int(match[1]), match[2]
        unit = SHORT.get(word) or Unit(word)
        if amount not in AMOUNTS[unit]:
            raise BadPeriod(f"invalid timeframe: {text[:20]}")
        return cls(amount, unit)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"

    @property
    def of_days(self) -> bool:
        """Whether it is a day or longer."""
        return self.unit not in SECONDS

    @property
    def stored(self) -> Timeframe | None:
        """The length of ours that it is, if it is one."""
        if self.of_days:
            return Timeframe.DAY if self.unit is Unit.DAY else None
        seconds = self.amount * SECONDS[self.unit]
        return next((each for each in Timeframe if each.seconds == seconds and each is not Timeframe.DAY), None)

    def base(self, zone: ZoneInfo, at: datetime) -> Timeframe:
        """Return the longest bars of ours that bars of this length can be made of.

        >>> Period.parse("4Hour").base(ZoneInfo("America/New_York"), datetime(2024, 5, 6, tzinfo=UTC))
        <Timeframe.HOUR: '1h'>
        """
        if self.of_days:
            return Timeframe.DAY
        if self.stored:
            return self.stored
        offset = zone.utcoffset(at.astimezone(zone).replace(tzinfo=None)) or timedelta()
        common = gcd(self.amount * SECONDS[self.unit], abs(int(offset.total_seconds())))
        fits = (each for each in Timeframe if common % each.seconds == 0)
        return max(fits, key=lambda each: each.seconds, default=Timeframe.MINUTE)

    def most(self, base: Timeframe) -> int:
        """Return how many of ours one of these can hold."""
        if self.of_days:
            return MOST_DAYS[self.unit] * (self.amount if self.unit is Unit.MONTH else 1)
        return max(self.amount * SECONDS[self.unit] // base.seconds, 1)

    def start_of(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the start of the bar that an instant falls into.

        >>> Period.parse("1Week").start_of(datetime(2024, 5, 9, 15, tzinfo=UTC), ZoneInfo("America/New_York")).isoformat()
        '2024-05-06T04:00:00+00:00'
        """
        day = at.astimezone(zone).date()
        if self.of_days:
            return midnight(self._first(day), zone)
        if self.stored:
            return self.stored.start_of(at)
        begin, step = midnight(day, zone), self._step
        return begin + (at - begin) // step * step

    def after(self, start: datetime, zone: ZoneInfo) -> datetime:
        """Return the start of the bar after one that starts at an instant."""
        day = start.astimezone(zone).date()
        if self.of_days:
            return midnight(self._following(self._first(day)), zone)
        if self.stored:
            return start + self.stored.duration
        return min(start + self._step, midnight(day + DAY, zone))

    def bar_of(self, timestamp: datetime, zone: ZoneInfo) -> datetime:
        """Return the start of the bar that one of ours belongs to; our daily bars are named by midnight in UTC."""
        if self.of_days:
            return midnight(self._first(timestamp.astimezone(UTC).date()), zone)
        return self.start_of(timestamp, zone)

    def bounds(self, start: datetime, end: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return between which of our timestamps [first, last) the bars lie that start at `start` or after, `end` at last."""
        first = self.start_of(start, zone)
        if first < start:
            first = self.after(first, zone)
        last = self.after(self.start_of(end, zone), zone)
        return self.ours(first, zone), self.ours(last, zone)

    def ours(self, start: datetime, zone: ZoneInfo) -> datetime:
        """Return our timestamp for the start of a bar."""
        return datetime.combine(start.astimezone(zone).date(), time(), UTC) if self.of_days else start

    @property
    def _step(self) -> timedelta:
        return timedelta(seconds=self.amount * SECONDS[self.unit])

    def _first(self, day: date) -> date:
        """Return the first day of the period that a day lies in."""
        if self.unit is Unit.WEEK:
            return day - timedelta(days=day.weekday())
        if self.unit is Unit.MONTH:
            return date(day.year, (day.month - 1) // self.amount * self.amount + 1, 1)
        return day

    def _following(self, first: date) -> date:
        """Return the first day of the period after the one that starts with a day."""
        if self.unit is not Unit.MONTH:
            return first + timedelta(days=MOST_DAYS[self.unit])
        months = first.month - 1 + self.amount
        return date(first.year + months // 12, months % 12 + 1, 1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day starts in a zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def put_together(bars: Iterable[Bar], period: Period, zone: ZoneInfo) -> Iterator[Bar]:
    """Yield the bars of a period that bars of ours come to, in the order those come in, forwards or backwards in time."""
    for start, group in groupby(bars, key=lambda bar: period.bar_of(bar.timestamp, zone)):
        members = sorted(group, key=lambda bar: bar.timestamp)
        if len(members) > 1:
            yield _joined(start, members)
        else:
            yield members[0] if members[0].timestamp == start else replace(members[0], timestamp=start)


def _joined(start: datetime, bars: Sequence[Bar]) -> Bar:
    """Return one bar of several; what is not known of one of them is not known of all."""
    volumes = [bar.volume for bar in bars if bar.volume is not None]
    counts = [bar.trade_count for bar in bars if bar.trade_count is not None]
    whole = len(volumes) == len(bars)
    return Bar(
        timestamp=start,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(volumes, Decimal(0)) if whole else None,
        vwap=_average(bars) if whole else None,
        trade_count=sum(counts) if len(counts) == len(bars) else None,
    )


def _average(bars: Sequence[Bar]) -> Decimal | None:
    """Return the average price by volume, none where that of a bar is not known."""
    value, volume = Decimal(0), Decimal(0)
    for bar in bars:
        if bar.volume is None or (bar.vwap is None and bar.volume):
            return None
        value = EXACT.add(value, EXACT.multiply(bar.volume, bar.vwap or Decimal(0)))
        volume = EXACT.add(volume, bar.volume)
    return EXACT.divide(value, volume).quantize(VWAP_PLACES, context=EXACT) if volume else None
