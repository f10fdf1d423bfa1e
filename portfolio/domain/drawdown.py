"""How far a value fell from its peaks, and how long it took to come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import itemgetter

from portfolio.domain.exact import EXACT, ZERO


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One fall: its depth as a fraction of the peak (below zero), and the days that mark it.

    `start` is the first day below the peak. `days` counts from the peak to the recovery, or to the last day known where there
    was none yet.
    """

    depth: Decimal
    peak: date
    start: date
    trough: date
    recovered: date | None
    days: int

    @property
    def days_to_trough(self) -> int:
        """Return how many days it fell for."""
        return (self.trough - self.peak).days

    @property
    def days_to_recovery(self) -> int | None:
        """Return how many days it took from the trough back to the peak, or none where it has not come back."""
        return None if self.recovered is None else (self.recovered - self.trough).days


def deepest(points: Sequence[tuple[date, Decimal]]) -> Drawdown | None:
    """Return the deepest fall of a series, or none if it never fell; of two as deep, the first.

    >>> fall = deepest([(date(2024, 1, day), Decimal(value)) for day, value in enumerate((100, 120, 90, 110, 130), 1)])
    >>> fall.depth, fall.peak.day, fall.trough.day, fall.recovered.day, fall.days
    (Decimal('-0.25'), 2, 3, 5, 3)
    """
    found = drawdowns(points, most=1)
    return found[0] if found else None


def drawdowns(points: Sequence[tuple[date, Decimal]], *, most: int | None = None) -> list[Drawdown]:
    """Return the falls of a series, the deepest first, each from a peak until that height is reached again.

    Days that stand still at a peak belong to it; one that comes back to it starts anew.

    >>> values = (100, 90, 100, 120, 60, 120, 119)
    >>> falls = drawdowns([(date(2024, 1, day), Decimal(value)) for day, value in enumerate(values, 1)])
    >>> [(fall.peak.day, fall.trough.day, fall.depth.__round__(4)) for fall in falls]
    [(4, 5, Decimal('-0.5000')), (1, 2, Decimal('-0.1000')), (6, 7, Decimal('-0.0083'))]
    """
    days = [day for day, _ in points]
    return falls_in([value for _, value in points], days.__getitem__, most=most)


def falls_in(values: Sequence[Decimal | int], day_of: Callable[[int], date], *, most: int | None = None) -> list[Drawdown]:
    """Return the falls of values, the deepest first; `day_of` tells the day of a value by its place."""
    ranked = sorted(((EXACT.divide(values[fall[2]], values[fall[0]]), fall) for fall in _falls(values)), key=itemgetter(0))
    found = []
    for ratio, (top, start, bottom, back) in ranked[:most]:
        peak, recovered = day_of(top), None if back is None else day_of(back)
        days = ((recovered or day_of(len(values) - 1)) - peak).days
        found.append(Drawdown(ratio - 1, peak, day_of(start), day_of(bottom), recovered, days))
    return found


def _falls(values: Sequence[Decimal | int]) -> list[tuple[int, int, int, int | None]]:
    """Return where each fall has its peak, its first day below, its trough and its recovery."""
    found: list[tuple[int, int, int, int | None]] = []
    top, start, bottom = 0, -1, -1
    peak = low = next(iter(values), ZERO)
    for index, value in enumerate(values):
        if value < peak:
            if start < 0:
                start, bottom, low = index, index, value
            elif value < low:
                bottom, low = index, value
            continue
        if start >= 0:
            found.append((top, start, bottom, index))
        elif value == peak:
            continue
        top, peak, start = index, value, -1
    if start >= 0:
        found.append((top, start, bottom, None))
    return found
