"""Who may see an account, and what the caller is invited to."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.api.accounts import ROLES
from accounts.api.scoping import AccountScopedViewSet, caller, refuse_limited_token, token_of
from accounts.domain.roles import Role
from accounts.models import Membership, Scope
from accounts.selectors.users import Invitation, invitations
from accounts.services.memberships import accept_invitation, change_role, decline_invitation, invite_member, remove_member
from marketdata.api.fields import StrictSerializer, UtcDateTimeField


class RoleField(serializers.ChoiceField):
    """A role by its name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=ROLES, **kwargs)

    def to_internal_value(self, data: Any) -> Role:  # type: ignore[override]  # a choice of names that means a role
        """Return the role that the client named."""
        return Role[super().to_internal_value(data)]

    def to_representation(self, value: Any) -> str:
        """Return the role's name."""
        return Role(value).name


class InvitedSerializer(StrictSerializer):
    """Somebody invited into an account."""

    email = serializers.EmailField(max_length=254)
    role = RoleField()


class MembershipSerializer(StrictSerializer):
    """A member of an account, or somebody invited who has not accepted yet."""

    id = serializers.UUIDField(read_only=True)
    email = serializers.EmailField(read_only=True)
    role = RoleField()
    invited_at = UtcDateTimeField(read_only=True)
    accepted_at = UtcDateTimeField(read_only=True, allow_null=True)


class MembershipViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The members of an account. Owners invite, change and remove them; anybody may leave."""

    queryset = Membership.objects.all()
    serializer_class = MembershipSerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    roles = {"destroy": Role.VIEWER}
    works_when_closed = frozenset({"destroy"})
    ordering = "invited_at"
    ordering_fields = ("invited_at", "role", "email")
    filterset_fields = {"email": ["exact"], "accepted_at": ["isnull"]}

    @extend_schema(request=InvitedSerializer, responses={201: MembershipSerializer})
    def create(self, request: Request, account_id: str) -> Response:
        """Invite a person by e-mail, registered or not."""
        serializer = InvitedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        invited = invite_member(account=self.account, actor=caller(request), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(invited).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Give a member another role."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changed = change_role(membership=self.get_object(), role=serializer.validated_data["role"])
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Remove a member, or leave."""
        membership = self.get_object()
        if membership.user_id != request.user.pk:
            self.require(Role.OWNER)
        remove_member(membership=membership)
        return Response(status=status.HTTP_204_NO_CONTENT)


class InvitationSerializer(serializers.Serializer):
    """What an invited person is told before they accept."""

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    account_name = serializers.CharField()
    role = serializers.ChoiceField(ROLES)
    invited_by = serializers.EmailField(allow_null=True)
    invited_at = UtcDateTimeField()


class InvitationViewSet(GenericViewSet):
    """What the caller is invited to. A token that is limited to accounts sees none and accepts none."""

    serializer_class = InvitationSerializer
    write_scope = Scope.MANAGE
    lookup_value_converter = "uuid"
    filter_backends: Sequence[Any] = ()

    @extend_schema(responses=InvitationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List the invitations that wait for the caller."""
        token = token_of(request)
        limited = token is not None and token.accounts is not None
        waiting: list[Invitation] = [] if limited else invitations()
        page = self.paginate_queryset(waiting)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=None, responses=MembershipSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: Any) -> Response:
        """Become a member of the account."""
        refuse_limited_token(request)
        joined = accept_invitation(user=caller(request), invitation_id=pk, at=timezone.now())
        return Response(MembershipSerializer(joined).data)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: Any) -> Response:
        """Turn the invitation down."""
        refuse_limited_token(request)
        decline_invitation(user=caller(request), invitation_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
