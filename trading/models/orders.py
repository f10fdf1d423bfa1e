"""Orders, everything that happened to them, and what was filled. An order's row changes only together with an event."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import F, Q

from accounts.models import Account, LedgerEntry, User
from accounts.models.tenancy import AccountScoped
from marketdata.domain.instruments import US_EXCHANGES, AssetClass
from marketdata.models import Instrument
from marketdata.models.fields import MoneyField, PriceField, QuantityField, ShareField, UUIDv7Field
from trading.domain.drafts import OrderDraft, Terms
from trading.domain.fills import Filled
from trading.domain.legs import LegRole, Member
from trading.domain.orders import (
    OPEN,
    EventKind,
    OrderClass,
    OrderState,
    OrderStatus,
    OrderType,
    PositionEffect,
    Sending,
    Side,
    TimeInForce,
)
from trading.models.decisions import Decision
from trading.models.fields import ExactField
from trading.models.strategies import Session
from trading.models.words import choices, one_of

UNSENT = (Sending.PENDING, Sending.SENT, Sending.UNKNOWN)
IS_OPEN = one_of("status", OPEN)


class Door(models.TextChoices):
    """Where an order, or what happened to it, came from."""

    API = "API", "API"
    ALPACA = "ALPACA", "Alpaca's API"
    ADMIN = "ADMIN", "Admin"
    STRATEGY = "STRATEGY", "Strategy"
    IMPORT = "IMPORT", "Import"
    BROKER = "BROKER", "Broker"
    SCHEDULE = "SCHEDULE", "Schedule"
    RISK = "RISK", "Risk"
    GROUP = "GROUP", "Another order of its group"


class OrderQuerySet(AccountScoped):
    """Orders of accounts."""

    def open(self) -> Self:
        """Keep the orders of which something may still come."""
        return self.filter(IS_OPEN)

    def unsettled(self) -> Self:
        """Keep the orders that the broker is still to be told, or asked, about: the queue of those who send."""
        return self.filter(one_of("sending", UNSENT))


class Order(models.Model):
    """An order as it was asked for, and how it stands. What was asked for never changes: a replacement is an order of its own."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="orders", db_index=False)
    client_order_id = models.CharField(max_length=128)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    side = models.CharField(max_length=4, choices=choices(Side))
    effect = models.CharField(max_length=5, choices=choices(PositionEffect), default=PositionEffect.OPEN)
    type = models.CharField(max_length=13, choices=choices(OrderType), default=OrderType.MARKET)
    time_in_force = models.CharField(max_length=3, choices=choices(TimeInForce), default=TimeInForce.DAY)
    order_class = models.CharField(max_length=7, choices=choices(OrderClass), default=OrderClass.SIMPLE)
    notional = MoneyField(null=True, blank=True)
    limit_price = PriceField(null=True, blank=True)
    stop_price = PriceField(null=True, blank=True)
    trail_price = PriceField(null=True, blank=True)
    trail_percent = ShareField(null=True, blank=True)
    extended_hours = models.BooleanField(default=False)
    reference_price = PriceField(null=True, blank=True, help_text="What it cost when it was ordered; slippage counts from it.")
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="legs", db_index=False, db_constraint=False
    )
    role = models.CharField(max_length=11, choices=choices(LegRole), blank=True)
    replaces = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="replacements", db_index=False, db_constraint=False
    )
    session = models.ForeignKey(
        Session, models.PROTECT, null=True, blank=True, related_name="orders", db_index=False, db_constraint=False
    )
    decision = models.ForeignKey(
        Decision, models.PROTECT, null=True, blank=True, related_name="orders", db_index=False, db_constraint=False
    )
    door = models.CharField(max_length=8, choices=Door, default=Door.API)
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    # how it stands: changed together with an event, which `events` counts
    status = models.CharField(max_length=16, choices=choices(OrderStatus), default=OrderStatus.NEW)
    quantity = QuantityField(null=True, blank=True, help_text="Empty: by notional, until the broker says how much that is.")
    filled_quantity = QuantityField(default=Decimal(0))
    filled_value = ExactField(default=Decimal(0))
    filled_fee = MoneyField(default=Decimal(0))
    average_price = PriceField(null=True, blank=True)
    pending_cancel = models.BooleanField(default=False)
    pending_replace = models.BooleanField(default=False)
    triggered = models.BooleanField(default=False)
    high_water_mark = PriceField(null=True, blank=True)
    events = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # on its way to the broker
    broker = models.CharField(max_length=20)
    broker_order_id = models.CharField(max_length=128, blank=True)
    sending = models.CharField(max_length=7, choices=choices(Sending), default=Sending.PENDING)
    claimed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True, blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "id"], name="order_of_account"),
            models.UniqueConstraint(fields=["account", "client_order_id"], name="client_order_id_once"),
            models.UniqueConstraint(
                fields=["account", "broker", "broker_order_id"], condition=~Q(broker_order_id=""), name="broker_order_id_once"
            ),
            models.UniqueConstraint(
                fields=["account", "replaces"],
                condition=Q(replaces__isnull=False) & ~Q(status=OrderStatus.REJECTED),
                name="order_replaced_once",
            ),
            *(
                models.CheckConstraint(condition=one_of(column, words), name=f"order_{column}_is_known")
                for column, words in (
                    ("side", Side),
                    ("effect", PositionEffect),
                    ("type", OrderType),
                    ("time_in_force", TimeInForce),
                    ("order_class", OrderClass),
                    ("status", OrderStatus),
                    ("sending", Sending),
                    ("role", [*LegRole, ""]),
                )
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gt": 0}), name=f"order_{column}_is_positive"
                )
                for column in ("quantity", "notional", "limit_price", "stop_price", "trail_price", "trail_percent")
            ),
            models.CheckConstraint(condition=~Q(client_order_id=""), name="order_has_a_client_order_id"),
            models.CheckConstraint(
                condition=Q(quantity__isnull=False) | Q(notional__isnull=False), name="order_is_for_quantity_or_notional"
            ),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0, filled_value__gte=0)
                & (Q(quantity__isnull=True) | Q(filled_quantity__lte=F("quantity"))),
                name="order_not_filled_beyond_its_quantity",
            ),
            models.CheckConstraint(
                condition=Q(filled_quantity=0, average_price__isnull=True)
                | Q(filled_quantity__gt=0, average_price__isnull=False),
                name="order_average_price_of_what_is_filled",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.FILLED) | Q(quantity__isnull=True) | Q(filled_quantity=F("quantity")),
                name="filled_order_is_filled",
            ),
            models.CheckConstraint(
                condition=(IS_OPEN & Q(ended_at__isnull=True)) | (~IS_OPEN & Q(ended_at__isnull=False)),
                name="order_ends_when_it_is_final",
            ),
            models.CheckConstraint(
                condition=IS_OPEN | Q(pending_cancel=False, pending_replace=False), name="final_order_awaits_nothing"
            ),
            models.CheckConstraint(
                condition=~Q(sending=Sending.HELD) | Q(parent__isnull=False, status=OrderStatus.NEW),
                name="held_order_waits_for_its_parent",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "created_at"], name="order_by_time"),
            models.Index(fields=["account", "instrument", "created_at"], name="order_by_instrument"),
            models.Index(fields=["account", "instrument"], condition=IS_OPEN, name="order_open"),
            models.Index(fields=["account", "parent"], condition=Q(parent__isnull=False), name="order_by_parent"),
            models.Index(fields=["account", "decision"], condition=Q(decision__isnull=False), name="order_by_decision"),
            models.Index(fields=["account", "session"], condition=Q(session__isnull=False), name="order_by_session"),
            models.Index(fields=["claimed_at", "id"], condition=one_of("sending", UNSENT), name="order_to_send"),  # claims
            models.Index(fields=["claimed_at", "id"], condition=Q(pending_cancel=True), name="order_to_cancel"),  # claims
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.type} {self.client_order_id} ({self.status})"

    @property
    def draft(self) -> OrderDraft:
        """The order as the domain reads what was asked for, by itself: its legs are orders of their own."""
        return OrderDraft(
            side=Side(self.side),
            type=OrderType(self.type),
            time_in_force=TimeInForce(self.time_in_force),
            order_class=OrderClass(self.order_class),
            quantity=self.quantity if self.notional is None else None,
            notional=self.notional,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            trail_price=self.trail_price,
            trail_percent=self.trail_percent,
            extended_hours=self.extended_hours,
            effect=PositionEffect(self.effect),
            client_order_id=self.client_order_id,
        )

    @property
    def state(self) -> OrderState:
        """How it stands, as the domain reads it."""
        return OrderState(
            status=OrderStatus(self.status),
            quantity=self.quantity,
            filled=Filled(self.filled_quantity, self.filled_value, self.filled_fee),
            pending_cancel=self.pending_cancel,
            pending_replace=self.pending_replace,
            triggered=self.triggered,
            high_water_mark=self.high_water_mark,
        )

    @state.setter
    def state(self, state: OrderState) -> None:
        """Let it stand as the domain says; the row is to be saved together with the event that says why."""
        self.status, self.quantity = state.status.value, state.quantity
        self.filled_quantity, self.filled_value = state.filled.quantity, state.filled.value
        self.filled_fee, self.average_price = state.filled.fee, state.filled.average_price
        self.pending_cancel, self.pending_replace = state.pending_cancel, state.pending_replace
        self.triggered, self.high_water_mark = state.triggered, state.high_water_mark

    @property
    def is_open(self) -> bool:
        """Say whether something may still come of it."""
        return self.status in OPEN

    @property
    def member(self) -> Member:
        """The order as one of its group."""
        return Member(self.pk, LegRole(self.role), self.state, self.sending == Sending.HELD, self.replaces_id)


