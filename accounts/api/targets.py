"""The weights an account is meant to have."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.api.taxonomies import MOST_NAME, WEIGHT, TaxonomyField
from accounts.domain.plans import TargetDraft
from accounts.models import Target, TargetAllocation, TargetBasis
from accounts.services.targets import change_allocation, create_allocation, delete_allocation
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField

MOST_TARGETS = 1_000


class TargetSerializer(StrictSerializer):
    """The weight of one thing: an `instrument`, or a `category` (an asset class, a currency, one of the taxonomy)."""

    instrument = InstrumentField(required=False, allow_null=True)
    category = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    weight = DecimalStringField(**WEIGHT)


class AllocationSerializer(StrictSerializer):
    """Target weights, which add up to 1 at most; `cash_weight` is what they leave over. Of an account's one is `in_force`."""

    id = serializers.UUIDField(read_only=True)
    name = TextField(max_length=MOST_NAME)
    basis = serializers.ChoiceField(TargetBasis.choices, default=TargetBasis.INSTRUMENT)
    taxonomy = TaxonomyField(required=False, allow_null=True)
    in_force = serializers.BooleanField(required=False)
    targets = TargetSerializer(many=True, max_length=MOST_TARGETS)  # type: ignore[call-arg]  # of the list
    cash_weight = serializers.SerializerMethodField()
    created_at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)

    def get_cash_weight(self, allocation: TargetAllocation) -> str:
        """Return the weight of cash."""
        given = sum((one.weight for one in allocation.targets.all()), Decimal(0))
        return DecimalStringField().to_representation(1 - given)

    def validate_targets(self, rows: list[Mapping[str, Any]]) -> list[TargetDraft]:
        """Return the targets as they are written down."""
        return [
            TargetDraft(row["weight"], one.pk if one else None, row.get("category", ""), one.key if one else "")
            for row in rows
            for one in [row.get("instrument")]
        ]


EXAMPLE = OpenApiExample(
    "Sixty, thirty, and ten in cash",
    value={
        "name": "Balanced",
        "basis": "ASSET_CLASS",
        "targets": [{"category": "EQUITY", "weight": "0.6"}, {"category": "BOND", "weight": "0.3"}],
    },
    request_only=True,
)


class TargetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The allocations an account is meant to have; `drift/` and `rebalance/` measure by the one in force. Traders write them."""

    queryset = TargetAllocation.objects.select_related("taxonomy", "account").prefetch_related(
        Prefetch("targets", Target.objects.select_related("instrument").order_by("pk"))
    )
    serializer_class = AllocationSerializer
    ordering = "name"
    ordering_fields = ("name", "created_at", "updated_at")
    filterset_fields = {"name": ["exact"], "basis": ["exact"], "in_force": ["exact"]}

    @extend_schema(examples=[EXAMPLE])
    def create(self, request: Request, account_id: str) -> Response:
        """Write down an allocation with all its targets, or none of it; in force, it takes the place of the one that was."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = create_allocation(account=self.account, at=timezone.now(), **serializer.validated_data)
        return self._show(made, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Change an allocation; `targets` are all it has from now on."""
        serializer = self.get_serializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        found = self.get_object()
        return self._show(change_allocation(allocation=found, changes=serializer.validated_data, at=timezone.now()))

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Throw an allocation away."""
        delete_allocation(allocation=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _show(self, allocation: TargetAllocation, code: int = status.HTTP_200_OK) -> Response:
        """Answer with an allocation as it is now."""
        return Response(self.get_serializer(self.get_queryset().get(pk=allocation.pk)).data, code)
