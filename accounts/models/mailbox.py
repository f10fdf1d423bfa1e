"""What a person follows, what they are told, and the answers kept for their retries."""

from django.db import models
from django.db.models import Q

from accounts.models.tenancy import OwnedByUser
from accounts.models.users import NO_CONTROL_CHARACTERS, User
from marketdata.models import Instrument
from marketdata.models.fields import UUIDv7Field


class Watchlist(models.Model):
    """A named list of instruments that a person follows."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="watchlists")
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    instruments = models.ManyToManyField(Instrument, related_name="+", blank=True)
    created_at = models.DateTimeField()

    objects = OwnedByUser.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="watchlist_name_once")]

    def __str__(self) -> str:
        return self.name


class Level(models.TextChoices):
    """How pressing a notification is."""

    INFO = "INFO", "Info"
    WARNING = "WARNING", "Warning"
    CRITICAL = "CRITICAL", "Critical"


class Notification(models.Model):
    """A message to one person; every higher floor may write one."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    level = models.CharField(max_length=8, choices=Level, default=Level.INFO)
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    link = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    mail_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When to try to send it by e-mail.")
    mail_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    mailed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OwnedByUser.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "created_at"], name="notification_by_time"),
            models.Index(fields=["mail_at"], condition=Q(mail_at__isnull=False), name="notification_to_mail"),
        ]

    def __str__(self) -> str:
        return self.title


class IdempotencyKey(models.Model):
    """The answer given to a request with an Idempotency-Key, so that a retry hears the same."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.BinaryField(default=b"", help_text="Encrypted: an answer may hold a secret that is shown once.")
    created_at = models.DateTimeField()

    objects = OwnedByUser.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key
