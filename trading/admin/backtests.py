"""The pages of backtests: how far they are, what they came to, and how the equity went."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action

from accounts.admin.base import BY_ACCOUNT, MemberAdmin
from accounts.domain.roles import Role
from marketdata.admin.base import badge, find, link, page_of, when
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
        (None, {"fields": (("account", "name"), ("kind", STATUS), ("done", "total"), "error")}),
        (
            "What was asked",
            {"fields": (("strategy_kind", "parameters"), ("start", "end", "timeframe"), ("cash", "costs", "rules"))},
        ),
        ("Behind it", {"fields": (("code_version", "config_hash"), (link("parent", "Part of"), "number"))}),
        ("Time", {"fields": ((when("created_at", "Asked for"), when("started_at", "Began")), when("finished_at", "Ended"))}),
    )

    @action(description="Cancel", permissions=["cancel"], url_path="cancel", icon="cancel")
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel it, and go back to its page."""
        run = find(self.get_queryset(request), object_id)
        try:
            cancel_backtest(run=run, at=timezone.now())
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
        return redirect(page_of(run))

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
                "figures": [(label, run.metrics[name]) for name, label in FIGURES.items() if run.metrics.get(name) is not None],
                "windows": run.metrics.get("windows", []),
            }
        return super().render_change_form(request, context, **kwargs)


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
