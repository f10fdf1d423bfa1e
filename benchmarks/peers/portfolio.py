"""Others at the same work on the same data: beancount, a pandas pivot, a loop over days in decimals, quantstats and empyrical.

beancount, beanquery and quantstats are no dependencies of the project. They are taken from var/peers, where this puts them:

    .venv/bin/python -m uv pip install --target var/peers beancount==3.2.3 beanquery==0.2.0 quantstats==0.0.86

What they share with the project is the project's. One that is not there is named and left out.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyxirr
from django.conf import settings
from numpy.typing import NDArray

from benchmarks.harness import Harness
from portfolio.domain import ratios
from portfolio.domain.columns import Columns
from portfolio.domain.daily import depth_of
from portfolio.domain.exact import MONEY_PLACES
from portfolio.domain.swift import Holdings, by_fifo

CENT = Decimal("0.01")
YEAR = 252
FEW = 2  # rounds of what takes seconds
ONE = 10**18
Timed = Callable[[Callable[[], object]], float]


@dataclass(frozen=True)
class Facts:
    """What was traded: day, instrument and units (sold below zero) of each trade with its price, deposits, and the closes."""

    days: Sequence[date]
    closes: NDArray[np.float64]
    trades: Sequence[tuple[int, int, int, Decimal]]
    deposits: Sequence[tuple[int, float]]
    fee: Decimal = Decimal(1)


def compare(harness: Harness, facts: Facts, columns: Columns, ours: dict[str, Callable[[], object]]) -> None:
    """Measure the others beside ours: `exact` and `lots` (in memory), `ledger` (read, with lots), `database` (and valued)."""
    measured = harness.interleave(
        {
            "exact": lambda: seconds(ours["exact"], 20),
            "pivot": lambda: seconds(lambda: pivot(facts), 3),
            "day loop": lambda: seconds(lambda: day_loop(facts)),
        }
    )
    for case, other, goal in (
        ("a pandas pivot : exact daily values and figures", "pivot", ">= 4"),
        ("a loop over days in decimals : exact daily values and figures", "day loop", ">= 20"),
    ):
        harness.compare("derive", case, ours=measured[other], baseline=measured["exact"], unit="ms", goal=goal)
    compare_metrics(harness, facts)
    beancount = found("beancount.loader", "beanquery")
    if beancount is not None:
        compare_beancount(harness, facts, columns, ours, beancount)


def compare_metrics(harness: Harness, facts: Facts) -> None:
    """Measure growth, deepest fall and Sharpe's ratio of one series of returns, as each library takes it."""
    index = index_of(facts)
    returns = index[1:] / index[:-1] - 1
    series = pd.Series(returns, index=pd.DatetimeIndex(facts.days[1:]))
    figures = {"empyrical": by_empyrical, "quantstats": by_quantstats}
    libraries = {name: libraries[0] for name in figures if (libraries := found(name))}
    wanted = metrics(returns)
    for name, library in libraries.items():
        if not np.allclose(figures[name](library, series), wanted, rtol=1e-9):
            message = f"{name} gives {figures[name](library, series)}, ours {wanted}"
            raise RuntimeError(message)
    others = {name: (lambda name=name: seconds(lambda: figures[name](libraries[name], series), 30)) for name in libraries}
    measured = harness.interleave({"ours": lambda: seconds(lambda: metrics(returns), 300), **others})
    for name in libraries:
        case = f"{name}, growth, drawdown and Sharpe of {len(returns)} returns : ours"
        harness.compare("derive", case, ours=measured[name], baseline=measured["ours"], unit="ms", goal=">= 3")


