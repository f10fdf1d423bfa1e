"""Bars as a picture needs them: the last ones before a time, as floats."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from marketdata.domain.bars import EPOCH, Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.models.prices import Bar
from marketdata.selectors.series import Asked, read_series

MOST = 2000
CHARTED = """
    SELECT timeframe FROM unnest(%s::text[]) AS timeframe
    WHERE EXISTS (SELECT FROM marketdata_bar AS bar WHERE bar.instrument_id = %s AND bar.timeframe = timeframe.timeframe)
"""
Number = float | None


@dataclass(frozen=True, slots=True)
class ChartBar:
    """A bar to be drawn, or listed below its picture."""

    starts_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: Number

    @property
    def point(self) -> list[Number]:
        """The bar as the browser gets it; times are seconds since 1970."""
        return [int((self.starts_at - EPOCH).total_seconds()), self.open, self.high, self.low, self.close, self.volume]


def charted_timeframes(*, instrument: Instrument) -> list[Timeframe]:
    """Return the timeframes that an instrument has bars of, the longest first."""
    with connection.cursor() as cursor:
        cursor.execute(CHARTED, [[timeframe.value for timeframe in Timeframe], instrument.pk])
        found = {name for (name,) in cursor.fetchall()}
    return [timeframe for timeframe in reversed(Timeframe) if timeframe.value in found]


def chart_bars(
    *, instrument: Instrument, timeframe: Timeframe, before: datetime | None = None, adjusted: bool = True, most: int = MOST
) -> list[ChartBar]:
    """Return the last bars of an instrument that start before a time, oldest first."""
    bars = Bar.objects.filter(instrument=instrument, timeframe=timeframe).order_by("-timestamp")
    starts = (bars if before is None else bars.filter(timestamp__lt=before)).values_list("timestamp", flat=True)
    first = next(iter(starts[most - 1 : most]), None)
    asked = Asked(Dataset.BARS, (instrument,), start=first, end=before, timeframe=timeframe, adjusted=adjusted)
    table = read_series(asked, floats=True).select(["timestamp", "open", "high", "low", "close", "volume"])
    columns = table.to_pydict()
    columns["timestamp"] = [moment.astimezone(UTC) for moment in columns["timestamp"]]
    return [ChartBar(*row) for row in zip(*columns.values(), strict=True)]
