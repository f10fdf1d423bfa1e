"""Ways of trading that people have, and the runs of them in accounts."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Account, ExecutionMode, User
from accounts.models.tenancy import AccountScoped, OwnedByUser
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models.fields import UUIDv7Field


class StrategyQuerySet(OwnedByUser):
    """Strategies: a person's own, and those that run in accounts they are a member of."""

    def visible_to(self, user: models.Model) -> Self:
        """Keep the user's own strategies, and those with a session in an account of theirs."""
        ran = Session.objects.visible_to(user)
        return self.filter(Q(user=user.pk) | Q(pk__in=ran.filter(strategy__isnull=False).values("strategy")))


class Strategy(models.Model):
    """A way of trading: a built-in one by its name (`kind`), or a program of the user's own, which calls itself what it likes."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.PROTECT, related_name="strategies", db_index=False)
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    kind = models.CharField(max_length=50, blank=True, help_text="The built-in strategy it is; empty: a program of one's own.")
    entry_type = models.CharField(max_length=100, blank=True, validators=[NO_CONTROL_CHARACTERS])
    description = models.TextField(blank=True)
    indicators = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = StrategyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "strategies"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="strategy_once_per_user")]

    def __str__(self) -> str:
        return self.name


class SessionQuerySet(AccountScoped):
    """Sessions of accounts."""

    def running(self) -> Self:
        """Keep the sessions that have not ended."""
        return self.filter(ended_at__isnull=True)


class Session(models.Model):
    """A run of trading in an account under one configuration, which its hash stands for.

    Automatic ones place orders by themselves; `evaluated` says up to which bar they have looked at each instrument.
    """

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="sessions", db_index=False)
    strategy = models.ForeignKey(Strategy, models.PROTECT, null=True, blank=True, related_name="sessions")
    name = models.CharField(max_length=100, blank=True, validators=[NO_CONTROL_CHARACTERS])
    execution_mode = models.CharField(max_length=5, choices=ExecutionMode)
    code_version = models.CharField(max_length=100, blank=True)
    configuration = models.JSONField(default=dict, blank=True)
    config_hash = models.CharField(max_length=64, editable=False)
    automatic = models.BooleanField(default=False)
    evaluated = models.JSONField(default=dict, editable=False)
    external_id = models.CharField(max_length=200, blank=True, help_text="What a file that was brought in calls it.")
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="session_of_account"),
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="session_brought_in_once"
            ),
            models.CheckConstraint(condition=Q(execution_mode__in=ExecutionMode.values), name="session_mode_is_known"),
            models.CheckConstraint(condition=Q(config_hash__regex=r"^[0-9a-f]{32,64}$"), name="session_hash_is_hex"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=models.F("started_at")), name="session_ends_after_it_starts"
            ),
            models.CheckConstraint(condition=Q(automatic=False) | Q(strategy__isnull=False), name="automatic_by_a_strategy"),
        ]
        indexes = [
            models.Index(fields=["account", "started_at"], name="session_by_time"),
            models.Index(fields=["account"], condition=Q(automatic=True, ended_at__isnull=True), name="session_at_work"),
        ]

    def __str__(self) -> str:
        return self.name or f"Session of {self.started_at:%Y-%m-%d %H:%M}"
