"""Tell the members of an account once when its last trades break the bounds its owner set, and once when they keep them again.

It runs under the lock of the projection's row, from the run of the derivation that wrote what was closed and in its transaction,
or from a task after the bounds were changed: whoever comes second finds what the first one noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Account, TradeThresholds
from portfolio.domain.trades import broken
from portfolio.models import Alert, Closure, Projection
from portfolio.selectors.market import SYSTEM
from portfolio.selectors.trades import bounds_of, last_trades
from portfolio.services.alerts import Finding, settle

SUBJECT = "trades"


def watch_trades(*, account_id: UUID, at: datetime) -> None:
    """Look at the last closed trades of an account, as far as they are derived, and tell its members what is new."""
    with transaction.atomic(using=SYSTEM):
        if Projection.objects.using(SYSTEM).select_for_update().filter(pk=account_id).first() is None:
            return  # nothing is derived yet, or it is being derived for the first time: that run looks itself
        thresholds = TradeThresholds.objects.using(SYSTEM).filter(pk=account_id).first()
        watched = Alert.objects.using(SYSTEM).filter(account=account_id, subject=SUBJECT)
        if thresholds is None and not watched.exists():
            return
        account = Account.objects.using(SYSTEM).get(pk=account_id)
        settle(account=account, findings=_findings(account, thresholds), family=SUBJECT, at=at)


def watched_accounts() -> list[UUID]:
    """Return the accounts of which an owner set bounds for trades, and those with an alert about them."""
    bound = TradeThresholds.objects.using(SYSTEM).values_list("account_id", flat=True)
    warned = Alert.objects.using(SYSTEM).filter(subject=SUBJECT).values_list("account_id", flat=True)
    return sorted({*bound, *warned})


def watch_many(*, account_ids: Iterable[UUID], at: datetime) -> None:
    """Look at the trades of accounts, one after another; one that is gone is passed over."""
    for account_id in account_ids:
        try:
            watch_trades(account_id=account_id, at=at)
        except Account.DoesNotExist:
            continue


def _findings(account: Account, thresholds: TradeThresholds | None) -> list[Finding]:
    """Return what is found of the bounds, nothing where none is set."""
    bounds = bounds_of(thresholds)
    if thresholds is None or not bounds.is_set:
        return []
    closures = Closure.objects.using(SYSTEM).filter(account=account)
    found = last_trades(closures, account=account, window=thresholds.window, using=SYSTEM)
    told = broken(found.statistics, bounds, currency=account.base_currency)
    count = found.statistics.total_trades
    message = " ".join(told) or "All bounds are kept."
    return [Finding(SUBJECT, bool(told), f"a bound of the last {thresholds.window} trades", f"{message} ({count} trades.)")]
