"""How an account did over a period."""

from __future__ import annotations

from collections.abc import Sequence
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

from marketdata.api.fields import DayField, DecimalStringField, InstrumentField
from marketdata.models import Instrument
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, explains
from portfolio.domain.benchmark import FIGURES as AGAINST_BENCHMARK
from portfolio.domain.benchmark import NO_BENCHMARK, NO_DAY, Comparison
from portfolio.domain.performance import Performance
from portfolio.domain.regarded import CAUSES
from portfolio.selectors.benchmark import compared
from portfolio.selectors.explained import Explained
from portfolio.selectors.figures import Figures, names_of
from portfolio.selectors.household import Household
from portfolio.selectors.performance import periods_of
from portfolio.selectors.regarded import Regarded

RATIO = 12
RATIOS = (
    "twr", "twr_annualized", "xirr", "simple_return", "volatility", "semi_deviation", "sharpe", "sortino", "calmar", "omega",
    "max_drawdown", "var_95", "cvar_95",
)  # fmt: skip
PERIOD = [
    OpenApiParameter("start", OpenApiTypes.DATE, description="The first day; without it, the account's first."),
    OpenApiParameter("end", OpenApiTypes.DATE, description="The day after the last; without it, all valued days."),
    OpenApiParameter("risk_free", str, description="A rate a year, such as 0.02, for sharpe, sortino, omega and alpha."),
]
BENCHMARK = [
    OpenApiParameter("benchmark", str, description="An instrument to compare with, such as SPY:ARCX."),
    OpenApiParameter(
        "benchmark_return",
        str,
        enum=["total", "price"],
        description="Whether dividends declared for the benchmark buy more of it (total, the default), or are left out.",
    ),
]


EXCLUDE = OpenApiParameter(
    "exclude",
    str,
    description="Of fees, taxes and income, with commas between: performance before them, as if they had moved elsewhere.",
)


class PeriodQuery(serializers.Serializer):
    """Which period is asked for."""

    start = DayField(required=False, default=None)
    end = DayField(required=False, default=None)
    risk_free = DecimalStringField(digits=1, places=6, required=False, default=Decimal(0))
    benchmark = InstrumentField(required=False, default=None)
    benchmark_return = serializers.ChoiceField(["total", "price"], required=False, default="total")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it starts, and a rate that loses everything."""
        if attrs["start"] and attrs["end"] and attrs["end"] <= attrs["start"]:
            raise serializers.ValidationError({"end": [ErrorDetail("The end must come after the start.", code="invalid")]})
        if attrs["risk_free"] <= -1:
            raise serializers.ValidationError({"risk_free": [ErrorDetail("The rate must be above -1.", code="invalid")]})
        return attrs


class PerformanceQuery(PeriodQuery):
    """What is asked of a period."""

    exclude = serializers.CharField(required=False, default="")

    def validate_exclude(self, value: str) -> list[str]:
        """Return the causes by name, each once; one that there is not is refused."""
        names = sorted(set(filter(None, (name.strip() for name in value.split(",")))))
        if unknown := [name for name in names if name not in CAUSES]:
            detail = f"{unknown[0][:40]} can't be left out; take of {', '.join(CAUSES)}."
            raise serializers.ValidationError([ErrorDetail(detail, code="invalid_choice")])
        return names


class DrawdownSerializer(serializers.Serializer):
    """The deepest fall: `days` from the peak to the recovery, or to the end where there was none."""

    peak = DayField()
    trough = DayField()
    recovered = DayField(allow_null=True)
    days = serializers.IntegerField()


class FallSerializer(DrawdownSerializer):
    """One fall, with its depth as a fraction of the peak, and the first day below the peak."""

    depth = FigureField(places=RATIO)
    start = DayField()
    days_to_trough = serializers.IntegerField(help_text="From the peak.")
    days_to_recovery = serializers.IntegerField(allow_null=True, help_text="From the trough.")


class MonthSerializer(serializers.Serializer):
    """One month of a period."""

    month = serializers.CharField(help_text="YYYY-MM")
    twr = FigureField(places=RATIO, allow_null=True, help_text="Null where all had been lost before.")
    gain = FigureField()
    net_flow = FigureField()
    end_value = FigureField()


class ComparisonSerializer(serializers.Serializer):
    """How returns stand beside a benchmark's."""

    beta = FigureField(places=RATIO, allow_null=True)
    alpha = FigureField(places=RATIO, allow_null=True)
    tracking_error = FigureField(places=RATIO, allow_null=True)
    information_ratio = FigureField(places=RATIO, allow_null=True)
    correlation = FigureField(places=RATIO, allow_null=True)
    benchmark_twr = FigureField(places=RATIO, allow_null=True)


class BridgeSerializer(serializers.Serializer):
    """What made the gain: start_value + net_flows + price + income + currency + interest - fees - taxes = end_value, exactly.

    Fees and taxes are all that were charged, inside trades, too; price, income and interest are before them.
    """

    price = FigureField()
    income = FigureField()
    currency = FigureField()
    fees = FigureField()
    taxes = FigureField()
    interest = FigureField()


