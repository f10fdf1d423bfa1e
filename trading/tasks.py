"""What the clock starts for trading: orders on their way, and what brokers know of them."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from accounts.services import jobs
from trading.adapters.base import BrokerFailed
from trading.services import (
    automation,
    backtests,
    delivering,
    reconciliation,
    ringing,
    sending,
    signals,
    stopping,
    syncing,
    watching,
)
from trading.services.order_rows import to_send

log = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def send_orders(*, account_id: str | None = None, **_later: object) -> None:
    """Tell brokers of the orders that wait, and ask about those whose outcome is unknown."""
    account = UUID(account_id) if account_id else None
    if account is not None:
        ringing.heard(to_send(account))
    seen = sending.send_orders(clock=timezone.now, account_id=account)
    if seen >= sending.BATCH:
        send_orders.delay(account_id=account_id)


@shared_task(ignore_result=True)
def look_at_brokers(**_later: object) -> None:
    """Wake a worker for each chunk of accounts whose brokers are to be asked."""
    for chunk in syncing.chunks(syncing.watched()):
        sync_accounts.apply_async(kwargs={"accounts": chunk}, expires=30)  # a broker that lets us wait leaves no heap of them


@shared_task(ignore_result=True)
def sync_accounts(*, accounts: list[list[str]], **_later: object) -> None:
    """Bring in how the orders of some accounts stand."""
    for account_id, owner_id, broker in accounts:
        try:
            syncing.sync_account(syncing.Watched(UUID(account_id), UUID(owner_id), broker), clock=timezone.now)
        except Exception:  # one account does not hold the others up; it is looked at again in a moment
            log.exception("Account %s could not be brought up to date with its broker %s", account_id, broker)


@shared_task(ignore_result=True)
def start_backtest(*, run_id: str, **_later: object) -> None:
    """Wake a worker for each run of a backtest: one, or all of a sweep."""
    for one in backtests.runs_of(run_id=UUID(run_id)):
        run_backtest.delay(run_id=str(one))


@shared_task(ignore_result=True)
def run_backtest(*, run_id: str, **_later: object) -> None:
    """Run one backtest, unless another worker has it."""
    backtests.perform_backtest(run_id=UUID(run_id), clock=timezone.now)


@shared_task(ignore_result=True)
def look_for_backtests(**_later: object) -> None:
    """Wake workers for runs whose message or worker was lost, and end the sweeps whose last run has ended."""
    for one in backtests.waiting_runs(at=timezone.now()):
        run_backtest.apply_async(kwargs={"run_id": str(one)}, expires=60)
    for one in backtests.stalled_parents():
        backtests.settle_parent(parent_id=one, at=timezone.now())


@shared_task(ignore_result=True)
def deliver_webhooks(**_later: object) -> None:
    """Tell addresses what happened."""
    if delivering.deliver_due(clock=timezone.now):
        deliver_webhooks.delay()  # more may be due, of the same addresses


@shared_task(ignore_result=True)
def forget_deliveries(**_later: object) -> None:
    """Throw away what addresses were told long ago."""
    delivering.forget_deliveries(before=timezone.now() - delivering.KEPT)


@shared_task(ignore_result=True)
def expire_signals(**_later: object) -> None:
    """Put an end to the signals whose time is over."""
    signals.expire_signals(at=timezone.now())


@shared_task(ignore_result=True)
def reconcile_with_brokers(**_later: object) -> None:
    """Wake a worker for each chunk of accounts whose records are to be compared with their brokers'."""
    for chunk in syncing.chunks(syncing.watched()):
        reconcile_accounts.delay(accounts=chunk)


@shared_task(ignore_result=True)
def reconcile_accounts(*, accounts: list[list[str]], **_later: object) -> None:
    """Compare the records of some accounts with their brokers'; what differs is kept, and members are told."""
    for account_id, owner_id, broker in accounts:
        try:
            reconciliation.reconcile_watched(syncing.Watched(UUID(account_id), UUID(owner_id), broker), clock=timezone.now)
        except BrokerFailed as failure:
            log.warning("The broker %s of account %s could not be compared with: %s", broker, account_id, failure)
        except Exception:  # one account does not hold the others up; it is compared again in an hour
            log.exception("Account %s could not be compared with its broker %s", account_id, broker)


@shared_task(ignore_result=True)
def cancel_all_orders(**_later: object) -> None:
    """Cancel the open orders of all accounts, once all trading is stopped."""
    done = stopping.cancel_everywhere(clock=timezone.now)
    log.warning("%s orders are canceled, or their brokers asked to; %s accounts failed", done.orders, len(done.failed))


@shared_task(ignore_result=True)
def cancel_as_wished(**_later: object) -> None:
    """Cancel what is open after all trading was stopped, should the message that says so be lost, or its worker have died."""
    done = stopping.cancel_as_wished(clock=timezone.now)
    if done is not None:
        log.warning("%s orders are canceled, or their brokers asked to; %s accounts failed", done.orders, len(done.failed))


@shared_task(ignore_result=True)
def look_at_sessions(**_later: object) -> None:
    """Make the jobs of accounts due whose automatic sessions have new bars, or wait for orders that have moved."""
    automation.wake_sessions(at=timezone.now())


@shared_task(ignore_result=True)
def run_strategies(*, run_ids: list[str], **_later: object) -> None:
    """Let the automatic sessions of a chunk of accounts look at new bars; what the time does not reach is sent on."""
    left = jobs.perform_outside(
        run_ids=[UUID(run_id) for run_id in run_ids],
        work=lambda account_id: automation.evaluate_account(account_id=account_id, clock=timezone.now),
        clock=timezone.now,
    )
    if left:
        run_strategies.delay(run_ids=[str(run_id) for run_id in left])


@shared_task(ignore_result=True)
def watch_risk(**_later: object) -> None:
    """Wake a worker for each chunk of the accounts that trade, to see whether they have run into a limit."""
    found = [[str(account_id), str(owner_id)] for account_id, owner_id in watching.trading_accounts(at=timezone.now())]
    for start in range(0, len(found), syncing.CHUNK):
        watch_accounts.apply_async(kwargs={"accounts": found[start : start + syncing.CHUNK]}, expires=60)


@shared_task(ignore_result=True)
def watch_accounts(*, accounts: list[list[str]], **_later: object) -> None:
    """See whether accounts have run into a limit, and pause those that have."""
    pairs = [(UUID(account_id), UUID(owner_id)) for account_id, owner_id in accounts]
    if len(pairs) == 1:  # one that was hinted at
        ringing.heard(watching.to_watch(*pairs[0]))
    watching.watch_many(accounts=pairs, clock=timezone.now)
