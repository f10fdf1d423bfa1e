"""Why falls, the returns of months and years, and figures over a window that moves along are what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

import numpy as np

from portfolio.domain.benchmark import Benchmark
from portfolio.domain.bridge import NO_DAY, Daily, Link
from portfolio.domain.drawdown import Drawdown, falls_in
from portfolio.domain.exact import ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation
from portfolio.domain.explain_details import FALL, explain_comparison, explain_falls, explain_pairs
from portfolio.domain.explain_periods import chain_days, explain_risk
from portfolio.domain.performance import Year

GROWN = "index_end / index_start - 1"
Pair = tuple[int, Decimal, Decimal]  # a day, the index of the account, and the worth of the benchmark


def explain_drawdowns(days: Sequence[Daily], opening: Daily | None, falls: Sequence[Drawdown], link: Link) -> Explanation:
    """Return why each of the deepest falls is what it is; `link` is what the return of the first day is measured from."""
    found = Explanation()
    chain_days(found, days, opening or NO_DAY, link)
    explain_falls(found, days, opening, falls, "results")
    return found


def explain_years(
    days: Sequence[Daily], opening: Daily | None, years: Sequence[Year], whole: Decimal | None, link: Link
) -> Explanation:
    """Return why the returns of years and their months are what they are, and that of all of them."""
    found, before = Explanation(), opening or NO_DAY
    chain_days(found, days, before, link)
    of_days = {name: list(rows) for name, rows in groupby(days, key=lambda day: day.date.year)}
    for place, year in enumerate(years):
        rows, name = of_days[year.year], f"years.{place}"
        for month in year.months:
            at = f"{name}.months.{int(month.month[-2:]) - 1}"
            found.tell(at, GROWN, month.twr, RATIO_PLACES, index_end=month.end_index, index_start=month.start_index)
        first, last = year.months[0], year.months[-1]
        found.tell(f"{name}.total", GROWN, year.twr, RATIO_PLACES, index_end=last.end_index, index_start=first.start_index)
        moved = {
            "inflow": sum((day.inflow for day in rows), ZERO),
            "outflow": sum((day.outflow for day in rows), ZERO),
        }
        found.tell(f"{name}.net_flow", "inflow - outflow", year.net_flow, **moved)
        end = found.tell(f"{name}.end_value", "total_value", last.end_value, total_value=rows[-1].total_value)
        value = {"end_value": end, "start_value": before.total_value, "net_flow": year.net_flow}
        found.tell(f"{name}.gain", "end_value - start_value - net_flow", year.gain, **value)
        before = rows[-1]
    index = {"index_end": days[-1].twr_index, "index_start": (opening or NO_DAY).twr_index}
    found.tell("total", GROWN, whole, RATIO_PLACES, **index)
    return found


def explain_window(
    days: Sequence[Daily], opening: Daily, figures: Mapping[str, Decimal | None], *, periods: int, risk_free: float
) -> Explanation:
    """Return why figures over a window are what they are; it opens with the priced day before its first return."""
    found = Explanation()
    index = {"index_end": float(days[-1].twr_index), "index_start": float(opening.twr_index)}
    if figures.get("twr") is not None:
        found.tell_float("twr", GROWN, figures["twr"], **index)
    if figures.get("max_drawdown") is not None:
        _fall(found, [opening, *(day for day in days if day.priced)], figures["max_drawdown"])
    explain_risk(found, days, opening, figures, periods=periods, risk_free=risk_free)
    return found


def _fall(found: Explanation, days: Sequence[Daily], kept: Decimal | None) -> None:
    """Add the step to the deepest fall between priced days."""
    falls = falls_in([day.twr_index for day in days], lambda place: days[place].date, most=1)
    if not falls:
        found.tell_float("max_drawdown", "0", kept)
        return
    by_day = {day.date: float(day.twr_index) for day in days}
    ends = {"index_at_trough": by_day[falls[0].trough], "index_at_peak": by_day[falls[0].peak]}
    found.tell_float("max_drawdown", FALL, kept, **ends)
    found.notes.append(f"The deepest fall went from {falls[0].peak} to {falls[0].trough}.")


def explain_beside(
    found: Explanation,
    pairs: Sequence[Pair],
    benchmark: Benchmark,
    figures: Mapping[str, Decimal | None],
    *,
    periods: int,
    risk_free: float,
) -> None:
    """Add why figures beside a benchmark over a window are what they are; its first pair is what the first return is from."""
    explain_pairs(found, pairs, benchmark)
    columns = np.array([(float(index), float(worth)) for _, index, worth in pairs])
    ours, theirs = (columns[1:] / columns[:-1] - 1.0).T
    free = (1.0 + risk_free) ** (1.0 / periods) - 1.0
    explain_comparison(found, ours, theirs, figures, periods=periods, free=free)
    if figures.get("benchmark_twr") is not None:
        worth = {"worth_at_end": float(pairs[-1][2]), "worth_at_start": float(pairs[0][2])}
        found.tell_float("benchmark_twr", "worth_at_end / worth_at_start - 1", figures["benchmark_twr"], **worth)
    since, until = (date.fromordinal(day) for day, *_ in (pairs[0], pairs[-1]))
    found.notes.append(f"Beside the benchmark the window goes from {since} to {until}: days on which both have a price.")
