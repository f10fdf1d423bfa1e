"""The pages of daily values, of returns since the beginning, and of how far figures have been derived."""

from datetime import timedelta

from django.contrib import admin
from django.utils.html import format_html_join
from unfold.decorators import display

from accounts.admin.base import BY_ACCOUNT
from marketdata.admin.base import figure, flag, link, number_html, when
from marketdata.domain.display import NOTHING
from portfolio.admin.derived import DerivedAdmin, stands
from portfolio.admin.why import WhyAdmin
from portfolio.domain.returns import DAYS_OF_YEAR
from portfolio.models import Performance, Projection, Snapshot
from portfolio.selectors.figures import names_of

YEAR = timedelta(days=DAYS_OF_YEAR)
BASE = "account__base_currency"
VALUE = figure("total_value", "Value", currency=BASE, unit=True)
CASH = figure("cash", "Cash", currency=BASE)
POSITIONS = figure("positions_value", "Positions", currency=BASE)
FLOW = figure("net_flow", "Net flow", signed=True, currency=BASE)
DAY = figure("day_gain", "Day", signed=True, colored=True, currency=BASE)
GAIN = figure("total_gain", "Total gain", signed=True, colored=True, currency=BASE)
PRICED = flag("priced", "New price")
INDEX = figure("twr_index", "TWR index", style="quantity")
READ_UP_TO = figure("read_up_to", "Read up to entry", style="quantity")
READ_UNTIL = when("read_until", "Which happened")
RATIOS = [
    figure("twr", "TWR", style="percent", signed=True, colored=True),
    figure("xirr", "XIRR", style="percent", signed=True, colored=True),
    figure("volatility", "Volatility", style="percent"),
    figure("max_drawdown", "Max drawdown", style="percent", signed=True, colored=True),
]


@admin.register(Snapshot)
class SnapshotAdmin(WhyAdmin):
    """What the user's accounts were worth at the end of each day (UTC), the last first."""

    natural = ("date",)
    list_display = ("date", link("account", "Account"), VALUE, CASH, POSITIONS, FLOW, DAY, GAIN)
    blank = "Each day from the first entry of an account on has a value. Post a deposit or a purchase, or import what happened."
    from_ledger = True
    list_filter = (BY_ACCOUNT, "priced")
    actions_detail = ("why",)
    ordering = ("-account_id", "-date")
    list_select_related = ("account",)
    fieldsets = (
        (None, {"fields": (("account", "date"), (VALUE, GAIN), (CASH, POSITIONS))}),
        ("The day", {"fields": ((FLOW, DAY), PRICED)}),
        (
            "Behind it",
            {
                "fields": (
                    INDEX,
                    figure("buying_power", "Buying power", currency=BASE),
                ),
            },
        ),
    )


@admin.register(Performance)
class PerformanceAdmin(WhyAdmin):
    """What the user's accounts achieved since their first day."""

    list_display = (
        "account",
        "since",
        "as_of",
        figure("end_value", "Value", currency=BASE, unit=True),
        figure("net_flows", "Net deposits", currency=BASE),
        figure("gain", "Gain", signed=True, colored=True, currency=BASE),
        *RATIOS,
    )
    blank = "Returns are measured from the first entry of an account on."
    from_ledger = True
    list_filter = (BY_ACCOUNT,)
    actions_detail = ("why",)
    ordering = ("-account_id",)
    list_select_related = ("account",)
    fieldsets = (
        (None, {"fields": ("account", ("since", "as_of"))}),
        (
            "Money",
            {"fields": (
                (figure("end_value", "Value", currency=BASE, unit=True), figure("net_flows", "Net deposits", currency=BASE)),
                figure("gain", "Gain", signed=True, colored=True, currency=BASE),
            )},
        ),
        (
            "Returns and risk",
            {"fields": (
                (RATIOS[0], "a_year"),
                (RATIOS[1], figure("simple_return", "Simple return", style="percent", signed=True, colored=True)),
                (RATIOS[2], RATIOS[3]),
                ("drawdown_peak", "drawdown_trough", "drawdown_recovered"),
                "untold",
            )},
        ),
    )  # fmt: skip

    readonly_fields = ("a_year", "untold")

    @display(description="TWR a year")
    def a_year(self, kept: Performance) -> str:
        """Return what the return comes to in a year, if it was made in at least one."""
        if kept.as_of - kept.since < YEAR:
            return NOTHING
        return number_html(kept.twr_annualized, style="percent", signed=True, colored=True)

    @display(description="Not told")
    def untold(self, kept: Performance) -> str:
        """Return which figures there are not, and why."""
        return format_html_join("", "<div>{}: {}</div>", sorted(kept.reasons.items())) or NOTHING


@admin.register(Projection)
class ProjectionAdmin(DerivedAdmin):
    """How far the figures of the user's accounts have been derived, and what they lack."""

    list_display = (
        "account",
        stands,
        READ_UP_TO,
        READ_UNTIL,
        "first_date",
        when("caught_up_at", "Caught up"),
    )
    list_filter = (BY_ACCOUNT,)
    ordering = ("-account_id",)
    list_select_related = ("account",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "account",
                    (figure("read_up_to", "Read up to entry", style="quantity"), when("read_until", "Which happened")),
                )
            },
        ),
        ("Reach", {"fields": (("first_date", "valued_until"), when("caught_up_at", "Caught up"))}),
        ("Lacking", {"fields": ("lacking", "from_before")}),
    )
    readonly_fields = ("lacking", "from_before")

    @display(description="A price or rate")
    def lacking(self, projection: Projection) -> str:
        """Return what lacked a price or rate on some day."""
        return ", ".join(names_of(projection.missing)) or NOTHING

    @display(description="One of the last day")
    def from_before(self, projection: Projection) -> str:
        """Return what is valued at a price or rate from before the last day."""
        return ", ".join(names_of(projection.stale)) or NOTHING
