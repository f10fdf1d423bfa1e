"""Transfers between accounts that one person trades in: lots, dates and cost go along."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.ledger import QUANTITY, EntrySerializer, ReverseSerializer
from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.models import Account, LedgerEntry
from accounts.selectors.accounts import accounts_of
from accounts.services.transfers import reverse_transfer
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.models.instruments import check_currency_code
from portfolio.api.lot_choices import MOST_LOTS, ChoiceSerializer
from portfolio.domain.lots import Choice
from portfolio.services.transfers import Order, transfer


class TransferSerializer(StrictSerializer):
    """What is to move, and where: units of an instrument, or cash in a currency.

    The lots are those that the source's method picks, or those that are named. The same external id moves them once.
    """

    to = serializers.UUIDField(help_text="The account that receives it.")
    occurred_at = UtcDateTimeField(past=True)
    instrument = InstrumentField(required=False, allow_null=True, default=None)
    quantity = DecimalStringField(**QUANTITY, required=False, default=Decimal(0), min_value=0)
    cash = DecimalStringField(required=False, default=Decimal(0), min_value=0)
    currency = TextField(required=False, max_length=3, validators=[check_currency_code])
    lots = ChoiceSerializer(many=True, required=False, default=list, max_length=MOST_LOTS)  # type: ignore[call-arg]  # of the list
    notes = TextField(max_length=10_000, allow_blank=True, default="")
    external_id = TextField(max_length=200, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what moves nothing, or two things at once."""
        if bool(attrs["quantity"]) is not (attrs["instrument"] is not None):
            raise serializers.ValidationError({"quantity": "A transfer of units needs the instrument and the quantity."})
        if bool(attrs["quantity"]) is bool(attrs["cash"]):
            raise serializers.ValidationError({"cash": "A transfer moves units or cash: give one of them, above zero."})
        return attrs


class TransferredSerializer(serializers.Serializer):
    """Both ends of a transfer; `group` names it."""

    group = serializers.UUIDField()
    outgoing = EntrySerializer()
    incoming = EntrySerializer()


class TransferReversedSerializer(serializers.Serializer):
    """The entries that took both ends back."""

    outgoing = EntrySerializer()
    incoming = EntrySerializer()


class TransferViewSet(AccountScopedViewSet):
    """Transfers from one account to another."""

    queryset = LedgerEntry.objects.all()
    serializer_class = TransferredSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(
        request=TransferSerializer,
        responses={201: TransferredSerializer, 200: TransferredSerializer},
        examples=[
            OpenApiExample(
                "Cash",
                value={
                    "to": "0190c0de-0000-7000-8000-000000000000",
                    "occurred_at": "2024-05-01T15:00:00Z",
                    "cash": "100",
                    "currency": "USD",
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request, account_id: str) -> Response:
        """Move units or cash to another account; 200 where the same external id was moved before."""
        serializer = TransferSerializer(data=request.data, context={})
        serializer.is_valid(raise_exception=True)
        asked = dict(serializer.validated_data)
        target = self.target(asked.pop("to"))
        asked["lots"] = [Choice(row["sequence"], row["quantity"], row["opened_on"]) for row in asked["lots"]]
        asked.setdefault("currency", self.account.base_currency)
        done = transfer(source=self.account, target=target, order=Order(**asked), actor=caller(request))
        answer = {"group": done.group, "outgoing": shown(done.outgoing), "incoming": shown(done.incoming)}
        code = status.HTTP_201_CREATED if done.created else status.HTTP_200_OK
        return Response(TransferredSerializer(answer).data, code)

    @extend_schema(request=ReverseSerializer, responses={201: TransferReversedSerializer})
    def reverse(self, request: Request, account_id: str, group: str) -> Response:
        """Take both ends of a transfer back."""
        asked = ReverseSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        why = asked.validated_data["reason"].get("primary", "")
        gone, come = reverse_transfer(account=self.account, group=group, actor=caller(request), reason=why)  # type: ignore[arg-type]
        answer = {"outgoing": shown(gone), "incoming": shown(come)}
        return Response(TransferReversedSerializer(answer).data, status.HTTP_201_CREATED)

    def target(self, account_id: Any) -> Account:
        """Return the account that receives, if the caller may see it.

        :raises ValidationError: if there is none, or not for this caller
        """
        found = accounts_of(caller(self.request)).filter(pk=account_id).first()
        if found is None:
            raise serializers.ValidationError({"to": "There is no such account, or it is not yours."})
        return found


def shown(entry: LedgerEntry) -> LedgerEntry:
    """Return an entry as the serializer of the ledger reads it."""
    entry.reversed_by = None  # type: ignore[attr-defined]
    return entry
