"""What an account may do, what happened when it would have done more, and stops of its trading, or of all."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models import Instrument
from marketdata.models.fields import MoneyField, QuantityField, ShareField, UUIDv7Field
from portfolio.models.fields import AmountField, IndexField, RatioField
from trading.domain.risk import DEFAULTS, Limits, Severity
from trading.models.orders import Order
from trading.models.words import choices, one_of

SHARES = ("max_position_share", "max_daily_loss_share", "max_drawdown_share")
AMOUNTS = ("max_order_quantity", "max_order_value")


class RiskLimits(models.Model):
    """The limits of one account, which its owners set; without a row the defaults of the house hold. Empty: not watched."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="risk_limits")
    max_position_share = ShareField(
        null=True, blank=True, default=DEFAULTS.max_position_share, help_text="0 to 1, or more on margin"
    )
    max_daily_loss_share = ShareField(null=True, blank=True, default=DEFAULTS.max_daily_loss_share, help_text="0 to 1")
    max_drawdown_share = ShareField(null=True, blank=True, default=DEFAULTS.max_drawdown_share, help_text="0 to 1")
    max_consecutive_losses = models.PositiveSmallIntegerField(null=True, blank=True, default=DEFAULTS.max_consecutive_losses)
    max_order_quantity = QuantityField(null=True, blank=True, default=DEFAULTS.max_order_quantity)
    max_order_value = MoneyField(null=True, blank=True, default=DEFAULTS.max_order_value)
    max_open_orders = models.PositiveIntegerField(null=True, blank=True, default=DEFAULTS.max_open_orders)
    allow_short = models.BooleanField(default=DEFAULTS.allow_short)
    close_while_paused = models.BooleanField(default=DEFAULTS.close_while_paused)
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "risk limits"
        constraints = [
            models.CheckConstraint(
                condition=Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gte": 0}), name=f"risk_{column}_is_not_negative"
            )
            for column in (*SHARES, *AMOUNTS)
        ]

    def __str__(self) -> str:
        return f"limits of {self.account_id}"

    def as_limits(self, restricted: Iterable[UUID] = ()) -> Limits:
        """Return the limits as the domain reads them, with the instruments that may not be opened."""
        return Limits(
            max_position_share=self.max_position_share,
            max_daily_loss_share=self.max_daily_loss_share,
            max_drawdown_share=self.max_drawdown_share,
            max_consecutive_losses=self.max_consecutive_losses,
            max_order_quantity=self.max_order_quantity,
            max_order_value=self.max_order_value,
            max_open_orders=self.max_open_orders,
            restricted=frozenset(restricted),
            allow_short=self.allow_short,
            close_while_paused=self.close_while_paused,
        )


class RestrictedInstrument(models.Model):
    """An instrument that an account may not open a position in."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="restricted_instruments", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    reason = models.CharField(max_length=200, blank=True, validators=[NO_CONTROL_CHARACTERS])
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "instrument"], name="restricted_once")]

    def __str__(self) -> str:
        return f"{self.instrument_id} in {self.account_id}"


class RiskEvent(models.Model):
    """A limit that was broken, and what was done about it, with the limits as they were; added and never changed."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="risk_events", db_index=False)
    at = models.DateTimeField()
    type = models.CharField(max_length=50, help_text="The rule that was broken, or what a file that was brought in calls it.")
    severity = models.CharField(max_length=8, choices=choices(Severity))
    action_taken = models.CharField(max_length=50)
    detail = models.TextField(blank=True)
    value = AmountField(null=True, blank=True)
    limit = AmountField(null=True, blank=True)
    day_gain = AmountField(null=True, blank=True)
    day_gain_share = RatioField(blank=True)
    consecutive_losses = models.PositiveIntegerField(null=True, blank=True)
    configuration = models.JSONField(default=dict, blank=True)
    instrument = models.ForeignKey(Instrument, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    order = models.ForeignKey(
        Order, models.PROTECT, null=True, blank=True, related_name="risk_events", db_index=False, db_constraint=False
    )
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    source = models.CharField(max_length=50, default="risk")
    external_id = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="risk_event_of_account"),
            models.UniqueConstraint(
                fields=["account", "source", "external_id"], condition=~Q(external_id=""), name="risk_event_brought_in_once"
            ),
            models.CheckConstraint(condition=one_of("severity", Severity), name="risk_event_severity_is_known"),
        ]
        indexes = [models.Index(fields=["account", "at"], name="risk_event_by_time")]

    def __str__(self) -> str:
        return f"{self.type} at {self.at:%Y-%m-%d %H:%M}"


class TradingPause(models.Model):
    """A stop of an account's trading: by a limit that was broken, or by a member; an owner alone ends it."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="trading_pauses", db_index=False)
    event = models.ForeignKey(
        RiskEvent, models.PROTECT, null=True, blank=True, related_name="pauses", db_index=False, db_constraint=False
    )
    reason = models.TextField()
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    resumed_at = models.DateTimeField(null=True, blank=True)
    resumed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    note = models.TextField(blank=True, help_text="Why trading was resumed.")
    day_gain = AmountField(null=True, blank=True, help_text="What the day had brought when trading was resumed.")
    twr_index = IndexField(null=True, blank=True, help_text="The chained value of a unit then.")

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(resumed_at__isnull=True), name="one_pause_at_a_time"),
            models.CheckConstraint(
                condition=Q(resumed_at__isnull=True, resumed_by__isnull=True)
                | Q(resumed_by__isnull=False, resumed_at__gte=models.F("started_at")),
                name="pause_resumed_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["account", "started_at"], name="pause_by_time")]

    def __str__(self) -> str:
        return f"{self.account_id} paused at {self.started_at:%Y-%m-%d %H:%M}"


class TradingHalt(models.Model):
    """A stop of all trading on the site, which those who run it start and end; everybody may know of it."""

    id = UUIDv7Field()
    reason = models.TextField()
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=100, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=100, blank=True)
    cancels = models.BooleanField(default=False, help_text="Whether open orders are to be canceled.")
    canceled_at = models.DateTimeField(null=True, blank=True, help_text="When that had been done.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ended_at"], condition=Q(ended_at__isnull=True), nulls_distinct=False, name="one_halt_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=models.F("started_at")), name="halt_ends_after_it_starts"
            ),
        ]

    def __str__(self) -> str:
        return f"all trading stopped at {self.started_at:%Y-%m-%d %H:%M}"
