"""Why the totals of a report are what they are: sums over its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from portfolio.domain.exact import ONE
from portfolio.domain.explain import Explanation, Rule

TERMS = {
    "short_term": Rule("taxable_gain * short"),
    "long_term": Rule("taxable_gain * long"),
}
NO_NUMBERS = ("currency", "without_rate")


def explain_total(total: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Explanation:
    """Return why a total is what it is; rows and total are those of the report, `rows` all of its currency.

    A row of which one amount has no rate is counted, and left out of the sums.
    """
    found = Explanation()
    names = [name for name in total if name not in {*NO_NUMBERS, "count"}]
    terms = TERMS if TERMS.keys() <= set(names) else {}
    table = found.table("rows", summed=("count", "without_rate", *names), rules=terms)
    own = [name for name in names if name not in terms]
    for row in rows:
        known = all(row[name] is not None for name in own)
        cells = {name: Decimal(row[name]) if known else None for name in own}
        told = {"instrument": row["instrument"], "count": ONE, "without_rate": ONE - known, **cells}
        if terms and known:
            sides = {"short": ONE * (row["term"] == "SHORT"), "long": ONE * (row["term"] == "LONG")}
            told |= sides | {name: cells["taxable_gain"] * sides[name.partition("_")[0]] for name in terms}
        elif terms:
            told |= {"short": None, "long": None} | dict.fromkeys(terms)
        table.add(told)
    if table.total("without_rate"):
        table.rules = {}
    found.tell("count", "sum(rows.count)", Decimal(total["count"]), 0)
    found.tell("without_rate", "sum(rows.without_rate)", Decimal(total["without_rate"]), 0)
    for name in names:
        found.tell(name, f"sum(rows.{name})", Decimal(total[name]))
    return found
