"""The pages of ways of trading."""

from django.contrib import admin

from accounts.admin.base import GatedAdmin
from marketdata.admin.base import link, when
from trading.models import Strategy


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
