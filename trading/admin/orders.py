"""The pages of orders, of their lives, and of what was filled."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import Dialog, badge, figure, find, flag, leave, link, link_to, page_of, time_html, when
from marketdata.domain.display import NOTHING
from trading.admin.ticket import ticket_page
from trading.domain.drafts import Replacement
from trading.domain.orders import TimeInForce
from trading.models import Door, Fill, Order, OrderEvent
from trading.services.orders import Ordering, cancel_order, replace_order

TEXT = UnfoldAdminTextInputWidget

COLORS = {
    **dict.fromkeys(("NEW", "ACCEPTED", "PARTIALLY_FILLED"), "info"),
    **dict.fromkeys(("CANCELED", "EXPIRED", "REPLACED"), "warning"),
    "FILLED": "success",
    "REJECTED": "danger",
}
STATUS = badge("status", "Status", COLORS)
INSTRUMENT = link("instrument", "Instrument")
QUANTITY = figure("quantity", "Quantity", style="quantity")
FILLED = figure("filled_quantity", "Filled", style="quantity")
AVERAGE = figure("average_price", "Average price", style="price")
PRICES = (
    figure("limit_price", "Limit", style="price"),
    figure("stop_price", "Stop", style="price"),
    figure("trail_price", "Trail", style="price"),
)


def as_written(name: str, label: str) -> Any:
    """Return a field with a word that everybody writes in capitals."""

    @display(description=label)
    def cell(_page: Any, order: Order) -> str:
        return str(getattr(order, name))

    return cell


class Cancellation(Dialog):
    """Whether an order is to be canceled."""

    def perform(self) -> Order:
        """Cancel it."""
        rows = Order.objects.visible_to(user_of(self.request), role=Role.TRADER)
        by = Ordering(actor=user_of(self.request), door=Door.ADMIN, at=timezone.now())
        return cancel_order(order=find(rows, self.object_id), by=by)


class Replacing(Dialog):
    """What is to be different of an open order; what is left empty stays as it is."""

    quantity = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=24,
        decimal_places=12,
        widget=TEXT,
        help_text="The whole of it, what is filled included.",
    )
    limit_price = forms.DecimalField(required=False, min_value=0, max_digits=25, decimal_places=10, widget=TEXT, label="Limit")
    stop_price = forms.DecimalField(required=False, min_value=0, max_digits=25, decimal_places=10, widget=TEXT, label="Stop")
    time_in_force = forms.ChoiceField(
        required=False,
        choices=[("", "As it is"), *((word.value, word.value) for word in TimeInForce)],
        label="Time in force",
        widget=UnfoldAdminSelectWidget,
    )

    def perform(self) -> Order:
        """Put another order in its place; a limit that it would break is on record, and shown as any refusal."""
        rows = Order.objects.visible_to(user_of(self.request), role=Role.TRADER).select_related("account", "instrument")
        given = ("quantity", "limit_price", "stop_price", "time_in_force")
        said = {name: self.cleaned_data[name] for name in given if self.cleaned_data[name]}
        if "time_in_force" in said:
            said["time_in_force"] = TimeInForce(said["time_in_force"])
        by = Ordering(actor=user_of(self.request), door=Door.ADMIN, at=timezone.now())
        return replace_order(order=find(rows, self.object_id), change=Replacement(**said), by=by)


class OpenFilter(admin.SimpleListFilter):
    """Orders of which something may still come, or the others."""

    title = "state"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the two."""
        return [("1", "Open"), ("0", "Ended")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the ones that are meant."""
        return queryset if self.value() not in {"0", "1"} else queryset.filter(ended_at__isnull=self.value() == "1")


@admin.register(Order)
class OrderAdmin(MemberAdmin):
    """The orders of the user's accounts: what was asked for, how they stand, and every step of their lives."""

    list_display = (
        when("created_at", "Ordered"),
        link("account", "Account"),
        "side",
        INSTRUMENT,
        "type",
        QUANTITY,
        *PRICES[:2],
        STATUS,
        FILLED,
        AVERAGE,
    )
    list_filter = (
        BY_ACCOUNT,
        OpenFilter,
        ("instrument", AutocompleteSelectFilter),
        ("status", ChoicesDropdownFilter),
        ("side", ChoicesDropdownFilter),
        ("type", ChoicesDropdownFilter),
    )
    search_fields = ("client_order_id__icontains",)
    ordering = ("-id",)
    list_select_related = ("account", "instrument")
    actions_list = ("ticket",)
    actions_detail = ("replace", "cancel")
    blank = "Orders come from the ticket, the API, Alpaca's clients, and strategies that trade by themselves."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", INSTRUMENT),
                    ("side", "effect", "type", "stands"),
                    (QUANTITY, figure("notional", "Amount", style="money"), flag("extended_hours", "Extended hours")),
                    PRICES,
                )
            },
        ),
        ("How it stands", {"fields": (("status", "sending"), (FILLED, AVERAGE), "asked")}),
        ("What happened", {"fields": ("history", "executions")}),
        (
            "Behind it",
            {
                "fields": (
                    (link("session", "Session"), link("decision", "Decision")),
                    ("kind", "role", link("parent", "Hangs on"), link("replaces", "Replaces")),
                    ("client_order_id", "broker", "broker_order_id", "door"),
                )
            },
        ),
    )
    readonly_fields = ("history", "executions", "asked", "stands", "kind")
    stands, kind = as_written("time_in_force", "Time in force"), as_written("order_class", "Class")

    @display(description="Asked of the broker")
    def asked(self, order: Order) -> str:
        """Return what the broker was asked and has not answered."""
        return "to cancel it" if order.pending_cancel else "to replace it" if order.pending_replace else NOTHING

    @display(description="Steps")
    def history(self, order: Order) -> SafeString | str:
        """Return each step of its life."""
        rows = OrderEvent.objects.filter(account=order.account_id, order=order).select_related("actor").order_by("sequence")
        lines = [
            (
                time_html(row.at),
                row.get_kind_display(),
                row.get_status_display().lower(),
                ", ".join(filter(None, [row.get_door_display(), str(row.actor or "")])),
                row.detail,
            )
            for row in rows
        ]
        return format_html_join("", "<p>{} <strong>{}</strong>, {} ({}) {}</p>", lines) if lines else "-"

    @display(description="Fills")
    def executions(self, order: Order) -> SafeString | str:
        """Return what was filled of it, with the entries of the ledger."""
        rows = Fill.objects.filter(account=order.account_id, order=order).select_related("entry").order_by("at", "pk")
        lines = [(time_html(row.at), row, link_to(row.entry, str(row.entry))) for row in rows]
        return format_html_join("", "<p>{} {}: {}</p>", lines) if lines else "-"

    @action(description="New order", permissions=["order"], icon="add", variant=ActionVariant.PRIMARY, url_path="ticket")
    def ticket(self, request: HttpRequest) -> HttpResponse:
        """Show the ticket."""
        return ticket_page(request, self.admin_site.each_context(request) | {"opts": self.opts})

    def has_order_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those order who trade in some account."""
        return self.reaches(request, None, Role.TRADER)

    @action(
        description="Replace",
        url_path="replace",
        permissions=["cancel"],
        icon="swap_horiz",
        dialog={
            "title": "Replace the order?",
            "description": "Another order takes its place, for what is not filled. Its broker says which of the two stands.",
            "form_class": Replacing,
            "form_submit_text": "Replace it",
        },
    )
    def replace(self, request: HttpRequest, form: Replacing, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "Another order is to take its place.", page_of(form.done))

    @action(
        description="Cancel",
        url_path="cancel",
        permissions=["cancel"],
        icon="cancel",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel the order?",
            "description": "At once, if it was not sent yet; else its broker is asked, and may have filled it by then.",
            "form_class": Cancellation,
            "form_submit_text": "Cancel it",
        },
    )
    def cancel(self, request: HttpRequest, form: Cancellation, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        told = "The order is canceled." if not form.done.is_open else "The broker is asked to cancel the order."
        return leave(request, told, page_of(form.done))

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let traders cancel what is open."""
        order = self.get_object(request, str(object_id)) if object_id else None
        return order is not None and order.is_open and not order.pending_cancel and self.reaches(request, order, Role.TRADER)


@admin.register(Fill)
class FillAdmin(MemberAdmin):
    """What brokers filled in the user's accounts, each with its entry in the ledger."""

    list_display = (
        when("at", "Filled"),
        link("account", "Account"),
        link("order", "Order", text="order__side"),
        link("order__instrument", "Instrument"),
        figure("quantity", "Quantity", style="quantity"),
        figure("price", "Price", style="price"),
        figure("fee", "Fee", style="money"),
        link("entry", "Entry"),
    )
    list_filter = (BY_ACCOUNT,)
    ordering = ("-id",)
    list_select_related = ("account", "order__instrument", "entry")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", link("order", "Order")),
                    (
                        figure("quantity", "Quantity", style="quantity"),
                        figure("price", "Price", style="price"),
                        figure("fee", "Fee", style="money"),
                    ),
                    (when("at", "Filled"), when("recorded_at", "Recorded")),
                    ("broker", "execution_id", link("entry", "Entry")),
                )
            },
        ),
    )
