"""The pages of backtests: how far they are, what they came to, and how the equity went."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import Dialog, badge, find, leave, link, page_of, when
from marketdata.domain.display import money_text, percent_text, quantity_text
from portfolio.domain.charts import HEIGHT, LEFT, RIGHT, WIDTH, Chart, line_chart
from trading.models.backtests import UNFINISHED, BacktestRun
from trading.selectors.backtests import curve_of
from trading.services.backtests import cancel_backtest

STATES = {"QUEUED": "info", "RUNNING": "info", "SUCCEEDED": "success", "FAILED": "danger", "CANCELED": "warning"}
STATUS = badge("status", "Status", STATES)
FIGURES = {
    "end_value": "Value at the end",
    "twr": "Return",
    "twr_annualized": "Return a year",
    "max_drawdown": "Deepest fall",
    "volatility": "Volatility",
    "sharpe": "Sharpe",
    "sortino": "Sortino",
    "calmar": "Calmar",
    "total_trades": "Trades",
    "win_rate": "Win rate",
    "profit_factor": "Profit factor",
    "expectancy": "Gain a trade",
    "fees": "Fees",
    "exposure": "Time invested",
    "best_parameters": "Best parameters",
}

SHARES = frozenset({"twr", "twr_annualized", "max_drawdown", "volatility", "win_rate", "exposure"})
AMOUNTS = frozenset({"end_value", "expectancy", "fees"})


class Cancellation(Dialog):
    """Whether a backtest is to be canceled."""

    def perform(self) -> BacktestRun:
        """Cancel it."""
        rows = BacktestRun.objects.visible_to(user_of(self.request), role=Role.TRADER)
        return cancel_backtest(run=find(rows, self.object_id), at=timezone.now())


@admin.register(BacktestRun)
class BacktestAdmin(MemberAdmin):
    """The runs over the past in the user's accounts; a page shows the curve of its equity and the figures."""

    change_form_outer_before_template = "bedrock/backtest.html"
    list_display = (
        when("created_at", "Asked for"),
        link("account", "Account"),
        "name",
        "strategy_kind",
        "kind",
        STATUS,
        "start",
        "end",
    )
    blank = "Backtests are asked for through the API: a run, a sweep of parameters, or a walk-forward."
    list_filter = (BY_ACCOUNT, ("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    actions_detail = ("cancel",)
    ordering = ("-id",)
    list_select_related = ("account",)
    fieldsets = (
        (None, {"fields": (("account", "name"), ("kind", "status"), ("done", "total"), "error")}),
        (
            "What was asked",
            {"fields": (("strategy_kind", "parameters"), ("start", "end", "timeframe"), ("cash", "costs", "rules"))},
        ),
        ("Behind it", {"fields": (("code_version", "config_hash"), (link("parent", "Part of"), "number"))}),
        ("Time", {"fields": ((when("created_at", "Asked for"), when("started_at", "Began")), when("finished_at", "Ended"))}),
    )

    @action(
        description="Cancel",
        permissions=["cancel"],
        icon="cancel",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel the backtest?",
            "description": "What waits ends at once, what runs within a second or two. It can be asked for again.",
            "form_class": Cancellation,
            "form_submit_text": "Cancel it",
        },
    )
    def cancel(self, request: HttpRequest, form: Cancellation, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The backtest is canceled; what runs ends at its next look.", page_of(form.done))

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let traders cancel what has not ended."""
        run = self.get_object(request, str(object_id)) if object_id else None
        return run is not None and run.status in UNFINISHED and self.reaches(request, run, Role.TRADER)

    def render_change_form(self, request: HttpRequest, context: Any, **kwargs: Any) -> HttpResponse:
        """Return the page with charts and figures."""
        run = kwargs.get("obj")
        if run is not None:
            context["backtest"] = {
                "charts": charts_of(run),
                "figures": [
                    (label, shown(name, run.metrics[name]))
                    for name, label in FIGURES.items()
                    if run.metrics.get(name) is not None
                ],
                "windows": run.metrics.get("windows", []),
            }
        return super().render_change_form(request, context, **kwargs)


def shown(name: str, value: Any) -> str:
    """Return a figure as people read it."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return str(value)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if name in SHARES:
        return percent_text(number)
    return money_text(number) if name in AMOUNTS else quantity_text(round(number, 2))


def charts_of(run: BacktestRun) -> list[dict[str, Any]]:
    """Return the curves of equity and drawdown as shapes; none of a run that has left no file."""
    days, values = curve_of(run.pk)
    peaks = accumulate(values, max)
    falls = [value / peak - 1 if peak > 0 else 0.0 for value, peak in zip(values, peaks, strict=True)]
    drawn = (("Equity", line_chart(days, [values]), "{:,.0f}"), ("Drawdown", line_chart(days, [falls], from_zero=True), "{:.0%}"))
    box = {
        "width": int(WIDTH),
        "height": int(HEIGHT),
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "before": LEFT - 6,
        "low": HEIGHT - 8,
    }
    return [{"title": title, "drawn": one, "up": marks(one, form), "box": box} for title, one, form in drawn if one is not None]


def marks(chart: Chart, form: str) -> list[tuple[str, str]]:
    """Return where the marks of the upright axis are, and what they say."""
    return [(tick.at, form.format(tick.value)) for tick in chart.up]
