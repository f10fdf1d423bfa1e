"""What the clock starts: it finds the work in rows, does it, and may be started twice."""

from datetime import UTC, datetime

from accounts.models import Job, JobRun
from accounts.models.tenancy import acting_as
from accounts.services import jobs
from portfolio import tasks
from portfolio.models import Projection
from portfolio.selectors.lagging import lagging_accounts
from tests.factories import post

WHEN = datetime(2024, 1, 2, 15, tzinfo=UTC)


def test_a_chunk_of_accounts_is_caught_up(account):
    post(account, "DEPOSIT", cash="10", occurred_at=WHEN)
    for _ in range(2):
        tasks.catch_up_accounts(account_ids=[str(account.pk)], sent_by="a later version")
    assert Projection.objects.using("system").get(pk=account.pk).read_up_to == 1


def test_a_snapshot_job_leaves_its_outcome(account, alice):
    post(account, "DEPOSIT", cash="10", occurred_at=WHEN)
    with acting_as(alice.pk):
        jobs.open_jobs(account=account, at=WHEN)
        job = Job.objects.get(account=account, kind="SNAPSHOT")
        jobs.run_job_now(job=job, at=WHEN)
    claimed = jobs.claim_due(at=WHEN, account_ids=[account.pk])
    (chunk,) = claimed["SNAPSHOT"]
    for _ in range(2):
        tasks.run_snapshots(run_ids=[str(run_id) for run_id in chunk])
    run = JobRun.objects.using("system").get(job=job)
    assert (run.outcome, run.detail) == ("SUCCEEDED", "valued until 2024-01-02")
    assert account.pk not in lagging_accounts()
