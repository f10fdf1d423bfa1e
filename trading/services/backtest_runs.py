"""What a worker does of a backtest: read bars, run, write the files of the run. It touches no row."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from marketdata.domain.bars import Timeframe
from portfolio.domain.exact import EXACT, MONEY_PLACES, Fixed
from trading.domain.backtest import Result, Trade, run_backtest
from trading.domain.backtest_metrics import figures_of, worth
from trading.domain.backtest_requests import combinations, microseconds, rules_of, since
from trading.domain.backtest_steps import Market
from trading.domain.strategies.registry import made
from trading.models.backtests import BacktestKind, BacktestRun, BacktestStatus
from trading.selectors.backtests import folder_of, markets_of

MOST_BARS = 5_000_000
TRADING_DAYS, CALENDAR_DAYS = 252, 365
ALWAYS_OPEN = "CRYPTO"
MONEY = pa.decimal128(38, MONEY_PLACES)
UNITS = pa.decimal128(38, 12)
INSTANT = pa.timestamp("us", "UTC")
Look = Callable[[int, int], None]


class Canceled(Exception):
    """The run was canceled."""


class CannotRun(Exception):
    """The run cannot be done; the message says why."""


def execute(run: BacktestRun, *, look: Look) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a backtest, write its files, and return its figures and the parameters it ran with.

    :raises Canceled: if `look` hears so
    :raises CannotRun: if there are no bars, or too many, or amounts beyond all reason
    """
    parameters: dict[str, Any] = run.parameters
    chosen: dict[str, Any] = {}
    walk = run.parent is not None and run.parent.kind == BacktestKind.WALK_FORWARD
    if walk:
        parameters, chosen = _chosen(run, look)
    strategy = made(run.strategy_kind, parameters)
    markets = _markets(run, run.start, run.end, warm_up=strategy.warm_up)
    rules = rules_of(run.rules, cash=run.cash, costs=run.costs, begin=run.start)
    result = run_backtest(markets, strategy, rules, look=lambda done: look(done, len(markets)))
    figures = figures_of(result, rules, periods=_periods(markets)) | chosen
    write_files(run, parameters, markets, result, figures)
    return figures, parameters


def _chosen(run: BacktestRun, look: Look) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters that were best on the days before a window, and how good they were."""
    found = combinations(run.strategy_kind, run.parameters)
    strategies = [made(run.strategy_kind, one) for one in found]
    first = date.fromordinal(max(run.start.toordinal() - run.rules["train_days"], 1))
    markets = _markets(run, first, run.start, warm_up=max(one.warm_up for one in strategies))
    rules = rules_of(run.rules, cash=run.cash, costs=run.costs, begin=first)
    objective, periods = run.rules["objective"], _periods(markets)
    reached = []
    for number, strategy in enumerate(strategies):
        look(number, len(strategies))
        figures = figures_of(run_backtest(markets, strategy, rules), rules, periods=periods)
        reached.append(worth(figures, objective))
    best = max(range(len(found)), key=lambda place: (reached[place], -place))
    told = None if not reached[best].is_finite() else str(reached[best])
    return found[best], {"train_start": str(first), f"train_{objective}": told, "train_runs": len(found)}


def _markets(run: BacktestRun, start: date, end: date, *, warm_up: int) -> list[Market]:
    """Return the bars of a period, and enough of those before it.

    :raises CannotRun: if there are none, or too many
    """
    timeframe = Timeframe(run.timeframe)
    first = since(start, warm_up=warm_up, bar=timeframe.duration)
    found, bars = [], 0
    for market in markets_of(instruments=run.instruments, timeframe=timeframe, start=first, end=end):
        bars += len(market.bars)
        if bars > MOST_BARS:
            raise CannotRun(f"These are more than {MOST_BARS:,} bars; ask for fewer instruments, a shorter time or longer bars.")
        found.append(market)
    if not any(len(market.bars) and market.bars.timestamps[-1] >= microseconds(start) for market in found):
        raise CannotRun(f"There are no {timeframe} bars of the instruments from {start} to {end}; load them first.")
    return found


def _periods(markets: Sequence[Market]) -> int:
    """Return how many days with prices make a year."""
    return CALENDAR_DAYS if all(market.key.endswith(f":{ALWAYS_OPEN}") for market in markets) else TRADING_DAYS


def write_files(
    run: BacktestRun, parameters: dict[str, Any], markets: Sequence[Market], result: Result, figures: dict[str, Any]
) -> None:
    """Write the files of a run, all or none of them; those of an attempt before are replaced.

    :raises CannotRun: if an amount is larger than they can hold
    """
    folder = folder_of(run.pk)
    for left in folder.parent.glob(f".{run.pk}-*"):  # by a worker that was killed
        shutil.rmtree(left, ignore_errors=True)
    made_in = folder.with_name(f".{run.pk}-{uuid4().hex}")
    made_in.mkdir(parents=True)
    try:
        pq.write_table(equity_table(result), made_in / "equity.parquet", compression="zstd")
        pq.write_table(trades_table(markets, result), made_in / "trades.parquet", compression="zstd")
        (made_in / "summary.json").write_bytes(orjson.dumps(told_of(run, parameters, figures), option=orjson.OPT_INDENT_2))
        shutil.rmtree(folder, ignore_errors=True)
        made_in.rename(folder)
    except pa.ArrowInvalid as error:
        raise CannotRun("Its amounts outgrow the 28 digits there are before the point; let it cost or trade less.") from error
    finally:
        shutil.rmtree(made_in, ignore_errors=True)


def told_of(run: BacktestRun, parameters: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a run: all that it rests on, and its figures."""
    names = ("kind", "name", "strategy_kind", "timeframe", "costs", "rules", "seed", "code_version", "config_hash", "number")
    said = {name: getattr(run, name) for name in names}
    days = {"start": str(run.start), "end": str(run.end), "cash": f"{Decimal(run.cash).normalize():f}"}
    keys = {"id": str(run.pk), "account": str(run.account_id), "parent": str(run.parent_id) if run.parent_id else None}
    return keys | said | days | {"instruments": [*map(str, run.instruments)], "parameters": parameters, "metrics": figures}


