"""The caller themselves."""

from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import caller
from accounts.models import Topic
from accounts.models.users import check_time_zone
from accounts.services.users import change_profile
from marketdata.api.fields import StrictSerializer, TextField
from marketdata.models.instruments import check_currency_code


class MeSerializer(StrictSerializer):
    """A person as they see themselves; the e-mail is their login and is not changed here."""

    id = serializers.UUIDField(read_only=True)
    email = serializers.EmailField(read_only=True)
    display_name = TextField(max_length=100, allow_blank=True, required=False)
    time_zone = TextField(max_length=64, validators=[check_time_zone], required=False)
    base_currency = TextField(max_length=3, validators=[check_currency_code], required=False)
    mail_topics = serializers.ListField(
        child=serializers.ChoiceField(Topic.choices),
        required=False,
        max_length=len(Topic),
        help_text="What is sent by e-mail, besides standing under `notifications/`.",
    )


class MeView(GenericAPIView):
    """Who the caller is, and how they want to be called and shown things."""

    serializer_class = MeSerializer

    def get(self, request: Request) -> Response:
        """Show the caller."""
        return Response(self.get_serializer(request.user).data)

    def patch(self, request: Request) -> Response:
        """Change the caller's name, time zone or currency."""
        serializer = self.get_serializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        return Response(self.get_serializer(change_profile(user=caller(request), changes=serializer.validated_data)).data)
