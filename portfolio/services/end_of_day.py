"""End of day: new prices for accounts in which nothing else is new, a chunk of accounts at a time and whole in SQL.

What it writes is what `catch_up` would derive. It takes the plain accounts alone: all in one currency, nothing lacking or
awaited, no price given by hand, no split; the others are left to `catch_up`. A chunk is one transaction under the locks of its
projections: whatever was broken off is found again, and what was done is not done twice. The performance since inception is
not among it: a reader who finds that it stops earlier measures the daily values again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from portfolio.selectors.market import SYSTEM, reach_of_prices
from portfolio.selectors.projections import BASIS

CHUNK = 500

WAITING = """
    SELECT valued_until, array_agg(instrument_id::text)
    FROM (SELECT DISTINCT p.valued_until, q.instrument_id
          FROM portfolio_projection AS p JOIN portfolio_position AS q ON q.account_id = p.account_id
          WHERE p.account_id = ANY (%(accounts)s) AND q.account_id = ANY (%(accounts)s) AND p.valued_until IS NOT NULL) AS held
    GROUP BY 1 ORDER BY 1
"""
# The last close up to a day, the one before the day, and the one up to the day from which the accounts are taken on.
CLOSES = """
    SELECT wanted.id::text, now.close, now.day, before.close, started.day,
           now.adjusted_through IS NULL AND before.adjusted_through IS NULL
    FROM unnest(%(ids)s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT close, (timestamp AT TIME ZONE 'UTC')::date AS day, adjusted_through FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp < %(day)s::date + 1
        ORDER BY timestamp DESC LIMIT 1) AS now
    CROSS JOIN LATERAL (
        SELECT close, adjusted_through FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp < %(day)s::date
        ORDER BY timestamp DESC LIMIT 1) AS before
    CROSS JOIN LATERAL (
        SELECT (timestamp AT TIME ZONE 'UTC')::date AS day FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp < %(start)s::date + 1
        ORDER BY timestamp DESC LIMIT 1) AS started
"""
# The plain accounts that have reached the day before; others that hold their locks are left to those.
DUE = f"""
    SELECT p.account_id
    FROM portfolio_projection AS p
    JOIN accounts_account AS a ON a.id = p.account_id
    JOIN accounts_ledgerhead AS head ON head.account_id = p.account_id AND head.sequence = p.read_up_to
    WHERE p.account_id = ANY (%(accounts)s) AND p.valued_until = %(day)s::date - 1 AND p.basis = {BASIS}
      AND p.rates = '{{}}' AND p.missing = '{{}}' AND p.awaited = '[]'
      AND p.memory -> 'hands' = '{{}}' AND p.memory -> 'splits' = '{{}}' AND p.memory -> 'owed' = '{{}}'
    FOR UPDATE OF p SKIP LOCKED
