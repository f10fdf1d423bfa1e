"""What a printed report on an account's performance says: figures, what made the gain, charts, months, falls and holdings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from marketdata.models import Instrument
from portfolio.domain.bridge import Bridge, Daily
from portfolio.domain.charts import Chart, bar_chart, line_chart
from portfolio.domain.contributions import Contribution
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.performance import Performance
from portfolio.domain.reports import Period
from portfolio.selectors.contributions import contributions_of
from portfolio.selectors.conversion import in_currency
from portfolio.selectors.days import since
from portfolio.selectors.figures import NO_DAY, Figures
from portfolio.selectors.past import figures_of
from portfolio.selectors.valued import positions_in

MOST_HOLDINGS = 25
MOST_BARS = 60


class Held(NamedTuple):
    """Something held on the last day; its value and its weight are none where a price or rate is missing."""

    instrument: Instrument
    quantity: Decimal
    value: Decimal | None
    weight: Decimal | None


class Made(NamedTuple):
    """What one instrument, or the account itself, made of the gain."""

    instrument: Instrument | None
    row: Contribution


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """Everything a printed report shows of a period; without a figure `why` says why there is none."""

    currency: str
    period: Period
    performance: Performance | None
    why: str = ""
    bridge: Bridge | None = None
    value: Chart | None = None
    growth: Chart | None = None
    drawdown: Chart | None = None
    months: Chart | None = None
    years: Mapping[str, Sequence[Decimal | None]] | None = None  # twelve months and the year
    made: Sequence[Made] = ()
    held: Sequence[Held] = ()
    others: int = 0  # held beyond those shown
    cash: Mapping[str, Decimal] | None = None
    missing: Sequence[str] = ()


def performance_report(figures: Figures, period: Period, *, known_at: datetime | None = None) -> PerformanceReport:
    """Return what is to be said of [start, end), in the currency of the figures."""
    start, end = period
    found = figures.performance(start=start, end=end)
    missing = figures.missing(start=start, end=end)
    if found is None:
        why = figures.gap(start=start, end=end) or NO_DAY
        return PerformanceReport(figures.currency, period, None, why, missing=missing)
    days = since(figures.days(start=start, end=end), start)
    last = in_currency(figures_of(figures.account, as_of=found.end, known_at=known_at), figures.currency)
    held, others = _held(last)
    return PerformanceReport(
        currency=figures.currency,
        period=period,
        performance=found,
        bridge=figures.bridge(start=start, end=end),
        value=_value(days),
        growth=_growth(days),
        drawdown=_falls(days),
        months=_months(found),
        years=years_of(found),
        made=_made(contributions_of(figures, start=start, end=end)),
        held=held,
        others=others,
        cash={currency: balance for currency, balance in sorted(last.balances().items()) if balance},
        missing=missing,
    )


def _value(days: Sequence[Daily]) -> Chart | None:
    """Return the value of each day, beside what had been put in on the whole."""
    values = [float(day.total_value) for day in days]
    put_in = [float(day.total_value - day.total_gain) for day in days]
    return line_chart([day.day for day in days], [values, put_in], from_zero=True)


def _growth(days: Sequence[Daily]) -> Chart | None:
    """Return what 100 became, whatever flowed in and out; it stands at 100 before the first day."""
    before = _index_before(days)
    if not before:
        return None
    return line_chart([day.day for day in days], [[100 * float(day.twr_index) / before for day in days]])


def _falls(days: Sequence[Daily]) -> Chart | None:
    """Return how far below its highest the index stood on each day."""
    peak, falls = _index_before(days), []
    for day in days:
        index = float(day.twr_index)
        peak = max(peak, index)
        falls.append(index / peak - 1 if peak else 0.0)
    return line_chart([day.day for day in days], [falls], from_zero=True)


def _index_before(days: Sequence[Daily]) -> float:
    """Return the index before a period: that of its first day without what that day made of it."""
    if not days:
        return 0.0
    first = days[0]
    opened = first.total_value - first.day_gain + first.outflow
    grown = EXACT.divide(first.total_value + first.outflow, opened) if opened > 0 else Decimal(1)
    return float(EXACT.divide(first.twr_index, grown)) if grown > 0 else float(first.twr_index)


def _months(found: Performance) -> Chart | None:
    """Return the return of each month; the last ones where there are many."""
    told = [month for month in found.monthly if month.twr is not None][-MOST_BARS:]
    return bar_chart([month.month for month in told], [float(month.twr or ZERO) for month in told])


def years_of(found: Performance) -> dict[str, list[Decimal | None]]:
    """Return the returns by year: of its twelve months, none outside the period, and of the months together."""
    table: dict[str, list[Decimal | None]] = {}
    for month in found.monthly:
        year, number = month.month.split("-")
        table.setdefault(year, [None] * 12)[int(number) - 1] = month.twr
    for row in table.values():
        whole = Decimal(1)
        for one in row:
            whole = EXACT.multiply(whole, 1 + (one or ZERO))
        row.append(whole - 1)
    return table


def _made(found: Sequence[Contribution]) -> list[Made]:
    """Return what instruments made, the largest gain first, and the account itself in the end."""
    called = {str(pk): one for pk, one in Instrument.objects.in_bulk([row.instrument for row in found if row.instrument]).items()}
    rows = [Made(called.get(row.instrument or ""), row) for row in found]
    return sorted(rows, key=lambda made: (made.instrument is None, -made.row.gain))


def _held(figures: Figures) -> tuple[list[Held], int]:
    """Return the largest positions in the currency of the figures, and how many there are beyond them."""
    own = figures.currency == figures.account.base_currency
    found = figures.positions() if own else positions_in(figures, figures.currency)
    last = figures.last_snapshot()
    whole = last.total_value if last is not None and last.total_value else None
    rows = []
    for one in found:
        if one.quantity:
            value = one.value_in_base if own else one.market_value
            weight = None if value is None or not whole else EXACT.divide(value, whole)
            rows.append(Held(one.instrument, one.quantity, value, weight))
    rows.sort(key=lambda held: (held.value is None, -(held.value or ZERO), held.instrument.key))
    return rows[:MOST_HOLDINGS], max(len(rows) - MOST_HOLDINGS, 0)
