"""Figures over a window that moves along, one row for each priced day that ends a whole window.

A window holds so many returns between successive priced days; beside a benchmark, between days on which both have a price. Each
figure is what `ratios` and `relative` make of the window alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from portfolio.domain.ratios import FLAT, TAIL, Returns

Windows = NDArray[np.float64]  # one window a row
Column = Any  # one number a window, which numpy does not promise
BLOCK = 1 << 20  # numbers looked at at once

STILL = "The returns don't vary."
NO_SHORTFALL = "No return fell short."
STEADY = "The benchmark's returns don't vary."
ALIKE = "The returns differ from the benchmark's by the same every day."
BEYOND = "It is beyond any yearly rate."
WHY = {
    "sharpe": STILL, "sortino": NO_SHORTFALL, "omega": NO_SHORTFALL, "beta": STEADY, "alpha": STEADY,
    "correlation": "The returns don't vary, or the benchmark's don't.", "information_ratio": ALIKE,
}  # fmt: skip


def _twr(growth: Windows, periods: int, free: float) -> Column:
    return np.prod(growth, axis=1) - 1.0


def _volatility(growth: Windows, periods: int, free: float) -> Column:
    return np.std(np.log(growth), axis=1, ddof=1) * math.sqrt(periods)


def _semi_deviation(growth: Windows, periods: int, free: float) -> Column:
    logs = np.log(growth)
    below = np.minimum(logs - logs.mean(axis=1, keepdims=True), 0.0)
    return np.sqrt(np.sum(below**2, axis=1) / (logs.shape[1] - 1)) * math.sqrt(periods)


def _sharpe(growth: Windows, periods: int, free: float) -> Column:
    beyond = growth - 1.0 - free
    return _over(beyond.mean(axis=1), np.std(beyond, axis=1, ddof=1)) * math.sqrt(periods)


def _sortino(growth: Windows, periods: int, free: float) -> Column:
    beyond = growth - 1.0 - free
    return _over(beyond.mean(axis=1), np.sqrt(np.mean(np.minimum(beyond, 0.0) ** 2, axis=1))) * math.sqrt(periods)


def _omega(growth: Windows, periods: int, free: float) -> Column:
    beyond = growth - 1.0 - free
    return _over(np.maximum(beyond, 0.0).sum(axis=1), -np.minimum(beyond, 0.0).sum(axis=1), FLAT * growth.shape[1])


def _max_drawdown(growth: Windows, periods: int, free: float) -> Column:
    index = np.cumprod(growth, axis=1)
    peak = np.maximum(np.maximum.accumulate(index, axis=1), 1.0)  # the day before the window counts as a peak
    return np.min(index / peak - 1.0, axis=1)


def _var_95(growth: Windows, periods: int, free: float) -> Column:
    return np.percentile(growth - 1.0, TAIL * 100, axis=1)


def _cvar_95(growth: Windows, periods: int, free: float) -> Column:
    returns = growth - 1.0
    tail = returns <= _var_95(growth, periods, free)[:, None]
    return np.where(tail, returns, 0.0).sum(axis=1) / tail.sum(axis=1)


def _beta(growth: Windows, market: Windows, periods: int, free: float) -> Column:
    beyond = market - market.mean(axis=1, keepdims=True)
    ours = growth - growth.mean(axis=1, keepdims=True)
    return _over((ours * beyond).sum(axis=1), (beyond**2).sum(axis=1), FLAT**2 * market.shape[1])


def _alpha(growth: Windows, market: Windows, periods: int, free: float) -> Column:
    slope = _beta(growth, market, periods, free)
    rest = 1.0 + growth.mean(axis=1) - 1.0 - free - slope * (market.mean(axis=1) - 1.0 - free)
    return np.where(rest > 0, np.maximum(rest, 0.0) ** periods - 1.0, np.nan)


def _tracking_error(growth: Windows, market: Windows, periods: int, free: float) -> Column:
    return np.std(growth - market, axis=1, ddof=1) * math.sqrt(periods)


def _information_ratio(growth: Windows, market: Windows, periods: int, free: float) -> Column:
    active = growth - market
    return _over(active.mean(axis=1), np.std(active, axis=1, ddof=1)) * math.sqrt(periods)


def _correlation(growth: Windows, market: Windows, periods: int, free: float) -> Column:
    ours, theirs = growth - growth.mean(axis=1, keepdims=True), market - market.mean(axis=1, keepdims=True)
    spread = np.sqrt((ours**2).sum(axis=1) * (theirs**2).sum(axis=1))
    return np.clip(_over((ours * theirs).sum(axis=1), spread, FLAT**2 * growth.shape[1]), -1.0, 1.0)


def _benchmark_twr(growth: Windows, market: Windows, periods: int, free: float) -> Column:
    return np.prod(market, axis=1) - 1.0


OWN: Mapping[str, Callable[[Windows, int, float], Column]] = {
    "twr": _twr, "volatility": _volatility, "semi_deviation": _semi_deviation, "sharpe": _sharpe, "sortino": _sortino,
    "omega": _omega, "max_drawdown": _max_drawdown, "var_95": _var_95, "cvar_95": _cvar_95,
}  # fmt: skip
BESIDE: Mapping[str, Callable[[Windows, Windows, int, float], Column]] = {
    "beta": _beta, "alpha": _alpha, "tracking_error": _tracking_error, "information_ratio": _information_ratio,
    "correlation": _correlation, "benchmark_twr": _benchmark_twr,
}  # fmt: skip


def rolled(
    growth: Returns, *, window: int, figures: Collection[str], periods: int, free: float = 0.0, market: Returns | None = None
) -> dict[str, Returns]:
    """Return each figure for each whole window of growth factors, NaN where it is not defined.

    `market` are the benchmark's factors of the same days, for the figures in `BESIDE`.

    >>> found = rolled(np.array([1.1, 1.0, 0.9]), window=2, figures=["twr"], periods=252)
    >>> found["twr"].round(12).tolist()
    [0.1, -0.1]
    """
    found: dict[str, list[Returns]] = {name: [] for name in figures}
    if len(growth) < window:
        return {name: np.empty(0) for name in figures}
    for rows in _blocks(len(growth) - window + 1, window):
        ours = sliding_window_view(growth, window)[rows]
        theirs = None if market is None else sliding_window_view(market, window)[rows]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for name in figures:
                if theirs is not None and name in BESIDE:
                    found[name].append(BESIDE[name](ours, theirs, periods, free))
                else:
                    found[name].append(OWN[name](ours, periods, free))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _blocks(rows: int, window: int) -> Iterator[slice]:
    """Yield the rows in blocks that are small enough to be held."""
    size = max(1, BLOCK // window)
    for start in range(0, rows, size):
        yield slice(start, start + size)


def _over(numerator: Returns, denominator: Returns, least: float = FLAT) -> Returns:
    """Return the quotients, NaN where nothing but rounding is left to divide by."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator >= least)
