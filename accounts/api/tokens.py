"""The keys of programs: made from a password or by who is known already, listed, revoked."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.idempotency import answer_once
from accounts.api.scoping import PersonalViewSet, caller, token_of
from accounts.models import ApiToken, Scope
from accounts.models.tenancy import acting_as
from accounts.services.tokens import Issued, issue_token, revoke_token
from accounts.services.users import authenticate_user
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField, WholeNumberField

MOST_ACCOUNTS = 1000
SHORTEST, USUAL, LONGEST = (int(timedelta(days=days).total_seconds()) for days in (1 / 1440, 90, 3660))


class WantedSerializer(StrictSerializer):
    """What a token shall be called, may do and may reach."""

    name = TextField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), min_length=1, max_length=3)
    accounts = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=MOST_ACCOUNTS,
        allow_null=True,
        default=None,
        help_text="The accounts the token is limited to; null: all of the user's, later ones too.",
    )


class TokenSerializer(WantedSerializer):
    """A token; its secret is in the answer that makes it, and nowhere else."""

    id = serializers.UUIDField(read_only=True)
    prefix = serializers.CharField(read_only=True)
    expires_at = UtcDateTimeField(allow_null=True, default=None, help_text="null: never.")
    last_used_at = UtcDateTimeField(read_only=True, allow_null=True)
    created_at = UtcDateTimeField(read_only=True)


class IssuedSerializer(TokenSerializer):
    """A new token with its secret."""

    token = serializers.CharField(read_only=True, help_text="The secret, shown this once.")

    def to_representation(self, issued: Issued) -> dict[str, Any]:
        """Return the token's fields and its secret."""
        return {"token": issued.secret} | TokenSerializer(issued.token).data


class LoginSerializer(WantedSerializer):
    """A password, and the token that is wanted for it."""

    email = TextField(max_length=254)
    password = TextField(max_length=1024, trim_whitespace=False, write_only=True, style={"input_type": "password"})
    expires_in = WholeNumberField(min_value=SHORTEST, max_value=LONGEST, default=USUAL, help_text="Seconds.")


class LoginView(APIView):
    """The door where a password is shown for a token. Neither a session nor another token counts here."""

    authentication_classes = ()
    permission_classes = ()
    throttle_scope = "login"

    @extend_schema(request=LoginSerializer, responses={201: IssuedSerializer}, auth=[])
    def post(self, request: Request) -> HttpResponse:
        """Make a token."""
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        user = authenticate_user(request=request._request, email=wanted.pop("email"), password=wanted.pop("password"))
        if user is None:
            raise AuthenticationFailed("No active user has that e-mail and password.", code="wrong_credentials")

        def issue(_: HttpRequest) -> HttpResponse:
            at = timezone.now()
            expires_at = at + timedelta(seconds=wanted.pop("expires_in"))
            issued = issue_token(user=user, at=at, expires_at=expires_at, **wanted)
            return self.rendered(request, IssuedSerializer(issued).data)

        with acting_as(user.pk):
            return answer_once(request._request, user, "login", issue)

    def rendered(self, request: Request, data: Any) -> HttpResponse:
        """Return an answer whose bytes are known, so that they can be kept for a retry."""
        renderer = request.accepted_renderer
        return HttpResponse(renderer.render(data), content_type=renderer.media_type, status=status.HTTP_201_CREATED)

    def get_authenticate_header(self, request: Request) -> str:
        """Return what a 401 tells the client: this door takes a password in the body."""
        return 'Bearer realm="api"'


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, PersonalViewSet):
    """The caller's tokens that were not revoked. DELETE revokes one, for good."""

    queryset = ApiToken.objects.filter(revoked_at__isnull=True)
    serializer_class = TokenSerializer
    write_scope = Scope.MANAGE
    ordering = "created_at"
    ordering_fields = ("created_at", "name")
    filterset_fields = {"name": ["exact"], "expires_at": ["gte", "lt", "isnull"], "last_used_at": ["gte", "lt", "isnull"]}

    @extend_schema(responses={201: IssuedSerializer})
    def create(self, request: Request) -> Response:
        """Make a token; one that is made by a token is no wider than that."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        issued = issue_token(user=caller(request), at=timezone.now(), by=token_of(request), **serializer.validated_data)
        return Response(IssuedSerializer(issued).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke a token."""
        revoke_token(token=self.get_object(), at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
