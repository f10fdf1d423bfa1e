"""Charts as shapes in a box, for pages that draw them as SVG: lines through days, bars by month, and their axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

WIDTH, HEIGHT = 720.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 8.0, 10.0, 27.0
MOST_POINTS = 700
STEPS = (1, 2, 2.5, 5, 10)
LABELS = 6
FINEST = 1e-9  # differences that are drawn, as parts of the whole
LETTER = 6.5  # how wide one is
YEAR, MONTH = 366, 31


class Tick(NamedTuple):
    """A mark on an axis: where, and what it says."""

    at: str
    value: float
    label: str = ""


class Line(NamedTuple):
    """A line through points, and the area below it down to the base."""

    path: str
    area: str


class Bar(NamedTuple):
    """A bar of a value, up or down from zero."""

    x: str
    y: str
    width: str
    height: str
    down: bool
    label: str


class Chart(NamedTuple):
    """What is drawn: lines or bars, over the ticks of both axes; `zero` is where nothing stands, if that is in sight."""

    lines: Sequence[Line]
    bars: Sequence[Bar]
    across: Sequence[Tick]
    up: Sequence[Tick]
    zero: str


def line_chart(days: Sequence[int], series: Sequence[Sequence[float]], *, from_zero: bool = False) -> Chart | None:
    """Return lines over the same days; none where there are fewer than two."""
    if len(days) < 2:  # noqa: PLR2004
        return None
    values = [value for one in series for value in one]
    ticks = nice(min(0.0, *values) if from_zero else min(values), max(0.0, *values) if from_zero else max(values))
    low, high = ticks[0], ticks[-1]
    base = down(max(low, min(0.0, high)), low, high)
    kept = sample(series[0])
    lines = []
    for one in series:
        points = [f"{across(days[place], days):.1f} {down(one[place], low, high):.1f}" for place in kept]
        path = "M" + "L".join(points)
        ends = f"L{across(days[kept[-1]], days):.1f} {base:.1f}L{across(days[kept[0]], days):.1f} {base:.1f}Z"
        lines.append(Line(path, path + ends))
    marks = [Tick(f"{down(tick, low, high):.1f}", tick) for tick in ticks]
    return Chart(lines, (), days_marked(days), marks, f"{base:.1f}")


def bar_chart(labels: Sequence[str], values: Sequence[float]) -> Chart | None:
    """Return a bar for each value; none where there is none."""
    if not values:
        return None
    ticks = nice(min(0.0, *values), max(0.0, *values))
    low, high = ticks[0], ticks[-1]
    base, room = down(0.0, low, high), (WIDTH - LEFT - RIGHT) / len(values)
    bars = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        top = down(max(value, 0.0), low, high)
        height = abs(down(value, low, high) - base)
        x = LEFT + room * (place + 0.15)
        bars.append(Bar(f"{x:.1f}", f"{top:.1f}", f"{room * 0.7:.1f}", f"{height:.1f}", value < 0, label))
    every = math.ceil(len(labels) / LABELS)
    shown = [Tick(f"{LEFT + room * (n + 0.5):.1f}", 0, label) for n, label in enumerate(labels) if n % every == 0]
    return Chart((), bars, shown, [Tick(f"{down(tick, low, high):.1f}", tick) for tick in ticks], f"{base:.1f}")


def nice(low: float, high: float) -> list[float]:
    """Return round numbers that enclose a range, four to six of them.

    >>> nice(0, 97)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    size = max(abs(low), abs(high))
    spread = high - low if high - low > max(size, FINEST) * FINEST else size if size > FINEST else 1.0
    size = 10.0 ** math.floor(math.log10(spread / 4))
    step = next(size * one for one in STEPS if spread / (size * one) <= 5)  # noqa: PLR2004
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def sample(values: Sequence[float]) -> list[int]:
    """Return the places of points that show a line as it is: all, or of each stretch the lowest and the highest."""
    count = len(values)
    if count <= MOST_POINTS:
        return list(range(count))
    kept, stretch = {0, count - 1}, count / (MOST_POINTS / 2)
    for number in range(MOST_POINTS // 2):
        places = range(int(number * stretch), min(int((number + 1) * stretch), count))
        if places:
            kept |= {min(places, key=values.__getitem__), max(places, key=values.__getitem__)}
    return sorted(kept)


def across(day: int, days: Sequence[int]) -> float:
    """Return how far to the right a day stands."""
    return LEFT + (WIDTH - LEFT - RIGHT) * (day - days[0]) / ((days[-1] - days[0]) or 1)


def down(value: float, low: float, high: float) -> float:
    """Return how far down a value stands."""
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / ((high - low) or 1.0)


def days_marked(days: Sequence[int]) -> list[Tick]:
    """Return marks on days: on the first of years or months, or where the period is short on some of its days."""
    first, last = date.fromordinal(days[0]), date.fromordinal(days[-1])
    length = days[-1] - days[0]
    if length > 2 * YEAR:
        found = [date(year, 1, 1) for year in range(first.year + 1, last.year + 1)]
        form = "%Y"
    elif length > 3 * MONTH:
        months = range(first.year * 12 + first.month, last.year * 12 + last.month)
        found = [date(month // 12, month % 12 + 1, 1) for month in months]
        form = "%b %Y"
    else:
        found = [date.fromordinal(days[0] + length * number // LABELS) for number in range(LABELS)]
        form = "%d %b %Y"
    every = math.ceil(len(found) / LABELS) or 1
    places = [(across(day.toordinal(), days), day.strftime(form)) for day in dict.fromkeys(found[::every])]
    return [Tick(f"{at:.1f}", 0, label) for at, label in places if at + LETTER * len(label) < WIDTH]