STATE_COLUMNS = (
    *("status", "quantity", "filled_quantity", "filled_value", "filled_fee", "average_price", "pending_cancel"),
    *("pending_replace", "triggered", "high_water_mark", "events", "updated_at", "ended_at"),
)
SENDING_COLUMNS = ("broker_order_id", "sending", "claimed_at", "attempts", "submitted_at")


def terms_of(instrument: Instrument) -> Terms:
    """Return what an instrument asks of its orders."""
    extended_hours = instrument.exchange in US_EXCHANGES
    return Terms(AssetClass(instrument.asset_class), instrument.tick_size, instrument.active, extended_hours)


class OrderEvent(models.Model):
    """One step of an order's life: what happened, when and why; added and never changed."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="history", db_index=False, db_constraint=False)
    sequence = models.PositiveIntegerField(help_text="1 for the first of the order, without gaps.")
    kind = models.CharField(max_length=17, choices=choices(EventKind))
    status = models.CharField(max_length=16, choices=choices(OrderStatus), help_text="How the order stood afterwards.")
    at = models.DateTimeField(help_text="When it happened.")
    recorded_at = models.DateTimeField(help_text="When we learned of it.")
    door = models.CharField(max_length=8, choices=Door)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    detail = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    external_id = models.CharField(max_length=200, blank=True, help_text="The broker's id of it.")

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "sequence"], name="order_event_once"),
            models.UniqueConstraint(
                fields=["account", "order", "external_id"], condition=~Q(external_id=""), name="order_event_heard_once"
            ),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="order_event_counts_from_one"),
            models.CheckConstraint(condition=one_of("kind", EventKind), name="order_event_kind_is_known"),
            models.CheckConstraint(condition=one_of("status", OrderStatus), name="order_event_status_is_known"),
        ]
        indexes = [
            models.Index(fields=["account", "id"], name="order_event_by_id"),  # what streams have not told yet
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.sequence}"


class Fill(models.Model):
    """One execution of an order, with the ledger entry it was posted as; added once and never changed."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="fills", db_index=False, db_constraint=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="fills", db_index=False, db_constraint=False)
    broker = models.CharField(max_length=20)
    execution_id = models.CharField(max_length=128)
    quantity = QuantityField()
    price = PriceField()
    fee = MoneyField(default=Decimal(0))
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    # who may add a fill is shown its entry, and no entry is ever removed: the database need not look again
    entry = models.ForeignKey(LedgerEntry, models.PROTECT, related_name="+", db_index=False, db_constraint=False)

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "broker", "execution_id"], name="fill_posted_once"),
            models.UniqueConstraint(fields=["account", "entry"], name="fill_of_one_entry"),
            models.CheckConstraint(condition=Q(quantity__gt=0, price__gt=0), name="fill_is_of_something"),
            models.CheckConstraint(condition=~Q(execution_id=""), name="fill_has_an_execution_id"),
        ]
        indexes = [
            models.Index(fields=["account", "order"], name="fill_of_order"),
            models.Index(fields=["account", "at"], name="fill_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} at {self.price.normalize():f}"