def compare_beancount(
    harness: Harness, facts: Facts, columns: Columns, ours: dict[str, Callable[[], object]], libraries: list[ModuleType]
) -> None:
    """Let beancount load the ledger and ask it for holdings, and hold its gains to ours, to the cent."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.beancount"
        path.write_text("\n".join(as_beancount(facts)))
        gains: list[Decimal] = []
        theirs, ledger, database, memory = [], [], [], []
        for _ in range(FEW):
            theirs.append(seconds(lambda: gains.append(by_beancount(*libraries, str(path)))))
            ledger.append(seconds(ours["ledger"], 3))
            database.append(seconds(ours["database"], 3))
            memory.append(seconds(ours["lots"], 3))
    own = fifo_gains(columns)
    if {gain.quantize(CENT) for gain in gains} != {own.quantize(CENT)}:
        message = f"beancount's gains by FIFO are {gains[0]}, ours {own}"
        raise RuntimeError(message)
    told = "beancount, load and query, gains equal to the cent"
    for case, baseline, goal in (
        ("the same from the database", ledger, ">= 100"),
        ("with values and figures of all days, in memory", memory, ">= 100"),
        ("with values and figures of all days, from the database", database, ">= 0.0"),  # beancount has no prices of days to read
    ):
        harness.compare("derive", f"{told} : {case}", ours=theirs, baseline=baseline, unit="ms", goal=goal)


def found(*names: str) -> list[ModuleType] | None:
    """Return libraries, or none and a word where one is not installed."""
    folder = str(Path(settings.VAR) / "peers")
    if folder not in sys.path:
        sys.path.append(folder)  # the last: no library of the project is replaced
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as missing:
        print(f"derive: {names[0]} is left out, as {missing.name} is not installed", flush=True)
        return None


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return the milliseconds that work takes, the mean of so many times."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) * 1000 / times


def index_of(facts: Facts) -> NDArray[np.float64]:
    """Return the time-weighted index of the account on its trading days, from the pivot."""
    return np.asarray(pivot(facts)["index"], dtype=float)


def pivot(facts: Facts) -> dict[str, Any]:
    """Return equity, TWR, XIRR, drawdown and Sharpe, as one would with pandas."""
    trades = pd.DataFrame(
        [(facts.days[when], what, units, -units * float(price)) for when, what, units, price in facts.trades],
        columns=["day", "what", "units", "cash"],
    )
    flows = pd.Series({facts.days[when]: amount for when, amount in facts.deposits})
    days = pd.Index(facts.days)
    closes = pd.DataFrame(facts.closes, index=days)
    held = trades.pivot_table(index="day", columns="what", values="units", aggfunc="sum").reindex(days).fillna(0).cumsum()
    cash = (trades.groupby("day")["cash"].sum() - trades.groupby("day").size() * float(facts.fee)).reindex(days).fillna(0)
    moved = flows.reindex(days).fillna(0)
    equity = (held * closes).sum(axis=1) + (cash + moved).cumsum()
    returns = equity / (equity.shift(fill_value=0) + moved) - 1
    index = (1 + returns).cumprod()
    rate = pyxirr.xirr([*flows.index, days[-1]], [*(-flows), equity.iloc[-1]])
    sharpe = returns.mean() / returns.std() * np.sqrt(YEAR)
    fall = (index / index.cummax() - 1).min()
    return {"equity": equity.iloc[-1], "index": index, "xirr": rate, "fall": fall, "sharpe": sharpe}


def day_loop(facts: Facts) -> dict[str, Any]:
    """Return equity, TWR and drawdown as a loop over days and positions in decimals: the usual service."""
    prices = [[Decimal(f"{close:.4f}") for close in row] for row in facts.closes.tolist()] if not _PRICES else _PRICES[0]
    if not _PRICES:
        _PRICES.append(prices)
    by_day: dict[int, list[tuple[int, int, Decimal]]] = {}
    for when, what, units, price in facts.trades:
        by_day.setdefault(when, []).append((what, units, price))
    flows = {when: Decimal(amount) for when, amount in facts.deposits}
    held: dict[int, int] = {}
    cash = before = Decimal(0)
    index = peak = Decimal(1)
    fall = Decimal(0)
    for when, row in enumerate(prices):
        flow = flows.get(when, Decimal(0))
        cash += flow
        for what, units, price in by_day.get(when, ()):
            held[what] = held.get(what, 0) + units
            cash -= units * price + facts.fee
        total = cash + sum((units * row[what] for what, units in held.items() if units), Decimal(0))
        if before + flow > 0:
            index *= total / (before + flow)
        peak = max(peak, index)
        fall = min(fall, index / peak - 1)
        before = total
    return {"equity": before, "twr": index - 1, "fall": fall}


_PRICES: list[list[list[Decimal]]] = []  # read once: the loop alone is measured


def metrics(returns: NDArray[np.float64]) -> tuple[float, float, float | None]:
    """Return the growth, the deepest fall and Sharpe's ratio, as ours does."""
    index = np.cumprod(np.concatenate(([1.0], returns + 1.0)))
    fall = depth_of(np.rint(index * ONE).astype(np.int64), index)
    return float(index[-1]) - 1, float(fall), ratios.sharpe(returns, YEAR)


