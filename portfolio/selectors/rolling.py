"""Figures of an account over a window that moves along."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from accounts.models import Account
from marketdata.models import Instrument
from portfolio.domain.benchmark import NO_BENCHMARK, paired_days
from portfolio.domain.performance import Point, as_ratio, growth_of
from portfolio.domain.rolling import BESIDE, BEYOND, OWN, WHY, rolled
from portfolio.selectors.benchmark import beside
from portfolio.selectors.performance import opened, periods_of

NO_PRICE = "The benchmark has no price on this day."
ALL_LOST = "All was lost: there are no returns to look at."
TOO_FEW = "The benchmark has too few prices up to this day."
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rolling:
    """One row a day, with the reasons for its nulls; `reasons` are those that hold for all rows."""

    rows: Sequence[Row]
    reasons: dict[str, str] = field(default_factory=dict)


def rolling(
    points: list[Point],
    *,
    account: Account,
    currency: str,
    window: int,
    figures: Collection[str],
    start: date | None = None,
    benchmark: Instrument | None = None,
    dividends: bool = True,
    risk_free: float = 0.0,
) -> Rolling:
    """Return figures over the last `window` returns for each priced day of daily values that ends a whole window."""
    opening, found = opened(points, start)
    days, growth = growth_of(found, opening=opening)
    if len(growth) < window:
        why = f"There are {len(growth)} returns between priced days in the period, fewer than a window of {window}."
        lost = any(not point.twr_index for point in points)
        return Rolling([], {"results": ALL_LOST if lost else why})
    periods = periods_of(account.kind)
    common: dict[str, Any] = {"window": window, "periods": periods, "free": (1.0 + risk_free) ** (1.0 / periods) - 1.0}
    own, beside_it = [name for name in figures if name in OWN], [name for name in figures if name in BESIDE]
    columns = rolled(growth, figures=own, **common)
    rows: dict[int, Row] = {day: {"date": date.fromordinal(day), "reasons": {}} for day in days[window - 1 :]}
    for name, values in columns.items():
        for row, value in zip(rows.values(), values.tolist(), strict=True):
            _set(row, name, as_ratio(value))
    reasons: dict[str, str] = {}
    if beside_it and benchmark is not None:
        prices = beside(points, benchmark, currency=currency, dividends=dividends)
        theirs_days, ours, theirs = paired_days(found, prices, opening=opening)
        _compare(rows, beside_it, theirs_days, rolled(ours, market=theirs, figures=beside_it, **common), window)
    elif beside_it:
        reasons = dict.fromkeys(beside_it, NO_BENCHMARK)
        for row in rows.values():
            row.update(dict.fromkeys(beside_it))
    return Rolling(list(rows.values()), reasons)


def _compare(rows: dict[int, Row], figures: Sequence[str], days: Sequence[int], columns: dict[str, Any], window: int) -> None:
    """Set the figures beside a benchmark into the rows of their days."""
    ends = {day: place for place, day in enumerate(days[window - 1 :])}
    early = set(days[: window - 1])
    values = {name: column.tolist() for name, column in columns.items()}
    for day, row in rows.items():
        place = ends.get(day)
        for name in figures:
            if place is None:
                row[name] = None
                row["reasons"][name] = TOO_FEW if day in early else NO_PRICE
            else:
                _set(row, name, as_ratio(values[name][place]))


def _set(row: Row, name: str, value: Decimal | None) -> None:
    """Set a figure into a row, with the reason if there is none."""
    row[name] = value
    if value is None:
        row["reasons"][name] = WHY.get(name, BEYOND)
