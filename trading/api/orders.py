"""Orders by REST: placed, looked at beforehand, replaced and canceled."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from trading.api.fields import RowField
from trading.domain.drafts import LONGEST_ID, OrderDraft, Replacement, StopLoss, TakeProfit
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.models import Decision, Door, Order, OrderEvent, Session
from trading.services.estimates import Estimate, estimate_of
from trading.services.orders import (
    Ordering,
    Preview,
    RiskBreached,
    cancel_order,
    place_order,
    preview_order,
    replace_order,
)

TRUE = {"1", "true", "True"}
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


class TradingOrderSerializer(StrictSerializer):
    """An order as it was asked for, and how it stands; quantities and amounts are magnitudes, the side says which way."""

    id = serializers.UUIDField(read_only=True)
    client_order_id = TextField(max_length=LONGEST_ID, required=False, allow_blank=True)
    instrument = InstrumentField()
    side = serializers.ChoiceField(words(Side))
    effect = serializers.CharField(read_only=True)
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

    def get_fields(self) -> dict[str, serializers.Field]:
        """Return fields of its own; making each of the many anew, as others do, takes a tenth of what placing an order takes."""
        return {
            name: deepcopy(field) if isinstance(field, serializers.ListSerializer) else copy(field)  # a list has a field within
            for name, field in self._declared_fields.items()
        }


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


class BreachSerializer(serializers.Serializer):
    """A limit that the order would break, and what would be done about it."""

    rule = serializers.CharField()
    severity = serializers.CharField()
    action = serializers.CharField()
    detail = serializers.CharField()
    value = DecimalStringField(allow_null=True)
    limit = DecimalStringField(allow_null=True)


class OrderLegSerializer(serializers.Serializer):
    """One of the orders that would be placed; those HELD wait for the first."""

    role = serializers.CharField(allow_null=True)
    side = serializers.CharField(source="draft.side")
    type = serializers.CharField(source="draft.type")
    quantity = DecimalStringField(source="draft.quantity", allow_null=True)
    limit_price = DecimalStringField(source="draft.limit_price", allow_null=True)
    stop_price = DecimalStringField(source="draft.stop_price", allow_null=True)
    sending = serializers.CharField()


class OrderCheckSerializer(serializers.Serializer):
    """A rule that the order is held against: what it would come to, its limit, and how it comes out."""

    rule = serializers.CharField()
    unit = serializers.CharField(help_text="SHARE, MONEY, QUANTITY, COUNT or NONE.")
    outcome = serializers.CharField(help_text="KEPT, BROKEN, NOT_WATCHED, or NOT_ASKED of what closes a position.")
    value = DecimalStringField(allow_null=True, places=10)
    limit = DecimalStringField(allow_null=True)
    detail = serializers.CharField()


class PreviewSerializer(serializers.Serializer):
    """What would become of an order; `value`, `equity` and `buying_power` are in the account's currency."""

    accepted = serializers.BooleanField()
    effect = serializers.CharField()
    price = DecimalStringField(allow_null=True)
    value = DecimalStringField(allow_null=True)
    currency = serializers.CharField()
    broker = serializers.CharField()
    held = DecimalStringField()
    equity = DecimalStringField(allow_null=True, places=10)
    buying_power = DecimalStringField(allow_null=True)
    fee = DecimalStringField(allow_null=True, help_text="By the model of paper trading; null: as the broker charges.")
    cost = DecimalStringField(allow_null=True, help_text="The value with the fee; what a sale brings is negative.")
    held_after = DecimalStringField(allow_null=True)
    buying_power_after = DecimalStringField(allow_null=True)
    works_from = UtcDateTimeField(
        allow_null=True, help_text="When its market opens, or the time of its auction; null: it trades at once."
    )
    expires_at = UtcDateTimeField(allow_null=True, help_text="When it is over by itself; null: it stands until canceled.")
    orders = OrderLegSerializer(many=True)
    checks = OrderCheckSerializer(many=True)
    breaches = BreachSerializer(many=True)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A preview as its serializer reads it."""

    preview: Preview
    estimate: Estimate
    currency: str

    def row(self) -> dict[str, Any]:
        """Return the figures."""
        found = self.preview.assessment
        return {
            "accepted": not found.breaches,
            "effect": found.draft.effect,
            "price": found.price,
            "value": found.value,
            "currency": self.currency,
            "broker": self.preview.broker,
            "held": found.standing.held,
            "equity": found.standing.exposure.equity,
            "buying_power": found.standing.exposure.buying_power,
            "fee": self.estimate.fee,
            "cost": self.estimate.cost,
            "held_after": self.estimate.held_after,
            "buying_power_after": self.estimate.power_after,
            "works_from": self.preview.span.begins,
            "expires_at": self.preview.span.ends,
            "checks": self.estimate.checks,
            "orders": self.preview.legs,
            "breaches": found.breaches,
        }


class OrderViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """An account's orders. Traders place, replace and cancel them; what is accepted is sent to the broker right after."""

    queryset = Order.objects.select_related("instrument", "account")
    serializer_class = TradingOrderSerializer
    works_when_closed = frozenset({"destroy"})
    ordering = "-created_at"
    ordering_fields = ("created_at", "updated_at")
    filterset_fields = {
        "instrument": ["exact"],
        "client_order_id": ["exact"],
        "status": ["exact", "in"],
        "side": ["exact"],
        "type": ["exact", "in"],
        "parent": ["exact", "isnull"],
        "session": ["exact"],
        "decision": ["exact"],
        "created_at": ["gte", "lt"],
        "updated_at": ["gte", "lt"],
    }

    @extend_schema(responses=OrderGroupSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return an order with the orders that hang on it."""
        return Response(self._told(self.get_object()))

    @extend_schema(
        parameters=[
            OpenApiParameter("preview", OpenApiTypes.BOOL, description="Only say what would become of it: nothing is placed.")
        ],
        responses={
            200: PreviewSerializer,
            201: OrderGroupSerializer,
        },
        examples=[
            OpenApiExample(
                "Ten shares, with a stop",
                value={
                    "instrument": "AAPL:XNAS",
                    "side": "BUY",
                    "type": "LIMIT",
                    "quantity": "10",
                    "limit_price": "180",
                    "order_class": "OTO",
                    "stop_loss": {"stop_price": "171"},
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request, account_id: str) -> HttpResponse:
        """Place an order: 201; or with `preview=1` only say what it costs and which limits it would break: 200.

        A limit that is broken refuses the order with 409 and the limit's name, and is on record under `risk-events/`.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        instrument, session, decision = said.pop("instrument"), said.pop("session", None), said.pop("decision", None)
        by = Ordering(actor=caller(request), door=Door.API, at=timezone.now(), session=session, decision=decision)
        asked = {"account": self.account, "instrument": instrument, "draft": drafted(said), "by": by}
        if request.query_params.get("preview") in TRUE:
            preview = preview_order(**asked)
            estimate = estimate_of(instrument=instrument, preview=preview)
            return Response(PreviewSerializer(_Shown(preview, estimate, self.account.base_currency).row()).data)
        try:
            rows = place_order(**asked)
        except RiskBreached as refusal:
            return self.keeping(refusal)
        told = serializer.to_representation  # its fields are made already
        return Response({**told(rows[0]), "legs": [told(leg) for leg in rows[1:]]}, status.HTTP_201_CREATED)

    @extend_schema(request=ReplacementSerializer, responses=OrderGroupSerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> HttpResponse:
        """Replace an open order, and answer the one that takes its place: for what is not filled, with what is different."""
        serializer = ReplacementSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        if said.get("time_in_force"):
            said["time_in_force"] = TimeInForce(said["time_in_force"])
        by = Ordering(actor=caller(request), door=Door.API, at=timezone.now())
        try:
            made = replace_order(order=self.get_object(), change=Replacement(**said), by=by)
        except RiskBreached as refusal:
            return self.keeping(refusal)
        return Response(self._told(made))

    @extend_schema(responses={200: OrderGroupSerializer})
    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Cancel an order: CANCELED if it was not sent yet; else `pending_cancel`, until the broker has answered."""
        by = Ordering(actor=caller(request), door=Door.API, at=timezone.now())
        return Response(self._told(cancel_order(order=self.get_object(), by=by)))

    @extend_schema(responses=OrderEventSerializer(many=True), filters=False)
    @action(detail=True, ordering="sequence", ordering_fields=("sequence",))
    def events(self, request: Request, account_id: str, pk: str) -> Response:
        """Return the steps of an order's life, oldest first."""
        rows = OrderEvent.objects.filter(account=self.account, order=self.get_object().pk).select_related("actor")
        return self.get_paginated_response(OrderEventSerializer(self.paginate_queryset(rows), many=True).data)

    def keeping(self, refusal: RiskBreached) -> HttpResponse:
        """Answer a refusal, and keep what was recorded of it."""
        answer: HttpResponse = self.handle_exception(refusal)
        transaction.set_rollback(False)
        return answer

    def _told(self, order: Order) -> Any:
        """Return an order with the orders that hang on it."""
        legs = Order.objects.filter(account=order.account_id, parent=order.pk).select_related("instrument").order_by("pk")
        told = self.get_serializer().to_representation
        return {**told(order), "legs": [told(leg) for leg in legs]}


def drafted(said: dict[str, Any]) -> OrderDraft:
    """Return the order that a request says."""
    profit, loss = said.pop("take_profit", None), said.pop("stop_loss", None)
    return OrderDraft(
        **said
        | {
            "side": Side(said["side"]),
            "type": OrderType(said["type"]),
            "time_in_force": TimeInForce(said["time_in_force"]),
            "order_class": OrderClass(said["order_class"]),
            "take_profit": TakeProfit(**profit) if profit else None,
            "stop_loss": StopLoss(**loss) if loss else None,
        }
    )
