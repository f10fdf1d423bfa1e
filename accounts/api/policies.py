"""The bounds that an account's owners want it to keep."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.api.taxonomies import WEIGHT
from accounts.domain.roles import Role
from accounts.models import Policy, PolicyKind, Scope
from accounts.services.policies import change_policy, create_policy, delete_policy
from marketdata.api.fields import DecimalStringField, StrictSerializer, UtcDateTimeField


class PolicySerializer(StrictSerializer):
    """A bound, as a share from 0 to 1: what the kind watches is not to be above it."""

    id = serializers.UUIDField(read_only=True)
    kind = serializers.ChoiceField(PolicyKind.choices)
    threshold = DecimalStringField(**WEIGHT)
    enabled = serializers.BooleanField(required=False)
    created_at = UtcDateTimeField(read_only=True)


class PolicyChangeSerializer(StrictSerializer):
    """Another bound, or whether it counts."""

    threshold = DecimalStringField(**WEIGHT, required=False)
    enabled = serializers.BooleanField(required=False)


class PolicyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The bounds an account is meant to keep, one of a kind; `policy-checks/` says whether it does. Owners set them."""

    queryset = Policy.objects.select_related("account")
    serializer_class = PolicySerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    ordering = "kind"
    ordering_fields = ("kind", "created_at")
    filterset_fields = {"kind": ["exact", "in"], "enabled": ["exact"]}

    def create(self, request: Request, account_id: str) -> Response:
        """Set a bound."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = create_policy(account=self.account, at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=PolicyChangeSerializer, responses=PolicySerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Set another bound, or switch it off or on."""
        serializer = PolicyChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(self.get_serializer(change_policy(policy=self.get_object(), changes=serializer.validated_data)).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Throw a bound away."""
        delete_policy(policy=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
