"""How high and how low prices went while trades were open, by the bars that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from marketdata.domain.bars import Timeframe
from portfolio.domain.exact import EXACT, ONE
from trading.selectors.journal import Found

# Prices as they would be, had none of the splits come: those of a bar are in the units of its day, or of the one through which
# it was adjusted.
UNSPLIT = """
    * coalesce((SELECT factor
                FROM unnest(%(split)s::uuid[], %(days)s::date[], %(factors)s::numeric[]) AS cut (instrument, day, factor)
                WHERE cut.instrument = kept.instrument_id
                      AND cut.day <= greatest((kept.timestamp AT TIME ZONE 'UTC')::date, kept.adjusted_through)
                ORDER BY cut.day DESC LIMIT 1), 1)
"""
BARS = """
    SELECT kept.timestamp, kept.high {unsplit} AS high, kept.low {unsplit} AS low FROM marketdata_bar AS kept
    WHERE kept.instrument_id = wanted.instrument AND kept.timeframe = '{frame}' AND kept.timestamp >= {start}
          AND kept.timestamp <= {stop} - interval '{seconds} seconds'
"""
# The longest bars that lie wholly within a trade tell of most of it; shorter ones are read before the first of them and after the
# last alone, so that a trade of years takes no more of them than one of two days.
LEVEL = """
    CROSS JOIN LATERAL (
        SELECT max(high) AS high, min(low) AS low, min(timestamp) AS first, max(timestamp) + interval '{seconds} seconds' AS last
        FROM ({before} UNION ALL {after}) AS bar
    ) AS {name}
"""


def extremes(found: Sequence[Found], *, at: datetime) -> dict[int, tuple[Decimal, Decimal]]:
    """Return the highest and lowest price of each trade by its place, in today's units, where bars lie within it; `at` is now."""
    if not found:
        return {}
    cuts = [(one, *cut) for one, splits in _splits(found).items() for cut in _factors(splits)]
    asked: dict[str, Any] = {
        "numbers": list(range(len(found))),
        "instruments": [one.facts.instrument for one in found],
        "starts": [one.trip.opened_at for one in found],
        "ends": [one.trip.closed_at or at for one in found],
        "split": [cut[0] for cut in cuts],
        "days": [cut[1] for cut in cuts],
        "factors": [cut[2] for cut in cuts],
    }
    with connection.cursor() as cursor:
        cursor.execute(EXTREMES, asked)
        rows = cursor.fetchall()
    return {number: _today(found[number], high, low) for number, high, low in rows if high is not None}


def _splits(found: Sequence[Found]) -> dict[UUID, Sequence[tuple[date, Decimal]]]:
    """Return the splits of the instruments of trades."""
    return {one.facts.instrument: one.sized.splits for one in found}


def _factors(splits: Sequence[tuple[date, Decimal]]) -> list[tuple[date, Decimal]]:
    """Return for each split how many units stand, from its day on, for one before the first of all."""
    made, factor = [], ONE
    for day, ratio in splits:
        factor = EXACT.multiply(factor, ratio)
        made.append((day, factor))
    return made


def _today(found: Found, high: Decimal, low: Decimal) -> tuple[Decimal, Decimal]:
    """Return prices of before all splits in today's units."""
    whole = next((factor for _, factor in reversed(_factors(found.sized.splits))), ONE)
    return EXACT.divide(high, whole), EXACT.divide(low, whole)


def _extremes() -> str:
    """Return the question, with a level for each length of a bar, the longest first."""
    frames = sorted(Timeframe, key=lambda frame: frame.seconds, reverse=True)
    names = [f"of_{frame.value}" for frame in frames]
    levels = ""
    for place, frame in enumerate(frames):
        known = names[:place]
        first = ", ".join(["wanted.stop", *(f"{name}.first" for name in known)])
        last = ", ".join(["NULL::timestamptz", *(f"{name}.last" for name in known)])
        about = {"frame": frame.value, "seconds": frame.seconds, "unsplit": UNSPLIT}
        before = BARS.format(start="wanted.start", stop=f"least({first})", **about)
        after = BARS.format(start=f"greatest({last})", stop="wanted.stop", **about)
        levels += LEVEL.format(before=before, after=after, name=names[place], **about)
    highest, lowest = (", ".join(f"{name}.{column}" for name in names) for column in ("high", "low"))
    return f"""
        SELECT wanted.number, greatest({highest}), least({lowest})
        FROM unnest(%(numbers)s::int[], %(instruments)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
             AS wanted (number, instrument, start, stop) {levels}
    """  # noqa: S608  # of our own words alone


EXTREMES = _extremes()
