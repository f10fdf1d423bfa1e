"""What an account was worth at the end of each day."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, UtcDateTimeField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.models import Snapshot

INDEX = 18


class SnapshotSerializer(serializers.Serializer):
    """An account at the end of a day in UTC (`at`), in its own currency.

    `net_flow` is what came from outside that day less what went there, `day_gain` the change of value beyond it, `total_gain`
    the sum of those, `twr_index` the time-weighted index that starts at 1.
    """

    at = UtcDateTimeField()
    date = DayField()
    total_value = FigureField()
    cash = FigureField()
    positions_value = FigureField()
    buying_power = FigureField()
    net_flow = FigureField()
    day_gain = FigureField()
    total_gain = FigureField()
    twr_index = FigureField(places=INDEX)


class SnapshotViewSet(FiguresViewSet):
    """The daily values of an account, oldest first."""

    queryset = Snapshot.objects.all()
    serializer_class = SnapshotSerializer
    ordering = "date"
    ordering_fields = ("date",)
    filterset_fields = {"date": ["exact", "gte", "lt"]}

    @extend_schema(parameters=PAST)
    def list(self, request: Request, account_id: str) -> Response:
        """Return a page of daily values."""
        return self.page_of(self.figures.snapshots())
