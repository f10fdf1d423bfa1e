"""The caller's ways of trading, and those that run in accounts of theirs."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import PersonalViewSet, caller, refuse_limited_token
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField
from trading.api.fields import MOST_NAME, MOST_TEXT, RecordField, names
from trading.domain.strategies.base import ParameterType
from trading.domain.strategies.registry import BUILT_IN
from trading.models import Strategy
from trading.services.strategies import change_strategy, create_strategy, delete_strategy


class StrategySerializer(StrictSerializer):
    """A way of trading; `own` says whether it is the caller's, who alone may change it."""

    id = serializers.UUIDField(read_only=True)
    name = TextField(max_length=MOST_NAME)
    kind = TextField(max_length=50, required=False, allow_blank=True)
    entry_type = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    description = TextField(max_length=MOST_TEXT, required=False, allow_blank=True)
    indicators = names(required=False)
    parameters = RecordField(required=False)
    own = serializers.SerializerMethodField()
    archived_at = UtcDateTimeField(read_only=True, allow_null=True)
    created_at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)

    def get_own(self, strategy: Strategy) -> bool:
        """Return whether it is the caller's."""
        return strategy.user_id == caller(self.context["request"]).pk


class StrategyChangeSerializer(StrictSerializer):
    """What is to be different; `archived` puts it away, or takes it out again."""

    name = TextField(max_length=MOST_NAME, required=False)
    entry_type = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    description = TextField(max_length=MOST_TEXT, required=False, allow_blank=True)
    indicators = names(required=False)
    parameters = RecordField(required=False)
    archived = serializers.BooleanField(required=False)


class ParameterSerializer(serializers.Serializer):
    """One thing that a strategy may be told: a number within bounds, true or false, or one of `choices`."""

    name = serializers.CharField()
    type = serializers.CharField(help_text=f"One of {', '.join(ParameterType)}.")
    description = serializers.CharField()
    default = serializers.JSONField()
    least = serializers.JSONField(allow_null=True)
    most = serializers.JSONField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())


class StrategyKindSerializer(serializers.Serializer):
    """A class that trades: `name` is the `kind` of strategies, and the `strategy_kind` of backtests."""

    name = serializers.CharField()
    description = serializers.CharField()
    entry_type = serializers.CharField()
    indicators = serializers.ListField(child=serializers.CharField())
    parameters = ParameterSerializer(many=True)


class StrategyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PersonalViewSet):
    """The caller's strategies, and those with a session in an account of theirs; each is its user's alone to change."""

    queryset = Strategy.objects.all()
    serializer_class = StrategySerializer
    ordering = "name"
    ordering_fields = ("name", "created_at", "updated_at")
    filterset_fields = {"name": ["exact"], "kind": ["exact"]}

    def create(self, request: Request) -> Response:
        """Write a strategy down."""
        refuse_limited_token(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = create_strategy(user=caller(request), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=StrategyChangeSerializer, responses=StrategySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what it is called and how it trades from now on; what it was in its sessions stays with them."""
        strategy = self._own()
        serializer = StrategyChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changed = change_strategy(strategy=strategy, changes=serializer.validated_data, at=timezone.now())
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Throw a strategy away that never ran; archive those that did."""
        delete_strategy(strategy=self._own())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=StrategyKindSerializer(many=True))
    @action(detail=False, filter_backends=[], ordering="name", ordering_fields=())
    def kinds(self, request: Request) -> Response:
        """Return the classes that trade, those of the house and of the site, with the parameters that they take."""
        found = [
            {name: getattr(one, name) for name in ("name", "description", "entry_type", "indicators")}
            | {"parameters": [parameter.describe() for parameter in one.parameters]}
            for one in BUILT_IN.values()
        ]
        rows = self.paginate_queryset(found)  # rows with a name, by which they are paged
        return self.get_paginated_response(StrategyKindSerializer(rows, many=True).data)

    def _own(self) -> Any:
        """Return the strategy, if it is the caller's own."""
        refuse_limited_token(self.request)
        strategy = self.get_object()
        if strategy.user_id != caller(self.request).pk:
            raise PermissionDenied("The strategy is somebody else's.", code="not_yours")
        return strategy
