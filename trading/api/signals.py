"""What strategies and scanners saw in an account."""

from __future__ import annotations

from decimal import Decimal

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from trading.api.fields import MOST_NAME, RecordField, RowField
from trading.domain.signals import SignalDraft, SignalKind, SignalStatus
from trading.models import Session, Signal
from trading.services.signals import record_signal, settle_signal

SETTLED = (SignalStatus.TAKEN, SignalStatus.DISMISSED)


class SignalSerializer(StrictSerializer):
    """What was seen, how strongly, and until when it counts."""

    id = serializers.UUIDField(read_only=True)
    instrument = InstrumentField()
    source = TextField(max_length=MOST_NAME)  # type: ignore[assignment]  # a field of that name
    kind = serializers.ChoiceField([kind.value for kind in SignalKind])
    strength = DecimalStringField(digits=1, places=6, min_value=0, max_value=1, default=Decimal(1))
    at = UtcDateTimeField(past=True)
    expires_at = UtcDateTimeField(required=False, allow_null=True)
    session = RowField(Session, required=False, allow_null=True)
    data = RecordField(default=dict)  # type: ignore[assignment]  # a field of that name
    status = serializers.CharField(read_only=True)
    settled_at = UtcDateTimeField(read_only=True, allow_null=True)
    created_at = UtcDateTimeField(read_only=True)


class SignalStatusSerializer(StrictSerializer):
    """What became of it."""

    status = serializers.ChoiceField([one.value for one in SETTLED])


class SignalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """An account's signals; the same is recorded once. Traders record and settle them."""

    queryset = Signal.objects.select_related("instrument", "account")
    serializer_class = SignalSerializer
    ordering = "-at"
    ordering_fields = ("at",)
    filterset_fields = {
        "instrument": ["exact"],
        "session": ["exact"],
        "source": ["exact"],
        "kind": ["exact", "in"],
        "status": ["exact", "in"],
        "at": ["gte", "lt"],
    }

    @extend_schema(responses={200: SignalSerializer, 201: SignalSerializer})
    def create(self, request: Request, account_id: str) -> Response:
        """Record a signal: 201, or 200 with the one that the source saw of the instrument at that time before."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        instrument, session = said.pop("instrument"), said.pop("session", None)
        draft = SignalDraft(**said | {"kind": SignalKind(said["kind"])})
        made, new = record_signal(account=self.account, instrument=instrument, draft=draft, session=session, now=timezone.now())
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED if new else status.HTTP_200_OK)

    @extend_schema(request=SignalStatusSerializer, responses=SignalSerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Say what became of it."""
        serializer = SignalStatusSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = SignalStatus(serializer.validated_data["status"])
        settled = settle_signal(signal=self.get_object(), status=wanted, at=timezone.now())
        return Response(self.get_serializer(settled).data)
