"""The pages of tax lots, open and closed; each leads to the ledger entries that made it."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from accounts.admin.base import BY_ACCOUNT, MemberAdmin
from accounts.models import LedgerEntry
from marketdata.admin.base import Cell, figure, link, when
from marketdata.domain.display import NOTHING
from portfolio.models import Closure, Lot

OWN = "instrument__currency"
BY_INSTRUMENT = ("instrument", AutocompleteSelectFilter)
QUANTITY = figure("quantity", "Quantity", style="quantity")
REMAINING = figure("remaining", "Remaining", style="quantity")
COST = figure("cost", "Cost", currency=OWN)
PROCEEDS = figure("proceeds", "Proceeds", currency=OWN)
GAIN = figure("gain", "Gain", signed=True, colored=True, currency=OWN)
DAYS = figure("holding_days", "Days held", style="quantity")


def with_entries(rows: QuerySet, **sequences: str) -> QuerySet:
    """Return rows with the id of the entry whose sequence in the account each named field holds."""
    entries = LedgerEntry.objects.filter(account=OuterRef("account"))
    return rows.annotate(
        **{name: Subquery(entries.filter(sequence=OuterRef(field)).values("pk")[:1]) for name, field in sequences.items()}
    )


def entry_link(entry: str, sequence: str, label: str) -> Cell:
    """Return a column that leads to a ledger entry by its id in one field, and shows its sequence in another."""

    def cell(row: Any) -> str:
        if getattr(row, entry) is None:
            return NOTHING
        address = reverse("admin:accounts_ledgerentry_change", args=[getattr(row, entry)])
        return format_html('<a class="go" href="{}">#{}</a>', address, getattr(row, sequence))

    cell.__name__ = f"to_{entry}"
    cell.short_description = label  # type: ignore[attr-defined]
    return cell


OPENED_BY = entry_link("entry_id", "sequence", "Entry")
BOTH_ENTRIES = (entry_link("opening_id", "opening", "Opened by"), entry_link("closing_id", "closing", "Closed by"))


@admin.register(Lot)
class LotAdmin(MemberAdmin):
    """Units bought together and still held, the oldest of an instrument first."""

    list_display = (
        when("opened_at", "Opened"),
        link("instrument", "Instrument"),
        link("account", "Account"),
        QUANTITY,
        REMAINING,
        COST,
        OPENED_BY,
        "missing",
    )
    list_filter = (BY_ACCOUNT, BY_INSTRUMENT)
    search_fields = ("instrument__symbol__istartswith",)
    ordering = ("account_id", "instrument_id", "number")
    list_select_related = ("account", "instrument")
    fieldsets = (
        (
            None,
            {"fields": (("instrument", "account"), (when("opened_at", "Opened"), entry_link("entry_id", "sequence", "Entry")))},
        ),
        ("Figures", {"fields": ((QUANTITY, REMAINING), COST, "missing")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lot]:
        """Return the lots with the entries that opened them."""
        return with_entries(super().get_queryset(request), entry_id="sequence")


@admin.register(Closure)
class ClosureAdmin(MemberAdmin):
    """What was sold against each lot, the last first."""

    list_display = (
        when("closed_at", "Closed"),
        link("instrument", "Instrument"),
        link("account", "Account"),
        QUANTITY,
        COST,
        PROCEEDS,
        GAIN,
        DAYS,
        "term",
        *BOTH_ENTRIES,
    )
    list_filter = (BY_ACCOUNT, BY_INSTRUMENT, "long_term")
    search_fields = ("instrument__symbol__istartswith",)
    ordering = ("-account_id", "-number")
    list_select_related = ("account", "instrument")
    fieldsets = (
        (None, {"fields": (("instrument", "account"), (when("opened_at", "Opened"), when("closed_at", "Closed")))}),
        ("Figures", {"fields": ((QUANTITY, GAIN), (COST, PROCEEDS), (DAYS, "term"), "missing")}),
        (
            "Entries",
            {"fields": ((entry_link("opening_id", "opening", "Opened by"), entry_link("closing_id", "closing", "Closed by")),)},
        ),
    )
    readonly_fields = ("term",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Closure]:
        """Return the closures with the entries that opened and closed them."""
        return with_entries(super().get_queryset(request), opening_id="opening", closing_id="closing")
