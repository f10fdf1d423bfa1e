"""A report on an account's performance to read and to print: one HTML page that asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from marketdata.api.files import FileRenderer
from marketdata.domain.display import money_text, percent_text, quantity_text
from portfolio.api.base import CURRENCY, KNOWN_AT
from portfolio.api.reports import DAYS, ReportViewSet
from portfolio.domain.charts import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart
from portfolio.domain.performance import LESS_THAN_A_YEAR, Performance
from portfolio.selectors.performance_report import Held, Made, PerformanceReport, performance_report

TEMPLATE = "bedrock/performance_report.html"
# styles of its own and nothing from elsewhere: whatever a name or note says, no script runs and no address is asked
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
RETURNS = (
    ("twr", "Time-weighted return"),
    ("twr_annualized", "Time-weighted, a year"),
    ("xirr", "Money-weighted, a year (XIRR)"),
    ("simple_return", "Simple return"),
)
RISK = (
    ("volatility", "Volatility, a year"),
    ("semi_deviation", "Semi-deviation, a year"),
    ("max_drawdown", "Deepest fall"),
    ("var_95", "Value at risk, 95 %, a day"),
    ("cvar_95", "Expected shortfall, 95 %, a day"),
)
RATIOS = (("sharpe", "Sharpe"), ("sortino", "Sortino"), ("calmar", "Calmar"), ("omega", "Omega"))
BRIDGE = (
    ("price", "Prices"),
    ("income", "Dividends and rewards"),
    ("currency", "Currencies"),
    ("interest", "Interest"),
    ("fees", "Fees"),
    ("taxes", "Taxes"),
)
SIZES = ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from where on, and what one is
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Year")


class HtmlRenderer(FileRenderer):
    """A page of HTML."""

    media_type, format = "text/html", "html"


class PerformanceReportViewSet(ReportViewSet):
    """The printed report on an account's performance over a period."""

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the one format there is."""
        return [HtmlRenderer()]

    @extend_schema(parameters=[*DAYS, CURRENCY, KNOWN_AT], responses={(200, "text/html"): OpenApiTypes.STR})
    def retrieve(self, request: Request, account_id: str) -> HttpResponse:
        """Return the report as a page of HTML that prints well, its charts drawn inside it."""
        period = self.period()
        report = performance_report(self.figures, period, known_at=self.known_at)
        page = render_to_string(TEMPLATE, {"account": self.account, "made_on": timezone.now().date(), **shown(report)})
        response = HttpResponse(page, content_type="text/html; charset=utf-8")
        response["Content-Security-Policy"] = POLICY
        return response


def shown(report: PerformanceReport) -> dict[str, Any]:
    """Return the report as the page shows it."""
    page: dict[str, Any] = {"report": report, "currency": report.currency, "months": MONTHS}
    found = report.performance
    if found is None:
        return page
    if found.short:
        why = {"twr_annualized": found.reasons.get("twr", LESS_THAN_A_YEAR)}
        found = replace(found, twr_annualized=None, reasons=found.reasons | why)
    money = report.currency
    return page | {
        "found": found,
        "money": [
            ("Value at the start", money_text(found.start_value, money), ""),
            ("Put in, less taken out", money_text(found.net_flows, money, signed=True), ""),
            ("Gain", money_text(found.gain, money, signed=True), tone(found.gain)),
            ("Value at the end", money_text(found.end_value, money), ""),
        ],
        "returns": figures_of(found, RETURNS, signed=True),
        "risk": figures_of(found, RISK) + [(label, _number(getattr(found, name)), "") for name, label in RATIOS],
        "bridge": bridge_of(report),
        "reasons": [(label, found.reasons[name]) for name, label in (*RETURNS, *RISK, *RATIOS) if name in found.reasons],
        "charts": [
            one
            for one in (
                chart("Value, and what was put in on the whole (dashed)", report.value),
                chart("What 100 became, time-weighted", report.growth),
                chart("Below the highest so far", report.drawdown, percent=True, kind="fall"),
                chart("Return by month", report.months, percent=True),
            )
            if one
        ],
        "years": [(year, [(percent_text(one), tone(one)) for one in row]) for year, row in (report.years or {}).items()],
        "falls": [
            (percent_text(fall.depth), fall.peak, fall.start, fall.trough, fall.recovered or "not yet", fall.days)
            for fall in found.drawdowns
        ],
        "made": [
            (
                *called(one),
                *(money_text(amount, money) for amount in (one.row.price_gain, one.row.currency_gain)),
                money_text(one.row.income + one.row.interest, money),
                money_text(one.row.fees + one.row.taxes, money),
                money_text(one.row.gain, money, signed=True),
                percent_text(one.row.contribution, signed=True),
            )
            for one in report.made
        ],
        "held": [
            (
                *(one.called, one.instrument.name if one.instrument else "", amount_of(one)),
                *(money_text(one.value, money), percent_text(one.weight)),
            )
            for one in report.held
        ],
        "total": money_text(report.total, money),
    }  # fmt: skip


def amount_of(held: Held) -> str:
    """Return how much is held: units, or money in its own currency; nothing where several are told together."""
    if held.quantity is None:
        return ""
    return money_text(held.quantity, held.currency) if held.currency else quantity_text(held.quantity)


def called(made: Made) -> tuple[str, str]:
    """Return what a row of contributions is called, and what is said below."""
    if made.instrument is not None:
        return made.instrument.key, made.instrument.name
    return (
        (f"{made.together} others", "between these") if made.together else ("The account itself", "cash, and charges of its own")
    )


def figures_of(found: Performance, names: Iterable[tuple[str, str]], *, signed: bool = False) -> list[tuple[str, str, str]]:
    """Return ratios as percentages with their labels, and the tone of those with a sign."""
    values: Mapping[str, Decimal | None] = {name: getattr(found, name) for name, _ in names}
    return [(label, percent_text(values[name], signed=signed), tone(values[name]) if signed else "") for name, label in names]


def bridge_of(report: PerformanceReport) -> list[tuple[str, str, str]]:
    """Return what leads from the value at the start to that at the end."""
    found, bridge, money = report.performance, report.bridge, report.currency
    if found is None or bridge is None:
        return []
    causes = bridge._asdict() | {"fees": -bridge.fees, "taxes": -bridge.taxes}
    return [
        ("Value at the start", money_text(found.start_value, money), "sum"),
        ("Put in, less taken out", money_text(found.net_flows, money, signed=True), ""),
        *((label, money_text(causes[name], money, signed=True), tone(causes[name])) for name, label in BRIDGE),
        ("Value at the end", money_text(found.end_value, money), "sum"),
    ]


def chart(title: str, found: Chart | None, *, percent: bool = False, kind: str = "") -> dict[str, Any] | None:
    """Return a chart with its labels; nothing where there is nothing to draw."""
    if found is None:
        return None
    up = [(tick.at, f"{float(tick.at) + 3.5:.1f}", _label(tick.value, percent)) for tick in found.up]
    box = {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "before": LEFT - 6,
        "low": HEIGHT - 4,
    }
    return {"title": title, "drawn": found, "up": up, "kind": kind, "box": box}


def _label(value: float, percent: bool) -> str:
    """Return what a mark on the axis says, in few signs: thousands are k, millions M."""
    if percent:
        return f"{value * 100:.4g}%"
    size, unit = next(((size, unit) for start, size, unit in SIZES if abs(value) >= start), (1, ""))
    return quantity_text(Decimal(f"{value / size:.10g}")) + unit


def _number(ratio: Decimal | None) -> str:
    """Return a ratio with two places."""
    return money_text(ratio)


def tone(value: Decimal | None) -> str:
    """Return how a figure is colored."""
    return "" if not value else "up" if value > 0 else "down"
