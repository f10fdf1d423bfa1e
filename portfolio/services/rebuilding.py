"""Empty the derived tables and derive everything again: the figures must come out the same to the last digit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, transaction

from accounts.models import Account
from portfolio.models import Performance, Projection
from portfolio.selectors.market import SYSTEM
from portfolio.services.performance import write_performance
from portfolio.services.projections import catch_up, forget

# What tells the rows of one account apart, and what of a row is not a figure.
KEYS = {
    "projection": ("account_id",),
    "position": ("instrument_id",),
    "lot": ("instrument_id", "number"),
    "closure": ("number",),
    "snapshot": ("date",),
    "performance": ("account_id",),
}
NO_FIGURES = frozenset({"id", "account_id", "caught_up_at", "plain", "fingerprint"})

Rows = dict[tuple[str, str], dict[str, Any]]


class Difference(NamedTuple):
    """One figure that came out otherwise; `before` or `after` is None for a row that was not there."""

    account_id: UUID
    table: str
    key: str
    field: str
    before: object
    after: object


def rebuild(*, account_ids: Iterable[UUID], at: datetime) -> Iterator[Difference]:
    """Derive accounts anew, each in one transaction, and yield what differs from the figures kept so far.

    An account that lagged is caught up first: only a figure that should not have changed counts as a difference.
    """
    for account_id in account_ids:
        catch_up(account_id=account_id, at=at)
        with transaction.atomic(using=SYSTEM):
            Projection.objects.using(SYSTEM).select_for_update().filter(pk=account_id).first()
            _measure_again(account_id)
            before = _rows(account_id)
            forget(account_id=account_id)
            catch_up(account_id=account_id, at=at)
            after = _rows(account_id)
        yield from _differences(account_id, before, after)


def _measure_again(account_id: UUID) -> None:
    """Measure the performance again if it is not that of the last day: the end of a day leaves it where it was."""
    valued_until = Projection.objects.using(SYSTEM).get(pk=account_id).valued_until
    if valued_until is not None and not Performance.objects.using(SYSTEM).filter(pk=account_id, as_of=valued_until).exists():
        write_performance(account=Account.objects.using(SYSTEM).get(pk=account_id))


def _rows(account_id: UUID) -> Rows:
    """Return every derived row of an account, by table and key."""
    found: Rows = {}
    with connections[SYSTEM].cursor() as cursor:
        for table, keys in KEYS.items():
            cursor.execute(f"SELECT to_jsonb(t)::text FROM portfolio_{table} AS t WHERE account_id = %s", [account_id])  # noqa: S608
            for (text,) in cursor.fetchall():
                row = json.loads(text, parse_float=str, parse_int=str)
                found[table, " ".join(str(row[key]) for key in keys)] = row
    return found


def _differences(account_id: UUID, before: Rows, after: Rows) -> Iterator[Difference]:
    """Yield the fields in which two sets of rows differ."""
    for table, key in sorted(before.keys() | after.keys()):
        old, new = before.get((table, key)), after.get((table, key))
        if old is None or new is None:
            yield Difference(account_id, table, key, "row", old and "there", new and "there")
            continue
        for field in sorted((old.keys() | new.keys()) - NO_FIGURES):
            if old.get(field) != new.get(field):
                yield Difference(account_id, table, key, field, old.get(field), new.get(field))
