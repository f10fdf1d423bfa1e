"""The scheduled jobs of an account, and what came of each run. The rows are the queue."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from django.core.exceptions import ValidationError
from django.db import models

from accounts.models.accounts import Account
from accounts.models.tenancy import AccountScoped
from marketdata.models.fields import UUIDv7Field

_ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)


class JobKind(models.TextChoices):
    """What a job does for its account."""

    SNAPSHOT = "SNAPSHOT", "Bring positions, snapshots and returns up to date"
    REFRESH = "REFRESH", "Fetch the prices of held and watched instruments"
    ACTIONS = "ACTIONS", "Post what companies did to the shares held"
    STRATEGIES = "STRATEGIES", "Let automatic sessions look at new bars and place orders"


class RunOutcome(models.TextChoices):
    """How far a run came."""

    CLAIMED = "CLAIMED", "Claimed"
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    FAILED = "FAILED", "Failed"


def check_schedule(schedule: str) -> None:
    """Refuse a schedule that is no cron expression of five fields."""
    try:
        if len(schedule.split()) != 5:  # noqa: PLR2004
            raise CronSimError("five fields")
        CronSim(schedule, _ANY_TIME)
    except CronSimError as error:
        raise ValidationError(
            "Write a cron schedule of five fields in UTC: minute hour day month weekday, such as 30 22 * * 1-5.",
            code="bad_schedule",
        ) from error


class Job(models.Model):
    """A job of one account; `next_run_at` is when it is due."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=10, choices=JobKind)
    schedule = models.CharField(max_length=100, validators=[check_schedule], help_text="Cron, five fields, UTC: 30 22 * * 1-5")
    enabled = models.BooleanField(default=True)
    next_run_at = models.DateTimeField(null=True, blank=True)
    last_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_outcome = models.CharField(max_length=10, choices=RunOutcome, blank=True, editable=False)
    last_duration_ms = models.PositiveIntegerField(null=True, blank=True, editable=False)

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "kind"], name="job_once_per_account")]
        indexes = [
            models.Index(fields=["next_run_at"], condition=models.Q(next_run_at__isnull=False), name="job_due")  # claims
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.account_id}"


class JobRun(models.Model):
    """One run of a job: claimed under a lease, then done once. Nothing is due twice at the same time."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="job_runs")
    job = models.ForeignKey(Job, models.CASCADE, related_name="runs")
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=RunOutcome, default=RunOutcome.CLAIMED)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    detail = models.TextField(blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "due_at"], name="job_run_once_when_due")]
        indexes = [
            models.Index(fields=["leased_until"], condition=models.Q(outcome="CLAIMED"), name="run_to_pick_up"),
            models.Index(fields=["account", "due_at"], name="run_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} due {self.due_at:%Y-%m-%d %H:%M}"
