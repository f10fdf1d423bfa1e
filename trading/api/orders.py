"""Orders by REST: placed, looked at beforehand, replaced and canceled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models import Account, User
from marketdata.api.fields import DecimalStringField, UtcDateTimeField
from marketdata.domain.instruments import BadSymbol, split_key
from marketdata.models import Instrument
from trading.api.order_serializers import (
    OrderEventSerializer,
    OrderGroupSerializer,
    ReplacementSerializer,
    TradingOrderSerializer,
    read_order,
    tell_order,
)
from trading.domain.drafts import OrderDraft, Replacement, StopLoss, TakeProfit
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.models import Door, Order, OrderEvent
from trading.selectors.ordering import Look, look_before_ordering
from trading.services.estimates import Estimate, estimate_of
from trading.services.locks import PURPOSE
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

    known: Mapping[str, Instrument] = {}
    look: Look | None = None
    unread: APIException | None = None

    def find_account(self, user: User, account_id: UUID) -> Account | None:
        """Return the account; who places an order learns of its instrument and how the account stands on the same trip."""
        named = self._instrument_named() if self.action == "create" and not self._is_preview() else None
        if named is None:
            return super().find_account(user, account_id)
        text, symbol, exchange = named
        self.look = look_before_ordering(user, account_id, symbol, exchange, at=timezone.now(), lock=PURPOSE)
        if self.look is None:
            return None
        self.known = {text: self.look.instrument} if self.look.instrument is not None else {}
        return self.look.account

    def _is_preview(self) -> bool:
        """Say whether nothing is to be placed."""
        return self.request.query_params.get("preview") in TRUE

    def _instrument_named(self) -> tuple[str, str, str] | None:
        """Return the key that the body gives, with its symbol and exchange; what is wrong with it is told after who may order."""
        try:
            said = self.request.data
            text = said.get("instrument") if isinstance(said, Mapping) else None
            symbol, exchange = split_key(text) if isinstance(text, str) else ("", "")
        except APIException as unread:
            self.unread = unread
            return None
        except BadSymbol:
            return None
        return (str(text), symbol, exchange) if exchange else None

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
        if self.unread is not None:
            raise self.unread
        said = read_order(request.data, {**self.get_serializer_context(), "instruments_by_name": dict(self.known)})
        instrument, session, decision = said.pop("instrument"), said.pop("session", None), said.pop("decision", None)
        at, stands = (self.look.at, self.look.stands) if self.look else (timezone.now(), None)
        by = Ordering(actor=caller(request), door=Door.API, at=at, session=session, decision=decision, stands=stands)
        asked = {"account": self.account, "instrument": instrument, "draft": drafted(said), "by": by}
        if self._is_preview():
            preview = preview_order(**asked)
            estimate = estimate_of(instrument=instrument, preview=preview)
            return Response(PreviewSerializer(_Shown(preview, estimate, self.account.base_currency).row()).data)
        try:
            rows = place_order(**asked)
        except RiskBreached as refusal:
            return self.keeping(refusal)
        placed = {**tell_order(rows[0]), "legs": [tell_order(leg) for leg in rows[1:]]}
        said_by = request.accepted_renderer  # a Response would carry it there all the same, on a longer way
        return HttpResponse(said_by.render(placed), content_type=said_by.media_type, status=status.HTTP_201_CREATED)

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
        return {**tell_order(order), "legs": [tell_order(leg) for leg in legs]}


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
