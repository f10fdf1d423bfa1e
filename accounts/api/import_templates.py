"""Tables that nobody knows: what can be guessed of one, and mappings that are kept for the next."""

from dataclasses import asdict
from typing import Any

from django.core.exceptions import RequestDataTooBig, ValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.adapters import detect
from accounts.adapters.base import MAX_BYTES, NotReadable, StatementFile
from accounts.adapters.guesses import guess
from accounts.api.scoping import PersonalViewSet, caller
from accounts.models import ImportTemplate
from accounts.selectors.templates import template_for
from accounts.services.import_templates import change_template, delete_template, save_template
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField


class TemplateSerializer(StrictSerializer):
    """A mapping under a name, and the headings of the file it was made for."""

    id = serializers.UUIDField(read_only=True)
    name = TextField(max_length=100)
    mapping = serializers.DictField()
    headings = serializers.ListField(child=TextField(max_length=100, allow_blank=True), max_length=500, default=list)
    created_at = UtcDateTimeField(read_only=True)


class TemplateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PersonalViewSet):
    """The caller's mappings of tables, by name."""

    queryset = ImportTemplate.objects.all()
    serializer_class = TemplateSerializer
    ordering = "name"
    ordering_fields = ("name", "created_at")
    filterset_fields = {"name": ["exact"]}

    def create(self, request: Request) -> Response:
        """Keep a mapping; one of that name is replaced."""
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        kept = save_template(user=caller(request), at=timezone.now(), **form.validated_data)
        return Response(self.get_serializer(kept).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a mapping."""
        form = self.get_serializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        changes = {name: value for name, value in form.validated_data.items() if name in request.data}
        return Response(self.get_serializer(change_template(template=self.get_object(), changes=changes)).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Throw a mapping away."""
        delete_template(template=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class InspectedFileSerializer(StrictSerializer):
    """A file to be looked at."""

    file = serializers.FileField(max_length=255)


class GuessSerializer(serializers.Serializer):
    """What a file may be: a known format, or a table with a mapping that may fit, to be corrected where it is `unsure`."""

    format = serializers.CharField(allow_null=True)
    candidates = serializers.ListField(child=serializers.CharField())
    encoding = serializers.CharField()
    mapping = serializers.DictField()
    headings = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    words = serializers.ListField(child=serializers.CharField())
    unsure = serializers.ListField(child=serializers.CharField())
    template = TemplateSerializer(allow_null=True)


class InspectView(APIView):
    """What can be said of a file before it is sent to an account."""

    parser_classes = [MultiPartParser]
    write_scope = PersonalViewSet.write_scope

    @extend_schema(request={"multipart/form-data": InspectedFileSerializer}, responses=GuessSerializer)
    def post(self, request: Request) -> Response:
        """Guess how a file is to be read; a template that was saved for a like one is offered."""
        form = InspectedFileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        if form.validated_data["file"].size > MAX_BYTES:
            raise RequestDataTooBig
        try:
            file = StatementFile(form.validated_data["file"].read())
            found, guessed = detect(file), guess(file)
        except NotReadable as error:
            raise ValidationError({"file": ValidationError(str(error), code=error.code)}) from error
        shown: dict[str, Any] = asdict(guessed) | {
            "format": found.reader.name if found.reader else None,
            "candidates": [name for name, _ in found.candidates],
            "template": template_for(user=caller(request), headings=guessed.headings),
        }
        return Response(GuessSerializer(shown).data)
