"""Addresses that are told what happens in an account, and each telling until it is heard."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Account
from accounts.models.tenancy import AccountScoped
from marketdata.models.fields import UUIDv7Field
from trading.models.sealed import seal, unseal

ENCRYPTED = r"^https:/{2}|^http:/{2}(localhost|127\.0\.0\.1)(:[0-9]+)?(/|$)"  # this machine itself is for development


class WebhookTopic(models.TextChoices):
    """What an address may be told of."""

    ORDER = "ORDER", "Order"
    FILL = "FILL", "Fill"
    RISK = "RISK", "Risk"
    ALERT = "ALERT", "Alert"


class Webhook(models.Model):
    """An address of a member's own, with the secret by which what is sent there is signed."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="webhooks", db_index=False)
    url = models.URLField(max_length=500)
    topics = ArrayField(models.CharField(max_length=5, choices=WebhookTopic))
    sealed = models.BinaryField(editable=False)
    enabled = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="webhook_of_account"),
            models.UniqueConstraint(fields=["account", "url"], name="webhook_once_per_account"),
            models.CheckConstraint(condition=Q(topics__len__gt=0), name="webhook_is_told_something"),
            models.CheckConstraint(condition=Q(url__regex=ENCRYPTED), name="webhook_is_encrypted"),
        ]

    def __str__(self) -> str:
        return self.url

    def keep(self, secret: str) -> None:
        """Take a new secret; the row is still to be saved."""
        self.sealed = seal({"secret": secret})

    def secret(self) -> str:
        """Return the secret, for whoever signs.

        :raises SecretLost: if it was encrypted under a key of the site that is gone
        """
        return unseal(self.sealed)["secret"]


class Delivery(models.Model):
    """One telling of one happening to one address: tried until it is heard or given up; the rows are the queue."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    webhook = models.ForeignKey(Webhook, models.DO_NOTHING, related_name="deliveries", db_index=False, db_constraint=False)
    topic = models.CharField(max_length=5, choices=WebhookTopic)
    event_id = models.UUIDField(help_text="What is told; it is told to an address once.")
    payload = models.JSONField()
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it was heard, or given up.")
    attempts = models.PositiveSmallIntegerField(default=0)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["account", "webhook", "event_id"], name="told_once"),
            models.CheckConstraint(condition=Q(topic__in=WebhookTopic.values), name="delivery_topic_is_known"),
            models.CheckConstraint(
                condition=Q(delivered_at__isnull=True) | Q(next_try_at__isnull=True), name="heard_is_not_tried_again"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "created_at"], name="delivery_by_time"),
            models.Index(fields=["next_try_at"], condition=Q(next_try_at__isnull=False), name="delivery_due"),  # claims
        ]

    def __str__(self) -> str:
        return f"{self.topic} to {self.webhook_id}"
