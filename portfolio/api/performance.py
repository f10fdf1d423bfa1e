"""How an account did over a period."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, DecimalStringField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.domain.performance import Performance
from portfolio.selectors.figures import names_of

RATIO = 12
RATIOS = (
    "twr", "twr_annualized", "xirr", "simple_return", "volatility", "semi_deviation", "sharpe", "sortino", "calmar", "omega",
    "max_drawdown", "var_95", "cvar_95",
)  # fmt: skip
AGAINST_BENCHMARK = ("beta", "alpha", "tracking_error", "information_ratio", "correlation", "benchmark_twr")
NO_BENCHMARK = "It compares with a benchmark, and there is none."
NO_DAY = "No day of the period was valued."
NO_BRIDGE = "The parts of the gain are not kept by day."
PERIOD = [
    OpenApiParameter("start", OpenApiTypes.DATE, description="The first day; without it, the account's first."),
    OpenApiParameter("end", OpenApiTypes.DATE, description="The day after the last; without it, all valued days."),
    OpenApiParameter("risk_free", str, description="A rate a year, such as 0.02, for sharpe, sortino and omega."),
]


class PeriodQuery(serializers.Serializer):
    """Which period is asked for."""

    start = DayField(required=False, default=None)
    end = DayField(required=False, default=None)
    risk_free = DecimalStringField(digits=1, places=6, required=False, default=Decimal(0))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it starts, and a rate that loses everything."""
        if attrs["start"] and attrs["end"] and attrs["end"] <= attrs["start"]:
            raise serializers.ValidationError({"end": [ErrorDetail("The end must come after the start.", code="invalid")]})
        if attrs["risk_free"] <= -1:
            raise serializers.ValidationError({"risk_free": [ErrorDetail("The rate must be above -1.", code="invalid")]})
        return attrs


class DrawdownSerializer(serializers.Serializer):
    """The deepest fall: `days` from the peak to the recovery, or to the end where there was none."""

    peak = DayField()
    trough = DayField()
    recovered = DayField(allow_null=True)
    days = serializers.IntegerField()


class MonthSerializer(serializers.Serializer):
    """One month of a period."""

    month = serializers.CharField(help_text="YYYY-MM")
    twr = FigureField(places=RATIO)
    gain = FigureField()
    net_flow = FigureField()
    end_value = FigureField()


class PerformanceSerializer(serializers.Serializer):
    """How an account did over [start, end), in its own currency, after fees and taxes, dividends and interest in it.

    `twr` chains (end + outflows) / (start + inflows) - 1 day by day; `xirr` is the money-weighted rate a year (actual days over
    365); `simple_return` is the gain over the start value and what flowed in. `volatility` is the sample standard deviation of
    log returns between days with new prices, times the root of 252 (365 for crypto accounts). `max_drawdown` is the deepest
    fall of the time-weighted index. A figure that is not defined is null, and `reasons` says why.
    """

    currency = serializers.CharField()
    start = DayField(allow_null=True)
    end = DayField(allow_null=True, help_text="The day after the last one.")
    start_value = FigureField(allow_null=True)
    end_value = FigureField(allow_null=True)
    net_flows = FigureField(allow_null=True)
    gain = FigureField(allow_null=True)
    bridge = serializers.DictField(child=FigureField(), allow_null=True)
    twr = FigureField(places=RATIO, allow_null=True)
    twr_annualized = FigureField(places=RATIO, allow_null=True)
    xirr = FigureField(places=RATIO, allow_null=True)
    simple_return = FigureField(places=RATIO, allow_null=True)
    volatility = FigureField(places=RATIO, allow_null=True)
    semi_deviation = FigureField(places=RATIO, allow_null=True)
    sharpe = FigureField(places=RATIO, allow_null=True)
    sortino = FigureField(places=RATIO, allow_null=True)
    calmar = FigureField(places=RATIO, allow_null=True)
    omega = FigureField(places=RATIO, allow_null=True)
    max_drawdown = FigureField(places=RATIO, allow_null=True)
    drawdown = DrawdownSerializer(allow_null=True)
    var_95 = FigureField(places=RATIO, allow_null=True)
    cvar_95 = FigureField(places=RATIO, allow_null=True)
    beta = FigureField(places=RATIO, allow_null=True)
    alpha = FigureField(places=RATIO, allow_null=True)
    tracking_error = FigureField(places=RATIO, allow_null=True)
    information_ratio = FigureField(places=RATIO, allow_null=True)
    correlation = FigureField(places=RATIO, allow_null=True)
    benchmark_twr = FigureField(places=RATIO, allow_null=True)
    monthly = MonthSerializer(many=True)
    missing = serializers.ListField(child=serializers.CharField(), help_text="What lacked a price or rate on some day.")
    reasons = serializers.DictField(child=serializers.CharField())


class PerformanceViewSet(FiguresViewSet):
    """The performance of an account over a period."""

    serializer_class = PerformanceSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[*PERIOD, *PAST], responses=PerformanceSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the performance from `start` up to, and without, `end`."""
        query = PeriodQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        row = self.remembered("performance", lambda: self.measured(**query.validated_data), **query.validated_data)
        return Response(row | {"missing": names_of(row["missing"])})

    def measured(self, *, start: date | None, end: date | None, risk_free: Decimal) -> dict[str, Any]:
        """Return the performance as clients are told it, instruments in `missing` by their ids."""
        found = self.figures.performance(start=start, end=end, risk_free=float(risk_free))
        missing = self.figures.lacking(start=start, end=end)
        row = {"currency": self.account.base_currency, "missing": missing} | _row(found, start, end)
        return PerformanceSerializer(row).data


def _row(found: Performance | None, start: date | None, end: date | None) -> dict[str, Any]:
    """Return the figures by name, with the reason for each that is not there."""
    reasons = dict.fromkeys(AGAINST_BENCHMARK, NO_BENCHMARK) | {"bridge": NO_BRIDGE}
    nothing: dict[str, Any] = dict.fromkeys(("bridge", *AGAINST_BENCHMARK))
    if found is None:
        nothing |= dict.fromkeys((*RATIOS, "start_value", "end_value", "net_flows", "gain", "drawdown"))
        reasons |= dict.fromkeys((*RATIOS, "start_value", "end_value", "net_flows", "gain", "drawdown"), NO_DAY)
        return nothing | {"start": start, "end": end, "monthly": [], "reasons": reasons}
    figures = asdict(found)
    if found.drawdown is None:
        reasons["drawdown"] = "The index never fell."
    return nothing | figures | {"end": found.end + timedelta(days=1), "reasons": reasons | found.reasons}
