"""Why the returns, the risk and the gain of a period are what they are: from its daily values, one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.bridge import NO_DAY, Bridge, Daily, Link
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.explain import MOST_ROWS, RATIO_PLACES, Explanation, Rule, Step, rounded
from portfolio.domain.explain_details import FALL, explain_fall, explain_falls, explain_months, peak_of
from portfolio.domain.performance import Performance, growth_of
from portfolio.domain.ratios import FEWEST, TAIL
from portfolio.domain.returns import INDEX_PLACES, annualized

CAUSES = ("price_gain", "currency_gain", "income", "interest", "fees", "taxes")
SUMMED = ("net_flow", "put_in", "day_gain", *CAUSES)
INDEX = "index_before if measured_from <= 0 else index_before * max(total_value + gone, 0) / measured_from"
MEASURED = (
    "measured_from is the value of the day before and what came in, gone is what went out; since the last day that had all \
prices and rates. A day that lacks one has no return."
)
DAY = {
    "net_flow": Rule("inflow - outflow"),
    "put_in": Rule("max(net_flow, 0)"),
    "day_gain": Rule("total_value - value_before - inflow + outflow"),
    "twr_index": Rule(INDEX, INDEX_PLACES),
}
RISK = ("volatility", "semi_deviation", "sharpe", "sortino", "omega", "var_95", "cvar_95")
BRIDGE = "start_value + net_flows + price + income + currency - fees - taxes + interest"
WORTH = Rule("amount / (1 + xirr) ** (days / 365)")
SOLVED = "xirr is the yearly rate at which the flows of the investor, each over (1 + xirr) ** (days / 365), add up to nothing."


def explain_period(
    days: Sequence[Daily],
    opening: Daily | None,
    figures: Performance,
    bridge: Bridge,
    *,
    periods: int,
    risk_free: float = 0.0,
    link: Link | None = None,
) -> Explanation:
    """Return why the performance over successive days, at least one, is what it is; `opening` is the day before, if any.

    If that was incomplete, `link` is what the return of the first day is measured from.
    """
    found = Explanation()
    before = opening or NO_DAY
    chain_days(found, days, before, link or Link(before.total_value))
    start, end = before.total_value, days[-1].total_value
    found.tell("start_value", "value_before", start, value_before=start)
    flows = found.tell("net_flows", "sum(days.net_flow)", figures.net_flows) or ZERO
    value = {"end_value": end, "start_value": start, "net_flows": flows}
    found.tell("gain", "end_value - start_value - net_flows", figures.gain, **value)
    for name, column in zip(("price", "currency", "income", "interest", "fees", "taxes"), CAUSES, strict=True):
        found.tell(name, f"sum(days.{column})", getattr(bridge, name))
    found.tell("end_value", BRIDGE, end, start_value=start, net_flows=flows, **bridge._asdict())
    index = {"index_end": days[-1].twr_index, "index_start": before.twr_index}
    found.tell("twr", "index_end / index_start - 1", figures.twr, RATIO_PLACES, **index)
    if figures.twr_annualized is not None:
        over = days[-1].day - (opening.day if opening else days[0].day)
        growth = float(EXACT.divide(days[-1].twr_index, before.twr_index))
        found.tell_float("twr_annualized", "growth ** (365 / days) - 1", figures.twr_annualized, growth=growth, days=over)
    if figures.simple_return is not None:
        put_in = found.find("put_in", "sum(days.put_in)")
        parts = {"gain": figures.gain, "start_value": start, "put_in": put_in}
        found.tell("simple_return", "gain / (start_value + put_in)", figures.simple_return, RATIO_PLACES, **parts)
    _solve(found, days, opening, figures.xirr)
    _fall(found, days, opening, figures)
    explain_risk(found, days, opening, {name: getattr(figures, name) for name in RISK}, periods=periods, risk_free=risk_free)
    if figures.drawdown is not None:
        explain_fall(found, "drawdown", figures.drawdown, days[-1].day)
    explain_falls(found, days, opening, figures.drawdowns)
    explain_months(found, days, opening)
    found.notes += [f"{name}: {why}" for name, why in figures.reasons.items()]
    return found


def chain_days(found: Explanation, days: Sequence[Daily], before: Daily, link: Link) -> None:
    """Fill in the table of the days."""
    found.notes.append(MEASURED)
    table = found.table("days", summed=SUMMED, rules=DAY)
    for day in days:
        flow = day.inflow - day.outflow
        row = {"day": day.date.isoformat(), "total_value": day.total_value, "value_before": before.total_value}
        moved = {"inflow": day.inflow, "outflow": day.outflow, "net_flow": flow, "put_in": max(flow, ZERO)}
        causes = {name: getattr(day, name) for name in ("day_gain", *CAUSES)}
        since, gone = link.moved(day.inflow, day.outflow)
        moved |= {"measured_from": since if since is not None and day.complete else ZERO, "gone": gone}
        link = link.after(day)
        table.add({**row, **moved, **causes, "index_before": before.twr_index, "twr_index": day.twr_index})
        before = day


def _solve(found: Explanation, days: Sequence[Daily], opening: Daily | None, rate: Decimal | None) -> None:
    """Fill in the table of the flows that the money-weighted rate solves; their worth as far as all of them are told."""
    if rate is None:
        return
    moved = [(day.day, day.outflow - day.inflow) for day in days if day.inflow != day.outflow]
    start = [(opening.day, -opening.total_value)] if opening is not None and opening.total_value else []
    flows = [*start, *moved, *([(days[-1].day, days[-1].total_value)] if days[-1].total_value else [])]
    few = len(flows) <= MOST_ROWS
    table = found.table(
        "investor_flows", summed=("amount", "worth") if few else ("amount",), rules={"worth": WORTH} if few else {}
    )
    for day, amount in flows:
        numbers = {"amount": amount, "days": Decimal(day - flows[0][0]), "xirr": rate}
        worth = {"worth": found.compute(WORTH.formula, numbers, WORTH.places)} if few else {}
        table.add({"day": date.fromordinal(day).isoformat(), **numbers, **worth})
    found.steps.append(_untold("xirr", rate))
    found.notes.append(SOLVED)
    if few:
        found.find("left_over", "sum(investor_flows.worth)")


def _untold(figure: str, value: Decimal) -> Step:
    """Return a step without a formula: what is found by search."""
    return Step(figure, None, {}, value, RATIO_PLACES, exact=False)


def _fall(found: Explanation, days: Sequence[Daily], opening: Daily | None, figures: Performance) -> None:
    """Add the step to the deepest fall."""
    fall = figures.drawdown
    if fall is None or figures.max_drawdown is None:
        found.tell("max_drawdown", "0", figures.max_drawdown, RATIO_PLACES)
        return
    trough = next(day.twr_index for day in days if day.date == fall.trough)
    numbers = {"index_at_trough": trough, "index_at_peak": peak_of(fall, days, opening)}
    found.tell("max_drawdown", FALL, figures.max_drawdown, RATIO_PLACES, **numbers)
    found.notes.append(f"The deepest fall went from {fall.peak} to {fall.trough}.")
    if figures.calmar is not None:
        before = opening or NO_DAY
        over = days[-1].day - (opening.day if opening else days[0].day)
        yearly = annualized(float(EXACT.divide(days[-1].twr_index, before.twr_index)), over) or 0.0
        found.tell_float("calmar", "yearly_return / abs(depth)", figures.calmar, yearly_return=yearly, depth=float(fall.depth))


def explain_risk(
    found: Explanation,
    days: Sequence[Daily],
    opening: Daily | None,
    figures: Mapping[str, Decimal | None],
    *,
    periods: int,
    risk_free: float,
) -> None:
    """Fill in the table of returns between priced days, and add the steps to those figures of risk that there are."""
    points = [day.point for day in days]
    on, growth = growth_of(points, opening=opening.point if opening else None)
    if len(growth) < FEWEST:
        return
    _returns(found, days, opening, on)
    logs, returns = np.log(growth), growth - 1.0
    free = (1.0 + risk_free) ** (1.0 / periods) - 1.0
    beyond = returns - free
    count, year = len(growth), {"periods": float(periods)}
    below, short = np.minimum(logs - logs.mean(), 0.0), np.minimum(beyond, 0.0)
    found.notes.append(f"{count} returns between days with new prices; of a day the risk-free one is {free!r}.")
    mean, shortfall = float(beyond.mean()), math.sqrt(float(short @ short) / count)
    sums = {"beyond": float(np.maximum(beyond, 0.0).sum()), "short": -float(short.sum())}
    numbers: Mapping[str, tuple[str, dict[str, float]]] = {
        "volatility": ("deviation_of_logs * sqrt(periods)", {"deviation_of_logs": float(np.std(logs, ddof=1)), **year}),
        "semi_deviation": (
            "deviation_below * sqrt(periods)", {"deviation_below": math.sqrt(float(below @ below) / (count - 1)), **year},
        ),
        "sharpe": (
            "mean_beyond_free / deviation * sqrt(periods)",
            {"mean_beyond_free": mean, "deviation": float(np.std(beyond, ddof=1)), **year},
        ),
        "sortino": ("mean_beyond_free / shortfall * sqrt(periods)", {"mean_beyond_free": mean, "shortfall": shortfall, **year}),
        "omega": ("beyond / short", sums),
    }  # fmt: skip
    for name, (formula, parts) in numbers.items():
        _maybe(found, name, formula, figures.get(name), **parts)
    _tail(found, np.sort(returns), figures)


def _returns(found: Explanation, days: Sequence[Daily], opening: Daily | None, on: Sequence[int]) -> None:
    """Fill in the table of returns between priced days."""
    index = {day.day: day.twr_index for day in [*([opening] if opening else []), *days]}
    first = [opening.day] if opening else [day.day for day in days if day.priced][:1]
    table = found.table("returns", rules={"return": Rule("index / index_before - 1", INDEX_PLACES)})
    for then, now in zip([*first, *on], on, strict=False):
        change = rounded(EXACT.divide(index[now], index[then]) - 1, INDEX_PLACES)
        row = {"day": date.fromordinal(now).isoformat(), "index": index[now], "index_before": index[then], "return": change}
        table.add(row)


def _tail(found: Explanation, ordered: NDArray[np.float64], figures: Mapping[str, Decimal | None]) -> None:
    """Add the steps to the value at risk and to what lies beyond it."""
    place = TAIL * (len(ordered) - 1)
    low = int(place)
    worst = ordered[ordered <= np.quantile(ordered, TAIL)]
    numbers = {"worst": ordered[low], "next_worst": ordered[min(low + 1, len(ordered) - 1)], "part": place - low}
    _maybe(found, "var_95", "worst + (next_worst - worst) * part", figures.get("var_95"), **numbers)
    if len(worst):
        beyond = {"sum_of_worst": float(worst.sum()), "how_many": float(len(worst))}
        _maybe(found, "cvar_95", "sum_of_worst / how_many", figures.get("cvar_95"), **beyond)


def _maybe(found: Explanation, figure: str, formula: str, kept: Decimal | None, **numbers: float) -> None:
    """Add the step to a figure if it is defined."""
    if kept is not None:
        found.tell_float(figure, formula, kept, **numbers)
