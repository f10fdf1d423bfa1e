"""An explanation as the admin's page of reasons shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from portfolio.domain.explain import Explanation

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
    "of_all": "All that is held of it",
    "year": "The days of a year",
    "checks": "The bounds",
    "standings": "Targets",
}
HIDDEN = frozenset({"id"})


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
