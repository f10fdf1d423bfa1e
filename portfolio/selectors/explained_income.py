"""Why the income of an account is what it is: as a whole, month by month, and of each instrument."""

from __future__ import annotations

from dataclasses import dataclass

from portfolio.domain.explain import Explanation
from portfolio.domain.explain_income import explain_forecast, explain_tally, explain_yield
from portfolio.selectors.income import Income


@dataclass(frozen=True, slots=True)
class ExplainedIncome:
    """Why income is what it is; months and instruments in the order of those of the income."""

    whole: Explanation
    months: list[Explanation]
    instruments: list[Explanation]


def explained_income(income: Income) -> ExplainedIncome:
    """Return why the income of an account is what it is."""
    whole, called = Explanation(), income.called
    explain_tally(whole, income.whole, income.paid, called, "total.")
    known = {one.of for one in income.costs if one.value is not None}
    trailing = [one for one in income.trailing_paid if one.own.instrument in known]
    explain_yield(whole, trailing, income.costs, called, last_year=income.trailing, cost=income.cost, share=income.yield_on_cost)
    explain_forecast(whole, income.forecast)
    whole.notes += [f"{name}: {why}" for name, why in income.reasons.items()]
    whole.notes += [f"Without a price or rate of {name} it is left out." for name in income.missing]
    months, instruments = [], []
    for month, tally in income.months.items():
        found = Explanation()
        explain_tally(found, tally, [one for one in income.paid if f"{one.told.day:%Y-%m}" == month], called)
        months.append(found)
    for each in income.instruments:
        found, key = Explanation(), str(each.instrument.pk)
        explain_tally(found, each.tally, [one for one in income.paid if one.own.instrument == key], called)
        own = [one for one in income.costs if one.of == key]
        cost = own[0].value if own else None
        last = [one for one in income.trailing_paid if one.own.instrument == key]
        explain_yield(found, last, own, called, last_year=each.trailing, cost=cost, share=each.yield_on_cost)
        instruments.append(found)
    return ExplainedIncome(whole, months, instruments)
