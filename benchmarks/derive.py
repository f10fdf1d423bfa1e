"""Analyzing and deriving an account beside a plain numpy kernel over arrays in memory.

The account has 10,000 entries over 100 instruments and ten years of daily bars. The kernel knows nothing but float arrays that
are ready: holdings as running sums, values as a product of matrices, TWR, XIRR, drawdown and volatility, no lots. Ours gives
the exact value of every calendar day and the same figures (and Sharpe's); then every closure and every open lot by FIFO, too.
"From the database" reads entries and bars first; it is held to the time in memory and that which psycopg takes for the same
rows. "Derived" writes all tables as well: lots, closures, positions, a snapshot of every calendar day, performance.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import psycopg
import pyxirr
from django.db import connections
from numpy.typing import NDArray
from psycopg.conninfo import make_conninfo

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account
from benchmarks.harness import Harness
from benchmarks.making.account import NOW, make_account, make_instruments, post, store_bars, store_day
from benchmarks.peers import portfolio as peers
from portfolio.domain.book import Book
from portfolio.domain.collecting import collector_paused
from portfolio.domain.columns import OF_ACCOUNT
from portfolio.domain.daily import analyze
from portfolio.domain.derivation import derive
from portfolio.domain.entries import in_order
from portfolio.domain.lots import Method
from portfolio.domain.performance import Point, measure
from portfolio.domain.swift import Holdings, by_fifo
from portfolio.selectors.columns import columns_of, holdings_and_closes
from portfolio.selectors.market import listings_of, load_market, reach_of_prices
from portfolio.selectors.projections import entries_after
from portfolio.services.projections import catch_up, forget

TRADES, DEPOSITS, INSTRUMENTS, DAYS = 9_880, 120, 100, 2520
QUICK_SHARE = 10
BATCH = 1000
FIRST = date(2014, 1, 1)
SYSTEM = "system"
ENTRIES = """
    SELECT sequence, kind, occurred_at, instrument_id, quantity::float8, cash::float8, currency, fee::float8, tax::float8
    FROM accounts_ledgerentry WHERE account_id = '{account}' ORDER BY sequence
"""
CLOSES = """
    SELECT instrument_id, timestamp, close::float8 FROM marketdata_bar
    WHERE instrument_id IN ('{ids}') AND timeframe = '1d' ORDER BY 1, 2
