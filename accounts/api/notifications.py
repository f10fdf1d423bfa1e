"""A person's mailbox."""

from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import PersonalViewSet
from accounts.models import Level, Notification
from accounts.services.notifications import delete_notification, mark_read
from marketdata.api.fields import StrictSerializer, UtcDateTimeField


class NotificationSerializer(StrictSerializer):
    """A message; when it was read is all that can be changed."""

    id = serializers.UUIDField(read_only=True)
    level = serializers.ChoiceField(Level.choices, read_only=True)
    title = serializers.CharField(read_only=True)
    body = serializers.CharField(read_only=True)
    link = serializers.CharField(read_only=True)
    created_at = UtcDateTimeField(read_only=True)
    read_at = UtcDateTimeField(past=True, allow_null=True)


class NotificationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PersonalViewSet):
    """The caller's messages, the latest first."""

    queryset = Notification.objects.all()
    serializer_class = NotificationSerializer
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {"level": ["exact", "in"], "created_at": ["gte", "lt"], "read_at": ["isnull"]}

    def partial_update(self, request: Request, pk: str) -> Response:
        """Mark a message as read, or as new again."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        message = mark_read(notification=self.get_object(), read_at=serializer.validated_data["read_at"])
        return Response(self.get_serializer(message).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Throw a message away."""
        delete_notification(notification=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