class PerformanceSerializer(ComparisonSerializer):
    """How an account did over [start, end), after fees and taxes, dividends and interest in it; in its own currency or another.

    With `exclude`, what fees, taxes or income moved counts as flows, so that all figures are before them.

    `twr` chains (end + outflows) / (start + inflows) - 1 day by day; `xirr` is the money-weighted rate a year (actual days over
    365); `simple_return` is the gain over the start value and what flowed in. `volatility` is the sample standard deviation of
    log returns between days with new prices, times the root of 252 (365 for crypto accounts). `max_drawdown` is the deepest
    fall of the time-weighted index. `beta`, `alpha` (Jensen's, a year, compounded), `tracking_error`, `information_ratio` and
    `correlation` compare with the returns of `benchmark` in the account's currency, on days on which both have a price;
    `benchmark_twr` is its growth over the period. A figure that is not defined is null, and `reasons` says why.
    """

    currency = serializers.CharField()
    start = DayField(allow_null=True)
    end = DayField(allow_null=True, help_text="The day after the last one.")
    start_value = FigureField(allow_null=True)
    end_value = FigureField(allow_null=True)
    net_flows = FigureField(allow_null=True)
    gain = FigureField(allow_null=True)
    bridge = BridgeSerializer(allow_null=True)
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
    drawdowns = FallSerializer(many=True, help_text="The five deepest, the deepest first.")
    var_95 = FigureField(places=RATIO, allow_null=True)
    cvar_95 = FigureField(places=RATIO, allow_null=True)
    benchmark = serializers.CharField(allow_null=True)
    monthly = MonthSerializer(many=True)
    missing = serializers.ListField(child=serializers.CharField(), help_text="What lacked a price or rate on some day.")
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()


class PerformanceViewSet(FiguresViewSet):
    """The performance of an account over a period."""

    serializer_class = PerformanceSerializer
    filter_backends = ()
    pagination_class = None

    exclude: Sequence[str] = ()

    @extend_schema(parameters=[*PERIOD, EXCLUDE, *BENCHMARK, CURRENCY, *PAST, EXPLAIN], responses=PerformanceSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the performance from `start` up to, and without, `end`."""
        query = PerformanceQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = dict(query.validated_data)
        benchmark, kind, self.exclude = asked.pop("benchmark"), asked.pop("benchmark_return"), asked.pop("exclude")
        row = self.remembered("performance", lambda: self.measured(**asked), **asked, exclude=self.exclude)
        if benchmark is not None:  # its prices are no part of what the account's figures follow from: nothing is kept
            row = beside(row, self.compared(benchmark, total=kind == "total", **asked), benchmark)
        row |= {"missing": names_of(row["missing"])}
        return Response(row | self.why(benchmark, total=kind == "total", **asked) if explains(request) else row)

    def why(
        self, benchmark: Instrument | None, *, start: date | None, end: date | None, risk_free: Decimal, total: bool
    ) -> dict[str, Any]:
        """Return why the performance is what it is, beside a benchmark if one is asked for."""
        other = None if benchmark is None else (benchmark, total)
        found = Explained(self.figures).period(
            start=start, end=end, risk_free=float(risk_free), benchmark=other, exclude=self.exclude
        )
        return {"explanation": as_told(found[0], self.account, self.past) if found else None}

    def measured(self, *, start: date | None, end: date | None, risk_free: Decimal) -> dict[str, Any]:
        """Return the performance as clients are told it, instruments in `missing` by their ids."""
        return told(self.regarded, start=start, end=end, risk_free=risk_free)

    @property
    def regarded(self) -> Figures | Regarded:
        """The figures asked for, without the causes that are to be left out."""
        return Regarded(self.figures, self.exclude) if self.exclude else self.figures

    def compared(
        self, benchmark: Instrument, *, start: date | None, end: date | None, risk_free: Decimal, total: bool
    ) -> Comparison:
        """Return how the account stood beside a benchmark."""
        return compared(
            self.regarded.points(start=start, end=end),
            benchmark,
            periods=periods_of(self.account.kind),
            currency=self.currency,
            start=start,
            dividends=total,
            risk_free=float(risk_free),
        )


def beside(row: dict[str, Any], comparison: Comparison, benchmark: Instrument) -> dict[str, Any]:
    """Return the answer about an account with the figures that compare it with a benchmark."""
    kept = {name: reason for name, reason in row["reasons"].items() if name not in {"benchmark", *AGAINST_BENCHMARK}}
    told = ComparisonSerializer(comparison.figures).data
    return row | told | {"benchmark": benchmark.key, "reasons": kept | comparison.reasons}


def told(figures: Figures | Household | Regarded, *, start: date | None, end: date | None, risk_free: Decimal) -> dict[str, Any]:
    """Return the performance of figures as clients are told it, instruments in `missing` by their ids."""
    found = figures.performance(start=start, end=end, risk_free=float(risk_free))
    row = {"currency": figures.currency, "missing": figures.lacking(start=start, end=end)}
    if found is None:
        return PerformanceSerializer(row | _nothing(start, end, figures.gap(start=start, end=end) or NO_DAY)).data
    return PerformanceSerializer(row | _row(found) | {"bridge": figures.bridge(start=start, end=end)._asdict()}).data


def _nothing(start: date | None, end: date | None, why: str) -> dict[str, Any]:
    """Return a row without figures, and why there are none."""
    ends: dict[str, Any] = {"start": start, "end": end}
    lacking = [name for name, day in ends.items() if day is None]
    names = (*RATIOS, "bridge", "start_value", "end_value", "net_flows", "gain", "drawdown", *lacking)
    reasons = dict.fromkeys(("benchmark", *AGAINST_BENCHMARK), NO_BENCHMARK) | dict.fromkeys(names, why)
    return dict.fromkeys(reasons) | ends | {"monthly": [], "drawdowns": [], "reasons": reasons}


def _row(found: Performance) -> dict[str, Any]:
    """Return the figures by name, with the reason for each that is not there."""
    reasons = dict.fromkeys(("benchmark", *AGAINST_BENCHMARK), NO_BENCHMARK)
    nothing: dict[str, Any] = dict.fromkeys(reasons)
    figures = asdict(found)
    if found.drawdown is None:
        reasons["drawdown"] = "The index never fell."
    figures |= {"drawdowns": found.drawdowns}
    return nothing | figures | {"end": found.end + timedelta(days=1), "reasons": reasons | found.reasons}
