"""What routes of rows share: how a period is asked for, how rows are sent, and what is told of them."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

import orjson
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DAY, DayField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.api.files import CSV, PARQUET, CsvRenderer, ParquetRenderer, file_of
from marketdata.api.permissions import StaffWritesMixin
from marketdata.domain.archive import ArchiveUnreadable
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import BadSymbol, split_key
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import Shape
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import find_each
from marketdata.selectors.pages import NotThatEasy, Pages, PagesByName
from marketdata.selectors.series import Asked
from marketdata.services import ingest

log = logging.getLogger(__name__)

SOURCE = "api"
MAX_ROWS = 1000
MAX_SERIES, MAX_LATEST = 50, 500
LONGEST_NAME = 34
IN_FILES = {Dataset.BARS, Dataset.QUOTES, Dataset.TICKS}
FILES = {CSV, PARQUET}
TIMEFRAMES = [timeframe.value for timeframe in Timeframe]


@extend_schema_field({"type": "string", "example": "2024-01-02"})
class StartField(UtcDateTimeField):
    """An instant with its offset, or a day, which means its midnight in UTC; some series reach back further than 1970."""

    earliest = None

    def to_internal_value(self, data: object) -> datetime:
        """Return the instant that the client wrote."""
        if isinstance(data, str) and DAY.fullmatch(data):
            return datetime.combine(DayField().to_internal_value(data), time(), UTC)
        return super().to_internal_value(data)


START = StartField()


class InstrumentsField(TextField):
    """Instruments by their keys or symbols, with commas between them; each is asked for once, and the database too."""

    default_error_messages = {"too_many": "At most {most} instruments can be asked for at once."}

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        self.most = most
        super().__init__(max_length=most * LONGEST_NAME, **kwargs)

    def to_internal_value(self, data: object) -> list[Instrument]:  # type: ignore[override]  # a text that means several
        """Return the instruments that the client means."""
        names = super().to_internal_value(data).split(",")
        if len(names) > self.most:
            self.fail("too_many", most=self.most)
        found = find_each(names)
        meant = [each for each in map(found.__getitem__, names) if isinstance(each, Instrument)]
        if len(meant) < len(names):
            told = {index: _told(found[name]) for index, name in enumerate(names) if not isinstance(found[name], Instrument)}
            refused: Any = told[0] if len(names) == 1 else told
            raise serializers.ValidationError(refused)
        return list(dict.fromkeys(meant))


@extend_schema_field({"type": "string", "enum": ["true", "false"]})
class FlagField(serializers.Field):
    """True or false in a query."""

    default_error_messages = {"invalid": "Write true or false."}

    def to_internal_value(self, data: object) -> bool:
        """Return the flag."""
        if data not in {"true", "false"}:
            self.fail("invalid")
        return data == "true"


class SeriesQuery(StrictSerializer):
    """Which rows are wanted: those of one or several instruments that start in [start, end)."""

    instrument = InstrumentsField(most=MAX_SERIES, help_text=f"A key or symbol, or up to {MAX_SERIES} with commas between them.")
    start = StartField(required=False)
    end = StartField(required=False)


class LatestQuery(StrictSerializer):
    """Of which instruments the latest rows are wanted."""

    instruments = InstrumentsField(most=MAX_LATEST, help_text="Keys or symbols, with commas between them.")


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


def _told(refusal: Any) -> list[ErrorDetail]:
    """Return why an instrument can't be told."""
    return [ErrorDetail(message, code=refusal.code) for message in refusal.messages]


def in_formats(page: serializers.BaseSerializer[Any]) -> dict[tuple[int, str], Any]:
    """Return what the OpenAPI document says of a list that is answered as a page, or as a file."""
    return {(200, "application/json"): page, (200, CSV): OpenApiTypes.STR, (200, PARQUET): OpenApiTypes.BINARY}


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


