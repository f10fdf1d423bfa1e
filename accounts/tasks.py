"""What the clock starts for accounts: claims of due jobs, and refreshes of their prices."""

import logging
from datetime import timedelta
from uuid import UUID

from celery import current_app, shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.services import bundle_queue, idempotency, import_posting, jobs, mails, prices

log = logging.getLogger(__name__)
ANSWERS_KEPT = timedelta(days=30)


@shared_task(ignore_result=True)
def claim_due_jobs(**_later: object) -> None:
    """Claim the jobs that are due and wake a worker for each chunk of them."""
    for kind, chunks in jobs.claim_due(at=timezone.now()).items():
        for run_ids in chunks:
            try:
                current_app.send_task(settings.JOB_TASKS[kind], kwargs={"run_ids": [str(run_id) for run_id in run_ids]})
            except OperationalError:  # the rows stay claimed; when their lease runs out they are sent again
                log.warning("No broker: %s runs of %s wait for their lease to end", len(run_ids), kind)


@shared_task(ignore_result=True)
def run_refreshes(*, run_ids: list[str], **_later: object) -> None:
    """Do the price refreshes of a chunk of accounts; what the time does not reach is sent on."""
    left = jobs.perform(
        run_ids=[UUID(run_id) for run_id in run_ids],
        work=lambda account_id: prices.refresh_account(account_id=account_id, at=timezone.now()),
        clock=timezone.now,
    )
    if left:
        run_refreshes.delay(run_ids=[str(run_id) for run_id in left])


@shared_task(ignore_result=True)
def forget_old_answers(**_later: object) -> None:
    """Delete the answers that were kept for retries long enough."""
    idempotency.forget_old_keys(before=timezone.now() - ANSWERS_KEPT)


@shared_task(ignore_result=True)
def send_mails(**_later: object) -> None:
    """Send the notifications that are due by e-mail, until none is left."""
    while mails.send_mails(at=timezone.now()) >= mails.BATCH:
        pass


@shared_task(ignore_result=True)
def post_import(*, batch_id: str, **_later: object) -> None:
    """Post a file that waits for it."""
    import_posting.work_on(batch_id=UUID(batch_id), clock=timezone.now)


@shared_task(ignore_result=True)
def post_due_imports(**_later: object) -> None:
    """Find the files that wait, or whose worker is gone, and wake a worker for each."""
    for batch_id in import_posting.due_imports(at=timezone.now()):
        post_import.delay(batch_id=str(batch_id))
    for import_id in bundle_queue.due_bundles(at=timezone.now()):
        take_account.delay(import_id=str(import_id))


@shared_task(ignore_result=True)
def take_account(*, import_id: str, **_later: object) -> None:
    """Take an account that came as a ZIP."""
    bundle_queue.work_on(import_id=UUID(import_id), clock=timezone.now)
