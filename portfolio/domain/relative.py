"""How returns stand beside those of a benchmark over the same days; floats, as statistics are, and none where not defined.

Both are returns between successive days on which both have a price; `periods` is how many of those make a year and `free` the
risk-free return of one.
"""

from __future__ import annotations

import math

import numpy as np

from portfolio.domain.ratios import FEWEST, FLAT, Returns

AGAINST_BENCHMARK = ("beta", "alpha", "tracking_error", "information_ratio", "correlation")
STEADY = "The benchmark's returns don't vary."
ALIKE = "The returns differ from the benchmark's by the same every day."
EITHER = "The returns don't vary, or the benchmark's don't."
BEYOND = "The growth is beyond any yearly rate."
WHY = {"beta": STEADY, "alpha": STEADY, "tracking_error": STEADY, "information_ratio": ALIKE, "correlation": EITHER}


def beta(returns: Returns, market: Returns) -> float | None:
    """Return how much returns move with the benchmark's: their covariance over the variance of the benchmark's."""
    if len(returns) < FEWEST:
        return None
    beyond = market - market.mean()
    spread = float(beyond @ beyond)
    return None if spread < FLAT**2 * len(market) else float((returns - returns.mean()) @ beyond) / spread


def alpha(returns: Returns, market: Returns, periods: int, free: float = 0.0) -> float | None:
    """Return Jensen's alpha a year: what is left of the mean return beyond beta times the benchmark's, compounded.

    alpha = (1 + mean((r - free) - beta x (m - free))) ^ periods - 1
    """
    slope = beta(returns, market)
    if slope is None:
        return None
    return _compounded(float(np.mean(returns - free - slope * (market - free))), periods)


def tracking_error(returns: Returns, market: Returns, periods: int) -> float | None:
    """Return the sample standard deviation of the differences of returns, a year."""
    return None if len(returns) < FEWEST else float(np.std(returns - market, ddof=1)) * math.sqrt(periods)


def information_ratio(returns: Returns, market: Returns, periods: int) -> float | None:
    """Return the mean difference of returns over its standard deviation, a year."""
    if len(returns) < FEWEST:
        return None
    active = returns - market
    spread = float(np.std(active, ddof=1))
    return None if spread < FLAT else float(active.mean()) / spread * math.sqrt(periods)


def correlation(returns: Returns, market: Returns) -> float | None:
    """Return the correlation of returns, from -1 to 1."""
    if len(returns) < FEWEST:
        return None
    ours, theirs = returns - returns.mean(), market - market.mean()
    spread = math.sqrt(float(ours @ ours) * float(theirs @ theirs))
    return None if spread < FLAT**2 * len(returns) else max(-1.0, min(1.0, float(ours @ theirs) / spread))


def against(returns: Returns, market: Returns, periods: int, free: float = 0.0) -> dict[str, float | None]:
    """Return all figures that compare with a benchmark, by name; what they share is computed once."""
    count = len(returns)
    if count < FEWEST:
        return dict.fromkeys(AGAINST_BENCHMARK)
    mean, level = float(returns.sum()) / count, float(market.sum()) / count
    ours, theirs = returns - mean, market - level
    own, steady, both = float(ours @ ours), float(theirs @ theirs), float(ours @ theirs)
    active = ours - theirs
    deviation = math.sqrt(float(active @ active) / (count - 1))
    slope = None if steady < FLAT**2 * count else both / steady
    joint = math.sqrt(own * steady)
    return {
        "beta": slope,
        "alpha": None if slope is None else _compounded(mean - free - slope * (level - free), periods),
        "tracking_error": deviation * math.sqrt(periods),
        "information_ratio": None if deviation < FLAT else (mean - level) / deviation * math.sqrt(periods),
        "correlation": None if joint < FLAT**2 * count else max(-1.0, min(1.0, both / joint)),
    }


def _compounded(rate: float, periods: int) -> float | None:
    """Return a return of a day as one of a year, none where all is lost or no number holds it."""
    try:
        return (1.0 + rate) ** periods - 1.0 if rate > -1 else None
    except OverflowError:
        return None
