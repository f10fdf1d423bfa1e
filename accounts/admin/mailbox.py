"""The pages of what belongs to one person: watchlists and notifications."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display

from accounts.admin.base import GatedAdmin, user_of
from accounts.models import Notification, Watchlist
from accounts.services import notifications, watchlists
from marketdata.admin.base import Dialog, ServiceForm, badge, find, leave, list_of, when
from marketdata.selectors.live import latest_told

MOST_LIVE = 100
LIVE_TABLE = (
    '<table class="grid-table" data-live-from="{}"><thead><tr><th>Instrument</th><th class="right">Bid</th>'
    '<th class="right">Ask</th><th class="right">At</th></tr></thead><tbody>{}</tbody></table>'
)
LIVE_ROW = (
    '<tr data-live="{0}"><td>{0}</td><td class="right" data-cell="bid">{1}</td><td class="right" data-cell="ask">{2}</td>'
    '<td class="right" data-cell="timestamp" title="{4}">{3}</td></tr>'
)
LEVELS = {"INFO": "info", "WARNING": "warning", "CRITICAL": "danger"}


def _cells(quote: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    """Return what is shown of a quote: bid, ask, the time to the second and in full."""
    if quote is None:
        return "-", "-", "-", ""
    return quote["bid"], quote["ask"], f"{quote['timestamp'][:19].replace('T', ' ')}Z", quote["timestamp"]


class WatchlistForm(ServiceForm):
    """A list and what is on it."""

    class Meta:
        model = Watchlist
        fields = ("name", "instruments")

    def perform(self) -> Watchlist:
        """Make the list, or change it."""
        now = timezone.now()
        if self.instance._state.adding:
            return watchlists.create_watchlist(user=user_of(self.request), at=now, **self.cleaned_data)
        return watchlists.change_watchlist(watchlist=self.instance, at=now, **self.cleaned_data)


@admin.register(Watchlist)
class WatchlistAdmin(GatedAdmin):
    """The user's lists of instruments."""

    form = WatchlistForm
    list_display = ("name", "on_it", when("created_at", "Made"))
    search_fields = ("name__icontains",)
    ordering = ("-id",)
    autocomplete_fields = ("instruments",)
    fieldsets = ((None, {"fields": ("name", "instruments")}), ("Quotes", {"fields": ("quotes",)}))
    readonly_fields = ("quotes",)

    class Media:
        js = ("bedrock/live.js",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form, and for a list that is there its quotes."""
        return super().get_fieldsets(request, obj)[: None if obj else 1]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the lists with their instruments."""
        return super().get_queryset(request).prefetch_related("instruments")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody keep lists of their own."""
        return self.has_view_permission(request)

    has_change_permission = has_delete_permission = has_add_permission

    @display(description="Instruments", label=True)
    def on_it(self, watchlist: Watchlist) -> list[str]:
        """Return the symbols on the list."""
        return [instrument.symbol for instrument in watchlist.instruments.all()]

    @display(description="Last bid and ask")
    def quotes(self, watchlist: Watchlist) -> str:
        """Return the latest quotes, which a script keeps up to date."""
        known = {
            quote["instrument"]: quote for quote in latest_told(watchlist.instruments.values_list("pk", flat=True)[:MOST_LIVE])
        }
        keys = sorted(instrument.key for instrument in watchlist.instruments.all()[:MOST_LIVE])
        rows = format_html_join("", LIVE_ROW, ((key, *_cells(known.get(key))) for key in keys))
        source = reverse("stream-quotes")
        return format_html(LIVE_TABLE, source, rows)

    def delete_model(self, request: HttpRequest, obj: Watchlist) -> None:
        """Throw the list away."""
        watchlists.delete_watchlist(watchlist=obj)


class Reading(Dialog):
    """Whether a message is to be marked as read."""

    def perform(self) -> Notification:
        """Mark the message."""
        message = find(Notification.objects.visible_to(user_of(self.request)), self.object_id)
        return notifications.mark_read(notification=message, read_at=timezone.now())


@admin.register(Notification)
class NotificationAdmin(GatedAdmin):
    """What the user was told, the latest first."""

    list_display = ("title", badge("level", "Level", LEVELS), when("created_at", "Sent"), when("read_at", "Read"))
    list_filter = (("level", ChoicesDropdownFilter),)
    search_fields = ("title__icontains",)
    ordering = ("-id",)
    actions_detail = ("mark_read",)
    fieldsets = (
        (None, {"fields": ("title", "level", "body", "leads_to")}),
        ("Time", {"fields": ((when("created_at", "Sent"), when("read_at", "Read")),)}),
    )
    readonly_fields = ("leads_to",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody throw their messages away."""
        return self.has_view_permission(request)

    def has_mark_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let a message be marked while it is new."""
        message = self.get_object(request, object_id) if object_id else None
        return message is not None and message.read_at is None

    @display(description="Leads to")
    def leads_to(self, message: Notification) -> str:
        """Return the link, if it stays on this site."""
        inside = message.link.startswith("/") and not message.link.startswith("//")
        return format_html('<a class="go" href="{}">{}</a>', message.link, message.link) if inside else message.link or "-"

    def delete_model(self, request: HttpRequest, obj: Notification) -> None:
        """Throw the message away."""
        notifications.delete_notification(notification=obj)

    @action(
        description="Mark as read",
        permissions=["mark"],
        icon="mark_email_read",
        dialog={"title": "Mark as read?", "description": "", "form_class": Reading, "form_submit_text": "Mark as read"},
    )
    def mark_read(self, request: HttpRequest, form: Reading, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "Marked as read.", list_of(Notification))
