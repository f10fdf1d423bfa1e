"""The pages of currency rates and how far they reach."""

from django.contrib import admin

from marketdata.admin.base import BaseAdmin, figure, when
from marketdata.models import FxHistory, FxRate

RATE = figure("rate", "Rate", style="price")


@admin.register(FxRate)
class FxRateAdmin(BaseAdmin):
    """What one currency was worth in another, the newest day of a pair first."""

    list_display = ("pair", "date", RATE, when("recorded_at", "Recorded"))
    search_fields = ("base__iexact", "quote__iexact")
    search_help_text = "A currency, such as EUR"
    ordering = ("-base", "-quote", "-date")
    fieldsets = ((None, {"fields": (("base", "quote"), "date", RATE, when("recorded_at", "Recorded"))}),)

    @admin.display(description="Pair")
    def pair(self, rate: FxRate) -> str:
        """Return the pair as people write it."""
        return f"{rate.base}/{rate.quote}"


@admin.register(FxHistory)
class FxHistoryAdmin(BaseAdmin):
    """How far the rates of each pair reach."""

    list_display = ("__str__", "first_date", "last_date", figure("rows", "Days", style="quantity"))
    ordering = ("-base", "-quote")
