"""An account's scheduled jobs: the rows are the queue, a message only wakes a worker up.

A job that is due becomes one run (unique per job and due time) under a lease. A run is done under a row lock, and what it
did commits together with its outcome: a worker that is killed leaves the run as it was, and its lease runs out.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cronsim import CronSim
from django.db import transaction

from accounts.models import Account, Job, JobKind, JobRun, RunOutcome
from accounts.models.jobs import check_schedule

log = logging.getLogger(__name__)

SYSTEM = "system"
LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 5
CHUNK = 500
BUDGET = timedelta(minutes=3)  # well below a task's time limit
SCHEDULES = {
    JobKind.REFRESH: "15 22 * * 1-5",
    JobKind.SNAPSHOT: "45 22 * * 1-5",
    JobKind.ACTIONS: "0 23 * * 1-5",
    JobKind.STRATEGIES: "15 23 * * 1-5",
}
# writes to the ledger, and places orders: off until an owner turns it on
ON_DEMAND = frozenset({JobKind.ACTIONS, JobKind.STRATEGIES})


def next_run(schedule: str, *, after: datetime) -> datetime | None:
    """Return the first time after an instant that a cron schedule names, in UTC; None where there is none."""
    return next(CronSim(schedule, after.astimezone(UTC)), None)


@transaction.atomic
def open_jobs(*, account: Account, at: datetime) -> list[Job]:
    """Give a new account its jobs, on the schedules of the house."""
    return Job.objects.bulk_create(
        Job(
            account=account,
            kind=kind,
            schedule=schedule,
            enabled=kind not in ON_DEMAND,
            next_run_at=None if kind in ON_DEMAND else next_run(schedule, after=at),
        )
        for kind, schedule in SCHEDULES.items()
    )


@transaction.atomic
def reschedule_job(*, job: Job, at: datetime, schedule: str | None = None, enabled: bool | None = None) -> Job:
    """Change when a job runs, or whether it does.

    :raises ValidationError: if the schedule is no cron expression
    """
    job = Job.objects.select_for_update().get(pk=job.pk)
    if schedule is not None:
        check_schedule(schedule)
        job.schedule = schedule
    if enabled is not None:
        job.enabled = enabled
    job.next_run_at = next_run(job.schedule, after=at) if job.enabled else None
    job.save(update_fields=["schedule", "enabled", "next_run_at"])
    return job


@transaction.atomic
def run_job_now(*, job: Job, at: datetime) -> Job:
    """Make a job due at once; the next claim picks it up. Its schedule, on or off, stays as it is."""
    job = Job.objects.select_for_update().get(pk=job.pk)
    job.next_run_at = at
    job.save(update_fields=["next_run_at"])
    return job


def make_due(*, kind: JobKind, account_ids: Iterable[UUID], at: datetime) -> int:
    """Make the jobs of a kind due at once that are on, for there is something to do; return how many were not due yet."""
    jobs = Job.objects.using(SYSTEM).filter(kind=kind, enabled=True, account__in=account_ids, account__closed_on__isnull=True)
    return jobs.filter(next_run_at__gt=at).update(next_run_at=at)


def claim_due(*, at: datetime, limit: int = 5_000, account_ids: Iterable[UUID] | None = None) -> dict[str, list[list[UUID]]]:
    """Turn the jobs that are due into runs and take over runs whose worker is gone; return run ids by kind, in chunks.

    Several claims at once share the work out (SKIP LOCKED); times missed while nothing ran become one run.
    """
    with transaction.atomic(using=SYSTEM):
        runs = _claim_jobs(at, limit, account_ids) + _take_over(at, limit, account_ids)
    by_kind: dict[str, list[UUID]] = defaultdict(list)
    for kind, run_id in runs:
        by_kind[kind].append(run_id)
    return {kind: [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)] for kind, ids in by_kind.items()}


def _claim_jobs(at: datetime, limit: int, account_ids: Iterable[UUID] | None) -> list[tuple[str, UUID]]:
    """Make a run of each job that is due and set its next time."""
    due = Job.objects.using(SYSTEM).filter(next_run_at__lte=at, account__closed_on__isnull=True)
    if account_ids is not None:
        due = due.filter(account__in=account_ids)
    jobs = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("next_run_at")[:limit])
    runs = JobRun.objects.using(SYSTEM).bulk_create(
        (JobRun(account_id=job.account_id, job=job, due_at=job.next_run_at or at, leased_until=at + LEASE) for job in jobs),
        ignore_conflicts=True,
    )
    for job in jobs:
        job.next_run_at = next_run(job.schedule, after=at) if job.enabled else None
    Job.objects.using(SYSTEM).bulk_update(jobs, ["next_run_at"], batch_size=CHUNK)
    return [(run.job.kind, run.pk) for run in runs]


def _take_over(at: datetime, limit: int, account_ids: Iterable[UUID] | None) -> list[tuple[str, UUID]]:
    """Renew the lease of runs that were claimed and never finished; give up on those that fail a worker every time."""
    left = JobRun.objects.using(SYSTEM).filter(outcome=RunOutcome.CLAIMED, leased_until__lte=at)
    if account_ids is not None:
        left = left.filter(account__in=account_ids)
    runs = list(left.select_for_update(skip_locked=True, of=("self",)).select_related("job").order_by("leased_until")[:limit])
    for run in runs:
        run.attempts += 1
        run.leased_until = at + LEASE
        if run.attempts > MOST_ATTEMPTS:
            run.outcome, run.finished_at = RunOutcome.FAILED, at
            run.detail = f"Given up: {MOST_ATTEMPTS} workers were lost while they ran it."
            Job.objects.using(SYSTEM).filter(pk=run.job_id).update(last_run_at=at, last_outcome=RunOutcome.FAILED)
    JobRun.objects.using(SYSTEM).bulk_update(
        runs, ["attempts", "leased_until", "outcome", "finished_at", "detail"], batch_size=CHUNK
    )
    return [(run.job.kind, run.pk) for run in runs if run.outcome == RunOutcome.CLAIMED]


def perform(
    *, run_ids: Iterable[UUID], work: Callable[[UUID], str], clock: Callable[[], datetime], budget: timedelta = BUDGET
) -> list[UUID]:
    """Do the runs that are still to be done, each in one transaction with its outcome; `work` takes an account's id.

    A run that another worker holds or has finished is left alone; one that fails does not stop the others. Returns the
    ids that were not begun when the budget of time was used up.
    """
    started, waiting = clock(), list(run_ids)
    while waiting and clock() - started < budget:
        with transaction.atomic(using=SYSTEM):
            claimed = JobRun.objects.using(SYSTEM).filter(pk=waiting.pop(0), outcome=RunOutcome.CLAIMED)
            run = claimed.select_for_update(skip_locked=True, of=("self",)).first()
            if run is not None:
                _perform_one(run, work, clock)
    return waiting


def perform_outside(
    *, run_ids: Iterable[UUID], work: Callable[[UUID], str], clock: Callable[[], datetime], budget: timedelta = BUDGET
) -> list[UUID]:
    """Do runs whose work has transactions of its own, which have to be seen while it goes on; else as `perform`.

    The outcome is written down after the work: a worker that dies in between leaves a run that is done again, so the work may be
    done twice, and sees to it that that changes nothing.
    """
    started, waiting = clock(), list(run_ids)
    while waiting and clock() - started < budget:
        open_runs = JobRun.objects.using(SYSTEM).filter(pk=waiting.pop(0), outcome=RunOutcome.CLAIMED)
        run = open_runs.first()
        if run is None:
            continue
        began = clock()
        outcome, detail = _tried(run, work)
        with transaction.atomic(using=SYSTEM):
            run = open_runs.select_for_update(of=("self",)).first()
            if run is not None:
                _note(run, began, clock(), outcome, detail)
    return waiting


def _perform_one(run: JobRun, work: Callable[[UUID], str], clock: Callable[[], datetime]) -> None:
    """Do one locked run and write down what came of it."""

    def together(account_id: UUID) -> str:
        with transaction.atomic(using=SYSTEM):
            return work(account_id)

    began = clock()
    outcome, detail = _tried(run, together)
    _note(run, began, clock(), outcome, detail)


def _tried(run: JobRun, work: Callable[[UUID], str]) -> tuple[RunOutcome, str]:
    """Do the work of a run, and return what came of it."""
    try:
        return RunOutcome.SUCCEEDED, work(run.account_id)
    except Exception as error:  # whatever it is, it belongs into the run's record and must not stop the others
        log.exception("Job run %s failed", run.pk)
        return RunOutcome.FAILED, f"{type(error).__name__}: {error}"[:2000]


def _note(run: JobRun, began: datetime, ended: datetime, outcome: RunOutcome, detail: str) -> None:
    """Write down what came of a run."""
    run.started_at, run.finished_at, run.outcome, run.detail = began, ended, outcome, detail
    run.duration_ms = max(0, round((ended - began) / timedelta(milliseconds=1)))
    run.save(using=SYSTEM)
    Job.objects.using(SYSTEM).filter(pk=run.job_id).update(
        last_run_at=began, last_outcome=outcome, last_duration_ms=run.duration_ms
    )
