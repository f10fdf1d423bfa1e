"""How the sources of prices are doing."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import UtcDateTimeField
from marketdata.models.providers import Circuit, ProviderHealth
from marketdata.selectors.providers import provider_summaries


class ProviderSerializer(serializers.Serializer[Any]):
    """A source of prices and how it has been doing."""

    name = serializers.CharField()
    timeframes = serializers.ListField(child=serializers.CharField())
    series = serializers.IntegerField()
    failing = serializers.IntegerField()
    last_run_at = UtcDateTimeField(allow_null=True)
    last_failure = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())
    needs_credentials = serializers.BooleanField()
    circuit = serializers.ChoiceField(choices=[state.value for state in Circuit])
    not_before = UtcDateTimeField(allow_null=True)
    requests = serializers.IntegerField()
    retries = serializers.IntegerField()
    throttled = serializers.IntegerField()
    skipped = serializers.IntegerField()
    last_skipped = serializers.CharField()
    progress = serializers.CharField()
    last_error = serializers.CharField()
    last_error_at = UtcDateTimeField(allow_null=True)
    last_success_at = UtcDateTimeField(allow_null=True)


class ProviderViewSet(viewsets.GenericViewSet[Any]):
    """The sources of prices, in the order in which they are asked."""

    queryset = ProviderHealth.objects.none()
    serializer_class = ProviderSerializer
    filter_backends = ()

    @extend_schema(responses=ProviderSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Return every source and how it has been doing."""
        page = self.paginate_queryset(provider_summaries())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
