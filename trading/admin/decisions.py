"""The pages of what was seen and what was decided."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display

from accounts.admin.base import BY_ACCOUNT, MemberAdmin
from accounts.domain.roles import Role
from marketdata.admin.base import badge, figure, link, link_to, time_html, when
from trading.admin.chains import steps_of
from trading.domain.outcomes import Choice
from trading.models import Decision, DecisionChange, Signal
from trading.selectors.decisions import chain_of

STATUS = badge("status", "Status", {"ACTIVE": "info", "TAKEN": "success", "DISMISSED": "warning", "EXPIRED": "warning"})
VERDICT = badge("verdict", "Verdict", {"RIGHT": "success", "WRONG": "danger", "NEUTRAL": "info"})
INSTRUMENT = link("instrument", "Instrument")
CONFIDENCE = figure("confidence", "Confidence", style="percent")
PRICES = (
    figure("price", "Price", style="price"),
    figure("stop_loss", "Stop loss", style="price"),
    figure("target", "Target", style="price"),
)


@admin.register(Signal)
class SignalAdmin(MemberAdmin):
    """What strategies and scanners saw in the user's accounts."""

    list_display = (
        when("at", "Seen"),
        link("account", "Account"),
        INSTRUMENT,
        "kind",
        figure("strength", "Strength", style="percent"),
        "source",
        STATUS,
        when("expires_at", "Until"),
    )
    list_filter = (
        BY_ACCOUNT,
        ("instrument", AutocompleteSelectFilter),
        ("kind", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
    )
    ordering = ("-id",)
    list_select_related = ("account", "instrument", "session")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", INSTRUMENT),
                    ("source", "kind"),
                    (figure("strength", "Strength", style="percent"), "status"),
                )
            },
        ),
        ("Time", {"fields": ((when("at", "Seen"), when("expires_at", "Until")), when("settled_at", "Settled"))}),
        ("Behind it", {"fields": (link("session", "Session"), "data")}),
    )


@admin.register(Decision)
class DecisionAdmin(MemberAdmin):
    """What was decided in the user's accounts, what led to it, and what came of it."""

    change_form_outer_before_template = "bedrock/chain.html"
    list_display = (
        when("at", "Decided"),
        link("account", "Account"),
        "choice",
        INSTRUMENT,
        CONFIDENCE,
        *PRICES,
        VERDICT,
        link("session", "Session"),
    )
    list_filter = (
        BY_ACCOUNT,
        ("instrument", AutocompleteSelectFilter),
        ("choice", ChoicesDropdownFilter),
        ("verdict", ChoicesDropdownFilter),
    )
    ordering = ("-id",)
    list_select_related = ("account", "instrument", "session")
    fieldsets = (
        (None, {"fields": (("account", INSTRUMENT), ("choice", CONFIDENCE), "reasoning", PRICES)}),
        ("Why", {"fields": (("entry_type", "indicators"), "metadata", (link("session", "Session"), link("signal", "Signal")))}),
        (
            "What came of it",
            {"fields": ("orders", ("verdict", figure("move", "Move", style="percent", signed=True, colored=True)))},
        ),
        ("History", {"fields": ((when("at", "Decided"), when("updated_at", "Changed")), "history")}),
    )
    readonly_fields = ("orders", "history")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let the page of a session lead here."""
        return lookup == "session__id__exact" or super().lookup_allowed(lookup, value, request)

    def render_change_form(self, request: HttpRequest, context: Any, **kwargs: Any) -> HttpResponse:
        """Return the page with the chain that the decision is a link of."""
        decision = kwargs.get("obj")
        if decision is not None:
            context["chain"] = steps_of(chain_of(decision, at=timezone.now()))
            if decision.choice != Choice.HOLD and self.reaches(request, decision, Role.TRADER):
                asked = {"account": decision.account_id, "decision": decision.pk, "side": decision.choice}
                asked |= {"instrument": decision.instrument.key}
                context["order_it"] = f"{reverse('admin:trading_order_ticket')}?{urlencode(asked)}"
        return super().render_change_form(request, context, **kwargs)

    @display(description="Orders")
    def orders(self, decision: Decision) -> SafeString | str:
        """Return the orders that came of it, and how they stand."""
        found = chain_of(decision, at=timezone.now())
        lines = ((order.side, order.type, order.client_order_id, order.status) for order in found.orders)
        shown = format_html_join("", "<li>{} {} {}: {}</li>", lines)
        entries = format_html_join(", ", "{}", ((link_to(fill.entry, str(fill.entry)),) for fill in found.fills))
        return format_html("<ul>{}</ul>{}", shown, entries) if found.orders else "-"

    @display(description="Changes")
    def history(self, decision: Decision) -> SafeString | str:
        """Return what was changed of it, by whom and why."""
        rows = DecisionChange.objects.filter(account=decision.account_id, decision=decision).select_related("actor")
        lines = [
            (time_html(row.at), row.actor, name, old, new, row.reason)
            for row in rows.order_by("at", "pk")
            for name, (old, new) in row.changes.items()
        ]
        return format_html_join("", "<p>{} {}: {} {} → {} {}</p>", lines) if lines else "-"
