"""What strategies and scanners saw in an account's instruments."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models import Instrument
from marketdata.models.fields import UUIDv7Field, WeightField
from trading.domain.signals import SignalKind, SignalStatus
from trading.models.strategies import Session
from trading.models.words import choices, one_of


class Signal(models.Model):
    """What was seen, how strongly, and until when it counts; the same is seen once."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="signals", db_index=False)
    session = models.ForeignKey(
        Session, models.PROTECT, null=True, blank=True, related_name="signals", db_index=False, db_constraint=False
    )
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(
        max_length=100, validators=[NO_CONTROL_CHARACTERS], help_text="The strategy or scanner that saw it."
    )
    kind = models.CharField(max_length=11, choices=choices(SignalKind))
    strength = WeightField(default=Decimal(1))
    at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=choices(SignalStatus), default=SignalStatus.ACTIVE)
    settled_at = models.DateTimeField(null=True, blank=True)
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="signal_of_account"),
            models.UniqueConstraint(fields=["account", "source", "instrument", "kind", "at"], name="signal_seen_once"),
            models.CheckConstraint(condition=Q(strength__gte=0, strength__lte=1), name="signal_strength_is_a_share"),
            models.CheckConstraint(condition=one_of("kind", SignalKind), name="signal_kind_is_known"),
            models.CheckConstraint(condition=one_of("status", SignalStatus), name="signal_status_is_known"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=models.F("at")), name="signal_ends_after_it_begins"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "at"], name="signal_by_time"),
            models.Index(fields=["account", "instrument", "at"], name="signal_by_instrument"),
            models.Index(fields=["account", "session"], name="signal_by_session"),
            models.Index(fields=["expires_at"], condition=Q(status=SignalStatus.ACTIVE), name="signal_to_end"),  # by the clock
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.instrument_id} by {self.source}"
