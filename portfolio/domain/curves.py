"""Curves for the eye: value, deposits and drawdown by day, thinned out to what a screen can show, and the periods they cover."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.performance import Point

MOST = 500  # buckets; each keeps its last day and its extremes
MONTHS = {"1m": 1, "6m": 6, "1y": 12}


class Dot(NamedTuple):
    """One day of the curves."""

    day: int
    value: Decimal
    deposits: Decimal
    drawdown: float


def start_of(period: str, last: date) -> date | None:
    """Return the first day of a period (1m, 6m, ytd, 1y) that ends with a day; None for one that begins with the account.

    >>> start_of("1m", date(2024, 3, 31)), start_of("ytd", date(2024, 3, 31)), start_of("all", date(2024, 3, 31))
    (datetime.date(2024, 3, 1), datetime.date(2024, 1, 1), None)
    """
    if period == "ytd":
        return last.replace(month=1, day=1)
    if period not in MONTHS:
        return None
    month = last.year * 12 + last.month - 1 - MONTHS[period]
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(following, date(month // 12, month % 12 + 1, 1) + timedelta(days=last.day))


def dots(days: Sequence[Point], *, deposits: Decimal = Decimal(0), peak: Decimal = Decimal(0)) -> Iterator[Dot]:
    """Yield each day with what had been put in by then, `deposits` of it before, and the fall from the highest index so far.

    `peak` is what the index was before the first of them: 1 where the account begins with it.

    >>> [dot.drawdown for dot in dots([Point(1, Decimal(99), Decimal(100), Decimal("0.99"), True)], peak=Decimal(1))]
    [-0.01]
    """
    for day in days:
        deposits += day.net_flow
        peak = max(peak, day.twr_index)
        yield Dot(day.day, day.total_value, deposits, float(day.twr_index / peak - 1) if peak else 0.0)


def thinned(found: Sequence[Dot]) -> list[Dot]:
    """Return the days that matter to the eye: of each bucket the last, the highest and the deepest; no extreme is lost.

    >>> days = [Dot(n, Decimal(n % 97), Decimal(0), -(n % 89) / 100) for n in range(10_000)]
    >>> few = thinned(days)
    >>> len(few) <= 3 * MOST + 1, max(dot.value for dot in few), min(dot.drawdown for dot in few)
    (True, Decimal('96'), -0.88)
    """
    if len(found) <= 2 * MOST:
        return list(found)
    size = -(-len(found) // MOST)
    kept = {found[0].day: found[0]}
    for start in range(0, len(found), size):
        bucket = found[start : start + size]
        highest, deepest = max(bucket, key=lambda dot: dot.value), min(bucket, key=lambda dot: dot.drawdown)
        kept |= {dot.day: dot for dot in (highest, deepest, bucket[-1])}
    return [kept[day] for day in sorted(kept)]
