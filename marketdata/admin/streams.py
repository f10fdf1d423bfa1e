"""The page of the live feeds."""

from django.contrib import admin

from marketdata.admin.base import BaseAdmin, OperatorAdmin, figure, when
from marketdata.models import StreamState


@admin.register(StreamState)
class StreamStateAdmin(BaseAdmin):
    """How each feed is doing: whether it lives, what waits, and what had to be fetched afterwards; for operators."""

    list_display = (
        "provider",
        when("connected_at", "Connected"),
        when("beat_at", "Last sign of life"),
        when("stored_through", "Stored through"),
        figure("received", "Received", style="quantity"),
        figure("stored", "Stored", style="quantity"),
        figure("waiting", "Waiting", style="quantity"),
        figure("most_waiting", "Most waiting", style="quantity"),
        "last_error",
    )
    ordering = ("provider",)
    fieldsets = (
        (None, {"fields": ("provider", "last_error")}),
        ("Time", {"fields": ((when("connected_at", "Connected"), when("beat_at", "Last sign of life")),
                             (when("last_message_at", "Last message"), when("stored_through", "Stored through")))}),
        ("Messages", {"fields": (("received", "stored", "refused"), ("waiting", "most_waiting"), ("reconnects", "gaps_filled"))}),
    )  # fmt: skip

    has_view_permission = OperatorAdmin.has_change_permission
