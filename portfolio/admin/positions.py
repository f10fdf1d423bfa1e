"""The pages of what accounts hold."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant

from accounts.admin.base import BY_ACCOUNT
from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from marketdata.admin.base import figure, leave, link, link_to_list, page_of
from portfolio.admin.action_forms import ActionDialog
from portfolio.admin.why import WhyAdmin
from portfolio.models import Closure, Lot, Position

OWN = "instrument__money"
QUANTITY = figure("quantity", "Quantity", style="quantity")
AVERAGE = figure("average_price", "Average", style="price")
COST = figure("cost_basis", "Cost", currency=OWN)
PRICE = figure("market_price", "Price", style="price")
VALUE = figure("market_value", "Value", currency=OWN, unit=True)
UNREALIZED = figure("unrealized_gain", "Unrealized", signed=True, colored=True, currency=OWN)
UNREALIZED_PERCENT = figure("unrealized_gain_pct", "%", style="percent", signed=True, colored=True)
DAY = figure("day_gain", "Day", signed=True, colored=True, currency=OWN)
REALIZED = figure("realized_gain", "Realized gain", signed=True, colored=True, currency=OWN, unit=True)
INCOME = figure("income", "Income", currency=OWN)
FEES = figure("fees", "Fees", currency=OWN)
TAXES = figure("taxes", "Taxes", currency=OWN)
BASE_VALUE = figure("value_in_base", "In the account's currency", currency="account__base_currency", unit=True)


class HeldFilter(DropdownFilter):
    """What is held now, or what was sold."""

    title = "held"
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """Return the choices."""
        return [("yes", "Held now"), ("no", "Sold")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Position]) -> QuerySet[Position]:
        """Keep the positions that are meant."""
        if self.value() == "yes":
            return queryset.exclude(quantity=0)
        return queryset.filter(quantity=0) if self.value() == "no" else queryset


@admin.register(Position)
class PositionAdmin(WhyAdmin):
    """What the user's accounts hold and once held, in the currency of each instrument."""

    natural = ("instrument_id",)
    list_display = (
        "symbol",
        link("account", "Account"),
        QUANTITY,
        AVERAGE,
        PRICE,
        VALUE,
        UNREALIZED,
        UNREALIZED_PERCENT,
    )
    blank = "A position is what the entries of an account add up to. Post a purchase, or import what happened."
    from_ledger = True
    list_filter = (BY_ACCOUNT, HeldFilter, ("instrument", AutocompleteSelectFilter))
    search_fields = ("instrument__symbol__istartswith", "instrument__name__icontains")
    ordering = ("-account_id", "-instrument_id")
    list_select_related = ("account", "instrument")
    actions_detail = ("why", "post_action")
    fieldsets = (
        (None, {"fields": (("instrument", "account"), (QUANTITY, "since"))}),
        ("Cost and value", {"fields": ((AVERAGE, COST), (PRICE, "priced_on"), (VALUE, BASE_VALUE))}),
        ("Gain", {"fields": ((UNREALIZED, UNREALIZED_PERCENT), (DAY, REALIZED), (INCOME, FEES, TAXES))}),
        (
            "Where it comes from",
            {"fields": (
                link_to_list(Lot, "Open lots", account__id="account_id", instrument__id="instrument_id"),
                link_to_list(Closure, "Closed lots", account__id="account_id", instrument__id="instrument_id"),
                link_to_list(LedgerEntry, "Ledger entries", account__id="account_id", instrument__id="instrument_id"),
                "reports",
            )},
        ),
    )  # fmt: skip

    @admin.display(description="Instrument")
    def symbol(self, position: Position) -> str:
        """Return the instrument's symbol, which leads to the position's own page."""
        return position.instrument.symbol

    @admin.display(description="Files and print")
    def reports(self, position: Position) -> str:
        """Return the way to the account's reports."""
        return format_html('<a class="go" href="{}?account={}">Reports</a>', reverse("admin:reports"), position.account_id)

    def has_post_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those post who may write in the account."""
        return self.reaches(request, obj, Role.TRADER)

    @action(
        description="Corporate actions",
        permissions=["post"],
        icon="domain",
        variant=ActionVariant.DEFAULT,
        dialog={
            "title": "Post what the company did?",
            "description": "The entries follow from the units held on the day; they are posted once.",
            "form_class": ActionDialog,
            "form_submit_text": "Post",
        },
    )
    def post_action(self, request: HttpRequest, form: ActionDialog, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "It is in the ledger.", page_of(form.done[-1]))
