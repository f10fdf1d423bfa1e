"""An account's jobs run when they are due: each once, whoever claims them and whoever is killed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import connections, transaction

from accounts.models import Account, Job, JobKind, JobRun, RunOutcome, User
from accounts.models.tenancy import acting_as
from accounts.services import jobs
from tests.factories import make_account

FRIDAY = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
FRIDAY_NIGHT = datetime(2024, 3, 1, 23, 0, tzinfo=UTC)


@pytest.fixture
def busy(alice: User) -> list[Account]:
    """Return accounts with their jobs, opened on a Friday at noon."""
    accounts = [make_account(owner=alice, name=f"Account {n}") for n in range(20)]
    with acting_as(alice.pk):
        for account in accounts:
            jobs.open_jobs(account=account, at=FRIDAY)
    return accounts


def ids(accounts: list[Account]) -> list[UUID]:
    return [account.pk for account in accounts]


def runs(accounts: list[Account]) -> list[JobRun]:
    return list(JobRun.objects.using("system").filter(account__in=accounts).select_related("job"))


def ticking(start: datetime = FRIDAY_NIGHT, step: timedelta = timedelta(milliseconds=250)):
    """Return a clock that moves on by a step each time it is read."""
    now = start - step

    def clock() -> datetime:
        nonlocal now
        now += step
        return now

    return clock


class TestClaim:
    def test_nothing_is_claimed_before_it_is_due(self, busy):
        assert jobs.claim_due(at=FRIDAY + timedelta(minutes=1), account_ids=ids(busy)) == {}

    def test_every_due_job_becomes_one_run_in_chunks_and_its_next_time_is_set(self, busy):
        claimed = jobs.claim_due(at=FRIDAY_NIGHT, account_ids=ids(busy))
        assert {kind: len(list(chain(*chunks))) for kind, chunks in claimed.items()} == {"SNAPSHOT": 20, "REFRESH": 20}
        assert all(len(chunks) == 1 for chunks in claimed.values())
        times = set(Job.objects.using("system").filter(account__in=busy, kind="SNAPSHOT").values_list("next_run_at", flat=True))
        assert times == {datetime(2024, 3, 4, 22, 45, tzinfo=UTC)}, "the next weekday, not Saturday"

    def test_two_beats_at_once_share_the_jobs_and_double_none(self, busy):
        def claim(_: int) -> list[UUID]:
            try:
                return list(chain(*chain(*jobs.claim_due(at=FRIDAY_NIGHT, account_ids=ids(busy)).values())))
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            claimed = list(chain(*pool.map(claim, range(8))))
        assert len(claimed) == len(set(claimed)) == len(runs(busy)) == 40

    def test_times_missed_while_nothing_ran_become_one_run(self, busy):
        jobs.claim_due(at=FRIDAY_NIGHT + timedelta(days=30), account_ids=ids(busy))
        assert len(runs(busy)) == 40

    def test_a_closed_account_runs_nothing(self, alice, busy):
        with acting_as(alice.pk):
            Account.objects.filter(pk=busy[0].pk).update(closed_on=FRIDAY.date())
        jobs.claim_due(at=FRIDAY_NIGHT, account_ids=ids(busy))
        assert busy[0].pk not in {run.account_id for run in runs(busy)}


class TestPerform:
    @pytest.fixture
    def claimed(self, busy) -> list[UUID]:
        return list(chain(*jobs.claim_due(at=FRIDAY_NIGHT, account_ids=ids(busy))["SNAPSHOT"]))

    def test_outcome_and_duration_are_kept_with_the_run_and_its_job(self, busy, claimed):
        assert jobs.perform(run_ids=claimed, work=lambda account_id: "done", clock=ticking()) == []
        run = JobRun.objects.using("system").get(pk=claimed[0])
        assert (run.outcome, run.detail, run.duration_ms) == (RunOutcome.SUCCEEDED, "done", 250)
        assert (run.job.last_outcome, run.job.last_duration_ms) == (RunOutcome.SUCCEEDED, 250)

    def test_one_that_fails_says_why_and_does_not_stop_the_others(self, busy, claimed):
        victim = JobRun.objects.using("system").get(pk=claimed[0]).account_id

        def work(account_id: UUID) -> str:
            if account_id == victim:
                raise ZeroDivisionError("no prices")
            return ""

        jobs.perform(run_ids=claimed, work=work, clock=ticking())
        outcomes = {run.account_id: run for run in runs(busy) if run.job.kind == JobKind.SNAPSHOT}
        assert outcomes.pop(victim).detail == "ZeroDivisionError: no prices"
        assert {run.outcome for run in outcomes.values()} == {RunOutcome.SUCCEEDED}

    def test_a_message_that_comes_twice_does_the_work_once(self, busy, claimed):
        done: list[UUID] = []

        def work(account_id: UUID) -> str:
            done.append(account_id)
            return ""

        def perform(_: int) -> None:
            try:
                jobs.perform(run_ids=claimed, work=work, clock=ticking())
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(perform, range(3)))
        assert sorted(done) == sorted(ids(busy))

    def test_a_killed_worker_leaves_the_run_and_its_lease_brings_it_back(self, busy, claimed):
        class Killed(BaseException):
            """What takes a worker away in the middle of its work."""

        def die(account_id: UUID) -> str:
            raise Killed

        with pytest.raises(Killed):
            jobs.perform(run_ids=claimed[:1], work=die, clock=ticking())
        assert JobRun.objects.using("system").get(pk=claimed[0]).outcome == RunOutcome.CLAIMED
        assert jobs.claim_due(at=FRIDAY_NIGHT + timedelta(minutes=1), account_ids=ids(busy)) == {}, "the lease still holds"
        again = jobs.claim_due(at=FRIDAY_NIGHT + jobs.LEASE, account_ids=ids(busy))
        assert claimed[0] in list(chain(*again["SNAPSHOT"]))

    def test_a_run_that_takes_its_worker_along_every_time_is_given_up(self, busy, claimed):
        at = FRIDAY_NIGHT
        for _ in range(jobs.MOST_ATTEMPTS):
            at += jobs.LEASE
            jobs.claim_due(at=at, account_ids=ids(busy))
        run = JobRun.objects.using("system").get(pk=claimed[0])
        assert run.outcome == RunOutcome.FAILED
        assert "Given up" in run.detail

    def test_what_the_time_does_not_reach_is_handed_back(self, busy, claimed):
        left = jobs.perform(
            run_ids=claimed, work=lambda _: "", clock=ticking(step=timedelta(seconds=30)), budget=timedelta(minutes=3)
        )
        assert left
        assert len(left) + sum(run.outcome == RunOutcome.SUCCEEDED for run in runs(busy)) == len(claimed)


class TestSchedule:
    def test_an_owner_moves_and_stops_a_job(self, alice, busy):
        with acting_as(alice.pk):
            job = Job.objects.get(account=busy[0], kind=JobKind.SNAPSHOT)
            assert jobs.reschedule_job(job=job, schedule="0 6 * * *", at=FRIDAY).next_run_at == datetime(
                2024, 3, 2, 6, tzinfo=UTC
            )
            assert jobs.reschedule_job(job=job, enabled=False, at=FRIDAY).next_run_at is None

    @pytest.mark.parametrize("schedule", ["", "soon", "61 * * * *", "* * * *", "* * * * * *", "0 0 31 2 x"])
    def test_a_schedule_that_is_none_is_refused(self, alice, busy, schedule):
        with acting_as(alice.pk), pytest.raises(ValidationError, match="cron"), transaction.atomic():
            jobs.reschedule_job(job=Job.objects.get(account=busy[0], kind="REFRESH"), schedule=schedule, at=FRIDAY)

    def test_a_job_run_now_is_due_at_once_and_keeps_its_schedule(self, alice, busy):
        with acting_as(alice.pk):
            jobs.run_job_now(job=Job.objects.get(account=busy[0], kind=JobKind.SNAPSHOT), at=FRIDAY)
        assert list(jobs.claim_due(at=FRIDAY, account_ids=ids(busy))) == ["SNAPSHOT"]
        job = Job.objects.using("system").get(account=busy[0], kind=JobKind.SNAPSHOT)
        assert job.next_run_at == datetime(2024, 3, 1, 22, 45, tzinfo=UTC)

    def test_a_job_that_is_off_can_be_run_now_and_stays_off(self, alice, busy):
        with acting_as(alice.pk):
            job = jobs.reschedule_job(job=Job.objects.get(account=busy[0], kind="SNAPSHOT"), enabled=False, at=FRIDAY)
            jobs.run_job_now(job=job, at=FRIDAY)
        assert list(jobs.claim_due(at=FRIDAY, account_ids=ids(busy))) == ["SNAPSHOT"]
        assert Job.objects.using("system").get(pk=job.pk).next_run_at is None

    def test_a_viewer_of_the_account_cannot_move_its_jobs(self, account, alice, bob):
        with acting_as(alice.pk):
            jobs.open_jobs(account=account, at=FRIDAY)
        with acting_as(bob.pk):
            assert Job.objects.filter(account=account).update(schedule="* * * * *") == 0
