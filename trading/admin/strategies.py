"""The pages of ways of trading, and of their runs in accounts."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin.base import BY_ACCOUNT, GatedAdmin, MemberAdmin
from marketdata.admin.base import badge, link, link_to_list, when
from trading.models import Decision, Session, Strategy

MODES = {"PAPER": "info", "LIVE": "warning"}
MODE = badge("execution_mode", "Mode", MODES)
DECISIONS = link_to_list(Decision, "Decisions", session__id="pk")


@admin.register(Strategy)
class StrategyAdmin(GatedAdmin):
    """The user's strategies, and those that run in accounts of theirs."""

    list_display = ("name", "kind", "entry_type", link("user", "Of"), when("created_at", "Made"), when("archived_at", "Archived"))
    search_fields = ("name__icontains",)
    ordering = ("-id",)
    list_select_related = ("user",)
    fieldsets = (
        (None, {"fields": (("name", "kind"), ("entry_type", "indicators"), "description", "parameters")}),
        ("Time", {"fields": ((when("created_at", "Made"), when("updated_at", "Changed")), when("archived_at", "Archived"))}),
    )


@admin.register(Session)
class SessionAdmin(MemberAdmin):
    """The runs of trading in the user's accounts."""

    list_display = (
        when("started_at", "Began"),
        link("account", "Account"),
        "name",
        link("strategy", "Strategy"),
        MODE,
        "automatic",
        when("ended_at", "Ended"),
        DECISIONS,
    )
    list_filter = (BY_ACCOUNT, ("execution_mode", ChoicesDropdownFilter), "automatic")
    ordering = ("-id",)
    list_select_related = ("account", "strategy")
    fieldsets = (
        (None, {"fields": (("account", "name"), (link("strategy", "Strategy"), MODE), "automatic")}),
        ("Configuration", {"fields": ("code_version", "config_hash", "configuration")}),
        ("Time", {"fields": ((when("started_at", "Began"), when("ended_at", "Ended")), DECISIONS)}),
    )
