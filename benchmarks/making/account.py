"""An account, its owner, what it trades and the prices of that, for benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import numpy as np
from django.db import connections
from numpy.typing import NDArray

from accounts.domain.ledger import EntryDraft
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry, Membership, User
from accounts.models.tenancy import acting_as
from marketdata.models import Instrument

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEW_DAY = """
    WITH bar AS (INSERT INTO marketdata_bar (instrument_id, timeframe, timestamp, open, high, low, close, recorded_at)
                 SELECT unnest(%(ids)s::uuid[]), '1d', %(at)s, 50, 50, 50, 50, %(now)s RETURNING instrument_id)
    UPDATE marketdata_pricehistory AS history SET last_at = %(at)s, rows = rows + 1
    FROM bar WHERE history.instrument_id = bar.instrument_id AND timeframe = '1d'
"""


def make_account(email: str, *, opened_on: date) -> Account:
    """Make a person with an account."""
    owner = User.objects.create(email=email, display_name="Derive")
    account = Account(owner=owner, name="Bench", base_currency="USD", opened_on=opened_on, created_at=NOW)
    with acting_as(owner.pk):
        Membership.objects.create(
            account_id=account.pk, user=owner, email=owner.email, role=Role.OWNER, invited_at=NOW, accepted_at=NOW
        )
        account.save(force_insert=True)
    return account


def make_instruments(count: int) -> list[UUID]:
    """Make the instruments that are traded."""
    made = Instrument.objects.bulk_create(
        Instrument(symbol=f"BENCH{number:03}", exchange="XTST", name="Bench", asset_class="EQUITY", currency="USD")
        for number in range(count)
    )
    return [one.pk for one in made]


def store_bars(instruments: Sequence[UUID], days: Sequence[date], closes: NDArray[np.float64]) -> None:
    """Store ten years of daily bars; the ingest path has a benchmark of its own, so they are copied."""
    columns = "instrument_id, timeframe, timestamp, open, high, low, close, recorded_at"
    with connections["owner"].cursor() as cursor:
        with cursor.copy(f"COPY marketdata_bar ({columns}) FROM STDIN") as rows:
            for number, instrument in enumerate(instruments):
                for day, close in zip(days, closes[:, number], strict=True):
                    prices = "\t".join([f"{close:.4f}"] * 4)
                    rows.write(f"{instrument}\t1d\t{day}T00:00:00Z\t{prices}\t{NOW.isoformat()}\n")
        cursor.execute(
            "INSERT INTO marketdata_pricehistory (instrument_id, timeframe, first_at, last_at, rows, revision) "
            "SELECT instrument_id, timeframe, min(timestamp), max(timestamp), count(*), 1 FROM marketdata_bar GROUP BY 1, 2"
        )
        cursor.execute("ANALYZE marketdata_bar")


def store_day(instruments: Sequence[UUID], day: date) -> None:
    """Store a price of each instrument on one day more."""
    at = datetime.combine(day, datetime.min.time(), UTC)
    with connections["owner"].cursor() as cursor:
        cursor.execute(NEW_DAY, {"ids": list(instruments), "at": at, "now": NOW})


def post(account: Account, drafts: list[EntryDraft]) -> None:
    """Write entries to the ledger as the owner."""
    with acting_as(account.owner_id):
        LedgerEntry.objects.append(account_id=account.pk, actor_id=account.owner_id, drafts=drafts)
