"""The pages of tax lots, open and closed; each leads to the ledger entries that made it."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.admin.base import BY_ACCOUNT
from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from marketdata.admin.base import Cell, figure, flag, leave, link, on_day, page_of, when
from marketdata.domain.display import NOTHING
from portfolio.admin.lot_forms import ChoiceDialog, TransferDialog
from portfolio.admin.why import WhyAdmin
from portfolio.models import Closure, Lot

OWN = "instrument__money"
BY_INSTRUMENT = ("instrument", AutocompleteSelectFilter)
QUANTITY = figure("quantity", "Quantity", style="quantity")
REMAINING = figure("remaining", "Remaining", style="quantity")
COST = figure("cost", "Cost", currency=OWN)
COST_UNIT = figure("cost", "Cost", currency=OWN, unit=True)
PROCEEDS = figure("proceeds", "Proceeds", currency=OWN)
GAIN = figure("gain", "Gain", signed=True, colored=True, currency=OWN, unit=True)
DISALLOWED = figure("disallowed_loss", "Disallowed", zero=False, currency=OWN)
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
CLOSED_BY = entry_link("closing_id", "closing", "Closed by")
MISSING = flag("missing", "Acquisition", yes="missing")
WASH_SALE = flag("wash_sale", "Wash sale")
TACKED = figure("tacked_days", "Days held before", style="quantity", zero=False)


@admin.register(Lot)
class LotAdmin(WhyAdmin):
    """Units bought together and still held, the oldest of an instrument first."""

    natural = ("instrument_id", "number")
    list_display = (
        on_day("opened_at", "Opened"),
        link("instrument", "Instrument"),
        link("account", "Account"),
        QUANTITY,
        REMAINING,
        COST_UNIT,
        OPENED_BY,
        MISSING,
    )
    blank = "A lot is opened by every purchase, and by units that come in some other way. Post one, or import what happened."
    from_ledger = True
    list_filter = (BY_ACCOUNT, BY_INSTRUMENT, "missing")
    search_fields = ("instrument__symbol__istartswith",)
    ordering = ("account_id", "instrument_id", "number")
    list_select_related = ("account", "instrument")
    actions_detail = ("why", "transfer")
    fieldsets = (
        (
            None,
            {"fields": (("instrument", "account"), (when("opened_at", "Opened"), entry_link("entry_id", "sequence", "Entry")))},
        ),
        ("Figures", {"fields": ((QUANTITY, REMAINING), (COST_UNIT, TACKED), MISSING)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lot]:
        """Return the lots with the entries that opened them."""
        return with_entries(super().get_queryset(request), entry_id="sequence")

    def has_transfer_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those move lots who may write in the account."""
        return self.reaches(request, obj, Role.TRADER)

    @action(
        description="Transfer",
        permissions=["transfer"],
        icon="move_up",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Move the lot to another account?",
            "description": "It keeps its date and its cost. What leaves and what arrives are posted to both ledgers.",
            "form_class": TransferDialog,
            "form_submit_text": "Transfer",
        },
    )
    def transfer(self, request: HttpRequest, form: TransferDialog, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, f"It was moved to {form.cleaned_data['to']}.", page_of(form.done.incoming))


@admin.register(Closure)
class ClosureAdmin(WhyAdmin):
    """What was sold against each lot, the last first."""

    natural = ("number",)
    list_display = (
        on_day("closed_at", "Closed"),
        link("instrument", "Instrument"),
        link("account", "Account"),
        QUANTITY,
        COST,
        PROCEEDS,
        GAIN,
        "held",
        DISALLOWED,
    )
    blank = "A closed lot is what a sale realized of a purchase; there has been none."
    from_ledger = True
    list_filter = (BY_ACCOUNT, BY_INSTRUMENT, "long_term", "wash_sale", "missing")
    search_fields = ("instrument__symbol__istartswith",)
    ordering = ("-account_id", "-number")
    list_select_related = ("account", "instrument")
    fieldsets = (
        (None, {"fields": (("instrument", "account"), (when("opened_at", "Opened"), when("closed_at", "Closed")))}),
        ("Figures", {"fields": ((QUANTITY, GAIN), (COST, PROCEEDS), (DAYS, "term"), (WASH_SALE, DISALLOWED), MISSING)}),
        (
            "Entries",
            {"fields": ((entry_link("opening_id", "opening", "Opened by"), CLOSED_BY),)},
        ),
    )
    readonly_fields = ("term",)
    actions_detail = ("why", "choose_lots")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Closure]:
        """Return the closures with the entries that opened and closed them."""
        return with_entries(super().get_queryset(request), opening_id="opening", closing_id="closing")

    @display(description="Held")
    def held(self, closure: Closure) -> str:
        """Return for how many days it was held, and what that counts as."""
        return format_html('<span class="nowrap">{} days, {}</span>', closure.holding_days, closure.term.lower())

    def has_choose_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those choose lots who may write in the account."""
        return self.reaches(request, obj, Role.TRADER)

    @action(
        description="Choose lots",
        permissions=["choose"],
        icon="checklist",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Close other lots?",
            "description": "In an account whose method is SPECIFIC. A note in the ledger says which; the last one counts.",
            "form_class": ChoiceDialog,
            "form_submit_text": "Choose",
        },
    )
    def choose_lots(self, request: HttpRequest, form: ChoiceDialog, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The lots were chosen; the figures follow.", page_of(form.done))