def by_empyrical(library: ModuleType, returns: pd.Series) -> tuple[Any, ...]:
    """Return the same by empyrical."""
    return library.cum_returns_final(returns), library.max_drawdown(returns), library.sharpe_ratio(returns)


def by_quantstats(library: ModuleType, returns: pd.Series) -> tuple[Any, ...]:
    """Return the same by quantstats."""
    return library.stats.comp(returns), library.stats.max_drawdown(returns), library.stats.sharpe(returns)


def as_beancount(facts: Facts) -> Iterator[str]:
    """Yield the ledger as beancount reads it; fees are expenses, lots are booked by FIFO."""
    first, last = facts.days[0], facts.days[-1]
    yield 'option "operating_currency" "USD"'
    yield 'option "booking_method" "FIFO"'
    for name in ("Assets:Cash", "Assets:Shares", "Equity:Owner", "Income:Gains", "Expenses:Fees"):
        yield f"{first} open {name}"
    for when, amount in facts.deposits:
        yield f'{facts.days[when]} * "deposit"\n  Assets:Cash  {amount:.2f} USD\n  Equity:Owner'
    for when, what, units, price in facts.trades:
        cost = f"{{{price} USD}}" if units > 0 else f"{{}} @ {price} USD"
        gain = "" if units > 0 else "\n  Income:Gains"
        yield (
            f'{facts.days[when]} * "trade"\n  Assets:Shares  {units} S{what:03} {cost}\n'
            f"  Expenses:Fees  {facts.fee} USD\n  Assets:Cash  {-units * price - facts.fee} USD{gain}"
        )
    for what, close in enumerate(facts.closes[-1].tolist()):
        yield f"{last} price S{what:03} {close:.4f} USD"


def by_beancount(loader: ModuleType, beanquery: ModuleType, path: str) -> Decimal:
    """Load a ledger, ask for what is held and worth and for the cash, and return the gains."""
    entries, errors, options = loader.load_file(path)
    if errors:
        raise RuntimeError(str(errors[0]))
    connection = beanquery.connect("beancount:", entries=entries, errors=errors, options=options)
    asked = "SELECT currency, sum(number), value(sum(position)) WHERE account = 'Assets:Shares' GROUP BY currency"
    connection.execute(asked).fetchall()
    connection.execute("SELECT date, position, balance WHERE account = 'Assets:Cash'").fetchall()
    gains = connection.execute("SELECT sum(number) WHERE account = 'Income:Gains'").fetchall()
    return -Decimal(gains[0][0])


def fifo_gains(columns: Columns) -> Decimal:
    """Return our gains by FIFO with fees left out of cost and proceeds, as beancount is told."""
    bare = replace(columns, cash=columns.cash + columns.fee)
    matched = by_fifo(Holdings.of(bare.in_order()))
    return Decimal(int((matched.proceeds - matched.cost).sum())).scaleb(-MONEY_PLACES)
