"""What an account was worth at moments within days, out of its ledger and of bars shorter than a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from accounts.models import Account
from marketdata.domain.bars import Timeframe
from marketdata.domain.calendars import sessions
from marketdata.models import Instrument
from marketdata.selectors.runs import Span, View, read_runs
from portfolio.domain.daybook import Day
from portfolio.domain.entries import in_order
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.pricing import NOTHING
from portfolio.domain.valuation import Quoted, keyframes
from portfolio.selectors.figures import KeptFigures
from portfolio.selectors.projections import entries_after
from trading.domain.worth import Holdings, Known, Prices, Series, Worth, day_of, worths
from trading.selectors.holdings import live_prices

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOST_BARS = 50_000  # of one instrument


def worths_at(account: Account, moments: Sequence[datetime], *, step: timedelta) -> list[Worth]:
    """Return what an account was worth at moments, given in the order of time, at bars of at most a step's length.

    The portfolio has been brought up to date before. As many questions for many instruments as for one.
    """
    if not moments:
        return []
    first, last = date.fromordinal(day_of(moments[0])), date.fromordinal(day_of(moments[-1]))
    figures = KeptFigures(account)
    reach = figures.reach()
    pages = figures.pages(start=min(first, reach[1]) if reach else first, end=last + DAY)  # later days are like the last valued
    quoted = figures.quoted(pages.values(), currency=account.base_currency, start=first, until=last)
    read = entries_after(account_id=account.pk, since=first, as_of=last)
    entries = [one for one in in_order(read) if one.sequence <= figures.projection.read_up_to]
    ends = {day: _end(page) for day, page in keyframes(pages, range(first.toordinal(), last.toordinal() + 1)).items()}
    held = {key for page in pages.values() for key in page.units} & set(quoted.listings)
    return worths(moments, ends, entries, Prices(_known(held, quoted, (first, last), step), quoted))


def _end(page: Day) -> Holdings:
    """Return what was held at the end of a day."""
    money = dict(page.cash)
    for currency, owed in page.owed.items():
        money[currency] = EXACT.subtract(money.get(currency, ZERO), owed)
    return Holdings(dict(page.units), money)


def _known(held: set[str], quoted: Quoted, days: tuple[date, date], step: timedelta) -> dict[str, Series]:
    """Return what was known of the prices of instruments, and when: closes of bars, of days, and what the market says now."""
    first, last = days
    instruments = list(Instrument.objects.filter(pk__in=held))
    found: dict[str, list[Known]] = {str(one.pk): [] for one in instruments}
    spans = _spans(instruments, datetime.combine(first, time(), UTC), datetime.combine(last + DAY, time(), UTC), step)
    for place, bar in read_runs(spans, view=View(), each=MOST_BARS):
        key = str(spans[place].instrument.pk)
        found[key].append(Known(bar.timestamp + spans[place].timeframe.duration, _in_major(bar.close, key, quoted)))
    live = live_prices(instruments)
    closing: dict[str, Mapping[date, datetime]] = {}
    for one in instruments:
        key = str(one.pk)
        if one.exchange not in closing:
            closing[one.exchange] = {each.day: each.close_at for each in sessions(one.exchange, first, last + DAY)}
        points = quoted.prices.get(key, NOTHING)
        for number, value in zip(points.days.tolist(), points.values.decimals(), strict=True):
            day = date.fromordinal(number)
            found[key].append(Known(closing[one.exchange].get(day, datetime.combine(day + DAY, time(), UTC)), value))
        if key in live:
            found[key].append(Known(live[key][0], _in_major(live[key][1], key, quoted)))
    return {key: Series.of(known) for key, known in found.items()}


def _spans(instruments: Sequence[Instrument], start: datetime, end: datetime, step: timedelta) -> list[Span]:
    """Return the longest bars of each instrument that are not longer than a step."""
    lengths = [each for each in sorted(Timeframe, key=lambda one: one.seconds) if each.duration <= min(step, HOUR)]
    spans = [Span(one, length, start, end) for one in instruments for length in lengths]
    longest = {str(spans[place].instrument.pk): spans[place] for place, _ in read_runs(spans, view=View(), each=1)}
    return list(longest.values())


def _in_major(price: Decimal, key: str, quoted: Quoted) -> Decimal:
    """Return a price in whole coins."""
    return EXACT.multiply(price, quoted.listings[key].unit)
