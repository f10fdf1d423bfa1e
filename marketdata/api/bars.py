"""Bars: read by everybody, sent in rows by staff."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, WholeNumberField
from marketdata.api.rows import TIMEFRAMES, IngestReportSerializer, RowsField, RowsViewSet, SeriesQuery, StartField
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import BARS
from marketdata.models.prices import Bar
from marketdata.selectors import prices


class BarQuery(SeriesQuery):
    """Which bars are wanted."""

    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default=Timeframe.DAY.value)


class BarSerializer(StrictSerializer):
    """A bar; it starts at its timestamp, a daily one at midnight UTC of its day."""

    timestamp = StartField()
    open = DecimalStringField()
    high = DecimalStringField()
    low = DecimalStringField()
    close = DecimalStringField()
    volume = DecimalStringField(digits=12, places=12, required=False, allow_null=True)
    vwap = DecimalStringField(required=False, allow_null=True)
    trade_count = WholeNumberField(required=False, allow_null=True)


class BarRowsSerializer(StrictSerializer):
    """Bars of one instrument."""

    instrument = InstrumentField()
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default=Timeframe.DAY.value)
    rows = RowsField(shape=BARS, shared=("instrument", "timeframe"), child=BarSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class BarViewSet(RowsViewSet):
    """Prices over periods."""

    queryset = Bar.objects.none()
    serializer_class = BarSerializer
    rows_serializer = BarRowsSerializer
    dataset = Dataset.BARS
    ordering = "timestamp"
    ordering_fields = ("timestamp",)

    @extend_schema(parameters=[BarQuery])
    def list(self, request: Request) -> Response:
        """Return the bars of an instrument that start in [start, end)."""
        return self.page(prices.bars(**self.asked(BarQuery)))

    @extend_schema(request=BarRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store bars; what can't be stored is reported, the rest goes in."""
        return self.store(request)