class ArchiveAway(APIException):
    """A file of the archive is missing or damaged: the operators' log says which."""

    status_code = 503
    default_code = "archive_unreadable"
    default_detail = "A part of this period can't be read from the archive; the operators have been told. Ask for other days."


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

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the formats a list is answered in: JSON in pages, and the whole period as a file."""
        files = [CsvRenderer(), ParquetRenderer()] if self.action == "list" and self.dataset in IN_FILES else []
        return [*super().get_renderers(), *files]

    def series(self, query: type[StrictSerializer]) -> HttpResponseBase:
        """Return what the query asks for: a page, or a file."""
        if (page := self.easy_page()) is not None:
            return page
        told = dict(self.asked(query))
        instruments, today = tuple(told.pop("instrument")), timezone.now().date()
        asked = Asked(self.dataset, instruments, **told, as_of=today if told.get("adjusted") else None)
        media_type = self.request.accepted_renderer.media_type
        try:
            if media_type in FILES:
                return file_of(asked, media_type=media_type, name=self.dataset.value, limit=self._limit())
            pages: Any = Pages(asked)
            rows: list[Any] = self.paginate_queryset(pages) or []
        except ArchiveUnreadable as error:
            log.error("A period can't be answered: %s", error)
            raise ArchiveAway from error
        return self.get_paginated_response(orjson.Fragment(f"[{','.join(rows)}]"))

    def easy_page(self) -> Response | None:
        """Return the page of one instrument's live rows, which is read in one trip; None where there is more to it.

        It is what most ask for. What is wrong with a query, those say who read it field by field.
        """
        asked = self.request.query_params
        if self.request.accepted_renderer.media_type in FILES or asked.get("adjusted", "false") != "false":
            return None
        try:
            symbol, exchange = split_key(asked.get("instrument", ""))
            start, end = (START.run_validation(asked[name]) if name in asked else None for name in ("start", "end"))
            timeframe = Timeframe(asked.get("timeframe", Timeframe.DAY)) if self.dataset is Dataset.BARS else None
            pages: Any = PagesByName(Asked(self.dataset, (), start, end, timeframe), symbol, exchange)
            rows: list[Any] = self.paginate_queryset(pages) or []
        except (NotThatEasy, BadSymbol, ValueError, serializers.ValidationError):
            return None
        return self.get_paginated_response(orjson.Fragment(f"[{','.join(rows)}]"))

    def latest_of(self, rows: Sequence[Any], instruments: Sequence[Instrument]) -> Response:
        """Return the latest rows of instruments, in the order these were named."""
        found = {row.instrument_id: row for row in rows}
        known = [
            {"instrument": each, **found[each.pk]._asdict()}
            for each in self.paginate_queryset(instruments) or []
            if each.pk in found
        ]
        return self.get_paginated_response(self.get_serializer(known, many=True).data)

    def _limit(self) -> int | None:
        """Return how many rows a file is asked for; it has no pages and one order."""
        for name in ("cursor", "ordering"):
            if name in self.request.query_params:
                refused = ErrorDetail("A file has no pages and its rows are in the order of time.", code="not_for_files")
                raise serializers.ValidationError({name: [refused]})
        limit = self.request.query_params.get("limit")
        if limit is None:
            return None
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= MAX_ROWS):
            refused = ErrorDetail(f"Write a whole number from 1 to {MAX_ROWS}, or nothing for the whole period.", code="invalid")
            raise serializers.ValidationError({"limit": [refused]})
        return int(limit)

    def store(self, request: Request) -> Response:
        """Store the rows of the request and say what became of them."""
        serializer = self.rows_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        sent = dict(serializer.validated_data)
        store = {
            Dataset.BARS: ingest.store_bars,
            Dataset.QUOTES: ingest.store_quotes,
            Dataset.TICKS: ingest.store_ticks,
            Dataset.FX_RATES: ingest.store_fx_rates,
        }[self.dataset]
        rows, correct = sent.pop("rows"), sent.pop("correct")
        report = store(source=SOURCE, rows=rows, common=sent, recorded_at=timezone.now(), correct=correct)
        return Response(IngestReportSerializer(report).data)
