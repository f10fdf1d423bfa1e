"""Files brought into a ledger, and the ledger taken out as a file."""

import tempfile
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse
from django.utils import timezone
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import ErrorDetail
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.adapters import AUTO, FORMATS
from accounts.adapters.base import MAX_BYTES
from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models import ImportBatch, ImportStatus
from accounts.models.users import check_time_zone
from accounts.selectors.exports import event_log
from accounts.services.imports import import_file
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField

AROUND_THE_FILE = 64 * 1024  # what a form may have beside it


class FileSerializer(StrictSerializer):
    """A file to be read into the ledger. With `dry_run` the answer is the same and nothing is written."""

    file = serializers.FileField(max_length=255)
    format = serializers.ChoiceField(FORMATS, default=AUTO)
    time_zone = TextField(
        default="UTC", max_length=64, validators=[check_time_zone], help_text="Of times in the file that do not name their zone."
    )
    dry_run = serializers.BooleanField(default=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields, each of which comes once."""
        repeated = [name for name in data if len(data.getlist(name)) > 1]
        if repeated:
            raise serializers.ValidationError({name: [ErrorDetail("Send this once.", code="repeated")] for name in repeated})
        return super().to_internal_value(data)


class RefusalSerializer(serializers.Serializer):
    """A line that was not taken, and why."""

    line = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


class RemarkSerializer(serializers.Serializer):
    """Something that was assumed where the file says nothing."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ImportSerializer(serializers.Serializer):
    """A file that was read, and what became of its lines: posted, known before, or refused. A dry run has no id."""

    id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(ImportStatus.choices)
    format = serializers.CharField()
    file_name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    lines = serializers.IntegerField()
    posted = serializers.IntegerField()
    known = serializers.IntegerField()
    refused = RefusalSerializer(many=True)
    remarks = RemarkSerializer(many=True)
    questions = serializers.ListField(
        child=serializers.CharField(), default=[], help_text="What the file leaves open; none so far."
    )
    actor = serializers.UUIDField(source="actor_id")
    created_at = UtcDateTimeField()

    def to_representation(self, batch: ImportBatch) -> dict[str, Any]:
        """Return the report; what was not stored has no address."""
        shown: dict[str, Any] = super().to_representation(batch)
        return shown | {"id": None if batch.status == ImportStatus.PREVIEWED else shown["id"]}


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The files that were read into the ledger of an account, the latest first."""

    queryset = ImportBatch.objects.all()
    serializer_class = ImportSerializer
    parser_classes = [MultiPartParser]
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {
        "status": ["exact", "in"],
        "format": ["exact"],
        "sha256": ["exact"],
        "created_at": ["gte", "lt"],
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, unless the body is larger than any file may be."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + AROUND_THE_FILE:
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    @extend_schema(request={"multipart/form-data": FileSerializer}, responses={201: ImportSerializer, 200: ImportSerializer})
    def create(self, request: Request, account_id: str) -> Response:
        """Read a file into the ledger: its good lines are posted, the others reported; 200 answers a dry run."""
        form = FileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        if asked["file"].size > MAX_BYTES:
            raise RequestDataTooBig
        batch = import_file(
            account=self.account,
            actor=caller(request),
            file_name=asked["file"].name,
            content=asked["file"].read(),
            form=asked["format"],
            time_zone=asked["time_zone"],
            dry_run=asked["dry_run"],
            at=timezone.now(),
        )
        code = status.HTTP_200_OK if asked["dry_run"] else status.HTTP_201_CREATED
        return Response(self.get_serializer(batch).data, code)


class CsvRenderer(BaseRenderer):
    """Says that a view answers CSV; the view itself writes it."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class ExportViewSet(AccountScopedViewSet):
    """The ledger of an account as a file."""

    filter_backends = ()
    pagination_class = None
    renderer_classes = [CsvRenderer]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def retrieve(self, request: Request, account_id: str) -> FileResponse:
        """Return the event log: every entry in the order of recording, ready to be imported anywhere."""
        # written while the member's transaction is open: rows read later, while the answer is sent, would be nobody's
        file = tempfile.TemporaryFile()  # noqa: SIM115  the answer closes it
        file.writelines(row.encode() for row in event_log(self.account))
        file.seek(0)
        name = f"{slugify(self.account.name) or 'account'}-event-log.csv"
        return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
