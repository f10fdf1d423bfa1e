"""What was decided in an account and why: its history, and the chain from what was seen to what came of it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from portfolio.api.base import FigureField
from trading.api.fields import MOST_NAME, MOST_TEXT, RecordField, RowField, names
from trading.api.sessions import SessionSerializer
from trading.api.signals import SignalSerializer
from trading.api.strategies import StrategySerializer
from trading.domain.decisions import DecisionDraft
from trading.domain.outcomes import Choice
from trading.models import Decision, DecisionChange, Session, Signal
from trading.selectors.decisions import chain_of
from trading.services.decisions import change_decision, clean_up_decisions, delete_decision, judge_decision, record_decision

CHOICES = [choice.value for choice in Choice]
SHARE: dict[str, Any] = {"digits": 1, "places": 6, "min_value": 0, "max_value": 1}


def price_field(**kwargs: Any) -> DecimalStringField:
    """Return a field for a price that may be left out."""
    return DecimalStringField(**{"positive": True, "required": False, "allow_null": True} | kwargs)


class DecisionSerializer(StrictSerializer):
    """To buy, sell or hold: how surely and why; `verdict` is whether that was right, once it has been judged."""

    id = serializers.UUIDField(read_only=True)
    instrument = InstrumentField()
    at = UtcDateTimeField(past=True)
    choice = serializers.ChoiceField(CHOICES)
    confidence = DecimalStringField(**SHARE)
    reasoning = TextField(max_length=MOST_TEXT, required=False, allow_blank=True)
    entry_type = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    indicators = names(required=False)
    price = price_field()
    stop_loss = price_field()
    target = price_field()
    metadata = RecordField(required=False)
    session = RowField(Session, required=False, allow_null=True)
    signal = RowField(Signal, required=False, allow_null=True)
    source = TextField(max_length=50, required=False)  # type: ignore[assignment]  # a field of that name
    external_id = TextField(max_length=200, required=False, allow_blank=True)
    verdict = serializers.CharField(read_only=True)
    judged_at = UtcDateTimeField(read_only=True, allow_null=True)
    judged_price = DecimalStringField(read_only=True, allow_null=True)
    move = DecimalStringField(read_only=True, allow_null=True)
    created_at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)


class DecisionUpdateSerializer(StrictSerializer):
    """What is to be different, and why."""

    at = UtcDateTimeField(past=True, required=False)
    choice = serializers.ChoiceField(CHOICES, required=False)
    confidence = DecimalStringField(**SHARE, required=False)
    reasoning = TextField(max_length=MOST_TEXT, required=False, allow_blank=True)
    entry_type = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    indicators = names(required=False)
    price = price_field()
    stop_loss = price_field()
    target = price_field()
    metadata = RecordField(required=False)
    reason = TextField(max_length=MOST_TEXT, required=False, allow_blank=True)


class DecisionChangeSerializer(serializers.Serializer):
    """A change: `changes` has the old and the new value of each field."""

    id = serializers.UUIDField()
    at = UtcDateTimeField()
    actor = serializers.CharField(source="actor.email")
    changes = serializers.DictField(child=serializers.ListField())
    reason = serializers.CharField()


class JudgementSerializer(StrictSerializer):
    """A later price of the instrument, by which a decision was right or wrong."""

    price = DecimalStringField(positive=True)


class CleanUpSerializer(StrictSerializer):
    """Decisions of before this instant go."""

    before = UtcDateTimeField(past=True)


class CleanedUpSerializer(serializers.Serializer):
    """How many went."""

    deleted = serializers.IntegerField()


class ChainOrderSerializer(serializers.Serializer):
    """An order that came of a decision."""

    id = serializers.UUIDField()
    client_order_id = serializers.CharField()
    side = serializers.CharField()
    type = serializers.CharField()
    role = serializers.CharField()
    status = serializers.CharField()
    quantity = DecimalStringField(allow_null=True)
    filled_quantity = DecimalStringField()
    average_price = DecimalStringField(allow_null=True)
    created_at = UtcDateTimeField()


class ChainFillSerializer(serializers.Serializer):
    """What was filled of it, and the entry of the ledger that it was posted as."""

    id = serializers.UUIDField()
    order = serializers.UUIDField(source="order_id")
    quantity = DecimalStringField()
    price = DecimalStringField()
    fee = DecimalStringField()
    at = UtcDateTimeField()
    entry = serializers.UUIDField(source="entry_id")
    entry_sequence = serializers.IntegerField(source="entry.sequence")


class ChainTradeSerializer(serializers.Serializer):
    """A trade that its orders opened or closed, and what it came to."""

    id = serializers.UUIDField(help_text="As the journal knows it: the order that opened it.")
    direction = serializers.CharField()
    outcome = serializers.CharField(source="record.outcome")
    quantity = DecimalStringField(source="record.quantity", digits=12, places=12)
    closed_quantity = DecimalStringField(source="quantity_closed", digits=12, places=12)
    price = DecimalStringField(source="record.price")
    exit_price = DecimalStringField(allow_null=True)
    net = FigureField(source="found.trip.net", help_text="What the closed part made, after fees, in the instrument's currency.")
    r_multiple = FigureField(allow_null=True)
    exit_timestamp = UtcDateTimeField(source="record.exit_timestamp", allow_null=True)


class ChainSerializer(serializers.Serializer):
    """What led to a decision, and what came of it."""

    strategy = StrategySerializer(allow_null=True)
    session = SessionSerializer(allow_null=True)
    signal = SignalSerializer(allow_null=True)
    decision = DecisionSerializer()
    orders = ChainOrderSerializer(many=True)
    fills = ChainFillSerializer(many=True)
    trades = ChainTradeSerializer(many=True)


class DecisionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """An account's decisions. Traders write them; each change is kept with who made it and why."""

    queryset = Decision.objects.select_related("instrument", "account")
    serializer_class = DecisionSerializer
    ordering = "-at"
    ordering_fields = ("at", "created_at", "updated_at")
    filterset_fields = {
        "instrument": ["exact"],
        "session": ["exact"],
        "signal": ["exact"],
        "choice": ["exact", "in"],
        "verdict": ["exact", "in"],
        "source": ["exact"],
        "external_id": ["exact"],
        "at": ["gte", "lt"],
    }

    def create(self, request: Request, account_id: str) -> Response:
        """Write a decision down; the `signal` that it came of is taken by it."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        kept = {name: said.pop(name) for name in ("instrument", "session", "signal", "source", "external_id") if name in said}
        made = record_decision(account=self.account, draft=drafted(said), actor=caller(request), now=timezone.now(), **kept)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=DecisionUpdateSerializer, responses=DecisionSerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Change a decision; its history keeps what it was."""
        serializer = DecisionUpdateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        reason = said.pop("reason", "")
        if "choice" in said:
            said["choice"] = Choice(said["choice"])
        decision = change_decision(
            decision=self.get_object(), changed=said, reason=reason, actor=caller(request), at=timezone.now()
        )
        return Response(self.get_serializer(decision).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Throw a decision away that no order came of, with its history; both are kept in the archive."""
        delete_decision(decision=self.get_object(), at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=JudgementSerializer, responses=DecisionSerializer)
    @action(detail=True, methods=["post"])
    def judge(self, request: Request, account_id: str, pk: str) -> Response:
        """Say whether it was right, by a later price than the one it was made at; the last judgement counts."""
        serializer = JudgementSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        judged = judge_decision(decision=self.get_object(), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(judged).data)

    @extend_schema(responses=DecisionChangeSerializer(many=True), filters=False)
    @action(detail=True, ordering="at", ordering_fields=("at",))
    def changes(self, request: Request, account_id: str, pk: str) -> Response:
        """Return the changes of a decision, oldest first."""
        rows = DecisionChange.objects.filter(account=self.account, decision=self.get_object().pk).select_related("actor")
        return self.get_paginated_response(DecisionChangeSerializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(responses=ChainSerializer)
    @action(detail=True)
    def chain(self, request: Request, account_id: str, pk: str) -> Response:
        """Return what led to a decision, and what came of it: strategy, session, signal, orders, fills, trades."""
        return Response(
            ChainSerializer(chain_of(self.get_object(), at=timezone.now()), context=self.get_serializer_context()).data
        )

    @extend_schema(request=CleanUpSerializer, responses=CleanedUpSerializer)
    @action(detail=False, methods=["post"], url_path="clean-up")
    def clean_up(self, request: Request, account_id: str) -> Response:
        """Throw the decisions of before an instant away; those that orders came of stay.

        They are kept, with their history, in the archive: `trading-files/?kind=decisions&archived=true` returns it.
        """
        serializer = CleanUpSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        done = clean_up_decisions(account=self.account, at=timezone.now(), **serializer.validated_data)
        return Response({"deleted": done})


def drafted(said: dict[str, Any]) -> DecisionDraft:
    """Return the decision that a request says."""
    return DecisionDraft(**said | {"choice": Choice(said["choice"]), "indicators": tuple(said.get("indicators", ()))})
