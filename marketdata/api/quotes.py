"""Quotes: read by everybody, sent in rows by staff."""

import re
from collections.abc import Sequence

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, UtcDateTimeField
from marketdata.api.rows import MAX_LATEST, IngestReportSerializer, LatestQuery, RowsField, RowsViewSet, SeriesQuery, in_formats
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import QUOTES
from marketdata.models.prices import Quote
from marketdata.selectors import prices
from marketdata.services import quotes as warming

USUAL, LIMIT = "100", re.compile(r"[1-9][0-9]{0,2}")  # how many rows a page has; more than are kept for one are none of these


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
        told = self.from_cache()
        if told is not None:
            return Response({"results": told, "next": None, "previous": None})
        wanted = self.asked(LatestQuery)["instruments"]
        found = prices.latest_quotes(instrument_ids=[each.pk for each in wanted])
        warming.note_quotes([row.instrument_id for row in found])
        return self.latest_of(found, wanted)

    def from_cache(self) -> "Sequence[warming.Row] | None":
        """Return the one page there is of instruments whose quotes are all kept, each named by its key; else None."""
        asked = self.request.query_params
        if set(asked) - {"instruments", "limit"} or any(len(values) > 1 for _, values in asked.lists()):
            return None
        names, limit = asked.get("instruments", "").split(","), asked.get("limit", USUAL)
        if not LIMIT.fullmatch(limit) or len(set(names)) < len(names) or len(names) > min(int(limit), MAX_LATEST):
            return None
        return warming.kept_rows(names)
