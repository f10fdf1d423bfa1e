"""What brokers filled of an account's orders."""

from __future__ import annotations

from rest_framework import mixins, serializers

from accounts.api.scoping import AccountScopedViewSet
from marketdata.api.fields import DecimalStringField, InstrumentField, UtcDateTimeField
from trading.models import Fill


class FillSerializer(serializers.Serializer):
    """One execution: quantity and price as magnitudes, and the entry of the ledger that it was posted as."""

    id = serializers.UUIDField()
    order = serializers.UUIDField(source="order_id")
    instrument = InstrumentField(source="order.instrument")
    side = serializers.CharField(source="order.side")
    quantity = DecimalStringField()
    price = DecimalStringField()
    fee = DecimalStringField()
    at = UtcDateTimeField()
    recorded_at = UtcDateTimeField()
    broker = serializers.CharField()
    execution_id = serializers.CharField()
    entry = serializers.UUIDField(source="entry_id")


class FillViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The executions of an account's orders; each was posted to the ledger once."""

    queryset = Fill.objects.select_related("order__instrument", "account")
    serializer_class = FillSerializer
    ordering = "-at"
    ordering_fields = ("at", "recorded_at")
    filterset_fields = {
        "order": ["exact"],
        "execution_id": ["exact"],
        "at": ["gte", "lt"],
    }
