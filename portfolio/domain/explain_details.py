"""The steps to what a period's answer lists beside its figures: falls and months; and to what compares it with a benchmark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.benchmark import Benchmark, Comparison, ends_of, paired_days, pairs_of
from portfolio.domain.bridge import NO_DAY, Daily
from portfolio.domain.drawdown import Drawdown
from portfolio.domain.exact import EXACT, ONE, ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation, Rule, rounded
from portfolio.domain.ratios import FEWEST
from portfolio.domain.returns import INDEX_PLACES

FALL = "index_at_trough / index_at_peak - 1"
MONTH = {
    "net_flow": Rule("inflow - outflow"),
    "gain": Rule("end_value - start_value - net_flow"),
    "twr": Rule("index_end / index_start - 1", RATIO_PLACES),
}
EXCLUDED = {
    "inflow": Rule("own_inflow + max(income, 0) + max(interest, 0) + max(-fees, 0) + max(-taxes, 0)"),
    "outflow": Rule("own_outflow + max(-income, 0) + max(-interest, 0) + max(fees, 0) + max(taxes, 0)"),
}
BESIDE = {
    "worth": Rule("close * unit * rate * units", INDEX_PLACES),
    "return": Rule("index / index_before - 1", INDEX_PLACES),
    "benchmark_return": Rule("worth / worth_before - 1", INDEX_PLACES),
}
ALPHA = "(1 + mean - free - beta * (mean_of_benchmark - free)) ** periods - 1"
CORRELATION = "max(-1, min(1, covariance / sqrt(variance * variance_of_benchmark)))"
BOUGHT = "The benchmark is one unit bought before its first day: splits multiply it, dividends that count buy more."
BY_NUMBER = "Days of falls are told as numbers, counted from the first day of the year 1."


def peak_of(fall: Drawdown, days: Sequence[Daily], opening: Daily | None) -> Decimal:
    """Return the index from which a fall began; where the account began on that day, it may be the one before its first."""
    by_day = {day.date: day.twr_index for day in days}
    peaks = [by_day.get(fall.peak, (opening or NO_DAY).twr_index)]
    if opening is None and fall.peak == days[0].date:
        peaks.append(ONE)
    depth, trough = rounded(fall.depth, RATIO_PLACES), by_day[fall.trough]
    return next((one for one in peaks if one and rounded(EXACT.divide(trough, one) - 1, RATIO_PLACES) == depth), peaks[0])


def explain_falls(
    found: Explanation, days: Sequence[Daily], opening: Daily | None, falls: Sequence[Drawdown], name: str = "drawdowns"
) -> None:
    """Add the steps to each of some falls, which are called after a name and their place."""
    by_day = {day.date: day.twr_index for day in days}
    if falls:
        found.notes.append(BY_NUMBER)
    for place, fall in enumerate(falls):
        one = f"{name}.{place}"
        index = {"index_at_trough": by_day[fall.trough], "index_at_peak": peak_of(fall, days, opening)}
        found.tell(f"{one}.depth", FALL, fall.depth, RATIO_PLACES, **index)
        explain_fall(found, one, fall, days[-1].day)
        peak, trough = Decimal(fall.peak.toordinal()), Decimal(fall.trough.toordinal())
        found.tell(f"{one}.days_to_trough", "trough - peak", Decimal(fall.days_to_trough), 0, trough=trough, peak=peak)
        if fall.recovered is not None:
            recovered = Decimal(fall.recovered.toordinal())
            told = Decimal(fall.days_to_recovery or 0)
            found.tell(f"{one}.days_to_recovery", "recovered - trough", told, 0, recovered=recovered, trough=trough)


def explain_fall(found: Explanation, name: str, fall: Drawdown, last: int) -> None:
    """Add the step to how long a fall lasted: until the recovery, or the last day."""
    until = {"until": Decimal(fall.recovered.toordinal() if fall.recovered else last), "peak": Decimal(fall.peak.toordinal())}
    found.tell(f"{name}.days", "until - peak", Decimal(fall.days), 0, **until)


def explain_months(found: Explanation, days: Sequence[Daily], opening: Daily | None) -> None:
    """Fill in the table of months, each from the end of the one before."""
    before = opening or NO_DAY
    whole = all(day.twr_index for day in days[:-1]) and all(day.complete for day in days)
    rules = {name: rule for name, rule in MONTH.items() if name != "twr" or whole}
    table = found.table("monthly", summed=("net_flow", "gain"), rules=rules)
    for month, group in groupby(days, key=lambda day: f"{day.date:%Y-%m}"):
        of_month = list(group)
        last = of_month[-1]
        into, out = sum((day.inflow for day in of_month), ZERO), sum((day.outflow for day in of_month), ZERO)
        value = {"start_value": before.total_value, "end_value": last.total_value, "inflow": into, "outflow": out}
        gain = last.total_value - before.total_value - into + out
        index = {"index_start": before.twr_index, "index_end": last.twr_index}
        known = before.twr_index and any(day.complete for day in of_month)
        grown = rounded(EXACT.divide(last.twr_index, before.twr_index) - 1, RATIO_PLACES) if known else None
        table.add({"month": month, **value, "net_flow": into - out, "gain": gain, **index, "twr": grown})
        before = last


def explain_excluded(found: Explanation, days: Sequence[Daily], causes: Collection[str]) -> None:
    """Add what causes that are left out moved, day by day: it counts as flows."""
    left_out = [name for name in ("income", "interest", "fees", "taxes") if ("income" if name == "interest" else name) in causes]
    table = found.table("excluded", rules=EXCLUDED)
    for day in days:
        moved = {name: getattr(day, name) if name in left_out else ZERO for name in ("income", "interest", "fees", "taxes")}
        if any(moved.values()):
            row = {"day": day.date.isoformat(), "own_inflow": day.inflow, "own_outflow": day.outflow, **moved}
            sides = {name: found.compute(rule.formula, row, rule.places) for name, rule in EXCLUDED.items()}
            table.add(row | sides)
    found.notes.append(f"Without {', '.join(sorted(causes))}: what these moved counts as flows, as `excluded` tells.")


def explain_benchmark(
    found: Explanation,
    days: Sequence[Daily],
    opening: Daily | None,
    benchmark: Benchmark,
    comparison: Comparison,
    *,
    periods: int,
    risk_free: float = 0.0,
) -> None:
    """Add the steps to what compares successive days, at least one, with a benchmark."""
    figures, points = comparison.figures, [day.point for day in days]
    begun = opening.point if opening else None
    found.notes += [f"{name}: {why}" for name, why in comparison.reasons.items()]
    ends = ends_of(points, benchmark, begun) if benchmark.days else None
    if ends is not None and figures["benchmark_twr"] is not None:
        worth = {"worth_at_end": ends[1][1], "worth_at_start": ends[0][1]}
        found.tell("benchmark_twr", "worth_at_end / worth_at_start - 1", figures["benchmark_twr"], RATIO_PLACES, **worth)
        since, until = (date.fromordinal(day) for day, _ in ends)
        found.notes += [f"The worth of the benchmark at the start is that of {since}, at the end that of {until}.", BOUGHT]
    _, ours, theirs = paired_days(points, benchmark, opening=begun)
    if len(ours) < FEWEST:
        return
    explain_pairs(found, pairs_of(points, benchmark, opening=begun), benchmark)
    explain_comparison(found, ours - 1.0, theirs - 1.0, figures, periods=periods, free=(1.0 + risk_free) ** (1.0 / periods) - 1.0)


def explain_pairs(found: Explanation, both: Sequence[tuple[int, Decimal, Decimal]], benchmark: Benchmark) -> None:
    """Fill in the table of returns beside those of the benchmark, on days on which both have a price."""
    priced = {one.day: one for one in benchmark.course}
    table = found.table("benchmark", rules=BESIDE)
    for (_, index_before, earlier), (day, index, value) in pairwise(both):
        one = priced[day]
        worth, before = rounded(value, INDEX_PLACES), rounded(earlier, INDEX_PLACES)
        row = {"day": date.fromordinal(day).isoformat(), "index": index, "index_before": index_before}
        row |= {"close": one.close, "unit": one.unit, "rate": one.rate, "units": one.units, "worth": worth}
        row |= {"worth_before": before, "return": _growth(index, index_before)}
        table.add(row | {"benchmark_return": _growth(worth, before)})


def _growth(now: Decimal, before: Decimal) -> Decimal:
    """Return by what a value grew."""
    return rounded(EXACT.divide(now, before) - 1, INDEX_PLACES)


def explain_comparison(
    found: Explanation,
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    figures: Mapping[str, Decimal | None],
    *,
    periods: int,
    free: float,
) -> None:
    """Add the steps to the figures that compare returns."""
    joint = np.cov(ours, theirs, ddof=1)
    active = ours - theirs
    deviation, year = float(np.std(active, ddof=1)), {"periods": float(periods)}
    covariance, own, steady = float(joint[0, 1]), float(joint[0, 0]), float(joint[1, 1])
    if figures.get("beta") is not None:
        parts = {"covariance": covariance, "variance_of_benchmark": steady}
        found.tell_float("beta", "covariance / variance_of_benchmark", figures["beta"], **parts)
    if figures.get("alpha") is not None:
        means = {"mean": float(ours.mean()), "mean_of_benchmark": float(theirs.mean())}
        found.tell_float("alpha", ALPHA, figures["alpha"], **means, free=free, beta=covariance / steady, periods=periods)
    spread = {"deviation_of_differences": deviation, **year}
    if figures.get("tracking_error") is not None:
        found.tell_float("tracking_error", "deviation_of_differences * sqrt(periods)", figures["tracking_error"], **spread)
    if figures.get("information_ratio") is not None:
        ratio = {"mean_difference": float(active.mean()), **spread}
        formula = "mean_difference / deviation_of_differences * sqrt(periods)"
        found.tell_float("information_ratio", formula, figures["information_ratio"], **ratio)
    if figures.get("correlation") is not None:
        both = {"covariance": covariance, "variance": own, "variance_of_benchmark": steady}
        found.tell_float("correlation", CORRELATION, figures["correlation"], **both)
