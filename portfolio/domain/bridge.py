"""The value bridge: what led from the value at the start to that at the end, of one account or several, in any currency.

    start value + net flows + price + currency + income + interest - fees - taxes = end value

It holds to the last place, because it holds for every day. In another currency each day's amounts are converted at the day's
rate, and what currencies made is what is left: so the bridge closes there, too. A day without a rate has no value there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.exact import EXACT, MONEY_PLACES, ONE, ZERO, money
from portfolio.domain.performance import Point
from portfolio.domain.pricing import Points
from portfolio.domain.returns import INDEX_PLACES, linked


class Daily(NamedTuple):
    """The end of one day and what led to it; the order of the fields is that of the query that reads them."""

    day: int
    total_value: Decimal
    cash: Decimal
    positions_value: Decimal
    buying_power: Decimal
    inflow: Decimal
    outflow: Decimal
    day_gain: Decimal
    price_gain: Decimal
    currency_gain: Decimal
    income: Decimal
    interest: Decimal
    fees: Decimal
    taxes: Decimal
    total_gain: Decimal
    twr_index: Decimal
    priced: bool
    complete: bool = True  # nothing held lacked a price or rate

    @property
    def date(self) -> date:
        """The day as a date."""
        return date.fromordinal(self.day)

    @property
    def point(self) -> Point:
        """What performance needs of the day."""
        return Point(self.day, self.total_value, self.inflow - self.outflow, self.twr_index, self.priced, self.complete)


class Link(NamedTuple):
    """What the next complete day is measured from: the value of the last one and what came in since, and what went out since.

    `since` is none where that is not known: the next complete day is the first, and has no return.
    """

    since: Decimal | None = ZERO
    out: Decimal = ZERO

    def after(self, day: Daily) -> Link:
        """Return the link after one more day."""
        return Link(day.total_value) if day.complete else self.moved(day.inflow, day.outflow)

    def moved(self, into: Decimal, out: Decimal) -> Link:
        """Return the link with more that came in and went out."""
        return Link(None if self.since is None else self.since + into, self.out + out)

    def grown(self, index: Decimal, total: Decimal) -> Decimal:
        """Return an index after a complete day that ended with a value; its own flows are in the link."""
        return index if self.since is None else _grown(index, self.since, total + self.out)


BEGINNING, UNKNOWN = Link(), Link(None)


class Bridge(NamedTuple):
    """What each cause made of a period's gain: price + income + currency - fees - taxes + interest is all of it."""

    price: Decimal
    income: Decimal
    currency: Decimal
    fees: Decimal
    taxes: Decimal
    interest: Decimal

    @property
    def gain(self) -> Decimal:
        """What the causes add up to."""
        return self.price + self.income + self.currency - self.fees - self.taxes + self.interest


def bridge_of(days: Iterable[Daily]) -> Bridge:
    """Return what each cause made over some days."""
    sums = [ZERO] * len(Bridge._fields)
    for day in days:
        causes = (day.price_gain, day.income, day.currency_gain, day.fees, day.taxes, day.interest)
        sums = [total + own for total, own in zip(sums, causes, strict=True)]
    return Bridge(*sums)


NO_DAY = Daily._make([0, *[ZERO] * 14, ONE, False, True])


def links(days: Iterable[Daily], link: Link = BEGINNING) -> dict[int, Link]:
    """Return the link after each of successive days; without another they are those of an account since its beginning."""
    found = {}
    for day in days:
        found[day.day] = link = link.after(day)
    return found


def converted(days: Sequence[Daily], rates: Points, *, opened: bool = False) -> tuple[list[Daily], int | None]:
    """Return successive days in another currency, and the first day that has no rate, if there is one.

    Days without a rate are left out. The account begins on the first day, unless it was `opened` before; or a rate was lacking:
    then the index is 1 at the end of the first day that is left. What currencies made is the gain less what all else made.
    """
    found: list[Daily] = []
    gap = None
    before, link = (None, UNKNOWN) if opened else (NO_DAY, BEGINNING)
    for day in days:
        rate = rates.value_at(day.day)
        if rate is None:
            gap, before, link = gap or day.day, None, UNKNOWN
            continue
        before = _converted(day, rate, before, link)
        link = link.after(before)
        found.append(before)
    return found, gap


