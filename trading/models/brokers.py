"""Where an account's orders go, how far its broker's records have been read, and where they differ from ours."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped
from marketdata.models import Instrument
from marketdata.models.fields import UUIDv7Field
from portfolio.models.fields import AmountField
from trading.models.orders import Order
from trading.models.sealed import hint, seal, unseal


class BrokerConnection(models.Model):
    """An account's broker with its credentials, encrypted and never shown again; whether paper or live, the account says."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="broker_connections", db_index=False)
    broker = models.CharField(max_length=20, help_text="The adapter's name, such as alpaca.")
    enabled = models.BooleanField(default=True)
    sealed = models.BinaryField(default=b"", editable=False)
    key_hint = models.CharField(max_length=10, blank=True, editable=False)
    cursor = models.JSONField(default=dict, editable=False, help_text="How far its records have been read, by their kind.")
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "broker"], name="broker_once_per_account"),
            models.UniqueConstraint(fields=["account"], condition=Q(enabled=True), name="one_broker_in_use"),
        ]
        indexes = [models.Index(fields=["synced_at"], condition=Q(enabled=True), name="broker_to_sync")]  # claims

    def __str__(self) -> str:
        return f"{self.broker} of {self.account_id}"

    def keep(self, *, key: str, secret: str) -> None:
        """Take new credentials; the row is still to be saved."""
        self.sealed, self.key_hint = seal({"key": key, "secret": secret}), hint(key)

    def credentials(self) -> dict[str, str]:
        """Return key and secret, for whoever speaks to the broker; nothing where none are kept.

        :raises SecretLost: if they were encrypted under a key of the site that is gone
        """
        return unseal(self.sealed) if self.sealed else {}


class BreakKind(models.TextChoices):
    """What of a broker's records differs from ours."""

    POSITION = "POSITION", "Position"
    CASH = "CASH", "Cash"
    ORDER = "ORDER", "Order"
    FILL = "FILL", "Fill"
    ACTIVITY = "ACTIVITY", "Activity"


class BreakQuerySet(AccountScoped):
    """Differences."""

    def open(self) -> Self:
        """Keep those that nobody has resolved."""
        return self.filter(resolved_at__isnull=True)


class Break(models.Model):
    """A difference between a broker's records and ours: seen, kept, and resolved by somebody; history is never edited for it."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="breaks", db_index=False)
    broker = models.CharField(max_length=20)
    kind = models.CharField(max_length=8, choices=BreakKind)
    subject = models.CharField(max_length=200, help_text="The instrument, currency or id that it is about.")
    instrument = models.ForeignKey(Instrument, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    order = models.ForeignKey(
        Order, models.PROTECT, null=True, blank=True, related_name="breaks", db_index=False, db_constraint=False
    )
    ours = AmountField(null=True, blank=True)
    theirs = AmountField(null=True, blank=True)
    detail = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True, help_text="What the broker said.")
    found_at = models.DateTimeField()
    last_found_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    resolution = models.TextField(blank=True)

    objects = BreakQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "broker", "kind", "subject"], condition=Q(resolved_at__isnull=True), name="break_open_once"
            ),
            models.CheckConstraint(condition=Q(kind__in=BreakKind.values), name="break_kind_is_known"),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True) | Q(resolved_at__gte=models.F("found_at")),
                name="break_resolved_after_found",
            ),
        ]
        indexes = [models.Index(fields=["account", "found_at"], name="break_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
