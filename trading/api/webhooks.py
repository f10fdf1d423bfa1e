"""Addresses that are told what happens in an account, and what they were told."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.domain.roles import Role
from accounts.models import Scope
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField
from trading.domain.webhooks import LONGEST
from trading.models import Delivery, Webhook, WebhookTopic
from trading.services.webhooks import Kept, change_webhook, create_webhook, delete_webhook, redeliver, renew_secret


class WebhookSerializer(StrictSerializer):
    """An address, and what it is told of; its secret is in the answer that makes it, and nowhere else."""

    id = serializers.UUIDField(read_only=True)
    url = TextField(max_length=LONGEST, help_text="https:// of the public internet.")
    topics = serializers.ListField(
        child=serializers.ChoiceField(WebhookTopic.choices), min_length=1, max_length=len(WebhookTopic.values)
    )
    enabled = serializers.BooleanField(required=False)
    failures = serializers.IntegerField(read_only=True, help_text="In a row.")
    last_error = serializers.CharField(read_only=True)
    created_at = UtcDateTimeField(read_only=True)
    updated_at = UtcDateTimeField(read_only=True)


class WantedWebhookSerializer(WebhookSerializer):
    """A new address; it is told from then on."""

    enabled = serializers.BooleanField(read_only=True)


class KeptSerializer(WebhookSerializer):
    """An address with its secret, by which what is sent there is signed."""

    secret = serializers.CharField(read_only=True, help_text="Shown this once.")

    def to_representation(self, kept: Kept) -> dict[str, Any]:
        """Return the fields of the webhook, and its secret."""
        return {"secret": kept.secret} | WebhookSerializer(kept.webhook).data


class WebhookViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """Where an account tells what happens in it. Owners say so; every telling is signed, and tried for about a day."""

    queryset = Webhook.objects.all()
    serializer_class = WebhookSerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    works_when_closed = frozenset({"destroy"})
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {"enabled": ["exact"]}

    @extend_schema(request=WantedWebhookSerializer, responses={201: KeptSerializer})
    def create(self, request: Request, account_id: str) -> Response:
        """Let an address be told; the secret is shown this once."""
        asked = WantedWebhookSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        kept = create_webhook(account=self.account, now=timezone.now(), **asked.validated_data)
        return Response(KeptSerializer(kept).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Change the address, what it is told of, or whether it is told at all."""
        asked = self.get_serializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        changed = change_webhook(webhook=self.get_object(), now=timezone.now(), **asked.validated_data)
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Tell the address no longer, and forget what it was told."""
        delete_webhook(webhook=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=KeptSerializer)
    @action(detail=True, methods=["post"])
    def secret(self, request: Request, account_id: str, pk: str) -> Response:
        """Give it another secret, which is shown this once; the former one signs nothing any more."""
        return Response(KeptSerializer(renew_secret(webhook=self.get_object(), now=timezone.now())).data)


class DeliverySerializer(serializers.Serializer):
    """One telling: what was told, how often it was tried, and what was answered."""

    id = serializers.UUIDField()
    webhook = serializers.UUIDField(source="webhook_id")
    topic = serializers.CharField()
    event_id = serializers.UUIDField(help_text="The same however often it is told.")
    payload = serializers.DictField()
    attempts = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField()
    created_at = UtcDateTimeField()
    next_try_at = UtcDateTimeField(allow_null=True, help_text="null: it was heard, or given up.")
    delivered_at = UtcDateTimeField(allow_null=True)


class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """What an account's webhooks were told, and are still to be told; kept for thirty days."""

    queryset = Delivery.objects.select_related("webhook")
    serializer_class = DeliverySerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    ordering = "-created_at"
    ordering_fields = ("created_at",)
    filterset_fields = {
        "webhook": ["exact"],
        "topic": ["exact", "in"],
        "event_id": ["exact"],
        "created_at": ["gte", "lt"],
        "delivered_at": ["isnull"],
        "next_try_at": ["isnull"],
    }

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, account_id: str, pk: str) -> Response:
        """Tell it once more, at once."""
        return Response(self.get_serializer(redeliver(delivery=self.get_object(), now=timezone.now())).data)
