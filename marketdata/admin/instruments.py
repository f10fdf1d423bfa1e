"""The pages of instruments."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from marketdata.admin.base import OperatorAdmin, ServiceForm, badge, figure, link_to_list, when
from marketdata.admin.charts import ChartMixin
from marketdata.admin.providers import SourcesMixin
from marketdata.models import Bar, Instrument, PriceHistory, QualityIssue, Quote, Tick
from marketdata.services import instruments

KEPT = ("symbol", "exchange", "name", "asset_class", "currency", "isin", "figi", "multiplier", "tick_size", "price_floor",
        "price_ceiling", "active", "underlying", "expiry", "strike", "right")  # fmt: skip


class InstrumentForm(ServiceForm):
    """What an instrument is; the service has the last word."""

    class Meta:
        model = Instrument
        fields = KEPT

    def perform(self) -> Instrument:
        """Write the instrument down, or what was changed of it."""
        if self.instance._state.adding:
            return instruments.create_instrument(fields=self.cleaned_data)
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        return instruments.update_instrument(instrument=self.instance, changes=changes)


@admin.register(Instrument)
class InstrumentAdmin(ChartMixin, SourcesMixin, OperatorAdmin):
    """Instruments with their last close; everybody finds them, operators keep them."""

    form = InstrumentForm
    list_display = (
        "key",
        "name",
        badge("asset_class", "Class", {"EQUITY": "info", "ETF": "info", "CRYPTO": "warning", "OPTION": "primary"}),
        "currency",
        figure("last_close", "Last close", style="price"),
        when("last_bar_at", "Of the day", utc=True),
        "active",
    )
    list_filter = (("asset_class", ChoicesDropdownFilter), "active")
    search_fields = ("symbol__istartswith", "name__icontains", "isin__iexact", "figi__iexact")
    search_help_text = "Symbol, name, ISIN or FIGI"
    ordering = ("symbol", "exchange")
    sortable_by: ClassVar[Any] = ("key",)
    autocomplete_fields = ("underlying",)
    fieldsets = (
        (None, {"fields": (("symbol", "exchange"), "name", ("asset_class", "currency"), ("isin", "figi"), "active")}),
        ("Prices", {"fields": (("multiplier", "tick_size"), ("price_floor", "price_ceiling"))}),
        ("Option", {"fields": ("underlying", ("expiry", "strike", "right")), "classes": ["collapse"]}),
        (
            "See also",
            {"fields": (
                link_to_list(Bar, "Bars", instrument__id="pk"),
                link_to_list(Quote, "Quotes", instrument__id="pk"),
                link_to_list(Tick, "Ticks", instrument__id="pk"),
                link_to_list(QualityIssue, "Quality issues", instrument__id="pk"),
            )},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instrument]:
        """Return the instruments with how far their daily prices reach."""
        daily = PriceHistory.objects.filter(instrument=OuterRef("pk"), timeframe="1d")
        bars = Bar.objects.filter(instrument=OuterRef("pk"), timeframe="1d", timestamp=OuterRef("last_bar_at"))
        instruments_ = super().get_queryset(request).annotate(last_bar_at=Subquery(daily.values("last_at")[:1]))
        return instruments_.annotate(last_close=Subquery(bars.values("close")[:1]))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the links out while there is nothing to link to."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else fieldsets[:-1]
