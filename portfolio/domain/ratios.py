"""Figures of risk from a series of returns; floats, as statistics are. A figure that is not defined is none, never a stand-in.

Returns are those between successive days with new prices; `periods` is how many of them make a year (252, or 365 for crypto).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Returns = NDArray[np.float64]
TAIL = 0.05
FEWEST = 2
FLAT = 1e-15  # a spread that only rounding has left


def volatility(growth: Returns, periods: int) -> float | None:
    """Return the sample standard deviation of log returns, a year.

    `growth` are the factors 1 + r.
    """
    if len(growth) < FEWEST or not bool((growth > 0).all()):
        return None
    return float(np.std(np.log(growth), ddof=1)) * math.sqrt(periods)


def semi_deviation(growth: Returns, periods: int) -> float | None:
    """Return the part of the volatility that comes from log returns below their mean."""
    if len(growth) < FEWEST or not bool((growth > 0).all()):
        return None
    logs = np.log(growth)
    below = np.minimum(logs - logs.mean(), 0.0)
    return math.sqrt(float(np.sum(below**2)) / (len(logs) - 1)) * math.sqrt(periods)


def sharpe(returns: Returns, periods: int, free: float = 0.0) -> float | None:
    """Return the mean return beyond a risk-free one over its standard deviation, a year; `free` is the rate of a period."""
    if len(returns) < FEWEST:
        return None
    spread = float(np.std(returns - free, ddof=1))
    return None if spread < FLAT else float(np.mean(returns - free)) / spread * math.sqrt(periods)


def sortino(returns: Returns, periods: int, free: float = 0.0) -> float | None:
    """Return the mean return beyond a required one over the root mean square of the shortfalls, a year."""
    if len(returns) < FEWEST:
        return None
    risk = math.sqrt(float(np.mean(np.minimum(returns - free, 0.0) ** 2)))
    return None if risk < FLAT else float(np.mean(returns - free)) / risk * math.sqrt(periods)


def omega(returns: Returns, free: float = 0.0) -> float | None:
    """Return the sum of returns beyond a required one over the sum of shortfalls from it."""
    beyond = returns - free
    short = -float(beyond[beyond < 0].sum())
    return None if len(returns) < FEWEST or short < FLAT else float(beyond[beyond > 0].sum()) / short


def calmar(yearly: float | None, depth: float) -> float | None:
    """Return a yearly return over the size of the deepest drawdown."""
    return None if yearly is None or not depth else yearly / abs(depth)


def value_at_risk(returns: Returns) -> float | None:
    """Return the return that one day in twenty falls short of, by history; between two days it is interpolated."""
    return None if len(returns) < FEWEST else float(np.percentile(returns, TAIL * 100))


def expected_shortfall(returns: Returns) -> float | None:
    """Return the mean of the days that are no better than the value at risk."""
    limit = value_at_risk(returns)
    return None if limit is None else float(returns[returns <= limit].mean())
