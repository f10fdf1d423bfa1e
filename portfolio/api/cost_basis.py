"""Another cost basis method: what it would move, and the change."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.domain.roles import Role
from accounts.models import CostBasisMethod, Scope
from marketdata.api.fields import InstrumentField, StrictSerializer
from portfolio.api.base import FigureField
from portfolio.models import Position
from portfolio.services.cost_basis import change_method, compare_methods


class MethodSerializer(StrictSerializer):
    """The method that is meant."""

    method = serializers.ChoiceField(CostBasisMethod.choices)


class BasisSerializer(serializers.Serializer):
    """What a method makes of an instrument; gains by term are after losses that are put off."""

    realized_gain = FigureField()
    long_term_gain = FigureField()
    short_term_gain = FigureField()
    disallowed_loss = FigureField()
    cost = FigureField()
    lots = serializers.IntegerField()


class MoveSerializer(serializers.Serializer):
    """What changes for an instrument, in its currency."""

    instrument = InstrumentField(read_only=True)
    currency = serializers.CharField(source="instrument.money")
    before = BasisSerializer()
    after = BasisSerializer()


class MethodComparisonSerializer(serializers.Serializer):
    """What another method moves; instruments it leaves alone are not named."""

    before = serializers.ChoiceField(CostBasisMethod.choices)
    after = serializers.ChoiceField(CostBasisMethod.choices)
    moves = MoveSerializer(many=True)


class CostBasisViewSet(AccountScopedViewSet):
    """How an account closes its lots."""

    queryset = Position.objects.all()
    serializer_class = MethodComparisonSerializer
    filter_backends = ()
    pagination_class = None
    write_role = Role.OWNER
    write_scope = Scope.MANAGE

    @extend_schema(
        parameters=[OpenApiParameter("method", str, enum=list(CostBasisMethod.values), required=True)],
        responses=MethodComparisonSerializer,
    )
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return what another method would move; nothing is changed."""
        asked = MethodSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found = compare_methods(account=self.account, method=asked.validated_data["method"])
        return Response(self.get_serializer(found).data)

    @extend_schema(
        request=MethodSerializer,
        responses={200: MethodComparisonSerializer},
        examples=[OpenApiExample("Newest first", value={"method": "LIFO"}, request_only=True)],
    )
    def create(self, request: Request, account_id: str) -> Response:
        """Change the method, and return what that moved; all figures are derived anew."""
        asked = MethodSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        moved = change_method(account=self.account, method=asked.validated_data["method"], at=timezone.now())
        return Response(self.get_serializer(moved).data)
