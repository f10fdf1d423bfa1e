"""Whole accounts that come as a ZIP: brought, taken by a worker, looked at."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.adapters.base import MAX_BYTES
from accounts.api.import_reports import RemarkSerializer
from accounts.api.scoping import PersonalViewSet, caller, refuse_limited_token
from accounts.models import AccountImport, ImportStatus, Scope
from accounts.models.users import NO_CONTROL_CHARACTERS
from accounts.services.bundle_queue import queue_bundle
from accounts.tasks import take_account
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField

AROUND_THE_FILE = 64 * 1024  # what a form may have beside it


class AccountFileSerializer(StrictSerializer):
    """The ZIP of an account, and what it is to be called here."""

    file = serializers.FileField(max_length=255)
    name = TextField(default="", allow_blank=True, max_length=100, validators=[NO_CONTROL_CHARACTERS])


class AccountImportSerializer(serializers.Serializer):
    """What became of a ZIP: all of it was taken, or nothing; `account` is what it became, `refused` why it was not."""

    id = serializers.UUIDField()
    file_name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(ImportStatus.choices)
    account = serializers.UUIDField(source="account_id", allow_null=True)
    origin = serializers.UUIDField(allow_null=True)
    entries = serializers.IntegerField()
    progress = serializers.IntegerField(help_text="Entries done so far.")
    posted = serializers.IntegerField()
    known = serializers.IntegerField()
    refused = RemarkSerializer(many=True)
    remarks = RemarkSerializer(many=True)
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(allow_null=True)


class AccountImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PersonalViewSet):
    """The accounts that the caller brought as ZIPs, the latest first."""

    queryset = AccountImport.objects.defer("content")
    serializer_class = AccountImportSerializer
    parser_classes = [MultiPartParser]
    write_scope = Scope.MANAGE
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {"status": ["exact", "in"], "sha256": ["exact"], "created_at": ["gte", "lt"]}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, unless the body is larger than any file may be."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + AROUND_THE_FILE:
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)
        refuse_limited_token(request)

    @extend_schema(request={"multipart/form-data": AccountFileSerializer}, responses={202: AccountImportSerializer})
    def create(self, request: Request) -> Response:
        """Bring an account as its ZIP; a worker takes it, all of it or nothing: look at it again to see how far it is."""
        form = AccountFileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        if asked["file"].size > MAX_BYTES:
            raise RequestDataTooBig
        made = queue_bundle(
            user=caller(request),
            file_name=asked["file"].name,
            content=asked["file"].read(),
            at=timezone.now(),
            name=asked["name"],
        )
        take_account.delay_on_commit(import_id=str(made.pk))
        return Response(self.get_serializer(made).data, status.HTTP_202_ACCEPTED)
