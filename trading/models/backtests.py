"""Runs of strategies over the past: the index of what lies in files of their own. No row here leads to an order."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models.fields import MoneyField, UUIDv7Field
from trading.models.strategies import Strategy


class BacktestKind(models.TextChoices):
    """What a run is."""

    RUN = "RUN", "One run"
    SWEEP = "SWEEP", "Parameter sweep"
    WALK_FORWARD = "WALK_FORWARD", "Walk-forward"


class BacktestStatus(models.TextChoices):
    """How far a run has come."""

    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"


UNFINISHED = (BacktestStatus.QUEUED, BacktestStatus.RUNNING)


class BacktestRun(models.Model):
    """A run, or a sweep of runs: what was asked, how far it has come, and its figures; its files are known by its id."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="backtests", db_index=False)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="runs", db_index=False, db_constraint=False
    )
    number = models.PositiveIntegerField(default=0, help_text="The place among the runs of its sweep.")
    kind = models.CharField(max_length=12, choices=BacktestKind, default=BacktestKind.RUN)
    name = models.CharField(max_length=100, blank=True, validators=[NO_CONTROL_CHARACTERS])
    strategy = models.ForeignKey(Strategy, models.PROTECT, null=True, blank=True, related_name="+")
    strategy_kind = models.CharField(max_length=50)
    parameters = models.JSONField(default=dict, blank=True)
    instruments = ArrayField(models.UUIDField())
    timeframe = models.CharField(max_length=3, default="1d")
    start = models.DateField()
    end = models.DateField(help_text="The first day that is not in it.")
    cash = MoneyField()
    costs = models.JSONField(default=dict, blank=True, help_text="Commission and slippage.")
    rules = models.JSONField(default=dict, blank=True, help_text="How large, how to get out, what the best of a sweep is.")
    seed = models.BigIntegerField(default=0)
    code_version = models.CharField(max_length=100, blank=True)
    config_hash = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=9, choices=BacktestStatus, default=BacktestStatus.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=1)
    cancel_requested = models.BooleanField(default=False)
    claimed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    metrics = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="backtest_of_account"),
            models.UniqueConstraint(
                fields=["account", "parent", "number"], condition=Q(parent__isnull=False), name="backtest_once_in_its_sweep"
            ),
            models.CheckConstraint(condition=Q(kind__in=BacktestKind.values), name="backtest_kind_is_known"),
            models.CheckConstraint(condition=Q(status__in=BacktestStatus.values), name="backtest_status_is_known"),
            models.CheckConstraint(condition=Q(end__gt=models.F("start")), name="backtest_ends_after_it_starts"),
            models.CheckConstraint(condition=Q(cash__gt=0), name="backtest_starts_with_cash"),
            models.CheckConstraint(condition=Q(done__lte=models.F("total")), name="backtest_does_not_do_more_than_all"),
        ]
        indexes = [
            models.Index(fields=["account", "created_at"], name="backtest_by_time"),
            models.Index(fields=["claimed_at", "id"], condition=Q(status__in=UNFINISHED), name="backtest_to_run"),  # claims
        ]

    def __str__(self) -> str:
        return self.name or f"{self.strategy_kind} {self.start} to {self.end}"
