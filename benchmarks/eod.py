"""End of day for 10,000 accounts of 20 positions each, in restartable chunks, beside one set-based statement.

Ours writes the snapshot of a new day for every account, with its gain, its causes and the index of returns, each chunk of 500
in its transaction and under its locks: by one process, and by two at a time that share the accounts, as two workers do. The
baseline is one INSERT ... SELECT over all accounts that writes a total for each and asks about nothing: no lock, no look at what
else may have changed, no gain, no index of returns. Beside them: accounts caught up one by one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import UUID

from django.db import connection, connections, transaction
from uuid_utils.compat import uuid7

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.domain.roles import Role
from accounts.models import Account, Membership, User
from accounts.models.ledger import as_row
from accounts.models.tenancy import acting_as
from benchmarks.harness import Harness
from marketdata.models import Instrument
from portfolio.domain.fingerprints import mark
from portfolio.selectors.market import reach_of_prices
from portfolio.selectors.projections import BASIS
from portfolio.services.end_of_day import advance
from portfolio.services.projections import catch_up

SYSTEM = "system"
ACCOUNTS, QUICK, INSTRUMENTS, POSITIONS, ONE_BY_ONE = 10_000, 1_000, 500, 20, 20
FIRST = date(2024, 1, 2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLOSE = """
    INSERT INTO marketdata_bar (instrument_id, timeframe, timestamp, open, high, low, close, recorded_at)
    SELECT i.id, '1d', %(day)s::timestamptz, price, price, price, price, %(now)s
    FROM unnest(%(ids)s::uuid[], %(prices)s::numeric[]) AS i (id, price)
"""
HISTORY = """
    INSERT INTO marketdata_pricehistory (instrument_id, timeframe, first_at, last_at, rows, revision)
    SELECT id, '1d', %(day)s::timestamptz, %(day)s::timestamptz, 1, 1 FROM unnest(%(ids)s::uuid[]) AS i (id)
    ON CONFLICT (instrument_id, timeframe) DO UPDATE SET last_at = excluded.last_at, rows = marketdata_pricehistory.rows + 1
"""
TOTALS = """
    INSERT INTO portfolio_snapshot (account_id, date, total_value, cash, positions_value, buying_power, net_flow, day_gain,
                                    total_gain, twr_index, priced)
    SELECT q.account_id, %(other)s, 1000 + sum(q.quantity * bar.close), 1000, sum(q.quantity * bar.close), 1000, 0, 0, 0, 1, true
    FROM portfolio_position AS q
    JOIN marketdata_bar AS bar
      ON bar.instrument_id = q.instrument_id AND bar.timeframe = '1d' AND bar.timestamp = %(day)s::timestamptz
    GROUP BY q.account_id ON CONFLICT (account_id, date) DO UPDATE SET total_value = excluded.total_value
