"""Orders as requests ask for them and answers tell them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any

from rest_framework import serializers

from marketdata.api.fields import READ_ONLY, DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from trading.api.fields import IdField, RowField
from trading.domain.drafts import LONGEST_ID
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.models import Decision, Order, Session

QUANTITY: dict[str, Any] = {"digits": 12, "places": 12, "positive": True, "required": False, "allow_null": True}
AMOUNT: dict[str, Any] = {"positive": True, "required": False, "allow_null": True}
PERCENT: dict[str, Any] = {"digits": 3, "places": 6, "positive": True, "required": False, "allow_null": True}


def words(kinds: Any) -> list[str]:
    """Return the words of an enumeration."""
    return [kind.value for kind in kinds]


class TakeProfitSerializer(StrictSerializer):
    """Where the position is to be closed with a gain."""

    limit_price = DecimalStringField(positive=True)


class StopLossSerializer(StrictSerializer):
    """Where the position is to be closed before it loses more; with a limit, for no worse than that."""

    stop_price = DecimalStringField(positive=True)
    limit_price = DecimalStringField(**AMOUNT)


class PlacingSerializer(StrictSerializer):
    """An order as it is asked for; quantities and amounts are magnitudes, the side says which way."""

    client_order_id = TextField(max_length=LONGEST_ID, required=False, allow_blank=True)
    instrument = InstrumentField()
    side = serializers.ChoiceField(words(Side))
    type = serializers.ChoiceField(words(OrderType), default=OrderType.MARKET.value)
    time_in_force = serializers.ChoiceField(words(TimeInForce), default=TimeInForce.DAY.value)
    order_class = serializers.ChoiceField(words(OrderClass), default=OrderClass.SIMPLE.value)
    quantity = DecimalStringField(**QUANTITY)
    notional = DecimalStringField(**AMOUNT, help_text="An amount of the instrument's currency, instead of a quantity.")
    limit_price = DecimalStringField(**AMOUNT)
    stop_price = DecimalStringField(**AMOUNT)
    trail_price = DecimalStringField(**AMOUNT)
    trail_percent = DecimalStringField(**PERCENT, help_text="5 is five percent.")
    extended_hours = serializers.BooleanField(required=False)
    take_profit = TakeProfitSerializer(required=False, allow_null=True, write_only=True)
    stop_loss = StopLossSerializer(required=False, allow_null=True, write_only=True)
    session = RowField(Session, required=False, allow_null=True)
    decision = RowField(Decision, required=False, allow_null=True)

    def _why_refused(self, name: str) -> str:
        """Return the sentence for a field that is not taken; what is told of an order is not asked for."""
        return READ_ONLY if name in TradingOrderSerializer._declared_fields else super()._why_refused(name)


_reading = threading.local()


def read_order(data: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request says of an order. Each thread keeps a serializer: its fields take as long to make as to read.

    :raises ValidationError: by field
    """
    serializer = getattr(_reading, "serializer", None)
    if serializer is None:
        serializer = _reading.serializer = PlacingSerializer()
    serializer._context = context
    try:
        return dict(serializer.run_validation(data))
    finally:
        serializer._context = {}  # nobody's request outlives its answer


class TradingOrderSerializer(PlacingSerializer):
    """An order as it was asked for, and how it stands; quantities and amounts are magnitudes, the side says which way."""

    id = serializers.UUIDField(read_only=True)
    effect = serializers.CharField(read_only=True)
    status = serializers.CharField(read_only=True)
    filled_quantity = DecimalStringField(read_only=True)
    average_price = DecimalStringField(read_only=True, allow_null=True)
    fee = DecimalStringField(source="filled_fee", read_only=True)
    pending_cancel = serializers.BooleanField(read_only=True)
    pending_replace = serializers.BooleanField(read_only=True)
    reference_price = DecimalStringField(read_only=True, allow_null=True)
    parent = serializers.UUIDField(source="parent_id", read_only=True, allow_null=True)  # type: ignore[assignment]  # a field of that name
    role = serializers.CharField(read_only=True)
    replaces = serializers.UUIDField(source="replaces_id", read_only=True, allow_null=True)
    broker = serializers.CharField(read_only=True)
    broker_order_id = serializers.CharField(read_only=True)
    sending = serializers.CharField(read_only=True)
    door = serializers.CharField(read_only=True)
    created_at = UtcDateTimeField(read_only=True)
    submitted_at = UtcDateTimeField(read_only=True, allow_null=True)
    updated_at = UtcDateTimeField(read_only=True)
    ended_at = UtcDateTimeField(read_only=True, allow_null=True)

    def to_representation(self, instance: Order) -> dict[str, Any]:
        """Return what is told of an order."""
        return tell_order(instance, type(self))


def tell_order(order: Order, kind: type[serializers.Serializer] = TradingOrderSerializer) -> dict[str, Any]:
    """Return what is told of an order, by fields that need to know nothing but their value."""
    told = ((name, read(order), say) for name, read, say in _telling(kind))
    return {name: None if value is None else say(value) for name, value, say in told}


@cache
def _telling(kind: type[serializers.Serializer]) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
    """Return how each field that is told is read of a row, and said."""
    fields = ((name, field) for name, field in kind._declared_fields.items() if not field.write_only)
    return [
        (name, attrgetter(f"{name}_id" if isinstance(field, IdField) else field.source or name), field.to_representation)
        for name, field in fields
    ]


class OrderGroupSerializer(TradingOrderSerializer):
    """An order with the orders that hang on it."""

    legs = TradingOrderSerializer(many=True, read_only=True)


class ReplacementSerializer(StrictSerializer):
    """What is to be different; `quantity` is the whole of the order, what is filled already included."""

    quantity = DecimalStringField(**QUANTITY)
    limit_price = DecimalStringField(**AMOUNT)
    stop_price = DecimalStringField(**AMOUNT)
    trail_price = DecimalStringField(**AMOUNT)
    trail_percent = DecimalStringField(**PERCENT)
    time_in_force = serializers.ChoiceField(words(TimeInForce), required=False, allow_null=True)
    client_order_id = TextField(max_length=LONGEST_ID, required=False, allow_blank=True)


class OrderEventSerializer(serializers.Serializer):
    """One step of an order's life: what happened, when, by which door, and how the order stood afterwards."""

    id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    kind = serializers.CharField()
    status = serializers.CharField()
    at = UtcDateTimeField()
    recorded_at = UtcDateTimeField()
    door = serializers.CharField()
    actor = serializers.CharField(source="actor.email", default=None, allow_null=True)
    detail = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field of that name
