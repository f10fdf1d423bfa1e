"""What companies did to the shares an account held: proposed, posted, dismissed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.ledger import QUANTITY, EntrySerializer
from accounts.api.scoping import caller
from marketdata.api.fields import DayField, DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField
from marketdata.domain.actions import ActionKind
from portfolio.api.base import FigureField, FiguresViewSet
from portfolio.api.positions import UNITS
from portfolio.api.transfers import shown
from portfolio.domain.proposals import Said
from portfolio.models import Position
from portfolio.selectors.corporate_actions import Proposal, Status, instruments_of, proposals
from portfolio.services.corporate_actions import apply_action, dismiss_action

STATUSES = [one.value for one in Status]


class ProposedEntrySerializer(serializers.Serializer):
    """An entry to be posted, or that was: quantity and cash are signed; it has an id once it is in the ledger."""

    id = serializers.UUIDField(allow_null=True)
    kind = serializers.CharField()
    occurred_at = UtcDateTimeField()
    instrument = InstrumentField(read_only=True)
    quantity = DecimalStringField(**QUANTITY)
    cash = DecimalStringField()
    currency = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # no attribute: fields leave their class


class ProposalSerializer(serializers.Serializer):
    """An action that met a position: the units held before its ex-date, what became of it, and the entries.

    `problem` says what has to be said before it can be posted.
    """

    id = serializers.UUIDField(source="action.pk")
    kind = serializers.ChoiceField([kind.value for kind in ActionKind], source="action.kind")
    instrument = InstrumentField(source="action.instrument", read_only=True)
    ex_date = DayField(source="action.ex_date")
    pay_date = DayField(source="action.pay_date", allow_null=True)
    held = FigureField(places=UNITS)
    status = serializers.ChoiceField(STATUSES)
    problem = serializers.CharField()
    entries = serializers.SerializerMethodField()

    def get_entries(self, proposal: Proposal) -> list[dict[str, Any]]:
        """Return the entries that were posted, or are to be."""
        if proposal.posted:
            return shown_entries(proposal.posted)
        instruments = self.context["instruments"]
        rows = [
            {
                "id": None,
                "kind": draft.kind.value,
                "occurred_at": draft.occurred_at,
                "instrument": instruments[draft.instrument_id],
                "quantity": draft.quantity,
                "cash": draft.cash,
                "currency": draft.currency,
                "data": draft.data,
            }
            for draft in proposal.drafts
        ]
        return shown_entries(rows)


def shown_entries(entries: Any) -> list[dict[str, Any]]:
    """Return entries as the client reads them."""
    serializer: Any = ProposedEntrySerializer(entries, many=True)
    return list(serializer.data)


class SaidSerializer(StrictSerializer):
    """What only the holder knows."""

    cash_in_lieu = DecimalStringField(required=False, allow_null=True, default=None, min_value=0)
    cost_fraction = DecimalStringField(required=False, allow_null=True, default=None, min_value=0, max_value=1)


class DismissSerializer(StrictSerializer):
    """Why it shall not be posted."""

    reason = TextField(max_length=10_000, allow_blank=True, default="")


class PostedActionSerializer(serializers.Serializer):
    """The entries that an action came to."""

    entries = EntrySerializer(many=True)


class StatusQuery(serializers.Serializer):
    """Which proposals are asked for."""

    status = serializers.ChoiceField(STATUSES, required=False)


class ActionProposalViewSet(FiguresViewSet):
    """Corporate actions that met a position of the account, the earliest first."""

    queryset = Position.objects.all()
    serializer_class = ProposalSerializer
    filter_backends = ()

    @extend_schema(
        parameters=[OpenApiParameter("status", str, enum=STATUSES, description="What became of them.")],
    )
    def list(self, request: Request, account_id: str) -> Response:
        """Return what companies did to shares the account held."""
        query = StatusQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data.get("status")
        found = proposals(account=self.account, today=timezone.now().date())
        page = self.paginate_queryset([one for one in found if wanted in {None, one.status.value}])
        context = {**self.get_serializer_context(), "instruments": instruments_of(page or [])}
        return self.get_paginated_response(ProposalSerializer(page, many=True, context=context).data)

    @extend_schema(
        request=SaidSerializer,
        responses={201: PostedActionSerializer, 200: PostedActionSerializer},
        examples=[OpenApiExample("Cash for a fraction", value={"cash_in_lieu": "12.34"}, request_only=True)],
    )
    def apply(self, request: Request, account_id: str, pk: Any) -> Response:
        """Post the entries the action asks for; 200 where they are in the ledger already."""
        asked = SaidSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        entries, created = apply_action(
            account=self.account, action_id=pk, actor=caller(request), at=timezone.now(), said=Said(**asked.validated_data)
        )
        code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
        return Response(PostedActionSerializer({"entries": [shown(entry) for entry in entries]}).data, code)

    @extend_schema(request=DismissSerializer, responses={201: EntrySerializer})
    def dismiss(self, request: Request, account_id: str, pk: Any) -> Response:
        """Decide that the action shall not be posted; reversing the note that says so proposes it again."""
        asked = DismissSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        reason = asked.validated_data["reason"]
        note = dismiss_action(account=self.account, action_id=pk, actor=caller(request), at=timezone.now(), reason=reason)
        return Response(EntrySerializer(shown(note)).data, status.HTTP_201_CREATED)
