"""People: their login, and the tokens their programs use."""

from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.models.tenancy import OwnedByUser
from marketdata.models.fields import UUIDv7Field

CURRENCY = RegexValidator(r"\A[A-Z]{3}\Z", "Write three capital letters (ISO 4217), such as USD.")
NO_CONTROL_CHARACTERS = RegexValidator(
    r"\A[^\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]*\Z", "Leave out control characters."
)


class Topic(models.TextChoices):
    """What somebody may be told of by e-mail."""

    FILL = "FILL", "Fills of orders"
    RISK = "RISK", "Broken limits and pauses"
    ALERT = "ALERT", "Alerts and differences"


def check_time_zone(name: str) -> None:
    """Refuse a name that is no IANA time zone."""
    if name not in available_timezones():
        raise ValidationError("Write an IANA time zone, such as Europe/Paris.", code="unknown_time_zone")


class UserManager(BaseUserManager["User"]):
    """Makes users and finds them by e-mail."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Store a user with a hashed password."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Store an operator: they manage users, instruments and health, and see only their own accounts."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True} | fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with an e-mail, in whatever case it is written."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person, who logs in by e-mail."""

    id = UUIDv7Field()
    email = models.EmailField(unique=True)
    display_name = models.CharField(max_length=100, blank=True, validators=[NO_CONTROL_CHARACTERS])
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    base_currency = models.CharField(max_length=3, default="USD", validators=[CURRENCY])
    mail_topics = ArrayField(
        models.CharField(max_length=5, choices=Topic),
        default=list,
        blank=True,
        verbose_name="e-mail about",
        help_text="What is sent by e-mail, besides standing in the mailbox.",
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False, help_text="May manage instruments and market data.")
    date_joined = models.DateTimeField(auto_now_add=True)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="email_once_in_any_case")]

    def __str__(self) -> str:
        return self.email

    def get_short_name(self) -> str:
        """Return what to call the user."""
        return self.display_name or self.email.partition("@")[0]

    get_full_name = get_short_name


class Scope(models.TextChoices):
    """What a token may do; a higher one includes the lower ones."""

    READ = "read", "read"
    TRADE = "trade", "trade"
    MANAGE = "manage", "manage"


class ApiToken(models.Model):
    """A program's key to the API: only the SHA-256 of its secret is stored, beside a readable prefix."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), default=list)
    accounts = ArrayField(models.UUIDField(), null=True, blank=True, help_text="Empty: all accounts of the user.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OwnedByUser.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="token_digest_once"),
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="token_has_a_scope"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
