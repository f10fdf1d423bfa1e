"""Bars of several instruments one after the other, each over a period of its own: one question, however many they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from django.db import connection

from marketdata.domain.adjustment import Split
from marketdata.domain.bars import Bar, Timeframe
from marketdata.domain.zones import market_day
from marketdata.models.instruments import Instrument
from marketdata.selectors.actions import splits
from marketdata.selectors.adjustment import PRICES, ratio_of, viewed

FIGURES = (*PRICES, "volume")
RUNS = """
    SELECT wanted.place, bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.trade_count,
           bar.adjusted_through
    FROM unnest(%(ids)s::uuid[], %(timeframes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
         WITH ORDINALITY AS wanted (id, timeframe, since, until, place)
    CROSS JOIN LATERAL (
        SELECT * FROM marketdata_bar AS one
        WHERE one.instrument_id = wanted.id AND one.timeframe = wanted.timeframe
          AND one.timestamp >= wanted.since AND one.timestamp < wanted.until
        ORDER BY one.timestamp {way} LIMIT %(each)s
    ) AS bar
    ORDER BY wanted.place, bar.timestamp {way} LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The bars of one instrument that start in [start, end)."""

    instrument: Instrument
    timeframe: Timeframe
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class View:
    """How bars are wanted: as they were traded, or adjusted for the splits up to a day."""

    adjusted: bool = False
    as_of: date | None = None


def read_runs(
    spans: Sequence[Span], *, view: View, each: int, limit: int | None = None, descending: bool = False
) -> list[tuple[int, Bar]]:
    """Return bars with the place of their span, in the order of those and of time: so many of each, so many together."""
    if not spans:
        return []
    asked: dict[str, Any] = {"each": each, "limit": limit}
    asked |= {"ids": [span.instrument.pk for span in spans], "timeframes": [span.timeframe.value for span in spans]}
    asked |= {"starts": [span.start for span in spans], "ends": [span.end for span in spans]}
    with connection.cursor() as cursor:
        cursor.execute(RUNS.format(way="DESC" if descending else ""), asked)
        rows = [(place - 1, Bar(*figures), through) for place, *figures, through in cursor.fetchall()]
    if not view.adjusted and all(through is None for _, _, through in rows):
        return [(place, bar) for place, bar, _ in rows]
    known = splits(instrument_ids={spans[place].instrument.pk for place, _, _ in rows})
    ratios: dict[tuple[int, date, date | None], Fraction] = {}
    return [(place, _seen(spans[place], place, bar, through, known, view, ratios)) for place, bar, through in rows]


def _seen(
    span: Span,
    place: int,
    bar: Bar,
    through: date | None,
    known: Any,
    view: View,
    ratios: dict[tuple[int, date, date | None], Fraction],
) -> Bar:
    """Return a bar as it is wanted."""
    history: Sequence[Split] = known.get(span.instrument.pk, ())
    if not history:
        return bar
    key = (place, market_day(bar.timestamp, span.timeframe, span.instrument.exchange), through)
    if key not in ratios:
        ratios[key] = ratio_of(history, day=key[1], adjusted_through=through, adjusted=view.adjusted, as_of=view.as_of)
    ratio = ratios[key]
    return bar if ratio == 1 else replace(bar, **viewed({name: getattr(bar, name) for name in FIGURES}, ratio))
