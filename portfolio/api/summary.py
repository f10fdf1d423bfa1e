"""An account at a glance."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.selectors.figures import names_of

RATIO = 12


class SummarySerializer(serializers.Serializer):
    """An account at the end of a day, in its own currency, since its beginning.

    `gain` is the total value less net deposits. `stale` is valued at a price or rate from an earlier day, `missing` had none
    yet and is left out. `reasons` says why a figure is null.
    """

    as_of = DayField(allow_null=True)
    currency = serializers.CharField()
    total_value = FigureField()
    cash = serializers.DictField(child=FigureField())
    positions_value = FigureField()
    net_deposits = FigureField()
    gain = FigureField()
    day_gain = FigureField()
    twr = FigureField(places=RATIO, allow_null=True)
    xirr = FigureField(places=RATIO, allow_null=True)
    max_drawdown = FigureField(places=RATIO, allow_null=True)
    stale = serializers.ListField(child=serializers.CharField())
    missing = serializers.ListField(child=serializers.CharField())
    reasons = serializers.DictField(child=serializers.CharField())


class SummaryViewSet(FiguresViewSet):
    """An account at a glance: value, cash, gain and returns."""

    serializer_class = SummarySerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=PAST, responses=SummarySerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return the summary of the last valued day, or of the past asked for."""
        row = self.remembered("summary", lambda: SummarySerializer(self.figures.summary(named=False)).data)
        return Response(row | {name: names_of(row[name]) for name in ("stale", "missing")})
