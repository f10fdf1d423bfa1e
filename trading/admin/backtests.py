"""The pages of backtests: how far they are, what they came to, and how the equity went."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from marketdata.admin.base import Dialog, badge, figure, find, leave, link, page_of, when
from marketdata.domain.display import NOTHING, money_text, percent_text, quantity_text
from portfolio.domain.charts import HEIGHT, LEFT, RIGHT, WIDTH, Chart, line_chart
from trading.models.backtests import UNFINISHED, BacktestKind, BacktestRun, BacktestStatus
from trading.selectors.backtests import curve_of, keys_of
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
OF_RUNS = ("twr", "twr_annualized", "max_drawdown", "sharpe", "total_trades")  # what the runs of a sweep are told apart by
COMPARED, OFFERED = 8, 40


class Cancellation(Dialog):
    """Whether a backtest is to be canceled."""

    def perform(self) -> BacktestRun:
        """Cancel it."""
        rows = BacktestRun.objects.visible_to(user_of(self.request), role=Role.TRADER)
        return cancel_backtest(run=find(rows, self.object_id), at=timezone.now())


def outcome(name: str, label: str) -> Any:
    """Return a column of one of the figures that a run came to."""

    @display(description=label)
    def cell(_page: Any, run: BacktestRun) -> str:
        return shown(name, run.metrics.get(name, NOTHING))

    return cell


class PartFilter(admin.SimpleListFilter):
    """What was asked for, or the runs of sweeps and walk-forwards."""

    title = "runs of sweeps"
    parameter_name = "parts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices beside what was asked for."""
        return [("1", "With them"), ("only", "Alone")]

    def choices(self, changelist: Any) -> Any:
        """Call what is shown at first what it is."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice if number else choice | {"display": "Without them"}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep what is meant."""
        return queryset if self.value() == "1" else queryset.filter(parent__isnull=self.value() != "only")


@admin.register(BacktestRun)
class BacktestAdmin(MemberAdmin):
    """The runs over the past in the user's accounts; a page shows the curve of its equity and the figures."""

    change_form_outer_before_template = "bedrock/backtest.html"
    list_display = (
        when("created_at", "Asked for"),
        link("account", "Account"),
        "called",
        "strategy_kind",
        "kind",
        STATUS,
        "start",
        "end",
        "to_return",
        "to_fall",
        "to_sharpe",
    )
    blank = "Backtests are asked for through the API: a run, a sweep of parameters, or a walk-forward."
    list_filter = (BY_ACCOUNT, PartFilter, ("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    actions_list = ("compare",)
    actions_detail = ("cancel",)
    ordering = ("-id",)
    list_select_related = ("account",)
    fieldsets = (
        (None, {"fields": (("account", "name"), ("kind", "status"), ("done", "total"), "error")}),
        (
            "What was asked",
            {
                "fields": (
                    ("strategy_kind", "shares"),
                    ("start", "end", "timeframe"),
                    ("parameters", "costs", "rules"),
                    figure("cash", "Cash"),
                )
            },
        ),
        ("Behind it", {"fields": (("code_version", "config_hash"), (link("parent", "Part of"), "number"))}),
        ("Time", {"fields": ((when("created_at", "Asked for"), when("started_at", "Began")), when("finished_at", "Ended"))}),
    )

    readonly_fields = ("shares",)
    to_return, to_fall, to_sharpe = outcome("twr", "Return"), outcome("max_drawdown", "Deepest fall"), outcome("sharpe", "Sharpe")

    @display(description="Name")
    def called(self, run: BacktestRun) -> str:
        """Return what a run is called, or what tells it from the others of its sweep."""
        return name_of(run)

    @display(description="Instruments")
    def shares(self, run: BacktestRun) -> str:
        """Return what it trades."""
        known = keys_of(run.instruments)
        return ", ".join(known.get(one, str(one)) for one in run.instruments)

    @action(description="Compare", permissions=["view"], icon="compare_arrows", url_path="compare")
    def compare(self, request: HttpRequest) -> HttpResponse:
        """Show runs side by side, figure by figure."""
        rows = BacktestRun.objects.visible_to(user_of(request)).filter(status=BacktestStatus.SUCCEEDED)
        rows = rows.filter(kind=BacktestKind.RUN).select_related("account")
        asked = {key for key in map(_id, request.GET.getlist("run")) if key is not None}
        chosen = list(rows.filter(pk__in=asked).order_by("pk")[:COMPARED])
        page = {
            "title": "Compare backtests",
            "opts": self.opts,
            "chosen": [{"run": run, "name": name_of(run), "link": page_of(run)} for run in chosen],
            "offered": [(run, name_of(run), run.pk in asked) for run in rows.order_by("-pk")[:OFFERED]],
            "figures": compared([run.metrics for run in chosen]),
            "most": COMPARED,
        }
        return TemplateResponse(request, "bedrock/compare.html", self.admin_site.each_context(request) | page)

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
                "windows": [
                    window | {"parameters": said(window.get("parameters") or {}), "twr": shown("twr", window.get("twr"))}
                    for window in run.metrics.get("windows", [])
                ],
                "heads": [FIGURES[name] for name in OF_RUNS],
                "runs": runs_of(run) if run.kind == BacktestKind.SWEEP else [],
            }
        return super().render_change_form(request, context, **kwargs)


def runs_of(sweep: BacktestRun) -> list[dict[str, Any]]:
    """Return the runs of a sweep, each with what it came to."""
    rows = BacktestRun.objects.filter(account=sweep.account_id, parent=sweep.pk).order_by("number")
    return [
        {
            "name": said(run.parameters),
            "link": page_of(run),
            "best": str(run.pk) == sweep.metrics.get("best"),
            "status": run.get_status_display(),
            "figures": [shown(name, run.metrics.get(name)) for name in OF_RUNS],
        }
        for run in rows
    ]


def compared(metrics: list[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the figures of runs side by side, as people read them; those that none of them has are left out."""
    names = [name for name in FIGURES if any(one.get(name) is not None for one in metrics)]
    return [(FIGURES[name], [shown(name, one.get(name)) for one in metrics]) for name in names]


def name_of(run: BacktestRun) -> str:
    """Return what a run is called, or what tells it from others."""
    return run.name or f"{run.strategy_kind}: {said(run.parameters)}"


def said(parameters: Mapping[str, Any]) -> str:
    """Return parameters as people read them.

    >>> said({"fast": 10, "slow": [100, 200]})
    'fast 10, slow 100 or 200'
    """
    return ", ".join(
        f"{name} {' or '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in parameters.items()
    )


def _id(text: str) -> UUID | None:
    """Return the id that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def shown(name: str, value: Any) -> str:
    """Return a figure as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, Mapping):
        return said(value)
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
