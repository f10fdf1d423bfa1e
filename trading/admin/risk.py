"""The pages of what broke the limits of accounts, and of when their trading was stopped."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action

from accounts.admin.base import BY_ACCOUNT, MemberAdmin
from marketdata.admin.base import badge, figure, link, when
from trading.admin.risk_desk import risk_page
from trading.models import RiskEvent, TradingPause

SEVERITY = badge("severity", "Severity", {"WARNING": "warning", "CRITICAL": "danger"})
DAY = figure("day_gain", "Day's gain", style="money", signed=True, colored=True)


@admin.register(RiskEvent)
class RiskEventAdmin(MemberAdmin):
    """Limits that were broken in the user's accounts, with all limits as they were at that moment."""

    list_display = (
        when("at", "Broken"),
        link("account", "Account"),
        "type",
        SEVERITY,
        "action_taken",
        link("instrument", "Instrument"),
        "detail",
    )
    list_filter = (BY_ACCOUNT, ("severity", ChoicesDropdownFilter))
    search_fields = ("type__icontains",)
    actions_list = ("desk",)
    blank = "No limit was broken yet."
    ordering = ("-id",)
    list_select_related = ("account", "instrument")
    fieldsets = (
        (None, {"fields": (("account", "type"), ("severity", "action_taken"), "detail", ("value", "limit"))}),
        ("The account", {"fields": ((DAY, "day_gain_share", "consecutive_losses"), "configuration")}),
        (
            "Behind it",
            {"fields": ((link("instrument", "Instrument"), link("order", "Order")), ("source", "actor"), when("at", "Broken"))},
        ),
    )

    @action(description="Risk of an account", icon="shield", url_path="desk")
    def desk(self, request: HttpRequest) -> HttpResponse:
        """Show the limits of an account, how near they are, and the red button."""
        return risk_page(request, self.admin_site.each_context(request) | {"opts": self.opts})


@admin.register(TradingPause)
class TradingPauseAdmin(MemberAdmin):
    """When trading was stopped in the user's accounts, why, and who let it go on."""

    list_display = (
        when("started_at", "Paused"),
        link("account", "Account"),
        "reason",
        "started_by",
        when("resumed_at", "Resumed"),
        "resumed_by",
    )
    list_filter = (BY_ACCOUNT,)
    ordering = ("-id",)
    list_select_related = ("account", "started_by", "resumed_by")
    fieldsets = (
        (None, {"fields": ("account", "reason", (when("started_at", "Paused"), "started_by", link("event", "Risk event")))}),
        ("Resumed", {"fields": ((when("resumed_at", "Resumed"), "resumed_by"), "note")}),
    )
