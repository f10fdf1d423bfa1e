"""The files of days that have left the database."""

from typing import Any

from rest_framework import mixins, serializers, viewsets

from marketdata.api.fields import StrictSerializer, UtcDateTimeField
from marketdata.models.archive import ArchiveSegment


class ArchiveSegmentSerializer(StrictSerializer):
    """A file with rows of a day, named as below the root of the archive; `fault` says what was wrong with it when last seen."""

    id = serializers.UUIDField(read_only=True)
    dataset = serializers.CharField(read_only=True)
    day = serializers.DateField(read_only=True)
    part = serializers.IntegerField(read_only=True)
    file = serializers.CharField(read_only=True)
    rows = serializers.IntegerField(read_only=True)
    first_at = UtcDateTimeField(read_only=True)
    last_at = UtcDateTimeField(read_only=True)
    bytes = serializers.IntegerField(read_only=True)
    sha256 = serializers.CharField(read_only=True)
    content = serializers.CharField(read_only=True)
    schema_version = serializers.IntegerField(read_only=True)
    recorded_at = UtcDateTimeField(read_only=True)
    verified_at = UtcDateTimeField(read_only=True, allow_null=True)
    fault = serializers.CharField(read_only=True)


class ArchiveSegmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """The files of days that have left the database, the last day first."""

    queryset = ArchiveSegment.objects.all()
    serializer_class = ArchiveSegmentSerializer
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    ordering = "-day"
    ordering_fields = ("day", "recorded_at")
    filterset_fields = {"dataset": ["exact"], "day": ["exact", "gte", "lt"], "file": ["exact"]}
