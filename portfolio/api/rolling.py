"""Figures over a window that moves along, a row a day."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, few_explained
from portfolio.api.performance import BENCHMARK, PERIOD, RATIO, PeriodQuery
from portfolio.domain.rolling import BESIDE, OWN
from portfolio.selectors.explained_returns import explained_windows
from portfolio.selectors.rolling import rolling

LONGEST = 2520
FIGURES = (*OWN, *BESIDE)
USUAL = "twr,volatility,sharpe"


class RollingQuery(PeriodQuery):
    """Which figures over which window are asked for."""

    window = serializers.IntegerField(min_value=2, max_value=LONGEST, required=False, default=252)
    figures = serializers.CharField(required=False, default=USUAL)

    def validate_figures(self, value: str) -> list[str]:
        """Return the figures by name, each once; one that there is not is refused."""
        names = list(dict.fromkeys(filter(None, (name.strip() for name in value.split(",")))))
        if unknown := [name for name in names if name not in FIGURES]:
            raise serializers.ValidationError(
                [ErrorDetail(f"There is no figure {unknown[0][:40]}; take of {', '.join(FIGURES)}.", code="invalid_choice")]
            )
        return names or USUAL.split(",")


class RollingRowSerializer(serializers.Serializer):
    """The figures of the window that ends on a day: those that were asked for, each null where `reasons` says why."""

    date = DayField()
    twr = FigureField(places=RATIO, allow_null=True, required=False)
    volatility = FigureField(places=RATIO, allow_null=True, required=False)
    semi_deviation = FigureField(places=RATIO, allow_null=True, required=False)
    sharpe = FigureField(places=RATIO, allow_null=True, required=False)
    sortino = FigureField(places=RATIO, allow_null=True, required=False)
    omega = FigureField(places=RATIO, allow_null=True, required=False)
    max_drawdown = FigureField(places=RATIO, allow_null=True, required=False)
    var_95 = FigureField(places=RATIO, allow_null=True, required=False)
    cvar_95 = FigureField(places=RATIO, allow_null=True, required=False)
    beta = FigureField(places=RATIO, allow_null=True, required=False)
    alpha = FigureField(places=RATIO, allow_null=True, required=False)
    tracking_error = FigureField(places=RATIO, allow_null=True, required=False)
    information_ratio = FigureField(places=RATIO, allow_null=True, required=False)
    correlation = FigureField(places=RATIO, allow_null=True, required=False)
    benchmark_twr = FigureField(places=RATIO, allow_null=True, required=False)
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the row with the figures that were asked for."""
        figure: Any = self.fields["twr"]
        asked = {name: value for name, value in instance.items() if name not in {"date", "reasons"}}
        told = {name: None if value is None else figure.to_representation(value) for name, value in asked.items()}
        return {"date": instance["date"].isoformat(), **told, "reasons": instance["reasons"]}


class RollingSerializer(serializers.Serializer):
    """A row for each priced day that ends a whole window; `reasons` hold for all rows."""

    currency = serializers.CharField()
    window = serializers.IntegerField(help_text="Returns between successive priced days.")
    figures = serializers.ListField(child=serializers.CharField())
    benchmark = serializers.CharField(allow_null=True)
    results = RollingRowSerializer(many=True)
    reasons = serializers.DictField(child=serializers.CharField())


class RollingViewSet(FiguresViewSet):
    """Figures of an account over a window that moves along."""

    serializer_class = RollingSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(
        parameters=[
            OpenApiParameter("window", OpenApiTypes.INT, description="Returns in a window, 252 if not said."),
            OpenApiParameter("figures", str, description=f"With commas between, of {', '.join(FIGURES)}; else {USUAL}."),
            *PERIOD,
            *BENCHMARK,
            CURRENCY,
            *PAST,
            EXPLAIN,
        ],
        responses=RollingSerializer,
    )
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the figures for each day of [start, end) that ends a whole window in it."""
        query = RollingQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        beside = {
            "benchmark": asked["benchmark"],
            "dividends": asked["benchmark_return"] == "total",
            "risk_free": float(asked["risk_free"]),
        }
        span = {"start": asked["start"], "end": asked["end"]}
        found = rolling(
            self.figures.points(**span),
            account=self.account,
            currency=self.currency,
            window=asked["window"],
            figures=asked["figures"],
            start=asked["start"],
            **beside,
        )
        row = {
            "currency": self.currency,
            "window": asked["window"],
            "figures": asked["figures"],
            "benchmark": asked["benchmark"] and asked["benchmark"].key,
            "results": found.rows,
            "reasons": found.reasons,
        }
        answer = RollingSerializer(row).data
        if few_explained(request, len(found.rows), "fewer days; those before the first whole window are part of it"):
            why = explained_windows(self.figures, found.rows, window=asked["window"], **span, **beside)
            for one, explanation in zip(answer["results"], why, strict=True):
                one["explanation"] = as_told(explanation, self.account, self.past)
        return Response(answer)
