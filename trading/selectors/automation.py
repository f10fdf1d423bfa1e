"""What automatic sessions look at: bars that are over. For jobs, as it knows the hours of exchanges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from marketdata.domain.bars import Timeframe
from marketdata.models import Bar, Instrument
from marketdata.selectors.prices import bars
from trading.domain.backtest_requests import since
from trading.domain.bar_times import known_from
from trading.domain.strategies.base import BarColumns
from trading.models import Session
from trading.selectors.backtests import markets_of

MOST_BARS = 50_000  # that a strategy is shown
LOOKED_AT = 3  # of the newest bars: the last ones may not be over
DAY = timedelta(days=1)
NEWEST = """
    SELECT wanted.id, wanted.timeframe, bar.timestamp, bar.recorded_at
    FROM unnest(%s::uuid[], %s::text[]) AS wanted (id, timeframe)
    CROSS JOIN LATERAL (
        SELECT timestamp, recorded_at FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = wanted.timeframe ORDER BY timestamp DESC LIMIT %s) AS bar
"""


@dataclass(frozen=True, slots=True)
class NewBar:
    """A bar that is over and was not looked at, and how many came before it that were not, either."""

    bar: Bar
    passed_over: int


def newest_starts(wanted: Iterable[tuple[UUID, Timeframe]], *, at: datetime) -> dict[tuple[UUID, Timeframe], datetime]:
    """Return when the newest bars began that are over at an instant, by instrument and length; in one question."""
    pairs = sorted(set(wanted), key=str)
    exchanges = dict(Instrument.objects.filter(pk__in={pair[0] for pair in pairs}).values_list("pk", "exchange"))
    pairs = [pair for pair in pairs if pair[0] in exchanges]
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [[pair[0] for pair in pairs], [str(pair[1]) for pair in pairs], LOOKED_AT])
        rows = cursor.fetchall()
    found: dict[tuple[UUID, Timeframe], datetime] = {}
    for instrument_id, length, start, recorded_at in rows:
        key = (instrument_id, Timeframe(length))
        over = is_over(key[1], exchanges[instrument_id], start, recorded_at=recorded_at, at=at)
        if over and (key not in found or start > found[key]):
            found[key] = start
    return found


def newest_bar(instrument: Instrument, timeframe: Timeframe, *, after: datetime | None, at: datetime) -> NewBar | None:
    """Return the newest bar that is over, if it began after another; late ones that began before it are none."""
    found = bars(instrument=instrument, timeframe=timeframe, end=at)
    for bar in found.reverse()[:LOOKED_AT]:
        if after is not None and bar.timestamp <= after:
            return None
        if is_over(timeframe, instrument.exchange, bar.timestamp, recorded_at=bar.recorded_at, at=at):
            between = 0 if after is None else found.filter(timestamp__gt=after, timestamp__lt=bar.timestamp).count()
            return NewBar(bar, between)
    return None


def is_over(timeframe: Timeframe, exchange: str, start: datetime, *, recorded_at: datetime, at: datetime) -> bool:
    """Say whether a bar is over, and was stored when it was: one that was stored before may lack its end."""
    return known_from(timeframe, exchange, start) <= min(at, recorded_at)


def columns_until(session: Session, instrument: Instrument, timeframe: Timeframe, *, bar: datetime, warm_up: int) -> BarColumns:
    """Return the bars of an instrument up to one of them, as a backtest reads them that begins on the session's first day."""
    day = bar.astimezone(UTC).date()
    first = since(session.started_at.astimezone(UTC).date(), warm_up=warm_up, bar=timeframe.duration)
    if day < first:  # nothing newer has come since long before the session
        first = since(day, warm_up=warm_up, bar=timeframe.duration)
    first = max(first, (bar - timeframe.duration * MOST_BARS).date())
    market = next(iter(markets_of(instruments=[instrument.pk], timeframe=timeframe, start=first, end=day + DAY, as_of=day)))
    microseconds = (bar - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return market.bars.until(int(market.bars.timestamps.searchsorted(microseconds, side="right")))
