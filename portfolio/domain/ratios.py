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
FLAT = 1e-9  # of what was there: a spread below it is what the rounding of amounts has left


def spread(values: Returns) -> tuple[float, float]:
    """Return the mean of at least two values and their sample standard deviation; in half the time that numpy takes."""
    mean = float(values.sum()) / len(values)
    beyond = values - mean
    return mean, math.sqrt(float(beyond @ beyond) / (len(values) - 1))


def volatility(growth: Returns, periods: int) -> float | None:
    """Return the sample standard deviation of log returns, a year.

    `growth` are the factors 1 + r.
    """
    if len(growth) < FEWEST or not bool((growth > 0).all()):
        return None
    return spread(np.log(growth))[1] * math.sqrt(periods)


def semi_deviation(growth: Returns, periods: int) -> float | None:
    """Return the part of the volatility that comes from log returns below their mean."""
    if len(growth) < FEWEST or not bool((growth > 0).all()):
        return None
    return _below_mean(np.log(growth)) * math.sqrt(periods)


def _below_mean(values: Returns) -> float:
    """Return the root of the squares below the mean over one less than the number of values."""
    below = np.minimum(values - float(values.sum()) / len(values), 0.0)
    return math.sqrt(float(below @ below) / (len(values) - 1))


def sharpe(returns: Returns, periods: int, free: float = 0.0) -> float | None:
    """Return the mean return beyond a risk-free one over its standard deviation, a year; `free` is the rate of a period."""
    if len(returns) < FEWEST:
        return None
    mean, deviation = spread(returns - free)
    return None if deviation < FLAT else mean / deviation * math.sqrt(periods)


def sortino(returns: Returns, periods: int, free: float = 0.0) -> float | None:
    """Return the mean return beyond a required one over the root mean square of the shortfalls, a year."""
    if len(returns) < FEWEST:
        return None
    beyond = returns - free
    short = np.minimum(beyond, 0.0)
    risk = math.sqrt(float(short @ short) / len(returns))
    return None if risk < FLAT else float(beyond.sum()) / len(returns) / risk * math.sqrt(periods)


def omega(returns: Returns, free: float = 0.0) -> float | None:
    """Return the sum of returns beyond a required one over the sum of shortfalls from it."""
    if len(returns) < FEWEST:
        return None
    beyond = returns - free
    short = -float(np.minimum(beyond, 0.0).sum())
    return None if short < FLAT * len(returns) else float(np.maximum(beyond, 0.0).sum()) / short


def calmar(yearly: float | None, depth: float) -> float | None:
    """Return a yearly return over the size of the deepest drawdown."""
    return None if yearly is None or not depth else yearly / abs(depth)


def value_at_risk(returns: Returns) -> float | None:
    """Return the return that one day in twenty falls short of, by history; between two days it is interpolated."""
    return None if len(returns) < FEWEST else tail(returns)[0]


def expected_shortfall(returns: Returns) -> float | None:
    """Return the mean of the days that are no better than the value at risk."""
    return None if len(returns) < FEWEST else tail(returns)[1]


def tail(returns: Returns) -> tuple[float, float]:
    """Return the value at risk of at least two returns and the mean of those no better; nothing but the tail is sorted.

    >>> tail(np.array([0.02, -0.04, 0.01, -0.02]))
    (-0.037, -0.04)
    """
    place = TAIL * (len(returns) - 1)
    low = int(place)
    ordered = np.partition(returns, (low, low + 1))
    limit = float(ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low))
    worst = returns[returns <= limit]
    return limit, float(worst.sum()) / len(worst) if len(worst) else limit


def measures(growth: Returns, periods: int, free: float = 0.0) -> dict[str, float | None]:
    """Return the figures that follow from returns alone, by name, in one go; what they share is computed once.

    `growth` are the factors 1 + r, all above zero.
    """
    if len(growth) < FEWEST:
        return dict.fromkeys(MEASURES)
    count, year = len(growth), math.sqrt(periods)
    logs, returns = np.log(growth), growth - 1.0
    beyond_mean = logs - float(logs.sum()) / count
    below_mean = np.minimum(beyond_mean, 0.0)
    beyond = returns - free
    whole = float(beyond.sum())
    around = beyond - whole / count
    deviation = math.sqrt(float(around @ around) / (count - 1))
    short = np.minimum(beyond, 0.0)
    risk, lack = math.sqrt(float(short @ short) / count), -float(short.sum())
    limit, worst = tail(returns)
    return {
        "volatility": math.sqrt(float(beyond_mean @ beyond_mean) / (count - 1)) * year,
        "semi_deviation": math.sqrt(float(below_mean @ below_mean) / (count - 1)) * year,
        "sharpe": None if deviation < FLAT else whole / count / deviation * year,
        "sortino": None if risk < FLAT else whole / count / risk * year,
        "omega": None if lack < FLAT * count else (whole + lack) / lack,
        "var_95": limit,
        "cvar_95": worst,
    }


MEASURES = ("volatility", "semi_deviation", "sharpe", "sortino", "omega", "var_95", "cvar_95")
