"""End of day: the snapshots of new days for accounts in which nothing but prices is new, a chunk of accounts at a time.

It writes snapshots and nothing else, the rows that `catch_up` would write. The positions and how far the account has been
derived stay as they are, so that whoever reads the account next finds it behind, and has everything derived from there on.
It takes the plain accounts alone (`Projection.plain`), with all entries read, whose last day rests on prices that are still
the same; the others are left to `catch_up`. A chunk is one transaction under the locks of its projections: whatever was broken
off is found again, and what was done is not done twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor

from portfolio.domain.exact import EXACT, MONEY_PLACES, money, plain
from portfolio.domain.fingerprints import LAST, mark
from portfolio.selectors.market import SYSTEM, listings_of, reach_of_prices
from portfolio.selectors.projections import BASIS

CHUNK = 500
MOST_DAYS = 31  # at once: whoever is further behind is caught up

HELD = """
    SELECT h.instrument_id::text, max(h.last_at AT TIME ZONE 'UTC') OVER ()
    FROM marketdata_pricehistory AS h
    CROSS JOIN LATERAL (SELECT FROM portfolio_position AS q WHERE q.instrument_id = h.instrument_id LIMIT 1) AS held
    WHERE h.timeframe = '1d' AND h.last_at IS NOT NULL
"""
CLOSES = """
    SELECT wanted.id::text, bar.close, bar.day::text
    FROM unnest(%(ids)s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT close, (timestamp AT TIME ZONE 'UTC')::date AS day, adjusted_through FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
        ORDER BY timestamp DESC LIMIT 1) AS bar
    WHERE bar.adjusted_through IS NULL
"""
# The plain accounts of which everything has been read.
DUE = f"""
    portfolio_projection AS p
    JOIN accounts_ledgerhead AS head ON head.account_id = p.account_id
    JOIN accounts_account AS a ON a.id = p.account_id
         AND (p.plain AND head.sequence = p.read_up_to AND p.basis = {BASIS}) IS TRUE  -- nothing to join by
"""
# What is exact within ten places needs no rounding; halves go to the even neighbor.
VALUE = f"""
    CASE WHEN min_scale(q.quantity) + now.places <= {MONEY_PLACES} THEN q.quantity * now.unit
         WHEN abs(q.quantity * now.unit - trunc(q.quantity * now.unit, {MONEY_PLACES})) = 5e-11
         THEN 2 * round(q.quantity * now.unit * 0.5, {MONEY_PLACES})
         ELSE round(q.quantity * now.unit, {MONEY_PLACES}) END
"""
# The prices of the days that are written; its statistics make plans that no list of values would get.
TABLE = """
    SET LOCAL synchronous_commit = off;
    CREATE TEMPORARY TABLE IF NOT EXISTS end_of_day (
        day date, instrument_id uuid, unit numeric, places integer, before bigint, mark bigint, fresh boolean, last date);
    TRUNCATE end_of_day
"""
FILL = """
    INSERT INTO end_of_day SELECT %(day)s, given.* FROM unnest(%(instruments)s::uuid[], %(units)s::numeric[],
        %(places)s::integer[], %(befores)s::bigint[], %(marks)s::bigint[], %(fresh)s::boolean[], %(lasts)s::date[]) AS given