def _converted(day: Daily, rate: Decimal, before: Daily | None, link: Link) -> Daily:
    """Return one day at a rate; where the day before is not known, its gain is that of the day at the rate."""
    total, cash, positions, power, into, out, gain = (money(EXACT.multiply(amount, rate)) for amount in day[1:8])
    price, _, income, interest, fees, taxes = (money(EXACT.multiply(amount, rate)) for amount in day[8:14])
    index, earlier = ONE, money(EXACT.multiply(day.total_gain, rate)) - gain
    if before is not None:
        gain, earlier = total - before.total_value - into + out, before.total_gain
        index = link.moved(into, out).grown(before.twr_index, total) if day.complete else before.twr_index
    causes = (gain, price, gain - price - income - interest + fees + taxes, income, interest, fees, taxes)
    return Daily(day.day, total, cash, positions, power, into, out, *causes, earlier + gain, index, day.priced, day.complete)


def _grown(index: Decimal, start: Decimal, end: Decimal) -> Decimal:
    """Return an index after a day that began with one amount and ended with another."""
    grown = linked(int(index.scaleb(INDEX_PLACES, EXACT)), *(int(one.scaleb(MONEY_PLACES, EXACT)) for one in (start, end)))
    return Decimal(grown).scaleb(-INDEX_PLACES, EXACT)


class Leg(NamedTuple):
    """What one account counted as a flow on a day, and another one of those looked at together as well."""

    into: Decimal
    out: Decimal


def prolonged(days: Sequence[Daily], last: int) -> list[Daily]:
    """Return successive days up to a later one: nothing happens on those that are added."""
    return [*days, *(_stands(days[-1], number) for number in range(days[-1].day + 1, last + 1))] if days else []


def together(accounts: Sequence[Sequence[Daily]], internal: Sequence[Mapping[int, Leg]], *, opened: bool = False) -> list[Daily]:
    """Return the days of several accounts as those of one; all are in one currency, each with its successive days.

    An account counts from its first day. `internal` are the flows of each account that came from one of the others, or went
    there: they are none here; where both sides say different amounts, the difference counts as currency. `opened`: there
    was something before the first day.
    """
    held = [({day.day: day for day in days}, legs) for days, legs in zip(accounts, internal, strict=True) if days]
    if not held:
        return []
    found: list[Daily] = []
    before, link = (None, UNKNOWN) if opened else (NO_DAY, BEGINNING)
    for number in range(min(min(days) for days, _ in held), max(max(days) for days, _ in held) + 1):
        rows = [days[number] for days, _ in held if number in days]
        legs = [legs[number] for _, legs in held if number in legs]
        before = _summed(number, rows, legs, before, link)
        link = link.after(before)
        found.append(before)
    return found


def _stands(day: Daily, number: int) -> Daily:
    """Return a day on which nothing happened to an account."""
    values = (day.total_value, day.cash, day.positions_value, day.buying_power)
    return Daily._make([number, *values, *[ZERO] * 9, day.total_gain, day.twr_index, False, day.complete])


def _summed(number: int, rows: Sequence[Daily], legs: Sequence[Leg], before: Daily | None, link: Link) -> Daily:
    """Return the day of all accounts from those of each, less the flows between them."""
    sums = [sum(column, ZERO) for column in list(zip(*rows, strict=True))[1:15]]
    total, cash, positions, power, into, out, gain, price, _, income, interest, fees, taxes, earlier = sums
    into, out = into - sum((leg.into for leg in legs), ZERO), out - sum((leg.out for leg in legs), ZERO)
    index, earlier, complete = ONE, earlier - gain, all(row.complete for row in rows)
    if before is not None:
        gain, earlier = total - before.total_value - into + out, before.total_gain
        index = link.moved(into, out).grown(before.twr_index, total) if complete else before.twr_index
    causes = (gain, price, gain - price - income - interest + fees + taxes, income, interest, fees, taxes)
    priced = complete and any(row.priced for row in rows)
    return Daily(number, total, cash, positions, power, into, out, *causes, earlier + gain, index, priced, complete)
