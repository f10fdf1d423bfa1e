"""Indicators over a column of numbers: TA-Lib's where it is installed, else the same arithmetic in numpy.

Both give the same figures: simple averages and extremes to the last digit, smoothed ones to some 15 digits (TA-Lib's
compiler fuses a multiplication with an addition). The first rows, for which there are not enough bars, are NaN.
What an indicator says of a row rests on that row and those before it alone.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
TALIB: Any = import_module("talib") if find_spec("talib") else None


def average(values: Numbers, length: int) -> Numbers:
    """Return the simple moving average of so many values.

    >>> average(np.array([1.0, 2.0, 3.0, 5.0]), 2).tolist()
    [nan, 1.5, 2.5, 4.0]
    """
    if len(values) < length:
        return np.full(len(values), np.nan)
    return _served("SMA", values, length) if _serves(length) else simple(values, length)


def smooth_average(values: Numbers, length: int) -> Numbers:
    """Return the exponential moving average, which begins with the simple one of the first values.

    >>> smooth_average(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [nan, 2.0, 4.0]
    """
    if len(values) < length:
        return np.full(len(values), np.nan)
    return _served("EMA", values, length) if _serves(length) else exponential(values, length)


def highest(values: Numbers, length: int) -> Numbers:
    """Return the highest of so many values up to each."""
    if len(values) < length:
        return np.full(len(values), np.nan)
    return _served("MAX", values, length) if _serves(length) else _late(sliding_window_view(values, length).max(axis=1), values)


def lowest(values: Numbers, length: int) -> Numbers:
    """Return the lowest of so many values up to each."""
    if len(values) < length:
        return np.full(len(values), np.nan)
    return _served("MIN", values, length) if _serves(length) else _late(sliding_window_view(values, length).min(axis=1), values)


def average_range(high: Numbers, low: Numbers, close: Numbers, length: int) -> Numbers:
    """Return the average true range by Wilder's smoothing; the first bar has no range, as none was before it.

    >>> bars = np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5])
    >>> average_range(*bars, 2).tolist()
    [nan, nan, 1.5]
    """
    if len(close) <= length:
        return np.full(len(close), np.nan)
    if _serves(length):
        found: Numbers = TALIB.ATR(*map(np.ascontiguousarray, (high, low, close)), timeperiod=length)
        return found
    return true_ranges(high, low, close, length)


def simple(values: Numbers, length: int) -> Numbers:
    """Return the simple average: one running sum, to which each value is added before the one that leaves is taken off."""
    steps = np.zeros(2 * len(values) - 1)
    steps[: 2 * length - 2 : 2] = values[: length - 1]
    steps[2 * length - 2 :: 2] = values[length - 1 :]
    steps[2 * length - 1 :: 2] = -values[: len(values) - length]
    return _late(np.cumsum(steps)[2 * length - 2 :: 2] / length, values)


def exponential(values: Numbers, length: int) -> Numbers:
    """Return the exponential average, value by value."""
    weight = 2.0 / (length + 1)
    first = sum(values[:length].tolist(), 0.0) / length
    run = accumulate(values[length:].tolist(), lambda before, value: (value - before) * weight + before, initial=first)
    return _late(np.array(list(run)), values)


def true_ranges(high: Numbers, low: Numbers, close: Numbers, length: int) -> Numbers:
    """Return the averages of true ranges, bar by bar."""
    before = close[:-1]
    ranges = np.maximum(high[1:] - low[1:], np.maximum(np.abs(before - high[1:]), np.abs(before - low[1:])))
    first = sum(ranges[:length].tolist(), 0.0) / length
    run = accumulate(ranges[length:].tolist(), lambda mean, one: (mean * (length - 1) + one) / length, initial=first)
    return _late(np.array(list(run)), close)


def carried(values: Numbers) -> Numbers:
    """Return a column with what is missing filled by what stood there before.

    >>> carried(np.array([np.nan, 1.0, np.nan, 0.0])).tolist()
    [nan, 1.0, 1.0, 0.0]
    """
    places = np.where(np.isnan(values), 0, np.arange(len(values)))
    found: Numbers = values[np.maximum.accumulate(places)] if len(values) else values
    return found


def _serves(length: int) -> bool:
    """Say whether TA-Lib is there and takes such a length."""
    return TALIB is not None and length > 1


def _served(name: str, values: Numbers, length: int) -> Numbers:
    """Return what TA-Lib says."""
    found: Numbers = getattr(TALIB, name)(np.ascontiguousarray(values), timeperiod=length)
    return found


def _late(found: Numbers, values: Numbers) -> Numbers:
    """Return figures that begin late in a column as long as the values."""
    return np.concatenate([np.full(len(values) - len(found), np.nan), found])
