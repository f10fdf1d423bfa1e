"""How an account stands now: the selector's answer, after what its ledger has that nobody has read yet."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from accounts.models import Account
from marketdata.models import Instrument
from portfolio.services.projections import catch_up
from trading.selectors.risk import Standing, standing_of
from trading.services.locks import PURPOSE


def standing_now(
    *,
    account: Account,
    at: datetime,
    instrument: Instrument | None = None,
    without: Collection[UUID] = (),
    holding: bool = False,
    stands: str | None = None,
) -> Standing:
    """Return how an account stands; `without` are open orders that are not to count, for others will take their place.

    `holding`: once whoever trades in it has finished; nobody else does until the transaction ends, as after `hold_trading`.
    `stands` is what was answered to this question before, under that lock.
    """
    lock = PURPOSE if holding else None
    standing = standing_of(account, at=at, instrument=instrument, without=without, lock=lock, stands=stands)
    if standing.is_current:
        return standing
    catch_up(account_id=account.pk, at=at)
    return standing_of(account, at=at, instrument=instrument, without=without)
