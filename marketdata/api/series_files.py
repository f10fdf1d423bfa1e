"""Price series as files: sent by staff, taken out by everybody."""

import tempfile
from dataclasses import asdict
from datetime import UTC, datetime, time
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import ErrorDetail
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import DayField, InstrumentField, StrictSerializer, TextField
from marketdata.api.permissions import StaffWritesMixin
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass
from marketdata.domain.quality import Dataset
from marketdata.models.prices import Bar
from marketdata.selectors.series import Asked
from marketdata.selectors.series_files import write_series_frame, write_series_lines
from marketdata.services.series_files import Choices, UnreadableFile, import_series

SOURCE = "api"
MAX_BYTES = 32 * 2**20
AROUND_THE_FILE = 64 * 1024  # what a form may have beside it
IN_MEMORY = 4 * 2**20
LINES, PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"
TIMEFRAMES = [timeframe.value for timeframe in Timeframe]
DATASETS = [Dataset.BARS.value, Dataset.QUOTES.value, Dataset.TICKS.value]


class SeriesFileSerializer(StrictSerializer):
    """A file of prices, and what its name and its lines do not say. With `dry_run` the answer is the same and nothing stays."""

    file = serializers.FileField(max_length=255, allow_empty_file=True)
    instrument = InstrumentField(required=False)
    exchange = TextField(max_length=8, required=False)
    create = serializers.BooleanField(default=False, help_text="Write it down, if it is not known.")  # type: ignore[assignment]
    asset_class = serializers.ChoiceField(choices=[kind.value for kind in AssetClass], default=AssetClass.EQUITY.value)
    currency = TextField(min_length=3, max_length=3, default="USD")
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, required=False, help_text="Of bars that do not say theirs.")
    correct = serializers.BooleanField(default=False, help_text="Let other figures replace those already stored.")
    dry_run = serializers.BooleanField(default=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields, each of which comes once."""
        repeated = [name for name in data if len(data.getlist(name)) > 1]
        if repeated:
            raise serializers.ValidationError({name: [ErrorDetail("Send this once.", code="repeated")] for name in repeated})
        return super().to_internal_value(data)


class LineSerializer(serializers.Serializer[Any]):
    """A line that was not taken, or is doubted, and why."""

    line = serializers.IntegerField()
    rule = serializers.CharField()
    field = serializers.CharField()
    value = serializers.CharField()
    detail = serializers.CharField()


class SeriesReportSerializer(serializers.Serializer[Any]):
    """What became of the lines of a file; `refused` and `warned` tell the first thousand, `refusals` and `warnings` count all."""

    instrument = serializers.CharField()
    lines = serializers.IntegerField()
    stored = serializers.IntegerField()
    known = serializers.IntegerField()
    corrected = serializers.IntegerField()
    refusals = serializers.IntegerField()
    warnings = serializers.IntegerField()
    refused = LineSerializer(many=True)
    warned = LineSerializer(many=True)


class SeriesFileQuery(StrictSerializer):
    """Which series is wanted as a file."""

    instrument = InstrumentField()
    dataset = serializers.ChoiceField(choices=DATASETS, default=Dataset.BARS.value)
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, default=Timeframe.DAY.value, help_text="Of bars.")
    start = DayField(required=False, help_text="The first day.")
    end = DayField(required=False, help_text="The day after the last one.")


class LinesRenderer(BaseRenderer):
    """Says that a view answers JSON lines; the view itself writes them."""

    media_type = LINES
    format = "jsonl"
    charset = "utf-8"


class FrameRenderer(BaseRenderer):
    """Says that a view answers Parquet; the view itself writes it."""

    media_type = PARQUET
    format = "parquet"
    charset = None


class SeriesFileViewSet(StaffWritesMixin, viewsets.GenericViewSet[Any]):
    """Files of prices: `SYMBOL_timeseries.jsonl` and `SYMBOL_TIMEFRAME_START_END.parquet`."""

    queryset = Bar.objects.none()
    serializer_class = SeriesReportSerializer
    parser_classes = [MultiPartParser]
    pagination_class = None
    filter_backends = ()

    def get_renderers(self) -> list[BaseRenderer]:
        """Return what a file, or a report of one, may be answered as."""
        return [LinesRenderer(), FrameRenderer()] if self.request.method == "GET" else super().get_renderers()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, unless the body is larger than any file may be."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + AROUND_THE_FILE:
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    @extend_schema(
        parameters=[SeriesFileQuery], responses={(200, LINES): OpenApiTypes.BINARY, (200, PARQUET): OpenApiTypes.BINARY}
    )
    def export(self, request: Request) -> FileResponse:
        """Return the series of an instrument as a file: JSON lines, or bars as Parquet, by `Accept`."""
        query = SeriesFileQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        dataset = Dataset(asked["dataset"])
        timeframe = Timeframe(asked["timeframe"]) if dataset is Dataset.BARS else None
        start, end = (datetime.combine(asked[name], time(), UTC) if name in asked else None for name in ("start", "end"))
        parquet = getattr(request.accepted_renderer, "media_type", "") == PARQUET
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  the answer closes it
        try:
            write = write_series_frame if parquet else write_series_lines
            written = write(Asked(dataset, (asked["instrument"],), start, end, timeframe), file)
        except ValueError as error:
            file.close()
            raise serializers.ValidationError({"instrument": [ErrorDetail(str(error), code="no_such_series")]}) from error
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=written.name, content_type=PARQUET if parquet else LINES)

    @extend_schema(request={"multipart/form-data": SeriesFileSerializer}, responses=SeriesReportSerializer)
    def create(self, request: Request) -> Response:
        """Store the prices of a file; what can't be stored is reported by its line, the rest goes in."""
        form = SeriesFileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = dict(form.validated_data)
        file = asked.pop("file")
        if file.size > MAX_BYTES:
            raise RequestDataTooBig
        asked["asset_class"] = AssetClass(asked["asset_class"])
        if "timeframe" in asked:
            asked["timeframe"] = Timeframe(asked["timeframe"])
        try:
            done = import_series(
                file=file.file, name=file.name, source=SOURCE, recorded_at=timezone.now(), choices=Choices(**asked)
            )
        except UnreadableFile as refusal:
            raise serializers.ValidationError({"file": [ErrorDetail(str(refusal), code="unreadable_file")]}) from refusal
        return Response(SeriesReportSerializer(asdict(done.report) | {"instrument": done.instrument}).data)
