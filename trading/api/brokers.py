"""An account's brokers, and where their records differ from ours."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.domain.roles import Role
from accounts.models import Scope
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from trading.models import Break, BrokerConnection
from trading.services.breaks import resolve_break
from trading.services.connections import BROKERS, connect_broker, disconnect_broker


class ConnectionSerializer(StrictSerializer):
    """A broker of the account; its credentials go in and never come out, `key_hint` is all that is shown of them."""

    id = serializers.UUIDField(read_only=True)
    broker = serializers.ChoiceField(sorted(BROKERS))
    key = TextField(max_length=200, required=False, allow_blank=True, write_only=True)
    secret = TextField(max_length=200, required=False, allow_blank=True, write_only=True)
    enabled = serializers.BooleanField(read_only=True)
    key_hint = serializers.CharField(read_only=True)
    synced_at = UtcDateTimeField(read_only=True, allow_null=True)
    last_error = serializers.CharField(read_only=True)
    created_at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)


class ConnectionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """Where an account's orders go: one broker at a time; owners say which. Without any, a PAPER account trades on paper."""

    queryset = BrokerConnection.objects.all()
    serializer_class = ConnectionSerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    works_when_closed = frozenset({"destroy"})
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {"broker": ["exact"], "enabled": ["exact"]}

    @extend_schema(responses={201: ConnectionSerializer})
    def create(self, request: Request, account_id: str) -> Response:
        """Trade through a broker from now on; with one that is known already, by new credentials."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = connect_broker(account=self.account, now=timezone.now(), **asked.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Trade through it no longer, and forget its credentials; the row stays, switched off."""
        disconnect_broker(connection=self.get_object(), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class BreakSerializer(serializers.Serializer):
    """A difference: what of the broker's records is not as ours; open until it is gone, or somebody resolves it."""

    id = serializers.UUIDField()
    broker = serializers.CharField()
    kind = serializers.CharField()
    subject = serializers.CharField()
    instrument = InstrumentField(allow_null=True)
    order = serializers.UUIDField(source="order_id", allow_null=True)
    ours = DecimalStringField(allow_null=True)
    theirs = DecimalStringField(allow_null=True)
    detail = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field of that name
    found_at = UtcDateTimeField()
    last_found_at = UtcDateTimeField()
    resolved_at = UtcDateTimeField(allow_null=True)
    resolved_by = serializers.CharField(source="resolved_by.email", default=None, allow_null=True)
    resolution = serializers.CharField()


class ResolutionSerializer(StrictSerializer):
    """How a difference was dealt with."""

    resolution = TextField(max_length=1_000)


class BreakViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """Where a broker's records differ from ours. Nothing is corrected by itself: post what is missing, then say how it was."""

    queryset = Break.objects.select_related("instrument", "resolved_by")
    serializer_class = BreakSerializer
    ordering = "-found_at"
    ordering_fields = ("found_at",)
    filterset_fields = {
        "broker": ["exact"],
        "kind": ["exact", "in"],
        "subject": ["exact"],
        "found_at": ["gte", "lt"],
        "resolved_at": ["isnull"],
    }

    @extend_schema(request=ResolutionSerializer, responses=BreakSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, account_id: str, pk: str) -> Response:
        """Take a difference for resolved, saying how; one that is still there is opened anew by the next comparison."""
        asked = ResolutionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        done = resolve_break(
            difference=self.get_object(),
            actor=caller(request),
            resolution=asked.validated_data["resolution"],
            now=timezone.now(),
        )
        return Response(self.get_serializer(done).data)
