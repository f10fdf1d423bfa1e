"""The page that says why a figure is what it is: its steps, and the entries, prices and rates they rest on."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action

from accounts.admin.base import MemberAdmin
from marketdata.admin.base import find, page_of
from portfolio.domain.explain import Explanation
from portfolio.models import Closure, Performance, Position, Snapshot
from portfolio.selectors.explained import Explained
from portfolio.selectors.figures import KeptFigures
from portfolio.services.projections import catch_up

HEADS = {
    "entries": "Entries",
    "holdings": "What was held",
    "cash": "Cash",
    "owed": "Owed",
    "flows": "Money that came or went",
    "transfers": "Units that came or went",
    "drift": "What rates made of what was held before",
    "by_rates": "What rates made of the day's amounts",
    "days": "Day by day",
    "investor_flows": "Flows of the investor",
    "returns": "Returns between days with new prices",
    "monthly": "Month by month",
    "gains": "What was put in, and what came of it",
    "gains_by_rates": "What rates made of it",
    "replaced": "What put off the loss",
}
HIDDEN = frozenset({"id"})


class WhyAdmin(MemberAdmin):
    """Records whose figures can be asked why."""

    def has_why_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody ask who may look."""
        return bool(self.has_view_permission(request))

    @action(description="Why?", permissions=["why"], url_path="why", icon="help")
    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show why the figures of a record are what they are, after they were brought up to date."""
        row = find(self.get_queryset(request), unquote(object_id))
        catch_up(account_id=row.account_id, at=timezone.now())
        found = explanation_of(row)
        if found is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"Why? {named(row)}",
            "back": page_of(row),
            **shown(found),
        }
        return TemplateResponse(request, "bedrock/why.html", context)


def explanation_of(row: Position | Closure | Snapshot | Performance) -> Explanation | None:
    """Return why the figures of a record are what they are, none if it is gone or nothing was valued."""
    figures = KeptFigures(row.account)
    explained = Explained(figures)
    match row:
        case Position():
            held = [one for one in figures.positions() if one.instrument_id == row.instrument_id]
            found = explained.positions(held)
            explained.gains(found, figures.currency, last_day=False)
            return found.get(str(row.instrument_id))
        case Closure():
            closed = list(figures.closures().filter(number=row.number))
            return explained.closures(closed).get(row.number)
        case Snapshot():
            return explained.days([row.date]).get(row.date)
    period = explained.period()
    return period[0] if period else None


def named(row: Position | Closure | Snapshot | Performance) -> str:
    """Return what a record is called above its explanation."""
    match row:
        case Position():
            return f"{row.instrument.key} in {row.account.name}"
        case Closure():
            return f"{row.instrument.key} closed on {row.closed_at:%Y-%m-%d} in {row.account.name}"
        case Snapshot():
            return f"{row.account.name} on {row.date}"
    return f"The returns of {row.account.name}"


def shown(found: Explanation) -> dict[str, Any]:
    """Return an explanation as the page shows it."""
    told = found.as_json()
    tables = [table_of(name, table) for name, table in told["tables"].items() if table["rows"]]
    market = [("Prices", "instrument", told["prices"]), ("Rates", "pair", told["rates"])]
    return {"steps": told["steps"], "tables": tables, "market": [one for one in market if one[2]], "notes": told["notes"]}


def table_of(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return one table: its head, its columns, and rows of cells, each with where it leads."""
    columns = [column for column in table["rows"][0] if column not in HIDDEN]
    return {
        "head": HEADS.get(name, name.capitalize()),
        "name": name,
        "columns": [column.replace("_", " ") for column in columns],
        "rules": [(column, rule["formula"]) for column, rule in table["formulas"].items()],
        "rows": [[(row.get(column), way_of(row) if column == "sequence" else "") for column in columns] for row in table["rows"]],
        "left_out": table["left_out"],
        "rest": table["rest"],
    }


def way_of(row: Mapping[str, Any]) -> str:
    """Return the address of the page of an entry."""
    return reverse("admin:accounts_ledgerentry_change", args=[row["id"]]) if row.get("id") else ""
