"""A report on an account's performance to read and to print: one HTML page that asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from portfolio.domain.performance import Performance
from portfolio.selectors.performance_report import PerformanceReport, performance_report

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
                chart("Value, and what was put in on the whole (dashed)", report.value, money=money),
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
                one.instrument.key if one.instrument else "The account itself",
                one.instrument.name if one.instrument else "cash, and charges of its own",
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
                *(one.instrument.key, one.instrument.name, quantity_text(one.quantity)),
                *(money_text(one.value, money), percent_text(one.weight)),
            )
            for one in report.held
        ],
        "cash": [(currency, money_text(balance, currency)) for currency, balance in (report.cash or {}).items()],
    }  # fmt: skip


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
    steps = [("Value at the start", found.start_value, False), ("Put in, less taken out", found.net_flows, True)]
    steps += [(label, causes[name], True) for name, label in BRIDGE]
    steps.append(("Value at the end", found.end_value, False))
    return [
        (label, money_text(amount, money, signed=signed), tone(amount) if signed else "sum") for label, amount, signed in steps
    ]


def chart(title: str, found: Chart | None, *, money: str = "", percent: bool = False, kind: str = "") -> dict[str, Any] | None:
    """Return a chart with its labels; nothing where there is nothing to draw."""
    if found is None:
        return None
    up = [(tick.at, f"{float(tick.at) + 3.5:.1f}", _label(tick.value, money, percent)) for tick in found.up]
    box = {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "before": LEFT - 6,
        "low": HEIGHT - 6,
    }
    return {"title": title, "drawn": found, "up": up, "kind": kind, "box": box}


def _label(value: float, money: str, percent: bool) -> str:
    """Return what a mark on the axis says."""
    if percent:
        return f"{value * 100:.4g}%"
    return quantity_text(Decimal(f"{value:.10g}"))


def _number(ratio: Decimal | None) -> str:
    """Return a ratio with two places."""
    return money_text(ratio)


def tone(value: Decimal | None) -> str:
    """Return how a figure is colored."""
    return "" if not value else "up" if value > 0 else "down"
