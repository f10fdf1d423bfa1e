"""How the live feeds are doing."""

from rest_framework import mixins, serializers, viewsets

from marketdata.api.fields import StrictSerializer, UtcDateTimeField
from marketdata.models.providers import StreamState


class StreamStateSerializer(StrictSerializer):
    """A live feed; `waiting` is what has come and is not stored yet, `stored_through` up to when nothing is missing."""

    provider = serializers.CharField(read_only=True)
    connected_at = UtcDateTimeField(read_only=True, allow_null=True)
    beat_at = UtcDateTimeField(read_only=True, allow_null=True)
    last_message_at = UtcDateTimeField(read_only=True, allow_null=True)
    stored_through = UtcDateTimeField(read_only=True, allow_null=True)
    received = serializers.IntegerField(read_only=True)
    stored = serializers.IntegerField(read_only=True)
    refused = serializers.IntegerField(read_only=True)
    waiting = serializers.IntegerField(read_only=True)
    most_waiting = serializers.IntegerField(read_only=True)
    reconnects = serializers.IntegerField(read_only=True)
    gaps_filled = serializers.IntegerField(read_only=True)
    last_error = serializers.CharField(read_only=True)


class StreamStateViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[StreamState]):
    """The live feeds, and how they are doing."""

    queryset = StreamState.objects.all()
    serializer_class = StreamStateSerializer
    ordering = "provider"
    ordering_fields = ("provider",)
    filterset_fields = {"provider": ["exact"]}
