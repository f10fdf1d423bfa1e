"""What automatic sessions made of bars: each bar of an instrument once, whatever happens in between."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from marketdata.models import Instrument
from marketdata.models.fields import PriceField, UUIDv7Field, WeightField
from trading.domain.following import Outcome
from trading.models.decisions import Decision
from trading.models.signals import Signal
from trading.models.strategies import Session
from trading.models.words import choices, one_of


class Evaluation(models.Model):
    """What a session's strategy wanted after a bar, what was done about it, and if nothing was, why."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    session = models.ForeignKey(Session, models.PROTECT, related_name="evaluations", db_index=False, db_constraint=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    bar = models.DateTimeField(help_text="When the bar began.")
    close = PriceField(help_text="What it closed at, as it was then.")
    before = WeightField(default=Decimal(0), help_text="What was wanted before it.")
    target = WeightField(help_text="What is wanted after it: 1 a full long position, -1 a short one, 0 nothing.")
    stop = PriceField(null=True, blank=True)
    passed_over = models.PositiveIntegerField(default=0, help_text="How many bars came with it that it was too late for.")
    outcome = models.CharField(max_length=7, choices=choices(Outcome))
    detail = models.TextField(blank=True)
    signal = models.ForeignKey(
        Signal, models.DO_NOTHING, null=True, blank=True, related_name="+", db_index=False, db_constraint=False
    )
    decision = models.ForeignKey(
        Decision, models.DO_NOTHING, null=True, blank=True, related_name="+", db_index=False, db_constraint=False
    )
    at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="evaluation_of_account"),
            models.UniqueConstraint(fields=["account", "session", "instrument", "bar"], name="bar_evaluated_once"),
            models.CheckConstraint(condition=one_of("outcome", Outcome), name="evaluation_outcome_is_known"),
            models.CheckConstraint(
                condition=Q(target__gte=-1, target__lte=1, before__gte=-1, before__lte=1), name="evaluation_target_is_a_share"
            ),
            models.CheckConstraint(condition=Q(close__gt=0), name="evaluation_close_is_positive"),
        ]
        indexes = [
            models.Index(fields=["account", "at"], name="evaluation_by_time"),
            models.Index(fields=["account"], condition=Q(outcome="WAITING"), name="evaluation_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} after {self.bar:%Y-%m-%d %H:%M}"
