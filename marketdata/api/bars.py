"""Bars: read by everybody, sent in rows by staff."""

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, DecimalStringField, InstrumentField, StrictSerializer, WholeNumberField
from marketdata.api.rows import (
    TIMEFRAMES,
    FlagField,
    IngestReportSerializer,
    RowsField,
    RowsViewSet,
    SeriesQuery,
    StartField,
    in_formats,
)
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import BARS
from marketdata.models.prices import Bar


class TimeframeField(serializers.ChoiceField):
    """How long the bars last; a day, unless said otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=TIMEFRAMES, default=Timeframe.DAY, **kwargs)

    def to_internal_value(self, data: Any) -> Timeframe:
        """Return the timeframe."""
        return Timeframe(super().to_internal_value(data))


class BarQuery(SeriesQuery):
    """Which bars are wanted."""

    timeframe = TimeframeField()
    adjusted = FlagField(required=False, help_text="Adjusted for the splits up to today, or (as a rule) as traded.")


class BarSerializer(StrictSerializer):
    """A bar; it starts at its timestamp, a daily one at midnight UTC of its day."""

    instrument = InstrumentField(read_only=True)
    timestamp = StartField()
    open = DecimalStringField()
    high = DecimalStringField()
    low = DecimalStringField()
    close = DecimalStringField()
    volume = DecimalStringField(digits=12, places=12, required=False, allow_null=True)
    vwap = DecimalStringField(required=False, allow_null=True)
    trade_count = WholeNumberField(required=False, allow_null=True)
    adjusted_through = DayField(
        required=False, allow_null=True, write_only=True, help_text="The splits up to this day are in the prices already."
    )


class BarRowsSerializer(StrictSerializer):
    """Bars of one instrument."""

    instrument = InstrumentField()
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default=Timeframe.DAY.value)
    rows = RowsField(shape=BARS, shared=("instrument", "timeframe", "rolled_from"), child=BarSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class BarViewSet(RowsViewSet):
    """Prices over periods."""

    queryset = Bar.objects.none()
    serializer_class = BarSerializer
    rows_serializer = BarRowsSerializer
    dataset = Dataset.BARS
    ordering = "timestamp"
    ordering_fields = ("timestamp",)

    @extend_schema(parameters=[BarQuery], responses=in_formats(BarSerializer(many=True)))
    def list(self, request: Request) -> HttpResponseBase:
        """Return the bars of instruments that start in [start, end): in pages, or the whole period as a CSV or Parquet file."""
        return self.series(BarQuery)

    @extend_schema(request=BarRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store bars; what can't be stored is reported, the rest goes in."""
        return self.store(request)
