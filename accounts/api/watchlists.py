"""The instruments a person follows."""

from django.utils import timezone
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import PersonalViewSet, caller
from accounts.models import Watchlist
from accounts.services.watchlists import change_watchlist, create_watchlist, delete_watchlist
from marketdata.api.fields import InstrumentField, StrictSerializer, TextField, UtcDateTimeField

MOST_INSTRUMENTS = 1000


class WatchlistSerializer(StrictSerializer):
    """A named list of instruments."""

    id = serializers.UUIDField(read_only=True)
    name = TextField(max_length=100)
    instruments = serializers.ListField(child=InstrumentField(), max_length=MOST_INSTRUMENTS, default=list)
    created_at = UtcDateTimeField(read_only=True)

    def to_representation(self, watchlist: Watchlist) -> dict[str, object]:
        """Return the list with its instruments by name."""
        shown: dict[str, object] = {"id": watchlist.pk, "name": watchlist.name}
        shown["instruments"] = sorted(instrument.key for instrument in watchlist.instruments.all())
        return shown | {"created_at": self.fields["created_at"].to_representation(watchlist.created_at)}


class WatchlistViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PersonalViewSet):
    """The caller's watchlists; the prices of what is on one are refreshed."""

    queryset = Watchlist.objects.prefetch_related("instruments")
    serializer_class = WatchlistSerializer
    ordering = "name"
    ordering_fields = ("name", "created_at")
    filterset_fields = {"name": ["exact"]}

    def create(self, request: Request) -> Response:
        """Make a list."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = create_watchlist(user=caller(request), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a list, or put other instruments on it."""
        serializer = self.get_serializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changed = change_watchlist(watchlist=self.get_object(), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Throw a list away."""
        delete_watchlist(watchlist=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
