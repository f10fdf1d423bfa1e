"""What the clock starts for derived figures: catching up with the ledger and the prices, and the snapshot jobs of accounts."""

from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from accounts.services import jobs
from portfolio.selectors.lagging import lagging_accounts
from portfolio.services import corporate_actions, end_of_day, policies, projections, trade_alerts

PAGE = 5_000  # accounts whose new days one task writes: it reads the prices of a day once for all of them
CHUNK = 500
EXPIRES = 300  # seconds: by then the accounts that still lag have been found again
BUDGET = timedelta(minutes=3)  # well below a task's time limit


@shared_task(ignore_result=True)
def catch_up_lagging(**_later: object) -> None:
    """Find the accounts whose figures are behind and wake a worker for each chunk of them."""
    lagging = [str(account_id) for account_id in lagging_accounts()]
    for start in range(0, len(lagging), PAGE):
        take_on_accounts.apply_async(kwargs={"account_ids": lagging[start : start + PAGE]}, expires=EXPIRES)


@shared_task(ignore_result=True)
def take_on_accounts(*, account_ids: list[str], **_later: object) -> None:
    """Write the new days of accounts in which nothing but prices is new, and wake a worker for each chunk of the others.

    Whoever reads an account that was taken on has the rest derived. Bounds are about the rest, too: accounts that have any are
    caught up, like all others.
    """
    wanted = [UUID(account_id) for account_id in account_ids]
    bound = policies.bound_accounts(account_ids=wanted)
    left = end_of_day.advance(account_ids=[account_id for account_id in wanted if account_id not in bound])
    others = [str(account_id) for account_id in [*sorted(bound), *left]]
    for start in range(0, len(others), CHUNK):
        catch_up_accounts.apply_async(kwargs={"account_ids": others[start : start + CHUNK]}, expires=EXPIRES)


@shared_task(ignore_result=True)
def catch_up_accounts(*, account_ids: list[str], **_later: object) -> None:
    """Bring a chunk of accounts up to date, and see whether they keep to their bounds; the next look finds what is left."""
    started = timezone.now()
    reached = []
    for account_id in map(UUID, account_ids):
        if timezone.now() - started > BUDGET:
            break
        projections.catch_up_many(account_ids=[account_id], at=timezone.now())
        reached.append(account_id)
    policies.watch(account_ids=reached, at=timezone.now())


@shared_task(ignore_result=True)
def run_snapshots(*, run_ids: list[str], **_later: object) -> None:
    """Do the snapshot jobs of a chunk of accounts; what the time does not reach is sent on."""
    left = jobs.perform(
        run_ids=[UUID(run_id) for run_id in run_ids],
        work=_snapshot,
        clock=timezone.now,
    )
    if left:
        run_snapshots.delay(run_ids=[str(run_id) for run_id in left])


def _snapshot(account_id: UUID) -> str:
    """Bring one account up to date and say how far it is."""
    projection = projections.catch_up(account_id=account_id, at=timezone.now(), measuring=True)
    policies.watch(account_ids=[account_id], at=timezone.now())
    return f"valued until {projection.valued_until or 'the first entry'}"


@shared_task(ignore_result=True)
def run_corporate_actions(*, run_ids: list[str], **_later: object) -> None:
    """Do the corporate action jobs of a chunk of accounts; what the time does not reach is sent on."""
    left = jobs.perform(
        run_ids=[UUID(run_id) for run_id in run_ids],
        work=lambda account_id: corporate_actions.apply_due(account_id=account_id, at=timezone.now()),
        clock=timezone.now,
    )
    if left:
        run_corporate_actions.delay(run_ids=[str(run_id) for run_id in left])


@shared_task(ignore_result=True)
def watch_trades(*, account_ids: list[str] | None = None, **_later: object) -> None:
    """Look at the last closed trades of accounts whose owners set bounds for them: of some, or of all."""
    ids = trade_alerts.watched_accounts() if account_ids is None else list(map(UUID, account_ids))
    trade_alerts.watch_many(account_ids=ids, at=timezone.now())
