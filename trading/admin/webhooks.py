"""The pages of addresses that are told what happens, and of what they were told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import Dialog, ServiceForm, find, leave, link, link_to_list, list_of, page_of, when
from trading.domain.webhooks import LONGEST
from trading.models import Delivery, Webhook, WebhookTopic
from trading.services.webhooks import change_webhook, create_webhook, delete_webhook, redeliver, renew_secret

STATES = {"Told": "success", "Failing": "danger", "Switched off": "warning"}
OUTCOMES = {"Heard": "success", "Waiting": "info", "Trying again": "warning", "Given up": "danger"}


class WebhookForm(ServiceForm):
    """An address and what it is told of."""

    url = forms.CharField(
        max_length=LONGEST, label="Address", widget=UnfoldAdminTextInputWidget, help_text="https:// of the public internet."
    )
    topics = forms.MultipleChoiceField(choices=WebhookTopic.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    class Meta:
        model = Webhook
        fields = ("account", "enabled")

    def perform(self) -> Webhook:
        """Make it, or change it; a new one's secret stays here until it has been shown."""
        given, now = self.cleaned_data, timezone.now()
        if not self.instance._state.adding:
            return change_webhook(
                webhook=self.instance, url=given["url"], topics=given["topics"], enabled=given["enabled"], now=now
            )
        kept = create_webhook(account=given["account"], url=given["url"], topics=given["topics"], now=now)
        kept.webhook.shown = kept.secret  # type: ignore[attr-defined]
        return kept.webhook


class Deletion(Dialog):
    """Whether an address is to be told no longer."""

    def perform(self) -> Webhook:
        """Delete it."""
        webhook: Webhook = find(owned(self.request), self.object_id)
        delete_webhook(webhook=webhook)
        return webhook


class Redelivery(Dialog):
    """Whether something is to be told once more."""

    def perform(self) -> Delivery:
        """Tell it."""
        rows = Delivery.objects.visible_to(user_of(self.request), role=Role.OWNER).select_related("webhook")
        return redeliver(delivery=find(rows, self.object_id), now=timezone.now())


def owned(request: HttpRequest) -> Any:
    """Return the webhooks that the user may change."""
    return Webhook.objects.visible_to(user_of(request), role=Role.OWNER)


