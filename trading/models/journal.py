"""What people add to their trades. A trade is known by the order that opened it; its figures are derived, these rows are not."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models.fields import UUIDv7Field
from trading.models.fields import ExactField
from trading.models.orders import Order

LARGEST = 5 * 1024 * 1024
CONTENT_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Trade(Order):
    """An order that opened a position, as the trade that it became: its figures are derived by the journal."""

    class Meta:
        proxy = True

    def __str__(self) -> str:
        return f"{self.side} {self.client_order_id}"


class TradeTag(models.Model):
    """A word that somebody put on a trade; statistics can be asked for by it."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="trade_tags", db_index=False, db_constraint=False)
    tag = models.CharField(max_length=50, validators=[NO_CONTROL_CHARACTERS])
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "tag"], name="trade_tagged_once"),
            models.CheckConstraint(condition=~Q(tag=""), name="trade_tag_says_something"),
        ]
        indexes = [models.Index(fields=["account", "tag"], name="trade_by_tag")]

    def __str__(self) -> str:
        return self.tag


class TradeNote(models.Model):
    """What somebody had to say of a trade."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="trade_notes", db_index=False, db_constraint=False)
    text = models.TextField()
    author = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="trade_note_says_something")]
        indexes = [models.Index(fields=["account", "order", "created_at"], name="note_of_trade")]

    def __str__(self) -> str:
        return self.text[:50]


class Attachment(models.Model):
    """A picture to a trade: its bytes are a file in `ATTACHMENTS`, named by the ids alone; its type is what they say it is."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="attachments", db_index=False, db_constraint=False)
    name = models.CharField(max_length=200, validators=[NO_CONTROL_CHARACTERS])
    content_type = models.CharField(max_length=20)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "sha256"], name="attached_once"),
            models.CheckConstraint(condition=Q(size__gt=0, size__lte=LARGEST), name="attachment_is_not_too_large"),
            models.CheckConstraint(condition=Q(content_type__in=CONTENT_TYPES), name="attachment_is_a_picture"),
        ]

    def __str__(self) -> str:
        return self.name


class PerformanceAlert(models.Model):
    """How the last trades did at a moment, as a file that was brought in says it; added and never changed.

    Of trades that were placed here these figures are derived from the journal whenever they are asked for.
    """

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    window = models.PositiveIntegerField()
    win_rate = ExactField(null=True, blank=True)
    profit_factor = ExactField(null=True, blank=True)
    max_drawdown_pct = ExactField(null=True, blank=True, help_text="In percent, zero or below.")
    consecutive_losses = models.PositiveIntegerField(default=0)
    total_trades = models.PositiveIntegerField(default=0)
    alert_triggered = models.BooleanField(default=False)
    message = models.TextField(blank=True)
    external_id = models.CharField(max_length=64, help_text="The hash of its line.")
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    recorded_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "external_id"], name="performance_alert_brought_in_once"),
            models.CheckConstraint(
                condition=Q(win_rate__isnull=True) | Q(win_rate__gte=0, win_rate__lte=1), name="performance_win_rate_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(profit_factor__isnull=True) | Q(profit_factor__gte=0), name="performance_profit_factor_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(max_drawdown_pct__isnull=True) | Q(max_drawdown_pct__lte=0), name="performance_drawdown_not_positive"
            ),
        ]
        indexes = [models.Index(fields=["account", "at"], name="performance_alert_by_time")]

    def __str__(self) -> str:
        return f"last {self.window} trades at {self.at:%Y-%m-%d %H:%M}"
