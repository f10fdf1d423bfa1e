"""Accounts: listed, opened, changed, closed."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet, caller, refuse_limited_token
from accounts.domain.roles import Role
from accounts.models import Account, AccountKind, CostBasisMethod, ExecutionMode, LedgerHead, Scope
from accounts.selectors.accounts import accounts_of
from accounts.services.accounts import change_account, close_account, open_account
from marketdata.api.fields import DayField, StrictSerializer, TextField, WholeNumberField
from marketdata.models.instruments import check_currency_code

ROLES = [role.name for role in Role]


class HeadSerializer(serializers.Serializer):
    """Where a ledger stands; the hash vouches for every entry before it."""

    sequence = serializers.IntegerField(min_value=0)
    hash = serializers.SerializerMethodField()

    def get_hash(self, head: LedgerHead) -> str:
        """Return the hash of the last entry in hexadecimal, empty for an empty ledger."""
        return bytes(head.hash).hex()


class AccountSerializer(StrictSerializer):
    """An account as one of its members sees it."""

    id = serializers.UUIDField(read_only=True)
    name = TextField(max_length=100)
    kind = serializers.ChoiceField(AccountKind.choices, default=AccountKind.CASH)
    base_currency = TextField(max_length=3, validators=[check_currency_code])
    execution_mode = serializers.ChoiceField(ExecutionMode.choices, default=ExecutionMode.PAPER)
    cost_basis_method = serializers.ChoiceField(CostBasisMethod.choices, default=CostBasisMethod.FIFO)
    long_term_days = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=36_500,
        help_text="Held for more days than this is long-term; null: for more than a year by the calendar.",
    )
    wash_sales = serializers.BooleanField(required=False, help_text="Apply the wash sale rule of the US to losses.")
    opened_on = DayField(required=False)
    closed_on = DayField(read_only=True, allow_null=True)
    role = serializers.SerializerMethodField()
    ledger_head = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(ROLES))
    def get_role(self, account: Account) -> str:
        """Return the caller's role by its name."""
        return Role(account.role).name  # type: ignore[attr-defined]

    @extend_schema_field(HeadSerializer)
    def get_ledger_head(self, account: Account) -> dict[str, Any]:
        """Return where the ledger stands; one without entries stands at 0."""
        return dict(HeadSerializer(getattr(account, "head", None) or LedgerHead()).data)


class AccountViewSet(AccountScopedViewSet):
    """The accounts the caller is a member of. DELETE closes an account: it is kept, and no longer written."""

    queryset = Account.objects.all()
    serializer_class = AccountSerializer
    lookup_url_kwarg = "account_id"
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    ordering = "created_at"
    ordering_fields = ("created_at", "name", "opened_on")
    filterset_fields = {
        "kind": ["exact", "in"],
        "base_currency": ["exact", "in"],
        "execution_mode": ["exact"],
        "opened_on": ["exact", "gte", "lt"],
        "closed_on": ["isnull"],
    }

    def get_queryset(self) -> QuerySet[Account]:
        """Return the caller's accounts."""
        return Account.objects.none() if getattr(self, "swagger_fake_view", False) else accounts_of(caller(self.request))

    def list(self, request: Request) -> Response:
        """List the caller's accounts."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def create(self, request: Request) -> Response:
        """Open an account; the caller becomes its owner."""
        refuse_limited_token(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = open_account(owner=caller(request), at=timezone.now(), **serializer.validated_data)
        return self.show(account, status.HTTP_201_CREATED)

    def retrieve(self, request: Request, account_id: str) -> Response:
        """Show one account."""
        return Response(self.get_serializer(self.account).data)

    def partial_update(self, request: Request, account_id: str) -> Response:
        """Change what an account is called and how it is kept; its base currency only while the ledger is empty."""
        serializer = self.get_serializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        change_account(account=self.account, changes=serializer.validated_data, at=timezone.now())
        return self.show(self.account)

    def destroy(self, request: Request, account_id: str) -> Response:
        """Close an account."""
        close_account(account=self.account, at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def show(self, account: Account, code: int = status.HTTP_200_OK) -> Response:
        """Answer with an account as it is now."""
        return Response(self.get_serializer(self.load_account(account.pk)).data, code)
