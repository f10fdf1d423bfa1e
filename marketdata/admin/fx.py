"""The pages of currency rates and how far they reach."""

from datetime import UTC

from django.contrib import admin
from django.utils import timezone
from unfold.decorators import display

from marketdata.admin.base import BaseAdmin, figure, when
from marketdata.models import FxHistory, FxRate
from marketdata.selectors.fx import stale_after

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
    """How far the rates of each pair reach, and whether the last one is still fresh."""

    list_display = ("pair", "first_date", "last_date", "freshness", figure("rows", "Days", style="quantity"), "revision")
    fieldsets = ((None, {"fields": (("base", "quote"), ("first_date", "last_date"), "freshness", ("rows", "revision"))}),)
    readonly_fields = ("freshness",)
    ordering = ("-base", "-quote")

    @admin.display(description="Pair")
    def pair(self, history: FxHistory) -> str:
        """Return the pair as people write it."""
        return f"{history.base}/{history.quote}"

    @display(description="Freshness", label={"Fresh": "success", "Stale": "danger", "None yet": "warning"})
    def freshness(self, history: FxHistory) -> tuple[str, str]:
        """Say how old the last rate is, by the bound beyond which a rate that is carried forward is stale."""
        if history.last_date is None:
            return "None yet", "None yet"
        age = (timezone.now().astimezone(UTC).date() - history.last_date).days
        state = "Stale" if age > stale_after() else "Fresh"
        return state, f"{state}, {max(age, 0)} day{'' if age == 1 else 's'} old"
