"""What an account was worth at the end of each day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, UtcDateTimeField
from portfolio.api.base import CURRENCY, PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, end_of
from portfolio.domain.gaps import INCOMPLETE
from portfolio.models import Snapshot
from portfolio.selectors.explained import Explained

INDEX = 18


class SnapshotSerializer(serializers.Serializer):
    """An account at the end of a day in UTC (`at`); in its own currency, unless another is asked for.

    `net_flow` is what came from outside that day (`inflow`) less what went there (`outflow`), `day_gain` the change of value
    beyond it: price_gain + currency_gain + income + interest - fees - taxes, exactly. `total_gain` is the sum of the days' gains,
    `twr_index` the time-weighted index that starts at 1. In another currency a day without a rate is null. A day that is not
    `complete` lacks a price or rate of something held: its values are without it, and it has no `twr_index`; `reasons` says so.
    """

    at = UtcDateTimeField()
    date = DayField()
    total_value = FigureField(allow_null=True)
    cash = FigureField(allow_null=True)
    positions_value = FigureField(allow_null=True)
    buying_power = FigureField(allow_null=True)
    net_flow = FigureField(allow_null=True)
    inflow = FigureField(allow_null=True)
    outflow = FigureField(allow_null=True)
    day_gain = FigureField(allow_null=True)
    price_gain = FigureField(allow_null=True)
    currency_gain = FigureField(allow_null=True)
    income = FigureField(allow_null=True)
    interest = FigureField(allow_null=True)
    fees = FigureField(allow_null=True)
    taxes = FigureField(allow_null=True)
    total_gain = FigureField(allow_null=True)
    twr_index = FigureField(places=INDEX, allow_null=True)
    complete = serializers.BooleanField()
    reasons = serializers.SerializerMethodField()
    explanation = ExplanationField()

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_reasons(self, snapshot: Snapshot) -> dict[str, str]:
        """Return why figures are null."""
        return {} if snapshot.complete else {"twr_index": INCOMPLETE}

    def to_representation(self, instance: Snapshot) -> dict[str, Any]:
        """Return the figures of a day; one that lacks something has no return."""
        row: dict[str, Any] = super().to_representation(instance)
        return row if instance.complete else row | {"twr_index": None}


class SnapshotViewSet(FiguresViewSet):
    """The daily values of an account, oldest first."""

    queryset = Snapshot.objects.all()
    serializer_class = SnapshotSerializer
    ordering = "date"
    ordering_fields = ("date",)
    filterset_fields = {"date": ["exact", "gte", "lt"]}

    def explained(self, page: Sequence[Snapshot]) -> list[dict[str, Any] | None]:
        """Return why the account was worth what it was on days."""
        found = Explained(self.figures).days(one.date for one in page)
        return [
            as_told(found[day], self.account, self.past, day, occurred_at__gte=f"{day}T00:00:00Z", occurred_at__lt=end_of(day))
            if day in found
            else None
            for day in (one.date for one in page)
        ]

    @extend_schema(parameters=[CURRENCY, *PAST, EXPLAIN])
    def list(self, request: Request, account_id: str) -> Response:
        """Return a page of daily values."""
        return self.page_of(self.figures.snapshots())
