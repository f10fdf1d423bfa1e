"""Tables of returns: the deepest falls of a period, and its months year by year."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, explains
from portfolio.api.performance import PERIOD, RATIO, FallSerializer, PeriodQuery
from portfolio.domain.benchmark import NO_DAY
from portfolio.domain.explain import Explanation
from portfolio.domain.gaps import INCOMPLETE
from portfolio.domain.performance import Year, falls_of, years_of
from portfolio.selectors.explained_returns import explained_drawdowns, explained_years
from portfolio.selectors.performance import opened

MOST_FALLS = 100
DAYS = PERIOD[:2]


class FallsQuery(PeriodQuery):
    """How many falls of which period are asked for."""

    top = serializers.IntegerField(min_value=1, max_value=MOST_FALLS, required=False, default=10)


class FallsSerializer(serializers.Serializer):
    """The deepest falls of the time-weighted index, the deepest first; none is part of another."""

    start = DayField(allow_null=True)
    end = DayField(allow_null=True, help_text="The day after the last one.")
    results = FallSerializer(many=True)
    explanation = ExplanationField()


class MonthsSerializer(serializers.Serializer):
    """One year: the return of each month, January first, and of all of it that lies in the period."""

    year = serializers.IntegerField()
    months = serializers.ListField(
        child=FigureField(places=RATIO, allow_null=True), help_text="Twelve; null for a month without any complete day."
    )
    total = FigureField(places=RATIO, allow_null=True)
    gain = FigureField()
    net_flow = FigureField()
    end_value = FigureField()


class MonthlyReturnsSerializer(serializers.Serializer):
    """Time-weighted returns by year and month, after fees and taxes, with dividends and interest in them.

    A month that lies partly in the period counts from its first day in it. The months of a year chain to its total, the years to
    that of the period.
    """

    currency = serializers.CharField()
    years = MonthsSerializer(many=True)
    total = FigureField(places=RATIO, allow_null=True)
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()


class DrawdownViewSet(FiguresViewSet):
    """The deepest falls of an account."""

    serializer_class = FallsSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(
        parameters=[
            *DAYS,
            OpenApiParameter("top", OpenApiTypes.INT, description="How many, 10 if not said."),
            CURRENCY,
            *PAST,
            EXPLAIN,
        ],
        responses=FallsSerializer,
    )
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the deepest falls of [start, end)."""
        query = FallsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        start, end = query.validated_data["start"], query.validated_data["end"]
        opening, found = opened(self.figures.points(start=start, end=end), start)
        falls = falls_of(found, opening=opening, most=query.validated_data["top"]) if found else []
        row = FallsSerializer({"start": start, "end": end, "results": falls}).data
        if explains(request):
            row |= told_or_none(explained_drawdowns(self.figures, falls, start=start, end=end), self)
        return Response(row)


class MonthlyReturnsViewSet(FiguresViewSet):
    """The monthly return table of an account."""

    serializer_class = MonthlyReturnsSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[*DAYS, CURRENCY, *PAST, EXPLAIN], responses=MonthlyReturnsSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the returns of the months and years of [start, end)."""
        query = PeriodQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        start, end = query.validated_data["start"], query.validated_data["end"]
        found = self.figures.performance(start=start, end=end)
        years = years_of(found.monthly) if found else []
        row = {
            "currency": self.currency,
            "years": list(map(_row, years)),
            "total": found.twr if found else None,
            "reasons": _reasons(years) | ({} if found else {"total": self.figures.gap(start=start, end=end) or NO_DAY}),
        }
        answer = MonthlyReturnsSerializer(row).data
        if explains(request):
            answer |= told_or_none(explained_years(self.figures, found, start=start, end=end), self)
        return Response(answer)


def told_or_none(found: Explanation | None, view: FiguresViewSet) -> dict[str, Any]:
    """Return an explanation as a part of an answer, none where there are no figures."""
    return {"explanation": as_told(found, view.account, view.past) if found else None}


def _row(year: Year) -> dict[str, Any]:
    """Return a year with twelve months."""
    months = {int(month.month[-2:]): month for month in year.months}
    return {
        "year": year.year,
        "months": [months[number].twr if number in months else None for number in range(1, 13)],
        "total": year.twr,
        "gain": year.gain,
        "net_flow": year.net_flow,
        "end_value": year.months[-1].end_value,
    }


def _reasons(years: Sequence[Year]) -> dict[str, str]:
    """Return why there is no return of months that were valued."""
    found = (month for year in years for month in year.months if month.twr is None)
    return {month.month: INCOMPLETE if month.start_index else "All had been lost before." for month in found}