"""
HELD_THEN = "portfolio_position AS q JOIN end_of_day AS now ON now.instrument_id = q.instrument_id AND now.day = %(day)s"
# The snapshot of a day from that of the day before, in accounts in which it is the last one and rests on what still holds. What
# somebody holds the lock of is left to them, and what they have written since this statement began to look.
WRITE = f"""
    WITH due AS MATERIALIZED (
        SELECT p.account_id, a.kind, s.*
        FROM {DUE}
        JOIN portfolio_projection AS seen ON seen.account_id = p.account_id AND seen.xmin = p.xmin
        CROSS JOIN LATERAL (
            SELECT total_value, cash, total_gain, twr_index, fingerprint FROM portfolio_snapshot
            WHERE account_id = p.account_id AND date = %(before)s LIMIT 1) AS s  -- by the index: no statistics know new days
        WHERE p.account_id = ANY (%(accounts)s::uuid[])
        FOR NO KEY UPDATE OF p SKIP LOCKED
    ), worth AS (
        SELECT q.account_id, sum({VALUE}) AS positions, bit_xor(now.before) AS before, bit_xor(now.mark) AS mark,
               bool_or(now.fresh AND q.since IS NOT NULL) AS priced, max(now.last) AS last
        FROM {HELD_THEN}
        WHERE q.account_id = ANY (%(accounts)s::uuid[])
        GROUP BY q.account_id)
    INSERT INTO portfolio_snapshot (account_id, date, total_value, cash, positions_value, buying_power, net_flow, inflow,
        outflow, day_gain, price_gain, currency_gain, income, interest, fees, taxes, total_gain, twr_index, priced, held,
        fingerprint)
    SELECT s.account_id, %(day)s, came.total, s.cash, worth.positions,
           greatest(CASE WHEN s.kind = 'MARGIN' THEN 2 * came.total - (
               SELECT sum(abs({VALUE})) FROM {HELD_THEN} WHERE q.account_id = s.account_id) ELSE s.cash END, 0),
           0, 0, 0, came.total - s.total_value, came.total - s.total_value, 0, 0, 0, 0, 0,
           s.total_gain + came.total - s.total_value, round(link.index, 18), worth.priced,
           CASE WHEN extract(day FROM %(day)s::date) = 1 THEN (
               SELECT jsonb_strip_nulls(jsonb_build_object(
                   'units', (SELECT jsonb_object_agg(instrument_id, trim_scale(quantity)::text) FROM portfolio_position
                             WHERE account_id = s.account_id AND quantity <> 0),
                   'cash', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(p.memory -> 'cash') WHERE value <> '"0"')))
               FROM portfolio_projection AS p WHERE p.account_id = s.account_id) END,
           worth.mark
    FROM worth
    JOIN due AS s ON s.account_id = worth.account_id AND s.fingerprint = worth.before
    CROSS JOIN LATERAL (SELECT s.cash + worth.positions AS total) AS came
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.total_value <= 0 OR s.total_value = came.total THEN s.twr_index
                    ELSE s.twr_index * greatest(came.total, 0) / s.total_value END AS index) AS link
    WHERE worth.last >= %(day)s
      AND link.index - trunc(link.index, 18) <> 5e-19  -- a half, or so near to one that more digits would have to tell
    ON CONFLICT (account_id, date) DO NOTHING
"""  # noqa: S608
# Where accounts stand, and whether that is where the prices are.
STANDING = f"""
    SELECT p.account_id, s.date, held.last, s.fingerprint = held.mark
    FROM {DUE}
    CROSS JOIN LATERAL (
        SELECT bit_xor(now.mark) AS mark, max(now.last) AS last FROM {HELD_THEN} WHERE q.account_id = p.account_id) AS held
    CROSS JOIN LATERAL (
        SELECT date, fingerprint FROM portfolio_snapshot WHERE account_id = p.account_id ORDER BY date DESC LIMIT 1) AS s
    WHERE p.account_id = ANY (%(accounts)s::uuid[])
"""  # noqa: S608
# A day that a later price of it made another: written again, if catching up did not write it.
UNDO = """
    DELETE FROM portfolio_snapshot AS s USING portfolio_projection AS p
    WHERE s.account_id = ANY (%(accounts)s::uuid[]) AND s.date = %(day)s
      AND p.account_id = s.account_id AND p.valued_until < s.date
