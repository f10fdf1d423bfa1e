"""Quotes: read by everybody, sent in rows by staff."""

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, UtcDateTimeField
from marketdata.api.rows import IngestReportSerializer, LatestQuery, RowsField, RowsViewSet, SeriesQuery, in_formats
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import QUOTES
from marketdata.models.prices import Quote
from marketdata.selectors import prices


class QuoteSerializer(StrictSerializer):
    """What was bid and asked."""

    instrument = InstrumentField(read_only=True)
    timestamp = UtcDateTimeField()
    bid = DecimalStringField(positive=True)
    ask = DecimalStringField(positive=True)
    bid_size = DecimalStringField(digits=12, places=12, required=False, allow_null=True)
    ask_size = DecimalStringField(digits=12, places=12, required=False, allow_null=True)


class QuoteRowsSerializer(StrictSerializer):
    """Quotes of one instrument."""

    instrument = InstrumentField()
    rows = RowsField(shape=QUOTES, shared=("instrument",), child=QuoteSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class QuoteViewSet(RowsViewSet):
    """What was bid and asked."""

    queryset = Quote.objects.none()
    serializer_class = QuoteSerializer
    rows_serializer = QuoteRowsSerializer
    dataset = Dataset.QUOTES
    ordering = "timestamp"
    ordering_fields = ("timestamp",)

    @extend_schema(parameters=[SeriesQuery], responses=in_formats(QuoteSerializer(many=True)))
    def list(self, request: Request) -> HttpResponseBase:
        """Return the quotes of instruments in [start, end): in pages, or the whole period as a CSV or Parquet file."""
        return self.series(SeriesQuery)

    @extend_schema(request=QuoteRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store quotes; what can't be stored is reported, the rest goes in."""
        return self.store(request)

    @extend_schema(parameters=[LatestQuery], responses=QuoteSerializer(many=True))
    @action(detail=False)
    def latest(self, request: Request) -> Response:
        """Return the last quote of each instrument that has one."""
        wanted = self.asked(LatestQuery)["instruments"]
        return self.latest_of(prices.latest_quotes(instrument_ids=[each.pk for each in wanted]), wanted)
