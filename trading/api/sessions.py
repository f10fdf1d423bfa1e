"""Runs of trading in an account."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.jobs import JobSerializer
from accounts.api.scoping import AccountScopedViewSet, caller
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from trading.api.evaluations import EvaluationSerializer
from trading.api.fields import MOST_NAME, RecordField, StrategyField
from trading.models import Session
from trading.selectors.sessions import standing_of_session
from trading.services.sessions import end_session, rename_session, start_session


class SessionSerializer(StrictSerializer):
    """A run of trading under one configuration, which `config_hash` (SHA-256 of its canonical JSON) stands for."""

    id = serializers.UUIDField(read_only=True)
    strategy = StrategyField(required=False, allow_null=True)
    name = TextField(max_length=MOST_NAME, required=False, allow_blank=True)
    execution_mode = serializers.CharField(read_only=True)
    code_version = TextField(max_length=100, required=False, allow_blank=True)
    configuration = RecordField(required=False)
    config_hash = serializers.CharField(read_only=True)
    automatic = serializers.BooleanField(required=False)
    started_at = UtcDateTimeField(read_only=True)
    ended_at = UtcDateTimeField(read_only=True, allow_null=True)


class SessionNameSerializer(StrictSerializer):
    """What it is called."""

    name = TextField(max_length=MOST_NAME, allow_blank=True)


class PlaceSerializer(serializers.Serializer):
    """Where a session stands in an instrument: what it holds of it, and what it made of the last bar that it saw."""

    instrument = InstrumentField(read_only=True)
    held = DecimalStringField(read_only=True)
    last = EvaluationSerializer(read_only=True, allow_null=True)


class SessionStandingSerializer(serializers.Serializer):
    """Whether a session trades on the next bar, why not if it does not, and how its account's job went last."""

    working = serializers.BooleanField(read_only=True)
    idle = serializers.ListField(child=serializers.CharField(), read_only=True)
    job = JobSerializer(read_only=True, allow_null=True)
    places = PlaceSerializer(many=True, read_only=True)


class SessionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """An account's runs of trading, on paper or live as the account was when they began. Traders begin and end them."""

    queryset = Session.objects.select_related("account")
    serializer_class = SessionSerializer
    ordering = "-started_at"
    ordering_fields = ("started_at",)
    filterset_fields = {
        "strategy": ["exact"],
        "execution_mode": ["exact"],
        "config_hash": ["exact"],
        "automatic": ["exact"],
        "started_at": ["gte", "lt"],
        "ended_at": ["isnull"],
    }

    def create(self, request: Request, account_id: str) -> Response:
        """Begin a session; without a `configuration`, its strategy's parameters are it.

        One that is `automatic` trades by itself while the account's job STRATEGIES is on. Its configuration names `instruments`
        (ids or symbols), and may name the `timeframe` of its bars (1d), `parameters`, and `rules` as a backtest has them:
        `sizing` (RISK), `amount` (0.01), `stop_loss`, `take_profit`, `shorts`.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = start_session(account=self.account, actor=caller(request), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=SessionNameSerializer, responses=SessionSerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Call it otherwise."""
        serializer = SessionNameSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(self.get_serializer(rename_session(session=self.get_object(), **serializer.validated_data)).data)

    @extend_schema(responses=SessionStandingSerializer)
    @action(detail=True)
    def standing(self, request: Request, account_id: str, pk: str) -> Response:
        """Return how an automatic session stands: what it did last in each instrument, and why it does nothing if it does."""
        found = standing_of_session(self.get_object(), at=timezone.now())
        return Response(SessionStandingSerializer(found, context=self.get_serializer_context()).data)

    @extend_schema(request=None, responses=SessionSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, account_id: str, pk: str) -> Response:
        """End it: from now on nothing is done in it."""
        return Response(self.get_serializer(end_session(session=self.get_object(), at=timezone.now())).data)
