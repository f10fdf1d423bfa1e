"""The limits of an account, what broke them, and stopping and resuming its trading."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.domain.roles import Role
from accounts.models import Scope
from marketdata.api.fields import (
    DecimalStringField,
    InstrumentField,
    StrictSerializer,
    TextField,
    UtcDateTimeField,
    WholeNumberField,
)
from trading.api.orders import BreachSerializer
from trading.domain.orders import Side
from trading.models import RiskEvent, RiskLimits
from trading.selectors.risk import LIMITS, halt, limits_of, pause_of, restricted_in
from trading.services.pauses import pause_trading, resume_trading
from trading.services.risk import set_limits
from trading.services.sizing import size_of

SHARE: dict[str, Any] = {"digits": 3, "places": 6, "min_value": 0, "required": False, "allow_null": True}
COUNT: dict[str, Any] = {"min_value": 0, "max_value": 32_767, "required": False, "allow_null": True}


class RiskLimitsSerializer(StrictSerializer):
    """What an account may do; null: not watched. Shares are from 0 to 1, values in the account's currency."""

    max_position_share = DecimalStringField(**SHARE, max_value=100, help_text="Of the account, held in one instrument.")
    max_daily_loss_share = DecimalStringField(**SHARE, max_value=1)
    max_drawdown_share = DecimalStringField(**SHARE, max_value=1)
    max_consecutive_losses = WholeNumberField(**COUNT)
    max_order_quantity = DecimalStringField(digits=12, places=12, min_value=0, required=False, allow_null=True)
    max_order_value = DecimalStringField(min_value=0, required=False, allow_null=True)
    max_open_orders = WholeNumberField(**COUNT)
    allow_short = serializers.BooleanField(required=False)
    close_while_paused = serializers.BooleanField(required=False)
    restricted = serializers.ListField(
        child=InstrumentField(), required=False, max_length=1_000, help_text="What may not be bought, or sold short."
    )
    updated_at = UtcDateTimeField(read_only=True, allow_null=True)


class RiskLimitsViewSet(AccountScopedViewSet):
    """The limits that every order of an account is held against; without any set, those of the house. Owners set them."""

    queryset = RiskLimits.objects.all()
    serializer_class = RiskLimitsSerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    pagination_class = None
    filter_backends = ()

    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the limits."""
        return Response(self._told(limits_of(self.account)))

    def update(self, request: Request, account_id: str) -> Response:
        """Set the limits; those left out are as the house holds for right."""
        return self._set(request, anew=True)

    def partial_update(self, request: Request, account_id: str) -> Response:
        """Change some of the limits; `restricted` is taken as a whole."""
        return self._set(request, anew=False)

    def _set(self, request: Request, *, anew: bool) -> Response:
        """Set limits."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = dict(asked.validated_data)
        restricted = said.pop("restricted", None)
        return Response(
            self._told(set_limits(account=self.account, changes=said, restricted=restricted, anew=anew, at=timezone.now()))
        )

    def _told(self, limits: RiskLimits) -> Any:
        """Return limits with the restricted instruments."""
        row = {name: getattr(limits, name) for name in (*LIMITS, "updated_at")}
        row["restricted"] = [one.instrument for one in restricted_in(self.account)]
        return self.get_serializer(row).data


