"""Which accounts are behind: of all, found each minute, those of which nothing is new must cost next to nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections

from portfolio.domain.fingerprints import LAST, mark
from portfolio.selectors.market import SYSTEM, reach_of_prices
from portfolio.selectors.projections import MEASURED, RATES_UNMOVED, READ, UNMOVED

HELD = """
    SELECT i.id::text FROM marketdata_instrument AS i
    CROSS JOIN LATERAL (SELECT FROM portfolio_position AS q WHERE q.instrument_id = i.id LIMIT 1) AS held
"""
# An account whose last day rests on all prices there are is not behind them, whether the rest was derived or not: the end of a
# day writes snapshots alone, and whoever reads the account has the rest derived. Any other is compared series by series.
LAGGING = f"""
    WITH now AS MATERIALIZED (SELECT * FROM unnest(%(instruments)s::uuid[], %(marks)s::bigint[]) AS given (instrument_id, mark)),
    held AS MATERIALIZED (
        SELECT q.account_id, bit_xor(now.mark) AS mark FROM portfolio_position AS q
        JOIN now ON now.instrument_id = q.instrument_id GROUP BY q.account_id)
    SELECT head.account_id
    FROM accounts_ledgerhead AS head
    LEFT JOIN portfolio_projection ON portfolio_projection.account_id = head.account_id
    LEFT JOIN held ON held.account_id = head.account_id
    LEFT JOIN LATERAL (
        SELECT fingerprint FROM portfolio_snapshot WHERE account_id = head.account_id ORDER BY date DESC LIMIT 1) AS last ON true
    WHERE head.sequence > 0
      AND ({READ} AND CASE WHEN last.fingerprint = held.mark THEN {RATES_UNMOVED} ELSE {UNMOVED} END) IS NOT TRUE
    ORDER BY head.account_id
"""  # noqa: S608
STANDINGS = f"""
    SELECT head.account_id, valued_until, head.sequence - coalesce(read_up_to, 0), coalesce({READ}, false),
           coalesce({READ} AND {UNMOVED}, false), coalesce({MEASURED}, false)
    FROM accounts_ledgerhead AS head
    LEFT JOIN portfolio_projection ON portfolio_projection.account_id = head.account_id
    WHERE head.sequence > 0 AND head.account_id = ANY (%s::uuid[])
"""  # noqa: S608


class Standing(NamedTuple):
    """Until which day the figures of an account go, how many entries they lack, and what else is new."""

    until: date | None
    unread: int
    read: bool  # all entries, under the rules that hold
    current: bool
    measured: bool  # the performance is that of the last day

    @property
    def behind(self) -> str:
        """What the figures lack, nothing if they lack nothing."""
        if self.current:
            return ""
        if self.unread:
            return f"{self.unread} {'entry' if self.unread == 1 else 'entries'} behind"
        return "new prices" if self.read else "new rules"


def standings_of(account_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Return where the figures of accounts stand that have any entries."""
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(STANDINGS, [list(account_ids)])
        return {account_id: Standing(*row) for account_id, *row in cursor.fetchall()}


def lagging_accounts() -> list[UUID]:
    """Return the accounts whose daily values are behind their ledger, their prices or their rates."""
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(HELD)
        reaches = reach_of_prices([instrument for (instrument,) in cursor.fetchall()], using=SYSTEM)
        marks = {instrument: mark(instrument, reach, day=reach[LAST]) for instrument, reach in reaches.items()}
        asked: dict[str, Any] = {"instruments": list(marks), "marks": list(marks.values())}
        cursor.execute(LAGGING, asked)
        return [account_id for (account_id,) in cursor.fetchall()]
