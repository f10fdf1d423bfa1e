"""An account at a glance."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, end_of, explains
from portfolio.api.missing import missing
from portfolio.selectors.explained import Explained
from portfolio.selectors.figures import Figures, Summary, names_of

RATIO = 12


class SummarySerializer(serializers.Serializer):
    """An account at the end of a day since its beginning; in its own currency, unless another is asked for.

    `cash` is in its own currencies. `gain` is the total value less net deposits. `stale` is valued at a price or rate from an
    earlier day, `missing` had none yet and is left out; of `missing_acquisitions` more was sold than held. `reasons` says why a
    figure is null.
    """

    as_of = DayField(allow_null=True)
    currency = serializers.CharField()
    total_value = FigureField(allow_null=True)
    cash = serializers.DictField(child=FigureField())
    positions_value = FigureField(allow_null=True)
    net_deposits = FigureField(allow_null=True)
    gain = FigureField(allow_null=True)
    day_gain = FigureField(allow_null=True)
    twr = FigureField(places=RATIO, allow_null=True)
    xirr = FigureField(places=RATIO, allow_null=True)
    max_drawdown = FigureField(places=RATIO, allow_null=True)
    stale = serializers.ListField(child=serializers.CharField())
    missing = serializers.ListField(child=serializers.CharField())
    missing_acquisitions = serializers.SerializerMethodField()
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_missing_acquisitions(self, summary: Summary) -> list[str]:
        """Return the ids of the instruments of which acquisitions are missing."""
        figures: Figures | None = self.context.get("figures")
        return sorted({str(lot.instrument_id) for lot in missing(figures.lots())}) if figures else []


class SummaryViewSet(FiguresViewSet):
    """An account at a glance: value, cash, gain and returns."""

    serializer_class = SummarySerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[CURRENCY, *PAST, EXPLAIN], responses=SummarySerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the summary of the last valued day, or of the past asked for."""
        row = self.remembered("summary", self.compute)
        row |= {name: names_of(row[name]) for name in ("stale", "missing", "missing_acquisitions")}
        return Response(row | self.why() if explains(request) else row)

    def why(self) -> dict[str, Any]:
        """Return why the account is worth what it is."""
        found = Explained(self.figures)
        explanation = found.summary()
        if explanation is None or found.last is None:
            return {"explanation": None}
        day = {"occurred_at__lt": end_of(found.last.date)}
        return {"explanation": as_told(explanation, self.account, self.past, found.last.date, **day)}

    def compute(self) -> dict[str, Any]:
        """Return the summary with instruments by their ids."""
        summary = self.figures.summary(named=False)
        return dict(SummarySerializer(summary, context={"figures": self.figures}).data)
