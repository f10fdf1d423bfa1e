"""The same strategy over the same bars by other engines: backtrader, and backtesting instrument by instrument.

Neither is a dependency of the project. They are taken from var/peers, where this puts them:

    .venv/bin/python -m uv pip install --target var/peers backtrader==1.9.78.123 backtesting==0.6.6

One that is not there is named and left out.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from django.conf import settings

Trade = tuple[int, int, int, float, float]  # instrument, day of the entry and of the exit, both prices
UNITS = 10


def found(name: str) -> ModuleType | None:
    """Return an engine, or none and a word where it is not installed."""
    folder = str(Path(settings.VAR) / "peers")
    if folder not in sys.path:
        sys.path.append(folder)  # the last: no library of the project is replaced
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        print(f"backtest: {name} is left out, as {missing.name} is not installed", flush=True)
        return None


def by_backtrader(library: ModuleType, frames: Sequence[pd.DataFrame], *, fast: int, slow: int, cash: float, rate: float) -> Any:
    """Return the engine's closed trades and its last equity."""
    engine = library.Cerebro(stdstats=False)
    engine.broker.setcash(cash)
    engine.broker.setcommission(commission=rate)
    for place, frame in enumerate(frames):
        engine.adddata(library.feeds.PandasData(dataname=frame, name=str(place)))
    engine.addstrategy(crossing(library, fast, slow))
    ran = engine.run()[0]
    return sorted(ran.closed), engine.broker.getvalue()


def crossing(library: ModuleType, fast: int, slow: int) -> type:
    """Return the strategy as backtrader has it."""

    class Cross(library.Strategy):  # type: ignore[name-defined, misc]
        """Holds each instrument while its fast average is above the slow one."""

        def __init__(self) -> None:
            average = library.indicators.SimpleMovingAverage
            self.ahead = [average(data.close, period=fast) - average(data.close, period=slow) for data in self.datas]
            self.closed: list[Trade] = []
            self.open: dict[int, tuple[int, float]] = {}

        def next(self) -> None:
            """Say what is to be held at the next open."""
            for data, ahead in zip(self.datas, self.ahead, strict=True):
                held = self.getposition(data).size > 0
                if len(self) > slow and ahead[0] and held != (ahead[0] > 0):
                    (self.sell if held else self.buy)(data, size=UNITS)

        def notify_order(self, order: Any) -> None:
            """Note what was filled, and pair it."""
            if order.status != order.Completed:
                return
            place, day = int(order.data._name), int(order.executed.dt)
            if order.isbuy():
                self.open[place] = (day, order.executed.price)
            else:
                self.closed.append((place, self.open[place][0], day, self.open.pop(place)[1], order.executed.price))

    return Cross


def by_backtesting(library: ModuleType, frames: Sequence[pd.DataFrame], *, fast: int, slow: int, cash: float, rate: float) -> Any:
    """Return the closed trades, instrument by instrument: the engine knows one at a time, so each has a purse of its own."""

    def average(values: Any, length: int) -> Any:
        return pd.Series(values).rolling(length).mean()

    class Cross(library.Strategy):  # type: ignore[name-defined, misc]
        """Holds the instrument while its fast average is above the slow one."""

        def init(self) -> None:
            """Make the averages."""
            self.fast = self.I(average, self.data.Close, fast)
            self.slow = self.I(average, self.data.Close, slow)

        def next(self) -> None:
            """Say what is to be held at the next open."""
            if self.fast[-1] > self.slow[-1] and not self.position:
                self.buy(size=UNITS)
            elif self.fast[-1] < self.slow[-1] and self.position:
                self.position.close()

    closed: list[Trade] = []
    value = 0.0
    for place, frame in enumerate(frames):
        with warnings.catch_warnings(action="ignore"):  # of positions that are left open
            ran = library.Backtest(frame, Cross, cash=cash / len(frames), commission=rate).run()
        trades = ran["_trades"]
        days = frame.index
        for entry, out, paid, got in zip(trades.EntryBar, trades.ExitBar, trades.EntryPrice, trades.ExitPrice, strict=True):
            closed.append((place, days[entry].toordinal(), days[out].toordinal(), paid, got))
        value += ran["Equity Final [$]"]
    return sorted(closed), value
