"""Files brought into a ledger: looked at, posted, asked about, taken back."""

from dataclasses import asdict
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.adapters.base import MAX_BYTES
from accounts.api.import_reports import (
    AnswersSerializer,
    FileSerializer,
    ImportRowSerializer,
    ImportSerializer,
    OptionsSerializer,
    UndoSerializer,
)
from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models import ImportBatch, ImportStatus, ImportTemplate
from accounts.services.import_posting import start_posting
from accounts.services.import_questions import Answer, answer_questions
from accounts.services.import_undo import undo_import
from accounts.services.imports import (
    ReadOptions,
    change_preview,
    discard_preview,
    import_file,
    preview_file,
    queue_file,
    refused_file,
)
from accounts.tasks import post_import

AROUND_THE_FILE = 64 * 1024  # what a form may have beside it
AT_ONCE = 512 * 1024  # a longer file is posted by a worker


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The files that were read into the ledger of an account, the latest first."""

    queryset = ImportBatch.objects.select_related("account", "actor").prefetch_related("questions")
    serializer_class = ImportSerializer
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {
        "status": ["exact", "in"],
        "format": ["exact"],
        "sha256": ["exact"],
        "created_at": ["gte", "lt"],
    }

    def get_parsers(self) -> list[Any]:
        """Return what bodies may be: a form where a file is sent, JSON elsewhere."""
        method = (self.request.method or "").lower() if self.request else ""
        form = (self.action_map or {}).get(method) == "create"
        return [MultiPartParser()] if form else super().get_parsers()

    def get_queryset(self) -> QuerySet[ImportBatch]:
        """Return the imports of the account; what is long is read of one alone."""
        rows = super().get_queryset()
        return rows.defer("fates", "figures", "spans", "undone", "options") if self._lists() else rows

    def get_serializer_class(self) -> type[serializers.BaseSerializer]:
        """Return the short form for lists."""
        return ImportRowSerializer if self._lists() else ImportSerializer

    def _lists(self) -> bool:
        """Say whether a list is asked for."""
        return getattr(self, "action", None) == "list"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, unless the body is larger than any file may be."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + AROUND_THE_FILE:
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": FileSerializer},
        responses={201: ImportSerializer, 200: ImportSerializer, 202: ImportSerializer},
    )
    def create(self, request: Request, account_id: str) -> Response:
        """Read a file into the ledger: its good lines are posted, the others reported.

        200 answers a dry run; 202 a file so long that a worker posts it: look at it again to see how far it is.
        """
        asked = self._form(request)
        file = {
            "account": self.account,
            "actor": caller(request),
            "file_name": asked["file"].name,
            "content": asked["file"].read(),
            "at": timezone.now(),
        }
        options = ReadOptions(
            form=asked["format"],
            time_zone=asked["time_zone"],
            statement_account=asked["statement_account"],
            mapping=self._mapping(request, asked),
        )
        if asked["keep"]:
            return Response(self.get_serializer(preview_file(**file, options=options)).data, status.HTTP_201_CREATED)
        if asked["dry_run"] or asked["file"].size <= AT_ONCE:
            batch = import_file(**file, dry_run=asked["dry_run"], **asdict(options))
            code = status.HTTP_200_OK if asked["dry_run"] else status.HTTP_201_CREATED
            return Response(self.get_serializer(batch).data, code)
        return self._wake(queue_file(**file, options=options))

    @extend_schema(request=OptionsSerializer, responses=ImportSerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Read a kept file in another way, and show what would become of it."""
        form = OptionsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        names = {"format": "form"}
        changes = {names.get(name, name): value for name, value in form.validated_data.items()}
        batch = change_preview(batch=self.get_object(), changes=changes, actor=caller(request), at=timezone.now())
        return Response(self.get_serializer(batch).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Throw a kept file away that was never posted."""
        discard_preview(batch=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: ImportSerializer})
    @action(detail=True, methods=["post"], url_path="post", url_name="post")
    def post_kept(self, request: Request, account_id: str, pk: str) -> Response:
        """Have a kept file posted; `progress` says how far it is."""
        return self._wake(start_posting(batch=self.get_object(), actor=caller(request)))

    @extend_schema(request=UndoSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, account_id: str, pk: str) -> Response:
        """Take an import back: every entry of it gets its reversal, all of them or none."""
        form = UndoSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        batch = undo_import(batch=self.get_object(), actor=caller(request), at=timezone.now(), **form.validated_data)
        return Response(self.get_serializer(batch).data)

    @extend_schema(request=AnswersSerializer, responses={200: ImportSerializer, 202: ImportSerializer})
    @action(detail=True, methods=["post"])
    def answers(self, request: Request, account_id: str, pk: str) -> Response:
        """Say what instruments of a file are; remembered for the next file. Lines that waited are posted after that (202)."""
        form = AnswersSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = [Answer(one["question"], one.get("instrument")) for one in form.validated_data["answers"]]
        batch = answer_questions(batch=self.get_object(), answers=given, actor=caller(request), at=timezone.now())
        if batch.status == ImportStatus.WAITING:
            return self._wake(batch)
        return Response(self.get_serializer(self.get_queryset().get(pk=batch.pk)).data)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"])
    def refused(self, request: Request, account_id: str, pk: str) -> HttpResponse:
        """Return the lines that were refused as a file, to be mended and sent again."""
        batch = self.get_object()
        answer = HttpResponse(refused_file(batch), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = content_disposition_header(True, f"refused-{batch.file_name}")
        return answer

    def _form(self, request: Request) -> dict[str, Any]:
        """Return the fields of a form with a file."""
        form = FileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked: dict[str, Any] = form.validated_data
        if asked["file"].size > MAX_BYTES:
            raise RequestDataTooBig
        return asked

    def _mapping(self, request: Request, asked: dict[str, Any]) -> Any:
        """Return the mapping of a form, or that of the template it names."""
        if "template" not in asked:
            return asked.get("mapping")
        return get_object_or_404(ImportTemplate.objects.visible_to(caller(request)), pk=asked["template"]).mapping

    def _wake(self, batch: ImportBatch) -> Response:
        """Wake a worker for a file that waits, and answer with it."""
        post_import.delay_on_commit(batch_id=str(batch.pk))
        return Response(self.get_serializer(batch).data, status.HTTP_202_ACCEPTED)