"""  # noqa: S608
# A list of keys tells the planner how many rows there are: from what the table looked like yesterday it would expect one.
ADVANCE = """
    WITH now AS MATERIALIZED (
        SELECT *, (reach ->> 2)::date AS last, (reach ->> 3)::numeric AS multiplier
        FROM unnest(%(ids)s::uuid[], %(closes)s::numeric[], %(seen)s::date[], %(befores)s::numeric[], %(started)s::date[],
                    %(sound)s::boolean[], %(reaches)s::jsonb[])
             AS given (instrument_id, close, seen, before, started, sound, reach)
    ), due AS MATERIALIZED (
        SELECT p.account_id, p.memory, p.series, a.kind, old.count
        FROM unnest(%(due)s::uuid[]) AS wanted (id)
        JOIN portfolio_projection AS p ON p.account_id = wanted.id
        JOIN accounts_account AS a ON a.id = wanted.id
        CROSS JOIN LATERAL (SELECT count(*) AS count FROM jsonb_object_keys(p.series)) AS old
    ), held AS MATERIALIZED (
        SELECT q.ctid AS place, q.* FROM portfolio_position AS q WHERE q.account_id = ANY (%(due)s::uuid[])
    ), valued AS MATERIALIZED (
        SELECT q.account_id, q.place, q.instrument_id, q.quantity, q.cost_basis, now.close, now.seen, now.last, now.reach,
               round(amount.now, 10) AS value, round(amount.before, 10) AS before,
               q.since <= now.seen AND now.seen = %(day)s::date AS priced,
               now.sound AND q.market_price IS NOT NULL AND old.reach IS NOT NULL
               AND (old.reach = now.reach
                    OR old.reach -> 3 = now.reach -> 3 AND old.reach -> 4 = now.reach -> 4
                       AND old.reach -> 0 IN ('0', now.reach -> 0) AND now.started <= (old.reach ->> 2)::date)
               -- halves go to the even neighbor elsewhere
               AND abs(amount.now - trunc(amount.now, 10)) <> 5e-11 AND abs(amount.before - trunc(amount.before, 10)) <> 5e-11
               AS fit
        FROM held AS q
        LEFT JOIN (SELECT due.account_id, old.instrument::uuid AS instrument_id, old.reach
                   FROM due CROSS JOIN LATERAL jsonb_each(due.series) AS old (instrument, reach)) AS old
            ON old.account_id = q.account_id AND old.instrument_id = q.instrument_id
        LEFT JOIN now ON now.instrument_id = q.instrument_id
        CROSS JOIN LATERAL (
            SELECT q.quantity * now.close * now.multiplier AS now, q.quantity * now.before * now.multiplier AS before) AS amount
    ), worth AS MATERIALIZED (
        SELECT account_id, sum(value) AS positions, sum(abs(value)) AS gross, max(last) AS last,
               coalesce(bool_or(priced), false) AS priced, count(*) AS count, jsonb_object_agg(instrument_id, reach) AS series,
               jsonb_object_agg(instrument_id, trim_scale(quantity)::text)
                   FILTER (WHERE quantity <> 0 AND extract(day FROM %(day)s::date) = 1) AS units,
               jsonb_object_agg(instrument_id, seen) FILTER (WHERE quantity <> 0 AND seen < %(day)s::date) AS stale
        FROM valued GROUP BY account_id HAVING bool_and(coalesce(fit, false))
    ), told AS MATERIALIZED (
        SELECT worth.*, due.memory, due.kind, s.cash, s.total_gain, s.total_value AS start, now.total,
               -- halves go to the even neighbor
               CASE WHEN s.total_value <= 0 OR s.total_value = now.total THEN s.twr_index
                    ELSE (link.whole + CASE WHEN 2 * (link.numerator - link.whole * link.denominator) + mod(link.whole, 2)
                                                 > link.denominator THEN 1 ELSE 0 END) * 1e-18 END AS twr_index
        FROM worth
        JOIN due ON due.account_id = worth.account_id
        JOIN portfolio_snapshot AS s ON s.account_id = worth.account_id AND s.date = %(day)s::date - 1
        CROSS JOIN LATERAL (SELECT s.cash + worth.positions AS total) AS now
        CROSS JOIN LATERAL (
            SELECT numerator, denominator, div(numerator, denominator) AS whole
            FROM (SELECT s.twr_index * 1e18 * greatest(now.total, 0) * 1e10 AS numerator,
                         CASE WHEN s.total_value > 0 THEN s.total_value * 1e10 ELSE 1 END AS denominator) AS parts) AS link
        WHERE worth.last >= %(day)s::date
          AND worth.count = due.count
    ), wrote AS (
        INSERT INTO portfolio_snapshot (account_id, date, total_value, cash, positions_value, buying_power, net_flow, inflow,
            outflow, day_gain, price_gain, currency_gain, income, interest, fees, taxes, total_gain, twr_index, priced, held)
        SELECT told.account_id, %(day)s, total, cash, positions,
               greatest(CASE WHEN kind = 'MARGIN' THEN 2 * total - gross ELSE cash END, 0), 0, 0, 0, total - start, total - start,
               0, 0, 0, 0, 0, total_gain + total - start,
               twr_index, priced,
               CASE WHEN extract(day FROM %(day)s::date) = 1 THEN jsonb_strip_nulls(jsonb_build_object('units', units, 'cash',
                   (SELECT jsonb_object_agg(key, value) FROM jsonb_each(memory -> 'cash') WHERE value <> '"0"'))) END
        FROM told
        ON CONFLICT (account_id, date) DO NOTHING
    ), stood AS (
        UPDATE portfolio_position AS q
        SET market_price = v.close, priced_on = v.seen, market_value = v.value, value_in_base = v.value,
            unrealized_gain = v.value - v.cost_basis, day_gain = v.value - v.before
        FROM valued AS v JOIN told ON told.account_id = v.account_id AND told.last = %(day)s::date
        WHERE q.ctid = v.place
    )
    UPDATE portfolio_projection AS p
    SET valued_until = %(day)s, caught_up_at = %(at)s,
        series = CASE WHEN told.last = %(day)s::date THEN told.series ELSE p.series END,
        stale = CASE WHEN told.last = %(day)s::date THEN coalesce(told.stale, '{}') ELSE p.stale END
    FROM told WHERE told.account_id = p.account_id
    RETURNING p.account_id, told.last = %(day)s::date
"""


def advance(*, account_ids: Collection[UUID], at: datetime, chunk: int = CHUNK) -> set[UUID]:
    """Take accounts on to the last day of their prices, those that are plain; return which came to the end."""
    wanted = list(account_ids)
    done: set[UUID] = set()
    for start in range(0, len(wanted), chunk):
        done |= _advance_chunk(wanted[start : start + chunk], at)
    return done


def _advance_chunk(account_ids: list[UUID], at: datetime) -> set[UUID]:
    """Take a chunk of accounts on in one transaction."""
    done: set[UUID] = set()
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        cursor.execute(WAITING, {"accounts": account_ids})
        for start, instruments in cursor.fetchall():
            reaches = reach_of_prices(instruments, using=SYSTEM)
            last = max((date.fromisoformat(reach[2]) for reach in reaches.values() if reach[2]), default=start)
            for day in _days_after(start, last):
                columns = _closes(cursor, instruments, start, day)
                cursor.execute(DUE, {"accounts": account_ids, "day": day})
                due = [account_id for (account_id,) in cursor.fetchall()]
                cursor.execute(ADVANCE, {"due": due, "day": day, "at": at, **columns, **_reaches(columns, reaches)})
                found = cursor.fetchall()
                done |= {account_id for account_id, ended in found if ended}
                if not found:
                    break
    return done


def _days_after(start: date, last: date) -> Iterator[date]:
    """Yield the days after one up to another."""
    return (start + timedelta(days=n) for n in range(1, (last - start).days + 1))


def _closes(cursor: Any, instruments: list[str], start: date, day: date) -> dict[str, list[Any]]:
    """Return the closes of a day as columns."""
    cursor.execute(CLOSES, {"ids": instruments, "day": day, "start": start})
    rows = list(zip(*cursor.fetchall(), strict=True)) or [()] * 6
    return dict(zip(("ids", "closes", "seen", "befores", "started", "sound"), map(list, rows), strict=True))


def _reaches(columns: dict[str, list[Any]], reaches: dict[str, Any]) -> dict[str, list[str]]:
    """Return how far the series of the columns reach."""
    return {"reaches": [json.dumps(reaches[key]) for key in columns["ids"]]}
