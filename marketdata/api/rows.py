"""What routes of rows share: how a period is asked for, how rows are sent, and what is told of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DAY, DayField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.api.permissions import StaffWritesMixin
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import Shape
from marketdata.models.instruments import Instrument
from marketdata.services import ingest

SOURCE = "api"
MAX_ROWS = 1000
MAX_LATEST = 500
TIMEFRAMES = [timeframe.value for timeframe in Timeframe]


@extend_schema_field({"type": "string", "example": "2024-01-02"})
class StartField(UtcDateTimeField):
    """An instant with its offset, or a day, which means its midnight in UTC."""

    def to_internal_value(self, data: object) -> datetime:
        """Return the instant that the client wrote."""
        if isinstance(data, str) and DAY.fullmatch(data):
            return datetime.combine(DayField().to_internal_value(data), time(), UTC)
        return super().to_internal_value(data)


class SeriesQuery(StrictSerializer):
    """Which rows of an instrument are wanted: those that start in [start, end)."""

    instrument = InstrumentField()
    start = StartField(required=False)
    end = StartField(required=False)


class LatestQuery(StrictSerializer):
    """Of which instruments the latest quotes are wanted."""

    instruments = TextField(help_text="Keys or symbols, with commas between them.", max_length=MAX_LATEST * 34)

    def validate_instruments(self, text: str) -> list[Instrument]:
        """Return the instruments of a list of names."""
        field = serializers.ListField(child=InstrumentField(), max_length=MAX_LATEST)
        field.bind("instruments", self)
        found: list[Instrument] = field.run_validation(text.split(","))
        return found


class RowsField(serializers.ListField):
    """Rows to be stored: their shape is checked here, each value where they are stored, so that one bad row costs no other."""

    default_error_messages = {"not_an_object": "A row is an object.", "unknown_field": "There is no such field."}

    def __init__(self, *, shape: Shape, shared: Sequence[str] = (), **kwargs: Any) -> None:
        self.shape, self.shared = shape, shared
        self.taken = set(shape.columns) - set(shared)
        super().__init__(min_length=1, max_length=MAX_ROWS, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "RowsField":
        return type(self)(shape=self.shape, shared=self.shared, child=type(self.child)())

    def run_child_validation(self, data: list[Any]) -> list[dict[str, Any]]:
        """Return the rows as they came."""
        errors: dict[str, Any] = {}
        for index, row in enumerate(data):
            if not isinstance(row, dict):
                errors[str(index)] = self._told("not_an_object")
            elif unknown := [name for name in row if name not in self.taken]:
                errors[str(index)] = {name[:100]: self._told("unknown_field") for name in unknown}
        if errors:
            raise serializers.ValidationError(errors)
        return data

    def _told(self, code: str) -> list[ErrorDetail]:
        """Return the error of a code."""
        return [ErrorDetail(str(self.error_messages[code]), code=code)]


class FindingSerializer(serializers.Serializer[Any]):
    """A row that broke a rule."""

    index = serializers.IntegerField()
    rule = serializers.CharField()
    field = serializers.CharField()
    value = serializers.CharField()
    detail = serializers.CharField()


class IngestReportSerializer(serializers.Serializer[Any]):
    """What became of the rows."""

    stored = serializers.IntegerField()
    known = serializers.IntegerField()
    corrected = serializers.IntegerField()
    refused = FindingSerializer(many=True)
    warned = FindingSerializer(many=True)


class RowsViewSet(StaffWritesMixin, viewsets.GenericViewSet[Any]):
    """Rows that are read in pages and stored in batches."""

    dataset: Dataset
    rows_serializer: type[StrictSerializer]

    def asked(self, query: type[StrictSerializer]) -> dict[str, Any]:
        """Return the query of the request; what belongs to paging is the paginator's."""
        paging = getattr(self.paginator, "query_parameters", ())
        given = {name: value for name, value in self.request.query_params.items() if name not in paging}
        serializer = query(data=given)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def page(self, rows: QuerySet[Any] | Sequence[Any]) -> Response:
        """Return a page of rows."""
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)

    def store(self, request: Request) -> Response:
        """Store the rows of the request and say what became of them."""
        serializer = self.rows_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        sent = dict(serializer.validated_data)
        store = {
            Dataset.BARS: ingest.store_bars,
            Dataset.QUOTES: ingest.store_quotes,
            Dataset.FX_RATES: ingest.store_fx_rates,
        }[self.dataset]
        rows, correct = sent.pop("rows"), sent.pop("correct")
        report = store(source=SOURCE, rows=rows, common=sent, recorded_at=timezone.now(), correct=correct)
        return Response(IngestReportSerializer(report).data)
