"""Files of trading bots: brought into an account, and taken out of it."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ErrorDetail
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.import_reports import ImportSerializer
from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models import Account, ImportBatch
from marketdata.api.fields import DayField, StrictSerializer
from trading.selectors.decision_archives import archived
from trading.selectors.trading_files import alert_lines, filed_decisions, risk_lines, trade_lines
from trading.services.decision_archives import write_decisions, written
from trading.services.trading_files import Kind, import_trading_file

MAX_BYTES = 10 * 1024 * 1024
AROUND_THE_FILE = 64 * 1024  # what a form may have beside it
IN_MEMORY = 4 * 1024 * 1024
KINDS = [kind.value for kind in Kind]
YES = "true"
LINES, GZIP, ZIP = "application/x-ndjson", "application/gzip", "application/zip"


class TradingFileSerializer(StrictSerializer):
    """A file of a trading bot. With `dry_run` the answer is the same and nothing is written.

    Its name or its first line tells what it holds, unless `kind` does. `update` lets decisions that are known change.
    """

    file = serializers.FileField(max_length=255, allow_empty_file=True)
    kind = serializers.ChoiceField(KINDS, required=False)
    update = serializers.BooleanField(default=False)  # type: ignore[assignment]  # a field of that name
    dry_run = serializers.BooleanField(default=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields, each of which comes once."""
        repeated = [name for name in data if len(data.getlist(name)) > 1]
        if repeated:
            raise serializers.ValidationError({name: [ErrorDetail("Send this once.", code="repeated")] for name in repeated})
        return super().to_internal_value(data)


class TradingFileQuery(StrictSerializer):
    """Which file is wanted: of trades that of one day, too; packed with gzip, or, of decisions, always a zip."""

    kind = serializers.ChoiceField(KINDS, default=Kind.TRADES.value)
    day = DayField(required=False, help_text="Of trades: those opened on a day (UTC).")
    packed = serializers.ChoiceField([YES, "false"], default="false")
    archived = serializers.ChoiceField([YES, "false"], default="false", help_text="Of decisions: those that were thrown away.")


class TradingFileViewSet(AccountScopedViewSet):
    """`trades.jsonl`, daily `YYYY-MM-DD.jsonl`, `performance-alerts.jsonl`, `risk-management.jsonl`, and decisions in a zip."""

    queryset = ImportBatch.objects.all()
    serializer_class = ImportSerializer
    parser_classes = [MultiPartParser]
    filter_backends = ()
    pagination_class = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, unless the body is larger than any file may be."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + AROUND_THE_FILE:
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": TradingFileSerializer}, responses={201: ImportSerializer, 200: ImportSerializer}
    )
    def create(self, request: Request, account_id: str) -> Response:
        """Bring a file in: what is good goes in, the rest is reported by line; 200 answers a dry run."""
        form = TradingFileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        if asked["file"].size > MAX_BYTES:
            raise RequestDataTooBig
        batch = import_trading_file(
            account=self.account,
            actor=caller(request),
            file_name=asked["file"].name,
            content=asked["file"].file,
            at=timezone.now(),
            kind=Kind(asked["kind"]) if "kind" in asked else None,
            update=asked["update"],
            dry_run=asked["dry_run"],
        )
        code = status.HTTP_200_OK if asked["dry_run"] else status.HTTP_201_CREATED
        return Response(self.get_serializer(batch).data, code)

    @extend_schema(parameters=[TradingFileQuery], responses={(200, kind): OpenApiTypes.BINARY for kind in (LINES, GZIP, ZIP)})
    def retrieve(self, request: Request, account_id: str) -> FileResponse:
        """Return a file: lines of JSON, or of decisions a zip with a file of each."""
        query = TradingFileQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        kind, day = Kind(query.validated_data["kind"]), query.validated_data.get("day")
        if day is not None and kind is not Kind.TRADES:
            raise serializers.ValidationError({"day": [ErrorDetail("Only trades come by day.", code="invalid")]})
        packed, archive = (query.validated_data[name] == YES for name in ("packed", "archived"))
        if archive and kind is not Kind.DECISIONS:
            raise serializers.ValidationError({"archived": [ErrorDetail("Only decisions are archived.", code="invalid")]})
        # written while the member's transaction is open: rows read later, while the answer is sent, would be nobody's
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  the answer closes it
        if kind is Kind.DECISIONS:
            write_decisions(file, archived(self.account) if archive else files_of(self.account))
            name, content_type = "decisions.zip", ZIP
        else:
            name, content_type = f"{day or kind.value}.jsonl", LINES
            lines = (line.encode() for line in lines_of(self.account, kind, day))
            if packed:
                with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packing:
                    packing.writelines(lines)
                name, content_type = f"{name}.gz", GZIP
            else:
                file.writelines(lines)
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=name, content_type=content_type)


def lines_of(account: Account, kind: Kind, day: date | None) -> Iterator[str]:
    """Return the lines of a file."""
    if kind is Kind.TRADES:
        return trade_lines(account, day=day)
    return risk_lines(account) if kind is Kind.RISK else alert_lines(account)


def files_of(account: Account) -> Iterator[tuple[str, bytes]]:
    """Yield the decisions of an account as files."""
    return ((name, written(held)) for name, held in filed_decisions(account))
