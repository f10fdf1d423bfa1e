"""What was decided in an account and why, and each change of mind about it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models import Instrument
from marketdata.models.fields import PriceField, UUIDv7Field, WeightField
from portfolio.models.fields import RatioField
from trading.domain.outcomes import Choice, Verdict
from trading.models.signals import Signal
from trading.models.strategies import Session
from trading.models.words import choices, one_of


class Decision(models.Model):
    """To buy, sell or hold: how surely, for which reasons, at which price; and, later, whether that was right."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="decisions", db_index=False)
    session = models.ForeignKey(
        Session, models.PROTECT, null=True, blank=True, related_name="decisions", db_index=False, db_constraint=False
    )
    signal = models.ForeignKey(
        Signal, models.PROTECT, null=True, blank=True, related_name="decisions", db_index=False, db_constraint=False
    )
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    choice = models.CharField(max_length=4, choices=choices(Choice))
    confidence = WeightField(help_text="0 to 1")
    reasoning = models.TextField(blank=True)
    entry_type = models.CharField(max_length=100, blank=True, validators=[NO_CONTROL_CHARACTERS])
    indicators = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    price = PriceField(null=True, blank=True, help_text="What it cost when it was decided.")
    stop_loss = PriceField(null=True, blank=True)
    target = PriceField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    source = models.CharField(max_length=50, default="manual")
    external_id = models.CharField(max_length=200, blank=True)
    verdict = models.CharField(max_length=7, choices=choices(Verdict), blank=True, editable=False)
    judged_at = models.DateTimeField(null=True, blank=True, editable=False)
    judged_price = PriceField(null=True, blank=True, editable=False)
    move = RatioField(blank=True, editable=False, help_text="The return in the direction that was decided for.")
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="decision_of_account"),
            models.UniqueConstraint(
                fields=["account", "source", "external_id"], condition=~Q(external_id=""), name="decision_brought_in_once"
            ),
            models.CheckConstraint(condition=one_of("choice", Choice), name="decision_choice_is_known"),
            models.CheckConstraint(condition=Q(confidence__gte=0, confidence__lte=1), name="decision_confidence_is_a_share"),
            models.CheckConstraint(
                condition=Q(verdict="", judged_at__isnull=True) | (one_of("verdict", Verdict) & Q(judged_at__isnull=False)),
                name="decision_verdict_has_a_time",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gt": 0}), name=f"decision_{column}_is_positive"
                )
                for column in ("price", "stop_loss", "target")
            ),
        ]
        indexes = [
            models.Index(fields=["account", "at"], name="decision_by_time"),
            models.Index(fields=["account", "instrument", "at"], name="decision_by_instrument"),
            models.Index(fields=["account", "session"], name="decision_by_session"),
            models.Index(fields=["account", "signal"], name="decision_by_signal"),
        ]

    def __str__(self) -> str:
        return f"{self.choice} at {self.at:%Y-%m-%d %H:%M}"


class DecisionChange(models.Model):
    """A change of a decision: who, when, why, and the old and new value of each field; added and never changed.

    It goes only together with its decision, which the database sees to.
    """

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    decision = models.ForeignKey(Decision, models.DO_NOTHING, related_name="changes", db_index=False, db_constraint=False)
    at = models.DateTimeField()
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    changes = models.JSONField(help_text="{field: [old, new]}")
    reason = models.TextField(blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        indexes = [models.Index(fields=["account", "decision", "at"], name="change_of_decision")]

    def __str__(self) -> str:
        return f"{', '.join(self.changes)} at {self.at:%Y-%m-%d %H:%M}"
