"""What a printed report on an account's performance says: figures, what made the gain, charts, months, falls and holdings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import NamedTuple

from marketdata.models import Instrument
from portfolio.domain.bridge import Bridge, Daily
from portfolio.domain.charts import Chart, bar_chart, line_chart
from portfolio.domain.contributions import Contribution
from portfolio.domain.exact import EXACT, ZERO, money
from portfolio.domain.performance import Performance
from portfolio.domain.reports import Period
from portfolio.selectors.contributions import contributions_of
from portfolio.selectors.days import since
from portfolio.selectors.figures import NO_DAY, Figures
from portfolio.selectors.past import figures_of
from portfolio.selectors.plans import rates_into

MOST_HOLDINGS = 25
MOST_BARS = 60
SHOWN_OF_EACH = 20  # of those that made most, and of those that made least


class Held(NamedTuple):
    """Something held on the last day; its value and its weight are none where a price or rate is missing."""

    instrument: Instrument | None  # none for cash, and for the rest together
    called: str
    quantity: Decimal | None
    value: Decimal | None
    weight: Decimal | None
    currency: str = ""  # of cash


class Made(NamedTuple):
    """What one instrument made of the gain, or the account itself, or several together."""

    instrument: Instrument | None
    row: Contribution
    together: int = 0


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
    total: Decimal | None = None
    missing: Sequence[str] = ()


def performance_report(figures: Figures, period: Period, *, known_at: datetime | None = None) -> PerformanceReport:
    """Return what is to be said of [start, end), in the currency of the figures."""
    start, end = period
    found = figures.performance(start=start, end=end)
    missing = figures.missing(start=start, end=end)
    if found is None:
        why = figures.gap(start=start, end=end) or _no_day(figures)
        return PerformanceReport(figures.currency, period, None, why, missing=missing)
    days = since(figures.days(start=start, end=end), start)
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
        held=_held(figures_of(figures.account, as_of=found.end, known_at=known_at), figures.currency),
        total=found.end_value,
        missing=missing,
    )


def _no_day(figures: Figures) -> str:
    """Return why there is nothing to tell of a period."""
    days = figures.days()
    if not days:
        return f"{NO_DAY} Post a deposit or a purchase, or import what happened elsewhere: the days since then get values."
    return f"No day of the period has a value: those from {days[0].date:%Y-%m-%d} to {days[-1].date:%Y-%m-%d} have one."


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
    """Return the return of each month, if there are two; the last ones where there are many."""
    told = [month for month in found.monthly if month.twr is not None][-MOST_BARS:]
    if len(told) < 2:  # noqa: PLR2004
        return None
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
    """Return what instruments made, the largest gain first, and the account itself in the end; of many, those between are one."""
    called = {str(pk): one for pk, one in Instrument.objects.in_bulk([row.instrument for row in found if row.instrument]).items()}
    rows = sorted((Made(called[row.instrument], row) for row in found if row.instrument), key=lambda made: -made.row.gain)
    between = rows[SHOWN_OF_EACH:-SHOWN_OF_EACH]
    if len(between) > 1:
        rows[SHOWN_OF_EACH:-SHOWN_OF_EACH] = [Made(None, _together([one.row for one in between]), len(between))]
    return rows + [Made(None, row) for row in found if not row.instrument]


def _together(rows: Sequence[Contribution]) -> Contribution:
    """Return what several instruments made together."""
    shares = [row.contribution for row in rows if row.contribution is not None]
    whole = reduce(Contribution.plus, rows)
    return whole._replace(instrument=None, contribution=sum(shares, ZERO) if len(shares) == len(rows) else None)


def _held(figures: Figures, currency: str) -> list[Held]:
    """Return the largest positions of the last day, the others together, and the cash; their values add up to the account's."""
    last, base = figures.last_snapshot(), figures.account.base_currency
    if last is None:
        return []
    balances = {code: balance for code, balance in sorted(figures.balances().items()) if balance}
    rates = rates_into(base, balances, last.date)
    told = rates_into(currency, [base], last.date).get(base)

    def valued(own: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
        value = None if own is None or told is None else money(EXACT.multiply(own, told))
        return value, None if own is None or not last.total_value else EXACT.divide(own, last.total_value)

    def worth(code: str, balance: Decimal) -> Decimal | None:
        return money(EXACT.multiply(balance, rates[code])) if code in rates else None

    found = [one for one in figures.positions() if one.quantity]
    found.sort(key=lambda one: (one.value_in_base is None, -(one.value_in_base or ZERO), one.instrument.key))
    shown, others = (found, []) if len(found) <= MOST_HOLDINGS + 1 else (found[:MOST_HOLDINGS], found[MOST_HOLDINGS:])
    rows = [Held(one.instrument, one.instrument.key, one.quantity, *valued(one.value_in_base)) for one in shown]
    if others:
        rest = sum((one.value_in_base or ZERO for one in others), ZERO)
        rows.append(Held(None, f"{len(others)} others", None, *valued(rest)))
    return rows + [
        Held(None, f"Cash, {code}", balance, *valued(worth(code, balance)), code) for code, balance in balances.items()
    ]