"""


def run(harness: Harness) -> None:
    """Measure the end of successive days."""
    world = make_world(QUICK if harness.quick else ACCOUNTS)
    measured = harness.interleave(
        {
            "one": world.of_chunks(workers=1),
            "two": world.of_chunks(workers=2),
            "one statement": world.in_one_statement,
            "one by one": world.one_by_one,
        }
    )
    for case, ours, baseline, goal in (
        ("accounts a second, chunks of 500, two workers : one INSERT ... SELECT of totals", "two", "one statement", ">= 0.9"),
        ("accounts a second, chunks of 500, one worker : one INSERT ... SELECT of totals", "one", "one statement", ">= 0.0"),
        ("accounts a second, chunks of 500, one worker : caught up one by one", "one", "one by one", ">= 25"),
    ):
        harness.compare("eod", case, ours=measured[ours], baseline=measured[baseline], unit="acc/s", goal=goal)


@dataclass
class World:
    """The accounts, what they hold, and the day they have reached."""

    accounts: list[UUID]
    instruments: list[UUID]
    day: date
    chance: random.Random

    def of_chunks(self, *, workers: int) -> Callable[[], float]:
        """Return the end of one more day, in chunks, by some workers that share the accounts."""
        share = -(-len(self.accounts) // workers)
        shares = [self.accounts[start : start + share] for start in range(0, len(self.accounts), share)]

        def contestant() -> float:
            self.next_day()
            return len(self.accounts) / side_by_side(shares)

        return contestant

    def in_one_statement(self) -> float:
        """Write a total per account for a day that nothing else speaks of, and take it back."""
        with connections[SYSTEM].cursor() as cursor:
            started = time.perf_counter()
            cursor.execute(TOTALS, {"day": self.day, "other": date(1999, 1, 1)})
            took = time.perf_counter() - started
            cursor.execute("DELETE FROM portfolio_snapshot WHERE date = %s", [date(1999, 1, 1)])
        return len(self.accounts) / took

    def one_by_one(self) -> float:
        """Catch up some accounts after a new day, then take on all others together."""
        self.next_day()
        some = self.accounts[:ONE_BY_ONE]
        started = time.perf_counter()
        for account_id in some:
            catch_up(account_id=account_id, at=NOW)
        took = time.perf_counter() - started
        advance(account_ids=self.accounts[ONE_BY_ONE:])
        return len(some) / took

    def next_day(self) -> None:
        """Store the closes of the day after."""
        self.day += timedelta(days=1)
        store_closes(self)


def side_by_side(shares: list[list[UUID]]) -> float:
    """Take shares of accounts on at the same time, each by a worker that is connected; return the seconds that took."""
    gate = Barrier(len(shares) + 1)

    def work(share: list[UUID]) -> float:
        try:
            connections[SYSTEM].ensure_connection()
            gate.wait()
            if left := advance(account_ids=share):
                message = f"{len(left)} of {len(share)} accounts were not taken on"
                raise RuntimeError(message)
            return time.perf_counter()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(shares)) as pool:
        workers = [pool.submit(work, share) for share in shares]
        gate.wait()
        started = time.perf_counter()
        return max(worker.result() for worker in workers) - started


def store_closes(world: World) -> None:
    """Store a close of every instrument for the day the world is at."""
    prices = [f"{world.chance.randint(1000, 900000) / 10000:.4f}" for _ in world.instruments]
    asked: dict[str, Any] = {"ids": world.instruments, "day": f"{world.day}T00:00:00Z", "now": NOW, "prices": prices}
    with connections["owner"].cursor() as cursor:
        cursor.execute(CLOSE, asked)
        cursor.execute(HISTORY, asked)
        cursor.execute("ANALYZE marketdata_bar")  # as autovacuum does: else the planner expects no bar of the day


def make_world(number: int) -> World:
    """Make accounts as a derivation would have left them on the first day: the ledgers behind them are not what is measured."""
    owner = User.objects.create(email="eod@example.com", display_name="End of day")
    instruments = [
        one.pk
        for one in Instrument.objects.bulk_create(
            Instrument(symbol=f"EOD{n:03}", exchange="XTST", name="Bench", asset_class="EQUITY", currency="USD")
            for n in range(INSTRUMENTS)
        )
    ]
    world = World([uuid7() for _ in range(number)], instruments, FIRST, random.Random(1))
    store_closes(world)
    with acting_as(owner.pk):
        Membership.objects.bulk_create(
            Membership(account_id=one, user=owner, email=owner.email, role=Role.OWNER, invited_at=NOW, accepted_at=NOW)
            for one in world.accounts
        )
        Account.objects.bulk_create(
            Account(id=one, owner=owner, name="Bench", base_currency="USD", opened_on=FIRST, created_at=NOW)
            for one in world.accounts
        )
        at = datetime.combine(FIRST, datetime.min.time(), UTC)
        drafts = [
            f"[{as_row(EntryDraft(kind=EntryKind.DEPOSIT, occurred_at=at, currency='USD', cash=Decimal(1000)))}]"
            for _ in world.accounts
        ]
        with transaction.atomic(), connection.cursor() as cursor:  # all of them in one statement
            given = "unnest(%s::uuid[], %s::text[]) AS given (id, rows)"
            cursor.execute(f"SELECT ledger_append(id, %s, rows::jsonb, false) FROM {given}", [owner.pk, world.accounts, drafts])
    reaches = reach_of_prices([str(one) for one in instruments], using=SYSTEM)
    marks = [mark(str(one), reaches[str(one)], day=FIRST.isoformat()) for one in instruments]
    asked: dict[str, Any] = {
        "ids": world.accounts, "instruments": instruments, "marks": marks, "held": POSITIONS, "day": FIRST, "now": NOW,
    }  # fmt: skip
    with connections[SYSTEM].cursor() as cursor:
        for statement in POSITION, SNAPSHOT, PROJECTION:
            cursor.execute(statement, asked)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE")
    return world


POSITION = """
    INSERT INTO portfolio_position (account_id, instrument_id, quantity, cost_basis, realized_gain, income, fees, taxes, since,
                                    market_price, priced_on, market_value, value_in_base, unrealized_gain, day_gain)
    SELECT a.id, i.id, 1 + (a.n * 7 + k) %% 50, 1000, 0, 0, 0, 0, %(day)s, bar.close, %(day)s, 0, 0, 0, 0
    FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS a (id, n)
    CROSS JOIN generate_series(0, %(held)s - 1) AS k
    JOIN unnest(%(instruments)s::uuid[]) WITH ORDINALITY AS i (id, n)
      ON i.n = 1 + (a.n * 13 + k * 17) %% array_length(%(instruments)s::uuid[], 1)
    JOIN marketdata_bar AS bar ON bar.instrument_id = i.id AND bar.timeframe = '1d'
    ORDER BY a.n, i.n
