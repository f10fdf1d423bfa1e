"""Bars, quotes and rates: read by everybody, sent in rows by staff."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import (
    DAY,
    DayField,
    DecimalStringField,
    InstrumentField,
    StrictSerializer,
    TextField,
    UtcDateTimeField,
    WholeNumberField,
)
from marketdata.api.permissions import StaffWritesMixin
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import BARS, FX_RATES, QUOTES, Shape
from marketdata.models.fx import FxRate
from marketdata.models.instruments import Instrument
from marketdata.models.prices import Bar, Quote
from marketdata.selectors import prices
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


class BarQuery(SeriesQuery):
    """Which bars are wanted."""

    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default=Timeframe.DAY.value)


class LatestQuery(StrictSerializer):
    """Of which instruments the latest quotes are wanted."""

    instruments = TextField(help_text="Keys or symbols, with commas between them.", max_length=MAX_LATEST * 34)

    def validate_instruments(self, text: str) -> list[Instrument]:
        """Return the instruments of a list of names."""
        field = serializers.ListField(child=InstrumentField(), max_length=MAX_LATEST)
        field.bind("instruments", self)
        found: list[Instrument] = field.run_validation(text.split(","))
        return found


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


class QuoteSerializer(StrictSerializer):
    """What was bid and asked."""

    instrument = InstrumentField(read_only=True)
    timestamp = UtcDateTimeField()
    bid = DecimalStringField(positive=True)
    ask = DecimalStringField(positive=True)
    bid_size = DecimalStringField(digits=12, places=12, required=False, allow_null=True)
    ask_size = DecimalStringField(digits=12, places=12, required=False, allow_null=True)


class FxRateSerializer(StrictSerializer):
    """The rate of a day: one unit of the base is so many units of the quote currency."""

    base = TextField(min_length=3, max_length=3)
    quote = TextField(min_length=3, max_length=3)
    date = DayField()
    rate = DecimalStringField(digits=12, places=12, positive=True)


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


class BarRowsSerializer(StrictSerializer):
    """Bars of one instrument."""

    instrument = InstrumentField()
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default=Timeframe.DAY.value)
    rows = RowsField(shape=BARS, shared=("instrument", "timeframe"), child=BarSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class QuoteRowsSerializer(StrictSerializer):
    """Quotes of one instrument."""

    instrument = InstrumentField()
    rows = RowsField(shape=QUOTES, shared=("instrument",), child=QuoteSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


class FxRateRowsSerializer(StrictSerializer):
    """Rates of days."""

    rows = RowsField(shape=FX_RATES, child=FxRateSerializer())
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")


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


class QuoteViewSet(RowsViewSet):
    """What was bid and asked."""

    queryset = Quote.objects.none()
    serializer_class = QuoteSerializer
    rows_serializer = QuoteRowsSerializer
    dataset = Dataset.QUOTES
    ordering = "timestamp"
    ordering_fields = ("timestamp",)

    @extend_schema(parameters=[SeriesQuery])
    def list(self, request: Request) -> Response:
        """Return the quotes of an instrument in [start, end)."""
        return self.page(prices.quotes(**self.asked(SeriesQuery)))

    @extend_schema(request=QuoteRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store quotes; what can't be stored is reported, the rest goes in."""
        return self.store(request)

    @extend_schema(parameters=[LatestQuery], responses=QuoteSerializer(many=True))
    @action(detail=False)
    def latest(self, request: Request) -> Response:
        """Return the last quote of each instrument that has one."""
        wanted = [instrument.pk for instrument in self.asked(LatestQuery)["instruments"]]
        return self.page(prices.latest_quotes(instrument_ids=wanted))


class FxRateViewSet(mixins.ListModelMixin, RowsViewSet):
    """Rates between currencies."""

    queryset = FxRate.objects.all()
    serializer_class = FxRateSerializer
    rows_serializer = FxRateRowsSerializer
    dataset = Dataset.FX_RATES
    ordering = "date"
    ordering_fields = ("date",)
    filterset_fields = {"base": ["exact", "in"], "quote": ["exact", "in"], "date": ["exact", "gte", "lt"]}

    @extend_schema(request=FxRateRowsSerializer, responses={200: IngestReportSerializer})
    def create(self, request: Request) -> Response:
        """Store rates; what can't be stored is reported, the rest goes in."""
        return self.store(request)
