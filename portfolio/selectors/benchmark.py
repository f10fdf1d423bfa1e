"""The prices of a benchmark instrument, in the currency and for the days that an account is compared over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from marketdata.domain.actions import ActionKind
from marketdata.domain.money import major_unit
from marketdata.models import Instrument
from marketdata.selectors.actions import actions, splits
from portfolio.domain.benchmark import NO_DAY, Benchmark, Comparison, Payment, compare, without, worth
from portfolio.domain.performance import Point
from portfolio.domain.pricing import NOTHING, Market, Points
from portfolio.selectors.market import load_market
from portfolio.selectors.performance import opened


def benchmark_of(
    instrument: Instrument, *, currency: str, first: date, last: date, dividends: bool = True, using: str = "default"
) -> Benchmark:
    """Return what an instrument was worth in a currency from the last close before `first` until `last`.

    With `dividends`, those that were declared buy more of it on their ex-dates.
    """
    key, until = str(instrument.pk), last + timedelta(days=1)
    paid = []
    if dividends:
        kinds = (ActionKind.CASH_DIVIDEND,)
        paid = list(actions(instruments=[instrument], end=until, kinds=kinds).using(using))
    closes = load_market(instruments=[key], pairs=(), start=first, until=last, using=using).closes.get(key, NOTHING)
    begin = date.fromordinal(int(closes.days[0])) if len(closes.days) else first  # the last one before may be long ago
    pairs = {(one, currency) for one in (instrument.money, *(action.currency for action in paid)) if one != currency}
    market = load_market(instruments=(), pairs=pairs, start=begin, until=last, using=using)
    ratios = splits(instrument_ids=[instrument.pk], end=until, using=using).get(instrument.pk, ())
    payments = [(action, _rates(market, action.currency, currency)) for action in paid if action.ex_date > begin]
    lacking = {pair for pair in pairs if pair[0] == instrument.money and pair not in market.rates}
    for action, rates in payments:
        if rates is not None and rates.value_at(action.ex_date.toordinal()) is None:
            lacking.add((action.currency, currency))
    course = worth(
        closes,
        unit=major_unit(instrument.currency)[1],
        rates=_rates(market, instrument.money, currency),
        splits=[(split.ex_date.toordinal(), split.ratio) for split in ratios],
        dividends=[Payment(action.ex_date.toordinal(), action.cash or Decimal(0), rates) for action, rates in payments],
    )
    return Benchmark.of(course, sorted("/".join(pair) for pair in lacking))


def compared(
    points: list[Point],
    instrument: Instrument,
    *,
    periods: int,
    currency: str,
    start: date | None = None,
    dividends: bool = True,
    risk_free: float = 0.0,
) -> Comparison:
    """Return how daily values in a currency, which `points` of the account's figures returned, stand beside an instrument."""
    opening, found = opened(points, start)
    if not found:
        return without(NO_DAY)
    benchmark = beside(points, instrument, currency=currency, dividends=dividends)
    return compare(found, benchmark, periods=periods, opening=opening, risk_free=risk_free)


def beside(points: Sequence[Point], instrument: Instrument, *, currency: str, dividends: bool = True) -> Benchmark:
    """Return what an instrument was worth over the days of points, at least one."""
    first, last = points[0].date, points[-1].date
    return benchmark_of(instrument, currency=currency, first=first, last=last, dividends=dividends)


def _rates(market: Market, base: str, quote: str) -> Points | None:
    """Return the rates from one currency into another; none where they are one."""
    return None if base == quote else market.rates.get((base, quote), NOTHING)
