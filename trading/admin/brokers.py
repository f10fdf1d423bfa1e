"""The pages of accounts' brokers, and of where their records differ from ours."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import Dialog, ServiceForm, figure, find, leave, link, page_of, when
from trading.models import Break, BrokerConnection
from trading.services.breaks import resolve_break
from trading.services.connections import BROKERS, connect_broker, disconnect_broker

STATES = {"In use": "success", "Switched off": "warning", "Failing": "danger"}
OPEN = {"Open": "danger", "Resolved": "success"}


class ConnectionForm(ServiceForm):
    """A broker and the credentials for it, which no page shows again."""

    broker = forms.ChoiceField(choices=[(name, name.title()) for name in sorted(BROKERS)], widget=UnfoldAdminSelectWidget)
    key = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}), help_text="Paper needs none."
    )
    secret = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}), strip=True
    )

    class Meta:
        model = BrokerConnection
        fields = ("account",)

    def perform(self) -> BrokerConnection:
        """Connect the broker."""
        return connect_broker(now=timezone.now(), **self.cleaned_data)


class Disconnection(Dialog):
    """Whether a broker is to be left."""

    def perform(self) -> BrokerConnection:
        """Leave it."""
        rows = BrokerConnection.objects.visible_to(user_of(self.request), role=Role.OWNER).select_related("account")
        return disconnect_broker(connection=find(rows, self.object_id), now=timezone.now())


@admin.register(BrokerConnection)
class ConnectionAdmin(MemberAdmin):
    """Where the orders of the user's accounts go; owners enter credentials, and nobody sees them again."""

    form = ConnectionForm
    add_role = Role.OWNER
    blank = "Without a connection an account trades on paper, by the prices recorded here."
    list_display = (
        "broker",
        link("account", "Account"),
        "state",
        "key_hint",
        when("synced_at", "Last asked"),
        "last_error",
    )
    list_filter = (BY_ACCOUNT, "enabled")
    ordering = ("-id",)
    list_select_related = ("account",)
    actions_detail = ("disconnect",)
    add_fieldsets = (
        (
            None,
            {
                "fields": ("account", "broker", ("key", "secret")),
                "description": "The key and its secret are encrypted, used to trade and to read, and never shown again. "
                "A connection that exists gets the new ones.",
            },
        ),
    )
    fieldsets = (
        (None, {"fields": (("account", "broker"), ("state", "key_hint"), "last_error")}),
        ("Time", {"fields": ((when("created_at", "Made"), when("updated_at", "Changed")), when("synced_at", "Last asked"))}),
    )
    readonly_fields = ("state",)

    @display(description="State", label=STATES)
    def state(self, row: BrokerConnection) -> str:
        """Return how it is."""
        if not row.enabled:
            return "Switched off"
        return "Failing" if row.last_error else "In use"

    def has_disconnect_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let owners leave a broker that is in use."""
        row = self.get_object(request, str(object_id)) if object_id else None
        return row is not None and row.enabled and self.reaches(request, row, Role.OWNER)

    @action(
        description="Disconnect",
        permissions=["disconnect"],
        icon="link_off",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Disconnect the broker?",
            "description": "Its credentials are forgotten. Orders that are open there have to be canceled first.",
            "form_class": Disconnection,
            "form_submit_text": "Disconnect",
        },
    )
    def disconnect(self, request: HttpRequest, form: Disconnection, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The broker is disconnected.", page_of(form.done))


class Resolution(Dialog):
    """How a difference was dealt with."""

    resolution = forms.CharField(max_length=1_000, widget=UnfoldAdminTextareaWidget({"rows": 3}), label="How it was dealt with")

    def perform(self) -> Break:
        """Resolve it."""
        rows = Break.objects.visible_to(user_of(self.request), role=Role.TRADER)
        return resolve_break(
            difference=find(rows, self.object_id),
            actor=user_of(self.request),
            resolution=self.cleaned_data["resolution"],
            now=timezone.now(),
        )


class OpenFilter(admin.SimpleListFilter):
    """Those that are open, or those that are not."""

    title = "state"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the two."""
        return [("1", "Open"), ("0", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the ones that are meant."""
        return queryset if self.value() not in {"0", "1"} else queryset.filter(resolved_at__isnull=self.value() == "1")


@admin.register(Break)
class BreakAdmin(MemberAdmin):
    """Where a broker's records differ from those of the user's accounts; nothing is corrected by itself."""

    blank = "There is no difference between the records of brokers and ours; they are compared each night."
    list_display = (
        when("found_at", "Found"),
        link("account", "Account"),
        "broker",
        "kind",
        "subject",
        figure("ours", "Ours", style="quantity"),
        figure("theirs", "Theirs", style="quantity"),
        "state",
    )
    list_filter = (BY_ACCOUNT, OpenFilter, ("kind", ChoicesDropdownFilter))
    search_fields = ("subject__icontains",)
    ordering = ("-id",)
    list_select_related = ("account",)
    actions_detail = ("resolve",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", "broker"),
                    ("kind", "subject"),
                    (figure("ours", "Ours", style="quantity"), figure("theirs", "Theirs", style="quantity")),
                    "detail",
                )
            },
        ),
        ("Behind it", {"fields": ((link("instrument", "Instrument"), link("order", "Order")), "data")}),
        ("Time", {"fields": ((when("found_at", "Found"), when("last_found_at", "Last seen")),)}),
        ("Resolved", {"fields": ((when("resolved_at", "Resolved"), "resolved_by"), "resolution")}),
    )
    readonly_fields = ("state",)

    @display(description="State", label=OPEN)
    def state(self, row: Break) -> str:
        """Return whether anybody still has to look at it."""
        return "Open" if row.resolved_at is None else "Resolved"

    def has_resolve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let traders resolve what is open."""
        row = self.get_object(request, str(object_id)) if object_id else None
        return row is not None and row.resolved_at is None and self.reaches(request, row, Role.TRADER)

    @action(
        description="Resolve",
        permissions=["resolve"],
        icon="done_all",
        dialog={
            "title": "Resolve the difference?",
            "description": "Post what is missing first, or correct it. If it is still there tonight it is found anew.",
            "form_class": Resolution,
            "form_submit_text": "Resolve",
        },
    )
    def resolve(self, request: HttpRequest, form: Resolution, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The difference is resolved.", page_of(form.done))
