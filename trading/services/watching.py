"""Accounts that trade are watched for limits that they run into without ordering: after fills, and by the clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections

from accounts.models import Account
from accounts.models.tenancy import acting_as
from portfolio.selectors.market import SYSTEM
from trading.services.ringing import Hint
from trading.services.risk import watch

WATCH = "trading.tasks.watch_accounts"
LATELY = timedelta(days=7)  # whoever was filled since then trades
TRADING = """
    SELECT account.id, account.owner_id FROM accounts_account account
    WHERE account.closed_on IS NULL
      AND NOT EXISTS (SELECT FROM trading_tradingpause p WHERE p.account_id = account.id AND p.resumed_at IS NULL)
      AND (EXISTS (SELECT FROM trading_order o
                   WHERE o.account_id = account.id AND o.status IN ('ACCEPTED', 'NEW', 'PARTIALLY_FILLED'))
        OR EXISTS (SELECT FROM trading_session s WHERE s.account_id = account.id AND s.automatic AND s.ended_at IS NULL)
        OR EXISTS (SELECT FROM trading_fill f WHERE f.account_id = account.id AND f.at > %s))
    ORDER BY account.id
"""

log = logging.getLogger(__name__)


def trading_accounts(*, at: datetime) -> list[tuple[UUID, UUID]]:
    """Return the accounts that trade and are not paused, whoever's they are, each with its owner."""
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(TRADING, [at - LATELY])
        return list(cursor.fetchall())


def watch_many(*, accounts: Iterable[tuple[UUID, UUID]], clock: Callable[[], datetime]) -> int:
    """Look at accounts (each with its owner), each in a transaction of its own; return how many ran into a limit."""
    found = 0
    for account_id, owner_id in accounts:
        try:
            with acting_as(owner_id):
                account = Account.objects.select_related("owner").get(pk=account_id)
                found += bool(watch(account=account, at=clock()))
        except Exception:  # one account does not hold the others up; it is looked at again
            log.exception("Account %s could not be watched", account_id)
    return found


def to_watch(account_id: UUID, owner_id: UUID) -> Hint:
    """Return the hint for those who watch: if it is lost, the clock has the account looked at."""
    return Hint(WATCH, {"accounts": [[str(account_id), str(owner_id)]]})
