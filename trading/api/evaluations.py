"""What automatic sessions made of bars."""

from __future__ import annotations

from rest_framework import mixins, serializers

from accounts.api.scoping import AccountScopedViewSet
from marketdata.api.fields import DecimalStringField, InstrumentField, UtcDateTimeField
from trading.api.fields import IdField
from trading.models import Evaluation


class EvaluationSerializer(serializers.Serializer):
    """What a strategy wanted after a bar (1 a full long position, -1 a short one), what came of it, and if nothing did, why."""

    id = serializers.UUIDField(read_only=True)
    session = IdField(read_only=True)
    instrument = InstrumentField(read_only=True)
    bar = UtcDateTimeField(read_only=True)
    close = DecimalStringField(read_only=True)
    before = DecimalStringField(read_only=True)
    target = DecimalStringField(read_only=True)
    stop = DecimalStringField(read_only=True, allow_null=True)
    passed_over = serializers.IntegerField(read_only=True)
    outcome = serializers.CharField(read_only=True)
    detail = serializers.CharField(read_only=True)
    signal = IdField(read_only=True, allow_null=True)
    decision = IdField(read_only=True, allow_null=True)
    at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)


class EvaluationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """What an account's automatic sessions made of bars: each bar of an instrument once in a session."""

    queryset = Evaluation.objects.select_related("instrument", "account")
    serializer_class = EvaluationSerializer
    ordering = "-at"
    ordering_fields = ("at", "bar")
    filterset_fields = {
        "session": ["exact"],
        "instrument": ["exact"],
        "outcome": ["exact", "in"],
        "bar": ["gte", "lt"],
        "at": ["gte", "lt"],
    }
