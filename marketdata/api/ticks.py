"""Trades: read by everybody, sent in rows by staff."""

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.api.rows import IngestReportSerializer, LatestQuery, RowsField, RowsViewSet, SeriesQuery, in_formats
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import TICKS
from marketdata.models.prices import Tick
from marketdata.selectors import prices


class TickSerializer(StrictSerializer):
    """A trade that the market reported."""

    instrument = InstrumentField(read_only=True)
    timestamp = UtcDateTimeField()
    price = DecimalStringField()
    size = DecimalStringField(digits=12, places=12)
    conditions = TextField(required=False, allow_blank=True, max_length=100)


class TickRowsSerializer(StrictSerializer):
    """Trades in one instrument."""

    instrument = InstrumentField()
    rows = RowsField(shape=TICKS, shared=("instrument",), child=TickSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class TickViewSet(RowsViewSet):
    """Trades that the market reported."""

    queryset = Tick.objects.none()
    serializer_class = TickSerializer
    rows_serializer = TickRowsSerializer
    dataset = Dataset.TICKS
    ordering = "timestamp"
    ordering_fields = ("timestamp",)

    @extend_schema(parameters=[SeriesQuery], responses=in_formats(TickSerializer(many=True)))
    def list(self, request: Request) -> HttpResponseBase:
        """Return the trades in instruments in [start, end): in pages, or the whole period as a CSV or Parquet file."""
        return self.series(SeriesQuery)

    @extend_schema(request=TickRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store trades; what can't be stored is reported, the rest goes in."""
        return self.store(request)

    @extend_schema(parameters=[LatestQuery], responses=TickSerializer(many=True))
    @action(detail=False)
    def latest(self, request: Request) -> Response:
        """Return the last trade in each instrument that has one."""
        wanted = self.asked(LatestQuery)["instruments"]
        return self.latest_of(prices.latest_ticks(instrument_ids=[each.pk for each in wanted]), wanted)