"""
YEAR = 252


def run(harness: Harness) -> None:
    """Measure the derivation in memory, from the database, with one entry more and with nothing new."""
    world = make_world(TRADES // QUICK_SHARE if harness.quick else TRADES)
    other = world.with_special_ones()
    with raw_line() as line:
        measured = harness.interleave(contestants(world, other, line))
    for may_be, rows in (("may be", "rows"), ("may be by ADBC", "rows by ADBC")):
        measured[may_be] = [1.5 * one + two for one, two in zip(measured[rows], measured["analysis with lots"], strict=True)]
    for case, ours, baseline, goal in (
        ("exact daily values and figures, in memory : numpy kernel", "analysis", "kernel", "<= 2"),
        ("the same with FIFO lots, every closure : numpy kernel", "analysis with lots", "kernel", "<= 7"),
        ("100,000 entries : 10,000, with FIFO lots", "ten times the entries", "analysis with lots", "<= 12"),
        ("from the database : in memory + 1.5 x psycopg", "analysis from the database", "may be", "<= 1"),
        ("from the database : in memory + 1.5 x ADBC", "analysis from the database", "may be by ADBC", "<= 1"),
        ("entry by entry, tables to be : with FIFO lots", "objects", "analysis with lots", ">= 1"),
        ("one entry more : derived from nothing, tables written", "one more", "database", "<= 0.02"),
        ("one entry on a new day, with prices : derived from nothing, tables written", "a new day", "database", "<= 0.02"),
        ("one entry a month back : derived from nothing, tables written", "a month back", "database", "<= 0.2"),
        ("one entry a year back : derived from nothing, tables written", "a year back", "database", "<= 0.4"),
        ("one entry five years back : derived from nothing, tables written", "five years back", "database", "<= 1"),
        ("1 % of the entries special : all plain, tables written", "special", "database", "<= 2"),
        ("nothing new : a bare query", "nothing", "bare query", "<= 20"),
    ):
        harness.compare("derive", case, ours=measured[ours], baseline=measured[baseline], unit="ms", goal=goal)
    world.beside(harness)
    tracemalloc.start()
    world.analysis(lots=True, times=10)()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    harness.compare("derive", "memory of 100,000 entries : 500 MB", ours=[peak], baseline=[500.0], unit="MB", goal="<= 1")


def contestants(world: World, other: World, line: adbc.Connection) -> dict[str, Callable[[], float]]:
    """Return what is measured in turn."""
    return {
        "kernel": timed(world.kernel(), 100),
        "analysis": world.analysis(lots=False),
        "analysis with lots": world.analysis(lots=True),
        "ten times the entries": world.analysis(lots=True, times=10),
        "analysis from the database": timed(world.analysis_from_the_database),
        "rows": timed(world.bare_rows),
        "rows by ADBC": timed(lambda: world.bare_rows_by_adbc(line)),
        "objects": world.in_memory(),
        "database": world.from_the_database(),
        "one more": world.one_more(),
        "a new day": world.a_new_day(),
        "a month back": world.one_more(days_back=21),
        "a year back": world.one_more(days_back=252),
        "five years back": world.one_more(days_back=1260),
        "special": other.from_the_database(),
        "nothing": timed(world.catch_up, 20),
        "bare query": timed(world.bare_query, 100),
    }


def raw_line() -> adbc.Connection:
    """Open a connection of ADBC to the same database."""
    connections[SYSTEM].ensure_connection()
    info = connections[SYSTEM].connection.info
    return adbc.connect(make_conninfo(**info.get_parameters(), password=info.password), autocommit=True)


def timed(work: Callable[[], object], times: int = 1) -> Callable[[], float]:
    """Return work as a contestant: the milliseconds it took, the mean of so many times.

    What takes two milliseconds is done often enough to last as long as what it is compared with: on a busy machine a short
    work slips through between two others, a long one can't.
    """

    def contestant() -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - started) * 1000 / times

    return contestant


@dataclass
class World:
    """One account, what it traded, and the same as arrays."""

    account: Account
    instruments: list[UUID]
    days: list[date]
    closes: NDArray[np.float64]
    trades: list[tuple[int, int, int, float]]
    deposits: list[tuple[int, float]]
    prices: list[Decimal] = field(default_factory=list)
    drafts: list[EntryDraft] = field(default_factory=list)
    extra: int = 0
    later: list[date] = field(default_factory=list)  # days that got prices while it was measured

    def catch_up(self) -> None:
        """Bring the account up to date."""
        catch_up(account_id=self.account.pk, at=NOW)

    def bare_query(self) -> None:
        """Ask the database for one row by its key."""
        with connections[SYSTEM].cursor() as cursor:
            cursor.execute("SELECT read_up_to FROM portfolio_projection WHERE account_id = %s", [self.account.pk])
            cursor.fetchone()

    def from_the_database(self) -> Callable[[], float]:
        """Return the derivation of everything, from entries and bars to tables."""

        def contestant() -> float:
            forget(account_id=self.account.pk)
            return timed(self.catch_up)()

        return contestant

    def one_more(self, *, days_back: int = 0) -> Callable[[], float]:
        """Return the derivation after one more deposit at the end, or so many trading days before it."""

        def contestant() -> float:
            self.extra += 1
            at = datetime.combine([*self.days, *self.later][-1 - days_back], datetime.min.time(), UTC) + timedelta(
                hours=20, seconds=self.extra
            )
            post(self.account, [EntryDraft(kind=EntryKind.DEPOSIT, occurred_at=at, currency="USD", cash=Decimal(1))])
            return timed(self.catch_up)()

        return contestant

    def a_new_day(self) -> Callable[[], float]:
        """Return the derivation after a day with a price of everything and one more deposit on it."""

        def contestant() -> float:
            self.later.append([*self.days, *self.later][-1] + timedelta(days=1))
            store_day(self.instruments, self.later[-1])
            return self.one_more()()

        return contestant

    def analysis(self, *, lots: bool, times: int = 1) -> Callable[[], float]:
        """Return the analysis of columns that are loaded, with or without lots; `times` is how often each entry happened."""
        columns = columns_of(account_id=self.account.pk, using=SYSTEM)
        loaded = holdings_and_closes(self.account, using=SYSTEM)
        if columns is None or loaded is None:
            message = "the entries of the benchmark are not plain"
            raise RuntimeError(message)
        grid = loaded[1]
        if times > 1:
            columns = columns.only(np.repeat(np.arange(len(columns)), times))
            columns = replace(columns, sequence=np.arange(len(columns)), at=columns.at + np.arange(len(columns)) % times)

        def work() -> None:
            holdings = Holdings.of(columns.in_order())
            analyze(holdings, grid, periods=YEAR)
            if lots:
                by_fifo(holdings).in_order(holdings.columns)

        return timed(work, 50 // times)

    def beside(self, harness: Harness) -> None:
        """Measure others at the same work."""
        columns = columns_of(account_id=self.account.pk, using=SYSTEM)
        loaded = holdings_and_closes(self.account, using=SYSTEM)
        if columns is None or loaded is None:
            print("derive: others are left out, as the entries are not plain any more", flush=True)
            return
        grid = loaded[1]

        def exact() -> Holdings:
            holdings = Holdings.of(columns.in_order())
            analyze(holdings, grid, periods=YEAR)
            return holdings

        def lots() -> None:
            holdings = exact()
            by_fifo(holdings).in_order(holdings.columns)

        trades = [(when, what, units, price) for (when, what, units, _), price in zip(self.trades, self.prices, strict=True)]
        facts = peers.Facts(self.days, self.closes, trades, self.deposits)
        ours = {"exact": exact, "lots": lots, "database": self.analysis_from_the_database, "ledger": self.lots_from_the_database}
        peers.compare(harness, facts, columns, ours)

    def lots_from_the_database(self) -> None:
        """Read entries and the last closes, and say what was gained, which lots are held and what they are worth."""
        columns = columns_of(account_id=self.account.pk, using=SYSTEM)
        if columns is not None:
            holdings = Holdings.of(columns.in_order())
            by_fifo(holdings).in_order(holdings.columns)
            listings = listings_of(reach_of_prices(columns.instruments, using=SYSTEM))
            market = load_market(instruments=listings, pairs=(), start=self.days[-1], using=SYSTEM)
            closes = [market.closes[name].value_at(self.days[-1].toordinal()) for name in columns.instruments]
            held = np.zeros(len(closes), dtype=np.int64)
            traded = columns.what != OF_ACCOUNT
            np.add.at(held, columns.what[traded], columns.quantity.digits[traded])
            sum(units * close for units, close in zip(held.tolist(), closes, strict=True) if close is not None)

    def analysis_from_the_database(self) -> None:
        """Read entries and closes, and analyze them with lots."""
        loaded = holdings_and_closes(self.account, using=SYSTEM)
        if loaded is not None:
            analyze(*loaded, periods=YEAR)
            by_fifo(loaded[0]).in_order(loaded[0].columns)

    def bare_rows(self) -> None:
        """Read the same rows as psycopg gives them: in binary, prices as floats."""
        connections[SYSTEM].ensure_connection()
        with psycopg.Cursor(connections[SYSTEM].connection) as cursor:
            cursor.format = psycopg.pq.Format.BINARY
            for query in self.bare_queries():
                cursor.execute(query)
                cursor.fetchall()

    def bare_queries(self) -> tuple[str, str]:
        """Return what asks for the entries and the closes, as they are but for numbers as floats."""
        return ENTRIES.format(account=self.account.pk), CLOSES.format(ids="', '".join(map(str, self.instruments)))

    def bare_rows_by_adbc(self, line: adbc.Connection) -> None:
        """Read the same rows as ADBC gives them: as columns of Arrow."""
        with line.cursor() as cursor:
            for query in self.bare_queries():
                cursor.execute(query)
                cursor.fetch_arrow_table()

    def with_special_ones(self) -> World:
        """Return another account with the same entries, of which each hundredth is posted by itself: a transfer, a split."""
        other = World(
            make_account("special@example.com", opened_on=FIRST),
            self.instruments,
            self.days,
            self.closes,
            self.trades,
            self.deposits,
        )
        drafts = list(self.drafts)
        for number in range(0, len(drafts), 100):
            what, at = self.instruments[number % INSTRUMENTS], drafts[number].occurred_at + timedelta(minutes=1)
            one: dict[str, Any] = {"kind": EntryKind.TRANSFER_IN, "quantity": Decimal(1), "data": {"cost": "50"}}
            if number % 300 == 0:
                one = {"kind": EntryKind.SPLIT, "data": {"ratio": "101:100"}}
            drafts.append(EntryDraft(occurred_at=at, currency="USD", instrument_id=what, **one))
        other.write(sorted(drafts, key=lambda one: one.occurred_at))
        return other

    def write(self, drafts: list[EntryDraft]) -> None:
        """Write entries to the ledger."""
        self.drafts = drafts
        for start in range(0, len(drafts), BATCH):
            post(self.account, drafts[start : start + BATCH])

    def in_memory(self) -> Callable[[], float]:
        """Return the pure derivation and its performance, from entries and closes that are loaded."""
        entries = entries_after(account_id=self.account.pk, using=SYSTEM)
        listings = listings_of(reach_of_prices([str(one) for one in self.instruments], using=SYSTEM))
        market = load_market(instruments=listings, pairs=(), start=FIRST, using=SYSTEM)

        def work() -> None:
            with collector_paused():
                book = Book("USD", Method.FIFO, listings, market)
                found = derive(book, in_order(entries), margin=False)
                points = [Point(one.day, one.total_value, one.net_flow, one.twr_index, one.priced) for one in found.figures]
                measure(points, periods=YEAR)

        return timed(work)

    def kernel(self) -> Callable[[], dict[str, float]]:
        """Return the plain kernel over float arrays: equity, TWR, XIRR, drawdown and volatility."""
        day = np.array([trade[0] for trade in self.trades])
        what = np.array([trade[1] for trade in self.trades])
        units = np.array([trade[2] for trade in self.trades], dtype=float)
        paid = np.array([trade[3] for trade in self.trades])
        paid_in_on = np.array([deposit[0] for deposit in self.deposits])
        paid_in = np.array([deposit[1] for deposit in self.deposits])
        dates = [*(self.days[index] for index in paid_in_on), self.days[-1]]

        def work() -> dict[str, float]:
            moves = np.zeros((len(self.days), len(self.instruments)))
            np.add.at(moves, (day, what), units)
            cash, flows = np.zeros(len(self.days)), np.zeros(len(self.days))
            np.add.at(cash, day, paid)
            np.add.at(flows, paid_in_on, paid_in)
            equity = (np.cumsum(moves, axis=0) * self.closes).sum(axis=1) + np.cumsum(cash + flows)
            before = np.concatenate(([0.0], equity[:-1])) + flows
            index = np.cumprod(np.divide(equity, before, out=np.ones_like(equity), where=before > 0))
            peak = np.maximum.accumulate(np.concatenate(([1.0], index)))[1:]
            return {
                "equity": float(equity[-1]),
                "twr": float(index[-1] - 1),
                "xirr": float(pyxirr.xirr(dates, [*-paid_in, equity[-1]]) or 0.0),
                "max_drawdown": float((index / peak - 1).min()),
                "volatility": float(np.std(np.diff(np.log(index)), ddof=1) * np.sqrt(YEAR)),
            }

        return work


def make_world(number: int) -> World:
    """Make the account, its instruments with ten years of bars, and its entries."""
    chance = random.Random(1)
    days = [day for day in (FIRST + timedelta(days=n) for n in range(DAYS * 2)) if day.weekday() < 5][:DAYS]
    noise = np.random.default_rng(1).normal(0.0002, 0.01, (DAYS, INSTRUMENTS))
    closes = np.round(50 * np.exp(np.cumsum(noise, axis=0)), 4)
    world = World(make_account("derive@example.com", opened_on=FIRST), make_instruments(INSTRUMENTS), days, closes, [], [])
    store_bars(world.instruments, world.days, world.closes)
    held = [0] * INSTRUMENTS
    drafts: list[EntryDraft] = []
    for month in range(DEPOSITS):
        world.deposits.append((month * 21, 100_000.0))
        drafts.append(draft(EntryKind.DEPOSIT, days[month * 21], hour=8, cash=Decimal(100_000)))
    for turn in range(number):
        when, what = turn * DAYS // number, chance.randrange(INSTRUMENTS)
        selling = held[what] > 20 and chance.random() < 0.5
        units = -chance.randint(1, held[what]) if selling else chance.randint(1, 40)
        held[what] += units
        price = Decimal(f"{closes[when, what]:.4f}")
        fields: dict[str, Any] = {"instrument_id": world.instruments[what], "quantity": Decimal(units), "price": price}
        cash = -units * price - 1
        kind = EntryKind.BUY if units > 0 else EntryKind.SELL
        drafts.append(draft(kind, days[when], hour=15, cash=cash, fee=Decimal(1), **fields))
        world.trades.append((when, what, units, float(cash)))
        world.prices.append(price)
    drafts.sort(key=lambda one: one.occurred_at)
    world.write(drafts)
    return world


def draft(kind: EntryKind, day: date, *, hour: int, **fields: Any) -> EntryDraft:
    """Return the draft of an entry at an hour of a day."""
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)
    return EntryDraft(kind=kind, occurred_at=at, currency="USD", **fields)
