"""How far a value fell from its peak, and how long it took to come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from portfolio.domain.exact import EXACT


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall: its depth as a fraction of the peak (zero or below), and the days that mark it.

    `days` counts from the peak to the recovery, or to the last day known where there was none yet.
    """

    depth: Decimal
    peak: date
    trough: date
    recovered: date | None
    days: int


def deepest(points: Sequence[tuple[date, Decimal]]) -> Drawdown | None:
    """Return the deepest fall of a series, or none if it never fell.

    >>> fall = deepest([(date(2024, 1, day), Decimal(value)) for day, value in enumerate((100, 120, 90, 110, 130), 1)])
    >>> fall.depth, fall.peak.day, fall.trough.day, fall.recovered.day, fall.days
    (Decimal('-0.25'), 2, 3, 5, 3)
    """
    if not points:
        return None
    best = bottom = top = 0
    below = False
    for index, (_, value) in enumerate(points):
        # days that stand still at a peak belong to it; one that comes back to it starts anew
        if value > points[top][1] or (below and value == points[top][1]):
            top, below = index, False
        elif value == points[top][1]:
            continue
        # value / peak against the deepest so far, multiplied out so that nothing is rounded
        elif value * points[best][1] < points[bottom][1] * points[top][1]:
            best, bottom, below = top, index, True
        else:
            below = True
    if best == bottom:
        return None
    peak_day, peak = points[best]
    after = (day for day, value in points[bottom:] if value >= peak)
    recovered = next(after, None)
    return Drawdown(
        EXACT.divide(points[bottom][1], peak) - 1,
        peak_day,
        points[bottom][0],
        recovered,
        ((recovered or points[-1][0]) - peak_day).days,
    )
