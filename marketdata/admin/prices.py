"""The pages of bars and quotes, how far they reach, and where refreshing them stopped; rows come in through files and feeds."""

from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from marketdata.admin.base import BaseAdmin, OperatorAdmin, badge, figure, link, when
from marketdata.models import Bar, PriceHistory, ProviderState, Quote

BY_INSTRUMENT = ("instrument", AutocompleteSelectFilter)
BY_TIMEFRAME = ("timeframe", ChoicesDropdownFilter)
PRICES = [figure(name, name.capitalize(), style="price") for name in ("open", "high", "low", "close")]
SIDES = [
    figure("bid", "Bid", style="price"),
    figure("ask", "Ask", style="price"),
    figure("bid_size", "Bid size", style="quantity"),
    figure("ask_size", "Ask size", style="quantity"),
]
VOLUME = figure("volume", "Volume", style="quantity")
OUTCOMES = {"STORED": "success", "FAILED": "danger", "STALLED": "warning"}


@admin.register(Bar)
class BarAdmin(BaseAdmin):
    """Bars, the newest of an instrument first."""

    list_display = (when("timestamp", "Starts", utc=True), link("instrument", "Instrument"), "timeframe", *PRICES, VOLUME)
    list_filter = (BY_INSTRUMENT, BY_TIMEFRAME)
    search_fields = ("instrument__symbol__iexact",)
    search_help_text = "A whole symbol, such as AAPL"
    ordering = ("-instrument_id", "-timeframe", "-timestamp")  # the unique index, backward
    list_select_related = ("instrument",)
    fieldsets = (
        (None, {"fields": (("instrument", "timeframe"), when("timestamp", "Starts", utc=True))}),
        ("Prices", {"fields": (tuple(PRICES), (VOLUME, figure("vwap", "VWAP", style="price"), "trade_count"))}),
        ("Origin", {"fields": (when("recorded_at", "Recorded"),)}),
    )


@admin.register(Quote)
class QuoteAdmin(BaseAdmin):
    """Quotes, the newest of an instrument first."""

    list_display = (when("timestamp", "Time", utc=True), link("instrument", "Instrument"), *SIDES)
    list_filter = (BY_INSTRUMENT,)
    search_fields = ("instrument__symbol__iexact",)
    search_help_text = "A whole symbol, such as AAPL"
    ordering = ("-instrument_id", "-timestamp")
    list_select_related = ("instrument",)
    fieldsets = (
        (None, {"fields": ("instrument", when("timestamp", "Time", utc=True))}),
        ("Quote", {"fields": (tuple(SIDES[:2]), tuple(SIDES[2:]))}),
        ("Origin", {"fields": (when("recorded_at", "Recorded"),)}),
    )


@admin.register(PriceHistory)
class PriceHistoryAdmin(BaseAdmin):
    """How far each series of bars reaches."""

    list_display = (
        link("instrument", "Instrument"),
        "timeframe",
        when("first_at", "First", utc=True),
        when("last_at", "Last", utc=True),
        figure("rows", "Bars", style="quantity"),
        figure("revision", "Revision", style="quantity"),
    )
    list_display_links = ("timeframe",)
    list_filter = (BY_INSTRUMENT, BY_TIMEFRAME)
    search_fields = ("instrument__symbol__iexact",)
    ordering = ("-instrument_id", "-timeframe")
    list_select_related = ("instrument",)


@admin.register(ProviderState)
class ProviderStateAdmin(OperatorAdmin):
    """Where refreshing each series stopped, and how the last run went; for operators."""

    list_display = (
        "provider",
        link("instrument", "Instrument"),
        "timeframe",
        badge("last_outcome", "Last outcome", OUTCOMES),
        when("last_run_at", "Last run"),
        when("resume_from", "Goes on from", utc=True),
        figure("failures", "Failures", style="quantity"),
        "last_detail",
    )
    list_filter = (("last_outcome", ChoicesDropdownFilter), BY_INSTRUMENT)
    search_fields = ("instrument__symbol__iexact", "provider__iexact")
    ordering = ("-id",)
    list_select_related = ("instrument",)

    has_view_permission = OperatorAdmin.has_change_permission
    has_add_permission = has_change_permission = BaseAdmin.has_change_permission
