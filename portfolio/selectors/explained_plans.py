"""Why an account is as far from its targets as it is, and what its bounds come to."""

from __future__ import annotations

from collections.abc import Sequence

from portfolio.domain.allocation import Drift
from portfolio.domain.explain import Explanation
from portfolio.domain.explain_plans import explain_checks, explain_drift
from portfolio.domain.policies import Check, Kind
from portfolio.selectors.days import since
from portfolio.selectors.explained import Explained
from portfolio.selectors.figures import Figures
from portfolio.selectors.plans import Planned, Stock, labels_of
from portfolio.selectors.policies import facts_of, year_of


def explained_drift(figures: Figures, drift: Drift, stock: Stock, planned: Planned) -> Explanation:
    """Return why an account is as far from its targets as it is."""
    found = _worth(figures)
    explain_drift(found, drift, planned.plan, stock.holdings, labels_of(stock, planned))
    return found


def explained_checks(figures: Figures, checks: Sequence[Check]) -> Explanation:
    """Return why the bounds of an account come to what they do."""
    found, fees = _worth(figures), any(one.kind is Kind.FEES for one in checks)
    facts, last = facts_of(figures, fees=fees), figures.last_snapshot()
    first, end = year_of(last.date) if last else (None, None)
    year = since(figures.days(start=first, end=end), first) if fees and last else []
    explain_checks(found, checks, facts, year)
    return found


def _worth(figures: Figures) -> Explanation:
    """Return why an account is worth what it is at the end of the last day; nothing held where no day was valued."""
    last = figures.last_snapshot()
    if last is not None and (found := Explained(figures).days([last.date]).get(last.date)):
        return found
    found = Explanation()
    found.table("holdings", summed=("value_in_base",))
    found.tell("total_value", "0", found.tables["holdings"].total("value_in_base"))
    return found
