"""Accounts that trade, with what they hold, for benchmarks of orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
from django.db import connections

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account, Scope
from accounts.models.tenancy import acting_as
from accounts.services.tokens import issue_token
from benchmarks.making.account import make_account, make_instruments, post, store_bars
from marketdata.models import FollowedInstrument, Instrument
from portfolio.services.projections import catch_up
from trading.models import RiskLimits

PRICE = 50.0
DAYS = 5
QUOTES = """
    INSERT INTO marketdata_latestquote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
    SELECT id, %(now)s, 49.99, 50.01, 100, 100, %(now)s FROM unnest(%(ids)s::uuid[]) AS id
"""
# whoever stores orders for an hour without sending one cancels them, too; a round begins with none open
CANCEL = """
    WITH ended AS (
        UPDATE trading_order
        SET status = 'CANCELED', sending = 'SETTLED', events = events + 1, ended_at = now(), updated_at = now()
        WHERE status IN ('NEW', 'ACCEPTED', 'PARTIALLY_FILLED') RETURNING account_id, id, events)
    INSERT INTO trading_orderevent
        (id, account_id, order_id, sequence, kind, status, at, recorded_at, door, detail, data, external_id)
    SELECT gen_random_uuid(), account_id, id, events, 'CANCELED', 'CANCELED', now(), now(), 'SCHEDULE', '', '{}', '' FROM ended
"""


@dataclass(frozen=True)
class Desk:
    """An account that trades, and the secret of a token of its owner's."""

    account: Account
    secret: str


def make_market(count: int, now: datetime) -> list[Instrument]:
    """Make instruments with daily prices until yesterday, and a quote each."""
    ids = make_instruments(count)
    days = [(now - timedelta(days=back)).date() for back in range(DAYS, 0, -1)]
    store_bars(ids, days, np.full((DAYS, count), PRICE))
    FollowedInstrument.objects.bulk_create(FollowedInstrument(instrument_id=one, since=now) for one in ids)
    with connections["owner"].cursor() as cursor:
        cursor.execute(QUOTES, {"now": now, "ids": ids})
    return list(Instrument.objects.filter(pk__in=ids).order_by("symbol"))


def make_desk(name: str, held: Sequence[UUID], now: datetime) -> Desk:
    """Make an account with money and a position in each instrument, all derived, whose limits hold nothing back."""
    opened = now - timedelta(days=DAYS - 1)
    account = make_account(f"{name}@example.com", opened_on=opened.date())
    at = datetime.combine(opened.date(), datetime.min.time(), UTC) + timedelta(hours=15)
    paid = EntryDraft(kind=EntryKind.DEPOSIT, occurred_at=at, currency="USD", cash=Decimal(1_000_000_000), external_id="paid")
    bought = [
        EntryDraft(
            kind=EntryKind.BUY, occurred_at=at, currency="USD", instrument_id=one, quantity=Decimal(10), price=Decimal(50),
            cash=Decimal(-500), external_id=str(number),
        )
        for number, one in enumerate(held)
    ]  # fmt: skip
    post(account, [paid, *bought])
    with acting_as(account.owner_id):
        RiskLimits.objects.create(account=account, max_open_orders=None, max_order_value=None, updated_at=now)
        secret = issue_token(user=account.owner, name="bench", scopes=[Scope.TRADE], at=now).secret
    catch_up(account_id=account.pk, at=now, measuring=True)
    return Desk(account, secret)


def cancel_open_orders() -> None:
    """Let all open orders end, and have the tables swept, so that every round begins alike."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(CANCEL)
        cursor.execute("VACUUM trading_order, trading_orderevent")
