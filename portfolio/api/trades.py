"""What the last closed trades of an account say, and the bounds its owners set for that."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.domain.roles import Role
from accounts.models import Scope, TradeThresholds
from accounts.services.trade_thresholds import MOST_TRADES, set_thresholds
from marketdata.api.fields import DecimalStringField, StrictSerializer, UtcDateTimeField, WholeNumberField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, explains
from portfolio.domain.trades import WINDOW, broken
from portfolio.selectors.past import figures_of
from portfolio.selectors.trades import bounds_of, last_trades
from portfolio.tasks import watch_trades

RATIO = 12
SHARE: dict[str, Any] = {"digits": 1, "places": 6, "min_value": 0, "max_value": 1, "required": False, "allow_null": True}


class WindowQuery(serializers.Serializer):
    """How many trades are asked for."""

    window = serializers.IntegerField(min_value=1, max_value=MOST_TRADES, required=False)


class TradesPerformanceSerializer(serializers.Serializer):
    """The last `window` closed trades, oldest first in time, in the account's currency and after fees and taxes.

    A trade is all that one entry closed of one instrument, however many lots that were. `win_rate` is from 0 to 1;
    `profit_factor` is gross profit over gross loss, `expectancy` the mean gain. `average_loss`, `gross_loss` and
    `max_drawdown_pct` are zero or below: the last is the deepest fall of what there was before the first trade with the gains
    added one after another. `consecutive_losses` are those at the end of the window. `alert_triggered` says whether a bound of
    `trade-thresholds/` is broken. A figure that is not defined is null, and `reasons` says why.
    """

    window = serializers.IntegerField()
    currency = serializers.CharField()
    since = UtcDateTimeField(allow_null=True, help_text="When the first of them was closed.")
    until = UtcDateTimeField(allow_null=True, help_text="When the last of them was closed.")
    total_trades = serializers.IntegerField()
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    win_rate = FigureField(places=RATIO, allow_null=True)
    profit_factor = FigureField(places=RATIO, allow_null=True)
    expectancy = FigureField(allow_null=True)
    average_win = FigureField(allow_null=True)
    average_loss = FigureField(allow_null=True)
    gross_profit = FigureField()
    gross_loss = FigureField()
    max_drawdown_pct = FigureField(places=RATIO, allow_null=True)
    consecutive_losses = serializers.IntegerField()
    alert_triggered = serializers.BooleanField()
    alert_message = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField(), help_text="Rates without which trades are left out.")
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()


class ThresholdsSerializer(StrictSerializer):
    """When the last closed trades are reason to worry; null means that nobody is told about it.

    What is at its bound keeps it. Members are told once when a bound is broken, and once when all are kept again.
    """

    window = WholeNumberField(min_value=1, max_value=MOST_TRADES, required=False, default=WINDOW)
    min_win_rate = DecimalStringField(**SHARE, help_text="From 0 to 1.")
    min_profit_factor = DecimalStringField(digits=6, places=6, min_value=0, required=False, allow_null=True)
    min_expectancy = DecimalStringField(
        required=False, allow_null=True, help_text="The mean gain of a trade, in the account's currency."
    )
    max_drawdown_pct = DecimalStringField(**SHARE, help_text="The size of the fall, from 0 to 1.")
    max_consecutive_losses = WholeNumberField(min_value=0, max_value=MOST_TRADES, required=False, allow_null=True)


class TradesPerformanceViewSet(FiguresViewSet):
    """What the last closed trades of an account say."""

    serializer_class = TradesPerformanceSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(
        parameters=[
            OpenApiParameter("window", OpenApiTypes.INT, description="How many trades: as the bounds say, else 20."),
            *PAST,
            EXPLAIN,
        ],
        responses=TradesPerformanceSerializer,
    )
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the figures of the last closed trades."""
        query = WindowQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        thresholds = TradeThresholds.objects.filter(pk=self.account.pk).first()
        window = query.validated_data.get("window") or (thresholds.window if thresholds else WINDOW)
        figures = figures_of(self.account, **self.past)
        found = last_trades(figures.closures(), account=self.account, window=window, figures=figures)
        told = broken(found.statistics, bounds_of(thresholds), currency=self.account.base_currency)
        statistics = found.statistics
        row = {name: getattr(statistics, name) for name in type(statistics).__dataclass_fields__}
        row |= {
            "window": window,
            "currency": self.account.base_currency,
            "since": found.trades[0].closed_at if found.trades else None,
            "until": found.trades[-1].closed_at if found.trades else None,
            "alert_triggered": bool(told),
            "alert_message": " ".join(told),
            "missing": found.missing,
            "reasons": statistics.reasons
            | ({} if found.trades else dict.fromkeys(("since", "until"), "No trade has been closed.")),
        }
        why = {"explanation": as_told(found.explanation(), self.account, self.past)} if explains(request) else {}
        return Response(TradesPerformanceSerializer(row).data | why)


class TradeThresholdsViewSet(AccountScopedViewSet):
    """The bounds an account's owners set for its last closed trades."""

    queryset = TradeThresholds.objects.all()
    serializer_class = ThresholdsSerializer
    filter_backends = ()
    pagination_class = None
    write_role = Role.OWNER
    write_scope = Scope.MANAGE

    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the bounds; those that nobody has set are null."""
        found = self.get_queryset().first() or TradeThresholds(account=self.account)
        return Response(self.get_serializer(found).data)

    @extend_schema(
        examples=[
            OpenApiExample(
                "Half of them won",
                value={"window": 20, "min_win_rate": "0.5", "max_consecutive_losses": 4},
                request_only=True,
            )
        ]
    )
    def update(self, request: Request, account_id: str) -> Response:
        """Set the bounds; those left out are none."""
        return self._set(request, anew=True)

    def partial_update(self, request: Request, account_id: str) -> Response:
        """Change some of the bounds."""
        return self._set(request, anew=False)

    def _set(self, request: Request, *, anew: bool) -> Response:
        """Set bounds, and have the trades looked at once they are stored."""
        asked = self.get_serializer(data=request.data, partial=not anew)
        asked.is_valid(raise_exception=True)
        found = set_thresholds(account=self.account, changes=asked.validated_data, anew=anew)
        watch_trades.delay_on_commit(account_ids=[str(self.account.pk)], asked_at=timezone.now().isoformat())
        return Response(self.get_serializer(found).data)