"""


class Standing(NamedTuple):
    """The last day of an account, that of its last price, and whether the one rests on all prices up to the other."""

    account_id: UUID
    day: date
    last: date | None
    there: bool


@dataclass(slots=True)
class Prices:
    """The prices of everything that any account holds; those of a day are read once and put into the table."""

    cursor: CursorWrapper
    reaches: dict[str, Any]
    last: date
    found: dict[date, dict[str, tuple[Decimal, str, int]]] = field(default_factory=dict)
    there: set[date] = field(default_factory=set)

    @classmethod
    def of(cls, cursor: CursorWrapper) -> Prices | None:
        """Read how far the prices reach, none if there are no prices."""
        cursor.execute(HELD)
        rows = cursor.fetchall()
        if not rows:
            return None
        with transaction.atomic(using=SYSTEM):
            cursor.execute(TABLE)
        return cls(cursor, reach_of_prices([instrument for instrument, _ in rows], using=SYSTEM), rows[0][1].date())

    def of_day(self, day: date) -> dict[str, Any]:
        """See to it that the prices of a day are in the table; return the day and the one before."""
        if day not in self.there:
            rows = list(self._rows(day))
            columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
            texts = ("{" + ",".join(map(str, column)) + "}" for column in columns)
            self.cursor.execute(FILL, {"day": day, **dict(zip(COLUMNS, texts, strict=True))})
            self.cursor.execute("ANALYZE end_of_day")
            self.there.add(day)
        return {"day": day, "before": day - timedelta(days=1)}

    def write(self, day: date, accounts: str) -> int:
        """Write the snapshots of a day, by a plan that is made once; return how many."""
        asked = self.of_day(day)
        planned = Cursor(self.cursor.connection)
        planned.execute(WRITE, {"accounts": accounts, **asked}, prepare=True)
        return planned.rowcount

    def standing(self, accounts: str) -> list[Standing]:
        """Return where each account stands that is due."""
        self.cursor.execute(STANDING, {"accounts": accounts, **self.of_day(self.last)})
        return [Standing(*row) for row in self.cursor.fetchall()]

    def _rows(self, day: date) -> Iterator[tuple[object, ...]]:
        """Yield what the table says of each instrument that had a price on a day, and one the day before."""
        before, now = self._closes(day - timedelta(days=1)), self._closes(day)
        listings, told = listings_of(self.reaches), day.isoformat()
        for instrument in now.keys() & before.keys():
            close, seen, own = now[instrument]
            listing = listings[instrument]
            price = close if listing.unit == 1 else money(EXACT.multiply(close, listing.unit))
            unit = plain(EXACT.multiply(price, listing.multiplier))
            places = len(unit.partition(".")[2])
            yield instrument, unit, places, before[instrument][2], own, seen == told, self.reaches[instrument][LAST]

    def _closes(self, day: date) -> dict[str, tuple[Decimal, str, int]]:
        """Return the last close of each instrument on a day, its own day, and the mark of what was read."""
        if day not in self.found:
            self.cursor.execute(CLOSES, {"ids": array_of(self.reaches), "day": day})
            self.found[day] = {
                instrument: (close, seen, mark(instrument, self.reaches[instrument], day=seen))
                for instrument, close, seen in self.cursor.fetchall()
            }
        return self.found[day]


COLUMNS = ("instruments", "units", "places", "befores", "marks", "fresh", "lasts")


def array_of(ids: Iterable[UUID | str]) -> str:
    """Return ids as the text of a PostgreSQL array; far cheaper than adapting them one by one."""
    return "{" + ",".join([one if isinstance(one, str) else one.hex for one in ids]) + "}"


def advance(*, account_ids: Collection[UUID], chunk: int = CHUNK) -> list[UUID]:
    """Write the snapshots of accounts up to the last day of their prices; return those left to `catch_up`."""
    wanted = list(account_ids)
    left: list[UUID] = []
    with connections[SYSTEM].cursor() as cursor:
        prices = Prices.of(cursor)
        if prices is None:
            return wanted
        for start in range(0, len(wanted), chunk):
            with transaction.atomic(using=SYSTEM):
                left += _advance_chunk(prices, wanted[start : start + chunk])
    return left


def _advance_chunk(prices: Prices, account_ids: list[UUID]) -> Iterable[UUID]:
    """Take a chunk of accounts on; return those that did not come to the end."""
    accounts = array_of(account_ids)
    prices.cursor.execute("SET LOCAL synchronous_commit = off")  # what a crash takes back is found and done again
    if prices.write(prices.last, accounts) == len(account_ids):
        return []
    for again in (False, True):
        behind: dict[tuple[date, date], list[UUID]] = {}
        for one in prices.standing(accounts):
            if not one.there and one.last is not None:
                behind.setdefault((one.day, one.last), []).append(one.account_id)
        for (day, last), group in behind.items():
            _take_on(prices, array_of(group), day, last, again=again)
    done = {one.account_id for one in prices.standing(accounts) if one.there}
    return [account_id for account_id in account_ids if account_id not in done]


def _take_on(prices: Prices, accounts: str, day: date, last: date, *, again: bool) -> None:
    """Take accounts from the day at which they stand to that of their last price; `again` writes the first anew, too."""
    if again:
        prices.cursor.execute(UNDO, {"accounts": accounts, "day": day})
        day -= timedelta(days=1)
    span = (last - day).days
    for number in range(1, span + 1 if span <= MOST_DAYS else 0):
        prices.write(day + timedelta(days=number), accounts)
