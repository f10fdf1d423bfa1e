"""Books that were kept of the past, and how far back new entries reach."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections

from accounts.domain.ledger import EntryKind
from portfolio.domain.choices import choices_in
from portfolio.domain.entries import Entry
from portfolio.selectors.market import SYSTEM

# The days of the entries that others act upon: what they take back, whose lots they choose, whose groups they join.
ACTED_UPON = """
    SELECT min((occurred_at AT TIME ZONE 'UTC')::date) FROM accounts_ledgerentry
    WHERE account_id = %s AND (id = ANY (%s::uuid[]) OR sequence = ANY (%s::bigint[]) OR group_id = ANY (%s::uuid[]))
"""


class Kept(NamedTuple):
    """A book that was kept: the day before which, about how many entries came before, and its state."""

    day: date
    entries: int
    state: dict[str, Any]


def kept_before(*, account_id: UUID, day: date) -> Kept | None:
    """Return the last book that was kept before a day or an earlier one, if there is one."""
    query = """
        SELECT day, entries, state FROM portfolio_checkpoint WHERE account_id = %s AND day <= %s ORDER BY day DESC LIMIT 1
    """
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query, [account_id, day])
        row = cursor.fetchone()
    return None if row is None else Kept(row[0], row[1], json.loads(row[2]))


def first_reached(entries: Collection[Entry], *, account_id: UUID) -> int | None:
    """Return the first day that new entries act upon, none if they act upon nothing.

    A reversal acts upon the day of what it takes back, a note on that of the entry it chooses lots for, and a leg on the days
    of all legs of its group.
    """
    days = [entry.day for entry in entries if entry.kind != EntryKind.NOTE]
    reversed_ = [entry.reverses for entry in entries if entry.reverses is not None]
    chosen = choices_in([entry for entry in entries if entry.kind == EntryKind.NOTE])
    groups = {entry.group for entry in entries if entry.group is not None}
    if reversed_ or chosen or groups:
        with connections[SYSTEM].cursor() as cursor:
            cursor.execute(ACTED_UPON, [account_id, reversed_, list(chosen), list(groups)])
            found = cursor.fetchone()[0]
        days += [] if found is None else [found.toordinal()]
    return min(days, default=None)