class RiskEventSerializer(serializers.Serializer):
    """A limit that was broken: by what, what was done about it, and all limits as they were at that moment."""

    id = serializers.UUIDField()
    at = UtcDateTimeField()
    type = serializers.CharField()
    severity = serializers.CharField()
    action_taken = serializers.CharField()
    detail = serializers.CharField()
    value = DecimalStringField(allow_null=True)
    limit = DecimalStringField(allow_null=True)
    day_gain = DecimalStringField(allow_null=True)
    day_gain_share = DecimalStringField(allow_null=True)
    consecutive_losses = serializers.IntegerField(allow_null=True)
    configuration = serializers.DictField()
    instrument = InstrumentField(allow_null=True)
    order = serializers.UUIDField(source="order_id", allow_null=True)
    actor = serializers.CharField(source="actor.email", default=None, allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    recorded_at = UtcDateTimeField()


class RiskEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """What broke an account's limits; kept for ever."""

    queryset = RiskEvent.objects.select_related("instrument", "account", "actor")
    serializer_class = RiskEventSerializer
    ordering = "-at"
    ordering_fields = ("at", "recorded_at")
    filterset_fields = {
        "type": ["exact", "in"],
        "severity": ["exact"],
        "instrument": ["exact"],
        "at": ["gte", "lt"],
    }


class PauseSerializer(serializers.Serializer):
    """Whether the account trades: `paused` by a limit or a member, `halted` with all others."""

    paused = serializers.BooleanField()
    reason = serializers.CharField()
    since = UtcDateTimeField(allow_null=True)
    by = serializers.CharField(allow_null=True)
    event = serializers.UUIDField(allow_null=True)
    halted = serializers.BooleanField()
    halt_reason = serializers.CharField()


class PauseReasonSerializer(StrictSerializer):
    """Why."""

    reason = TextField(max_length=1_000, required=False, allow_blank=True)


class ResumeNoteSerializer(StrictSerializer):
    """Why trading goes on."""

    note = TextField(max_length=1_000, required=False, allow_blank=True)


class PauseViewSet(AccountScopedViewSet):
    """Stop an account's trading at once. Whoever trades in it may; an owner alone lets it go on."""

    queryset = RiskLimits.objects.all()
    serializer_class = PauseSerializer
    pagination_class = None
    filter_backends = ()

    @extend_schema(responses=PauseSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Say whether the account trades, and if not, why."""
        return self._told()

    @extend_schema(request=PauseReasonSerializer, responses=PauseSerializer)
    def pause(self, request: Request, account_id: str) -> Response:
        """Pause trading; what is paused already stays as it is. Open orders stand: cancel those that should not."""
        asked = PauseReasonSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        pause_trading(
            account=self.account, reason=asked.validated_data.get("reason", ""), actor=caller(request), at=timezone.now()
        )
        return self._told()

    def _told(self) -> Response:
        """Return how things stand."""
        pause, stopped = pause_of(self.account), halt()
        row = {
            "paused": pause is not None,
            "reason": pause.reason if pause else "",
            "since": pause.started_at if pause else None,
            "by": pause.started_by.email if pause and pause.started_by else None,
            "event": pause.event_id if pause else None,
            "halted": stopped is not None,
            "halt_reason": stopped.reason if stopped else "",
        }
        return Response(PauseSerializer(row).data)


class ResumeViewSet(PauseViewSet):
    """Let an account trade again; an owner alone may, and no program with the scope `trade`."""

    write_role = Role.OWNER
    write_scope = Scope.MANAGE

    @extend_schema(request=ResumeNoteSerializer, responses=PauseSerializer)
    def resume(self, request: Request, account_id: str) -> Response:
        """Let the account trade again: losses that led to the pause count anew from now on."""
        asked = ResumeNoteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        note = asked.validated_data.get("note", "")
        resume_trading(account=self.account, actor=caller(request), at=timezone.now(), note=note)
        return self._told()


class SizeQuery(serializers.Serializer):
    """What a trade is to look like."""

    instrument = InstrumentField()
    side = serializers.ChoiceField([side.value for side in Side], default=Side.BUY.value)
    entry = DecimalStringField(positive=True, required=False)
    stop = DecimalStringField(positive=True)
    target = DecimalStringField(positive=True, required=False)
    risk_share = DecimalStringField(digits=1, places=6, min_value=0, max_value=1, required=False)
    fees = DecimalStringField(min_value=0, required=False)


class SizeSerializer(serializers.Serializer):
    """How much to order; `value` and `risk` (what the stop would cost) are in the account's currency.

    `breaches` are the limits that such an order would break however small it were.
    """

    quantity = DecimalStringField()
    entry = DecimalStringField()
    value = DecimalStringField()
    risk = DecimalStringField()
    risk_reward = DecimalStringField(allow_null=True)
    capped_by = serializers.CharField()
    equity = DecimalStringField()
    currency = serializers.CharField()
    breaches = BreachSerializer(many=True)


class PositionSizeViewSet(AccountScopedViewSet):
    """How much to order so that the stop costs what one is willing to lose, and no limit is broken."""

    queryset = RiskLimits.objects.all()
    serializer_class = SizeSerializer
    pagination_class = None
    filter_backends = ()

    @extend_schema(
        parameters=[
            OpenApiParameter("instrument", str, required=True),
            OpenApiParameter("side", str, enum=[side.value for side in Side]),
            OpenApiParameter("entry", OpenApiTypes.STR, description="The last price, unless one is given."),
            OpenApiParameter("stop", OpenApiTypes.STR, required=True),
            OpenApiParameter("target", OpenApiTypes.STR),
            OpenApiParameter("risk_share", OpenApiTypes.STR, description="Of the account: 0.01, unless one is given."),
            OpenApiParameter("fees", OpenApiTypes.STR),
        ],
        responses=SizeSerializer,
    )
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the size of a trade."""
        asked = SizeQuery(data=request.query_params.dict(), context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        said = dict(asked.validated_data)
        sized = size_of(
            account=self.account, instrument=said.pop("instrument"), side=Side(said.pop("side")), at=timezone.now(), **said
        )
        row = {name: getattr(sized.size, name) for name in ("quantity", "value", "risk", "risk_reward", "capped_by")}
        row |= {"entry": sized.request.entry, "equity": sized.request.equity, "currency": self.account.base_currency}
        row["breaches"] = sized.breaches
        return Response(SizeSerializer(row).data)