@admin.register(Webhook)
class WebhookAdmin(MemberAdmin):
    """Addresses that are told what happens in the user's accounts; owners name them."""

    form = WebhookForm
    add_role = change_role = Role.OWNER
    blank = "A webhook tells a program of yours of orders, fills, broken limits and alerts, as they happen."
    list_display = (
        "url",
        link("account", "Account"),
        "told_of",
        "state",
        link_to_list(Delivery, "Deliveries", webhook__id="pk"),
        "last_error",
    )
    list_filter = (BY_ACCOUNT, "enabled")
    ordering = ("-id",)
    list_select_related = ("account",)
    actions_detail = ("renew", "remove")
    add_fieldsets = ((None, {"fields": ("account", "url", "topics")}),)
    fieldsets = (
        (None, {"fields": ("account", "url", "topics", "enabled")}),
        (
            "How it goes",
            {"fields": (("state", "failures"), "last_error", link_to_list(Delivery, "Deliveries", webhook__id="pk"))},
        ),
        ("Time", {"fields": ((when("created_at", "Made"), when("updated_at", "Changed")),)}),
    )
    readonly_fields = ("state", "failures", "last_error")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Let the account stay what it is."""
        return [*super().get_readonly_fields(request, obj), *(["account"] if obj else [])]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose to be told of all that matters."""
        return {"topics": [WebhookTopic.FILL, WebhookTopic.RISK, WebhookTopic.ALERT]} | super().get_changeform_initial_data(
            request
        )

    @display(description="Told of", label=True)
    def told_of(self, row: Webhook) -> list[str]:
        """Return its topics."""
        return [WebhookTopic(topic).label for topic in row.topics]

    @display(description="State", label=STATES)
    def state(self, row: Webhook) -> str:
        """Return how it goes."""
        if not row.enabled:
            return "Switched off"
        return "Failing" if row.failures else "Told"

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret in this one answer; it is kept nowhere that anybody sees."""
        return self._shown(request, obj, obj.shown)  # type: ignore[attr-defined]

    def _shown(self, request: HttpRequest, obj: Webhook, secret: str) -> HttpResponse:
        """Return the one page that shows a secret."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Secret of the webhook",
            "opts": self.opts,
            "secret": secret,
            "page": page_of(obj),
        }
        response = TemplateResponse(request, "bedrock/webhook_secret.html", context)
        add_never_cache_headers(response)
        return response

    def has_own_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let owners do what remains."""
        row = self.get_object(request, str(object_id)) if object_id else None
        return row is not None and self.reaches(request, row, Role.OWNER)

    @action(description="New secret", permissions=["own"], icon="key", url_path="renew")
    def renew(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether the secret is to be replaced, and show the new one once."""
        webhook = find(owned(request), object_id)
        if request.method == "POST":
            kept = renew_secret(webhook=webhook, now=timezone.now())
            return self._shown(request, kept.webhook, kept.secret)
        context = {
            **self.admin_site.each_context(request),
            "title": "New secret",
            "opts": self.opts,
            "webhook": webhook,
            "page": page_of(webhook),
        }
        return TemplateResponse(request, "bedrock/webhook_secret.html", context)

    @action(
        description="Delete",
        permissions=["own"],
        icon="delete",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Tell the address no longer?",
            "description": "What it was told is forgotten, too. To tell it nothing for a while, switch it off instead.",
            "form_class": Deletion,
            "form_submit_text": "Delete",
        },
    )
    def remove(self, request: HttpRequest, form: Deletion, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The address is told no longer.", list_of(Webhook))


@admin.register(Delivery)
class DeliveryAdmin(MemberAdmin):
    """What addresses were told of the user's accounts, and what they answered; kept for thirty days."""

    blank = "Nothing was told to a webhook yet."
    list_display = (
        when("created_at", "Happened"),
        link("account", "Account"),
        "topic",
        link("webhook", "Address"),
        "outcome",
        "attempts",
        "status_code",
        "last_error",
    )
    list_filter = (BY_ACCOUNT, ("topic", ChoicesDropdownFilter))
    ordering = ("-id",)
    list_select_related = ("account", "webhook")
    actions_detail = ("again",)
    fieldsets = (
        (None, {"fields": (("account", link("webhook", "Address")), ("topic", "outcome"), "payload")}),
        ("How it went", {"fields": (("attempts", "status_code"), "last_error", "event_id")}),
        (
            "Time",
            {
                "fields": (
                    (when("created_at", "Happened"), when("delivered_at", "Heard")),
                    when("next_try_at", "Tried again"),
                )
            },
        ),
    )
    readonly_fields = ("outcome",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let the page of a webhook lead here."""
        return lookup == "webhook__id__exact" or super().lookup_allowed(lookup, value, request)

    @display(description="Outcome", label=OUTCOMES)
    def outcome(self, row: Delivery) -> str:
        """Return how it stands."""
        if row.delivered_at:
            return "Heard"
        if row.next_try_at is None:
            return "Given up"
        return "Trying again" if row.attempts else "Waiting"

    def has_again_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let owners have told once more what is not under way."""
        row = self.get_object(request, str(object_id)) if object_id else None
        return row is not None and row.next_try_at is None and self.reaches(request, row, Role.OWNER)

    @action(
        description="Tell once more",
        permissions=["again"],
        icon="replay",
        dialog={
            "title": "Tell it once more?",
            "description": "With the same id and content, at once.",
            "form_class": Redelivery,
            "form_submit_text": "Tell",
        },
    )
    def again(self, request: HttpRequest, form: Redelivery, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "It is told once more.", page_of(form.done))
