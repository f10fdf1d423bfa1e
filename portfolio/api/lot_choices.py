"""The lots that a sale closes: which it could, which it does, and the owner's choice afterwards."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.ledger import QUANTITY
from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models import LedgerEntry
from marketdata.api.fields import DayField, DecimalStringField, StrictSerializer, UtcDateTimeField, WholeNumberField
from portfolio.api.base import FigureField
from portfolio.api.positions import UNITS
from portfolio.domain.lots import Choice
from portfolio.services.lot_choices import Choosable, choose_lots, lots_for

MOST_LOTS = 1_000


class ChoiceSerializer(StrictSerializer):
    """A lot to close, by the entry that opened it; by its day, too, where a transfer or a merger opened several."""

    sequence = WholeNumberField(min_value=1)
    quantity = DecimalStringField(**QUANTITY, required=False, allow_null=True, default=None, min_value=0)
    opened_on = DayField(required=False, allow_null=True, default=None)


class ChoicesSerializer(StrictSerializer):
    """The lots that an entry closes; what they leave open, the oldest close. An empty list takes choices back."""

    lots = ChoiceSerializer(many=True, max_length=MOST_LOTS)  # type: ignore[call-arg]  # of the list


class OpenLotSerializer(serializers.Serializer):
    """A lot that was open when the entry happened, in the instrument's currency."""

    sequence = serializers.IntegerField()
    opened_at = UtcDateTimeField()
    quantity = FigureField(places=UNITS)
    cost = FigureField()
    chosen = serializers.BooleanField()


class ClosedPartSerializer(serializers.Serializer):
    """What the entry closes of a lot."""

    opening = serializers.IntegerField()
    opened_at = UtcDateTimeField()
    quantity = FigureField(places=UNITS)
    cost = FigureField()
    proceeds = FigureField()
    gain = FigureField()
    holding_days = serializers.IntegerField()
    term = serializers.SerializerMethodField()

    def get_term(self, closure: Any) -> str:
        """Return whether it counts as held for long or for short."""
        return "LONG" if closure.long_term else "SHORT"


class LotsOfEntrySerializer(serializers.Serializer):
    """The lots of an entry: those it can close, oldest first, and what it closes as things stand."""

    entry = serializers.UUIDField(source="entry.pk")
    sequence = serializers.IntegerField(source="entry.sequence")
    closing = FigureField(places=UNITS)
    lots = serializers.SerializerMethodField()
    closures = ClosedPartSerializer(many=True)

    def get_lots(self, found: Choosable) -> list[dict[str, Any]]:
        """Return the lots, each with whether it was chosen."""
        rows = [
            {
                "sequence": lot.sequence,
                "opened_at": lot.opened_at,
                "quantity": lot.quantity,
                "cost": lot.cost,
                "chosen": any(choice.names(lot) for choice in found.choices),
            }
            for lot in found.lots
        ]
        return list(OpenLotSerializer(rows, many=True).data)


class LotChoiceViewSet(AccountScopedViewSet):
    """The lots of one entry."""

    queryset = LedgerEntry.objects.all()
    serializer_class = LotsOfEntrySerializer
    filter_backends = ()
    pagination_class = None

    def entry(self) -> LedgerEntry:
        """Return the entry that the address names."""
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["entry_id"])

    @extend_schema(responses=LotsOfEntrySerializer)
    def retrieve(self, request: Request, account_id: str, entry_id: str) -> Response:
        """Return the lots the entry can close, and what it closes."""
        return Response(self.get_serializer(lots_for(entry=self.entry(), account=self.account)).data)

    @extend_schema(
        request=ChoicesSerializer,
        responses={201: LotsOfEntrySerializer},
        examples=[
            OpenApiExample("Five of lot 4", value={"lots": [{"sequence": 4, "quantity": "5"}]}, request_only=True),
        ],
    )
    def create(self, request: Request, account_id: str, entry_id: str) -> Response:
        """Choose the lots the entry closes, in an account whose method is SPECIFIC; a note in the ledger says so."""
        asked = ChoicesSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        entry = self.entry()
        lots = [Choice(row["sequence"], row["quantity"], row["opened_on"]) for row in asked.validated_data["lots"]]
        choose_lots(account=self.account, entry=entry, lots=lots, actor=caller(request))
        found = lots_for(entry=entry, account=self.account)
        return Response(self.get_serializer(found).data, status.HTTP_201_CREATED)
