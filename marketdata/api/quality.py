"""What was wrong with rows that came in, and what became of it; how the sources of prices are doing."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.api.permissions import StaffWritesMixin
from marketdata.models.quality import QualityIssue
from marketdata.selectors.quality import quality_summary
from marketdata.services.quality import resolve_issue


class QualityIssueSerializer(StrictSerializer):
    """A row that broke a rule; `resolution` is written by who deals with it."""

    id = serializers.IntegerField(read_only=True)
    rule = serializers.CharField(read_only=True)
    severity = serializers.CharField(read_only=True)
    dataset = serializers.CharField(read_only=True)
    source = serializers.CharField(read_only=True)  # type: ignore[assignment]  # fields have one of their own
    instrument = InstrumentField(read_only=True, allow_null=True)
    record = serializers.DictField(read_only=True)
    field = serializers.CharField(read_only=True)
    value = serializers.CharField(read_only=True)
    detail = serializers.CharField(read_only=True)
    times = serializers.IntegerField(read_only=True)
    found_at = UtcDateTimeField(read_only=True)
    last_found_at = UtcDateTimeField(read_only=True)
    resolved_at = UtcDateTimeField(read_only=True, allow_null=True)
    resolved_by = serializers.CharField(read_only=True)
    resolution = TextField(max_length=2000)


class QualitySummarySerializer(serializers.Serializer[Any]):
    """How often a source has broken a rule: issues, open ones, and the rows behind them."""

    rule = serializers.CharField()
    severity = serializers.CharField()
    dataset = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # fields have one of their own
    issues = serializers.IntegerField()
    open = serializers.IntegerField()
    times = serializers.IntegerField()
    last_found_at = UtcDateTimeField()


class QualityIssueViewSet(
    StaffWritesMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[QualityIssue]
):
    """What was wrong with rows that came in."""

    queryset = QualityIssue.objects.select_related("instrument")
    serializer_class = QualityIssueSerializer
    lookup_value_regex = r"\d{1,18}"
    ordering = "-found_at"
    ordering_fields = ("found_at",)
    filterset_fields = {
        "rule": ["exact", "in"],
        "severity": ["exact", "in"],
        "dataset": ["exact"],
        "source": ["exact"],
        "instrument": ["exact"],
        "found_at": ["gte", "lt"],
        "resolved_at": ["isnull"],
    }

    @extend_schema(responses=QualitySummarySerializer(many=True), filters=False)
    @action(detail=False, filter_backends=(), pagination_class=None)
    def summary(self, request: Request) -> Response:
        """Return how often each rule was broken by each source, what is open first."""
        return Response(QualitySummarySerializer(quality_summary(), many=True).data)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Note that the issue has been dealt with, and how."""
        issue = self.get_object()
        serializer = self.get_serializer(issue, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data:
            issue = resolve_issue(issue=issue, by=str(request.user), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(issue).data)
