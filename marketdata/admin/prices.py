"""The pages of bars, quotes and ticks, how far they reach, and where refreshing them stopped.

These tables grow to tens of millions of rows. So a page reads them in the order of an index and by its leading columns alone, and
a symbol is looked up before they are: joined to them, the database might walk through all of them to find one instrument.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from marketdata.admin.base import BaseAdmin, OperatorAdmin, badge, figure, link, when
from marketdata.admin.lists import QuickList
from marketdata.domain.bars import EPOCH
from marketdata.models import Bar, Instrument, PriceHistory, ProviderState, Quote, Tick

BY_INSTRUMENT = ("instrument", AutocompleteSelectFilter)
BY_TIMEFRAME = ("timeframe", ChoicesDropdownFilter)
PRICES = [figure(name, name.capitalize(), style="price") for name in ("open", "high", "low", "close")]
SIDES = [
    figure("bid", "Bid", style="price"),
    figure("ask", "Ask", style="price"),
    figure("bid_size", "Bid size", style="quantity"),
    figure("ask_size", "Ask size", style="quantity"),
]
TRADED = [figure("price", "Price", style="price"), figure("size", "Size", style="quantity")]
VOLUME = figure("volume", "Volume", style="quantity")
OUTCOMES = {"STORED": "success", "FAILED": "danger", "STALLED": "warning"}


MOST_NAMESAKES = 50


class SeriesAdmin(BaseAdmin):
    """Rows that belong to an instrument, found by its symbol."""

    search_fields = ("instrument",)  # shows the box; what is found is up to `get_search_results`
    search_help_text = "A whole symbol, such as AAPL"
    list_select_related: ClassVar[Any] = ("instrument",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Keep the rows of the instruments that are called so; the rows are never searched for a name."""
        if not search_term.strip():
            return queryset, False
        called = Instrument.objects.filter(symbol=search_term.strip().upper()).values_list("pk", flat=True)
        return queryset.filter(instrument__in=list(called[:MOST_NAMESAKES])), False


class KeyOrder(QuickList):
    """A list in an order that leaves nothing open: Django would add the made-up key, which no index has."""

    def _get_deterministic_ordering(self, ordering: Sequence[str]) -> Sequence[str]:
        return ordering


class DayAdmin(SeriesAdmin):
    """Rows of a table that has a partition for every day; the key of one column is made up of the real one."""

    list_filter = (BY_INSTRUMENT,)
    figures: ClassVar[Sequence[str]] = ()  # the decimals that belong to the key

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list in the order of the real key."""
        return KeyOrder

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Return the row by its real key, which the index knows; None for what is no key."""
        try:
            instrument, moment, *numbers = object_id.split("~")
            key = dict(zip(self.figures, map(Decimal, numbers), strict=True))
            key |= {"instrument": UUID(instrument), "timestamp": EPOCH + timedelta(microseconds=int(moment))}  # type: ignore[dict-item]
        except (ValueError, OverflowError, InvalidOperation):
            return None
        if not all(number.is_finite() for number in key.values() if isinstance(number, Decimal)):
            return None
        return self.get_queryset(request).filter(**key).first()


@admin.register(Bar)
class BarAdmin(SeriesAdmin):
    """Bars, the newest of an instrument first."""

    list_display = (when("timestamp", "Starts", utc=True), link("instrument", "Instrument"), "timeframe", *PRICES, VOLUME)
    list_filter = (BY_INSTRUMENT, BY_TIMEFRAME)
    ordering = ("-instrument_id", "-timeframe", "-timestamp")  # the unique index, backward
    fieldsets = (
        (None, {"fields": (("instrument", "timeframe"), when("timestamp", "Starts", utc=True))}),
        ("Prices", {"fields": (tuple(PRICES), (VOLUME, figure("vwap", "VWAP", style="price"), "trade_count"))}),
        ("Origin", {"fields": (when("recorded_at", "Recorded"), ("rolled_from", "adjusted_through"))}),
    )


@admin.register(Quote)
class QuoteAdmin(DayAdmin):
    """Quotes, the newest of an instrument first."""

    list_display = (when("timestamp", "Time", utc=True), link("instrument", "Instrument"), *SIDES)
    ordering = ("-instrument_id", "-timestamp")  # the index of every day, backward
    fieldsets = (
        (None, {"fields": ("instrument", when("timestamp", "Time", utc=True))}),
        ("Quote", {"fields": (tuple(SIDES[:2]), tuple(SIDES[2:]))}),
        ("Origin", {"fields": (when("recorded_at", "Recorded"),)}),
    )


@admin.register(Tick)
class TickAdmin(DayAdmin):
    """Trades that the market reported, the newest of an instrument first."""

    list_display = (when("timestamp", "Time", utc=True), link("instrument", "Instrument"), *TRADED, "conditions")
    ordering = ("-instrument_id", "-timestamp", "-price", "-size")  # the index of every day, backward
    figures = ("price", "size")
    fieldsets = (
        (None, {"fields": ("instrument", when("timestamp", "Time", utc=True))}),
        ("Trade", {"fields": (tuple(TRADED), "conditions")}),
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
