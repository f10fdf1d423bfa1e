"""Ten years of daily bars of 100 instruments through one strategy, beside backtrader and `backtesting`.

All three hold ten units of an instrument while its average of 10 closes is above that of 30, bought and sold at the next open,
at a commission of a thousandth, from the second bar on that has both averages (`backtesting` begins no sooner). Their closed
trades have to be ours, one by one: instrument, days and prices. Bars are in memory in the form that each engine takes; ours
counts from there to trades, exact equity and figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Harness
from benchmarks.peers.backtests import UNITS, by_backtesting, by_backtrader, found
from trading.domain.backtest import Result, Rules, Sizing, run_backtest
from trading.domain.backtest_costs import Costs
from trading.domain.backtest_metrics import figures_of
from trading.domain.backtest_steps import Market
from trading.domain.strategies.base import BarColumns
from trading.domain.strategies.registry import made

INSTRUMENTS, DAYS, QUICK = 100, 2520, 10
FAST, SLOW = 10, 30
CASH, RATE = 10_000_000, "0.001"
DAY = 86_400_000_000
UNIX_DAY = 719_163
GOAL = "<= 0.2"


def run(harness: Harness) -> None:
    """Measure ours beside each engine that is installed; theirs take many seconds, so they run once."""
    markets = [walk(number) for number in range(INSTRUMENTS // QUICK if harness.quick else INSTRUMENTS)]
    frames = [frame_of(market) for market in markets]
    asked = {"fast": FAST, "slow": SLOW, "cash": float(CASH), "rate": float(RATE)}
    engines = {"backtrader": by_backtrader, "backtesting": by_backtesting}
    result, _ = ours(markets)
    own = [milliseconds(lambda: ours(markets)) for _ in range(harness.rounds)]
    for name, engine in engines.items():
        library = found(name)
        if library is None:
            continue
        started = time.perf_counter()
        theirs, _ = engine(library, frames, **asked)
        took = (time.perf_counter() - started) * 1000
        refuse_others(name, theirs, result, markets)
        case = f"{len(markets)} instruments x {DAYS} days, {len(result.trades)} equal trades : {name}"
        harness.compare("backtest", case, ours=own, baseline=[took] * len(own), unit="ms", goal=GOAL)


def ours(markets: list[Market]) -> tuple[Result, dict[str, Any]]:
    """Run our engine to the figures."""
    costs, begin = Costs(rate=Decimal(RATE)), int(markets[0].bars.timestamps[SLOW + 1])
    rules = Rules(cash=Decimal(CASH), sizing=Sizing.UNITS, amount=Decimal(UNITS), costs=costs, begin=begin)
    result = run_backtest(markets, made("sma_cross", {"fast": FAST, "slow": SLOW}), rules)
    return result, figures_of(result, rules, periods=252)


def refuse_others(name: str, theirs: list[tuple[int, int, int, float, float]], result: Result, markets: list[Market]) -> None:
    """Refuse to compare engines that did not trade the same.

    :raises RuntimeError: naming the first trade that differs
    """
    sold = {(fill.market, fill.at): float(fill.price) for fill in result.fills}
    mine = sorted(
        (
            one.market,
            day(one.opened_at),
            day(one.closed_at or 0),
            sold[one.market, one.opened_at],
            sold[one.market, one.closed_at or 0],
        )
        for one in result.trades
    )
    pairs = zip(mine, theirs, strict=False)
    differs = next((pair for pair in pairs if pair[0][:3] != pair[1][:3] or not np.allclose(pair[0][3:], pair[1][3:])), None)
    if differs or len(mine) != len(theirs):
        message = f"{name} has {len(theirs)} closed trades, ours {len(mine)} of {len(markets)} instruments; first: {differs}"
        raise RuntimeError(message)


def walk(seed: int) -> Market:
    """Return ten years of daily bars of a random walk, in hundredths of cents: averages are never just equal."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0.0002, 0.015, DAYS))), 4)
    opened = np.round(close * np.exp(random.normal(0, 0.004, DAYS)), 4)
    high, low = np.round(np.maximum(close, opened) * 1.004, 4), np.round(np.minimum(close, opened) * 0.996, 4)
    days = np.array(pd.bdate_range("2014-01-01", periods=DAYS).as_unit("us").asi8)
    return Market.of(str(seed), BarColumns(days, opened, high, low, close, np.full(DAYS, 1e6)))


def frame_of(market: Market) -> pd.DataFrame:
    """Return the bars as the other engines take them."""
    bars = market.bars
    columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
    return pd.DataFrame(columns, index=pd.to_datetime(bars.timestamps, unit="us"))


def day(at: int) -> int:
    """Return the day of a time, counted as Python does."""
    return UNIX_DAY + at // DAY


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long work takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