def equity_table(result: Result) -> pa.Table:
    """Return equity and cash after each bar, and how far the equity is below its peak."""
    equity = result.equity.at(MONEY_PLACES)
    floats = np.array([float(value) for value in equity.digits])
    fall = floats / np.maximum.accumulate(floats) - 1 if len(floats) and floats.min() > 0 else np.zeros(len(floats))
    columns = [pa.array(result.times, INSTANT), money_column(equity), money_column(result.cash), pa.array(fall)]
    return pa.table(columns, names=["timestamp", "equity", "cash", "drawdown"])


def money_column(amounts: Fixed) -> pa.Array:
    """Return exact amounts as a column."""
    return pa.array(amounts.at(MONEY_PLACES).decimals(), MONEY)


def trades_table(markets: Sequence[Market], result: Result) -> pa.Table:
    """Return the trades, closed ones in the order of closing and then those that are open, with how far each went both ways."""
    trades = [*result.trades, *result.open]
    ways = [excursions(markets[one.market], one) for one in trades]
    columns: dict[str, tuple[list[Any], pa.DataType]] = {
        "instrument": ([markets[one.market].key for one in trades], pa.string()),
        "side": (["LONG" if one.sign > 0 else "SHORT" for one in trades], pa.string()),
        "opened_at": ([one.opened_at for one in trades], INSTANT),
        "closed_at": ([one.closed_at for one in trades], INSTANT),
        "quantity": ([one.quantity for one in trades], UNITS),
        "entry": ([average(one.paid, one.quantity, markets[one.market]) for one in trades], MONEY),
        "exit": ([average(one.got, one.sold, markets[one.market]) for one in trades], MONEY),
        "fees": ([one.fees for one in trades], MONEY),
        "gain": ([one.gain if one.closed_at is not None else None for one in trades], MONEY),
        "cause": ([one.cause for one in trades], pa.string()),
        "adverse": ([way[0] for way in ways], pa.float64()),
        "favorable": ([way[1] for way in ways], pa.float64()),
    }
    return pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()})


def average(value: Decimal, quantity: Decimal, market: Market) -> Decimal | None:
    """Return the average price of a quantity."""
    if not quantity:
        return None
    price = EXACT.divide(value, EXACT.multiply(quantity, market.multiplier))
    return price.quantize(Decimal(1).scaleb(-MONEY_PLACES), context=EXACT)


def excursions(market: Market, trade: Trade) -> tuple[float, float]:
    """Return how far the price went against a trade and along with it while it was held, as parts of the entry."""
    last = len(market.bars) if trade.closed_bar is None else trade.closed_bar + 1
    low, high = market.bars.low[trade.opened_bar : last].min(), market.bars.high[trade.opened_bar : last].max()
    entry = float(average(trade.paid, trade.quantity, market) or 1)
    down, up = float(low) / entry - 1, float(high) / entry - 1
    return (min(down, 0.0), max(up, 0.0)) if trade.sign > 0 else (min(-up, 0.0), max(-down, 0.0))


def summed_up(parent: BacktestRun, runs: Sequence[BacktestRun]) -> tuple[BacktestStatus, str, dict[str, Any]]:
    """Return how a sweep ended: canceled, failed where no run succeeded, else with the best of its runs, or all in a row."""
    good = [run for run in runs if run.status == BacktestStatus.SUCCEEDED]
    if parent.cancel_requested:
        return BacktestStatus.CANCELED, "", {}
    if not good:
        return BacktestStatus.FAILED, next((run.error for run in runs if run.error), "No run succeeded."), {}
    objective = parent.rules["objective"]
    best = max(good, key=lambda run: (worth(run.metrics, objective), -run.number))
    found = {"objective": objective, "succeeded": len(good), "failed": len(runs) - len(good)}
    if parent.kind == BacktestKind.SWEEP:
        named = {"best": str(best.pk), "best_parameters": best.parameters, objective: best.metrics.get(objective)}
        return BacktestStatus.SUCCEEDED, "", found | named
    growth = Decimal(1)
    for run in good:
        growth = EXACT.multiply(growth, 1 + Decimal(run.metrics.get("twr") or 0))
    windows = [
        {"number": run.number, "start": str(run.start), "end": str(run.end), "parameters": run.parameters}
        | {name: run.metrics.get(name) for name in ("twr", objective, f"train_{objective}", "total_trades")}
        for run in good
    ]
    return BacktestStatus.SUCCEEDED, "", found | {"twr": f"{growth - 1:.12f}", "windows": windows}


def remove_files(run_ids: Iterable[UUID]) -> None:
    """Remove the folders of runs."""
    for run_id in run_ids:
        shutil.rmtree(folder_of(run_id), ignore_errors=True)