"""
SNAPSHOT = """
    INSERT INTO portfolio_snapshot (account_id, date, total_value, cash, positions_value, buying_power, net_flow, day_gain,
                                    total_gain, twr_index, priced, fingerprint, moves)
    SELECT q.account_id, %(day)s, 1000 + sum(q.quantity * q.market_price), 1000, sum(q.quantity * q.market_price), 1000,
           0, 0, 0, 1, true, bit_xor(i.mark), jsonb_build_object('cash', '{"USD": "1000"}'::jsonb, 'units',
                                                jsonb_object_agg(q.instrument_id, trim_scale(q.quantity)::text))
    FROM portfolio_position AS q
    JOIN unnest(%(instruments)s::uuid[], %(marks)s::bigint[]) AS i (id, mark) ON i.id = q.instrument_id
    GROUP BY q.account_id ORDER BY q.account_id
"""
PROJECTION = f"""
    INSERT INTO portfolio_projection (account_id, read_up_to, read_until, read_rank, first_date, last_moved_on, valued_until,
                                      basis, series, rates, awaited, memory, missing, stale, plain)
    SELECT a.id, 1, %(now)s, 1, %(day)s, %(day)s, %(day)s, {BASIS.replace("%", "%%")},
           (SELECT jsonb_object_agg(i.id, jsonb_build_array(h.revision, (h.first_at AT TIME ZONE 'UTC')::date,
                       (h.last_at AT TIME ZONE 'UTC')::date, trim_scale(i.multiplier)::text, i.currency))
            FROM portfolio_position AS q JOIN marketdata_instrument AS i ON i.id = q.instrument_id
            JOIN marketdata_pricehistory AS h ON h.instrument_id = i.id AND h.timeframe = '1d' WHERE q.account_id = a.id),
           '{{}}', '[]', '{{"cash": {{"USD": "1000"}}, "owed": {{}}, "tallies": {{}}, "parked": {{}}, "losses": {{}},
                           "hands": {{}}, "splits": {{}}, "gaps": {{}}, "closures": 0}}', '{{}}', '{{}}', true
    FROM accounts_account AS a WHERE a.id = ANY (%(ids)s::uuid[]) ORDER BY a.id
"""
