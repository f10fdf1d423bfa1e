"""What an account was worth, day by day: quantity x price x multiplier x rate, each with the last known value of the day.

A price or rate that is not known yet leaves its holding or balance out, and the result names it; a value carried forward from
an earlier day is used, and named as stale. Values of positions are rounded to ten places, once in the instrument's currency
and once in the account's; everything else is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.daybook import Cause, Day, Transfer
from portfolio.domain.entries import Listing
from portfolio.domain.exact import EXACT, MONEY_PLACES, ONE, ZERO, Fixed, money
from portfolio.domain.gaps import Lack
from portfolio.domain.pricing import NOTHING, Points

FEW_DAYS = 8  # are valued one by one: vectors would cost more than they save
CHARGES = frozenset({Cause.FEE, Cause.TAX})


@dataclass(frozen=True, slots=True)
class Quoted:
    """Everything a valuation asks of the market: prices with hand-given ones and splits worked in, rates into the base."""

    base: str
    listings: Mapping[str, Listing]
    prices: Mapping[str, Points]
    rates: Mapping[str, Points]

    def rate_at(self, currency: str, day: int) -> Decimal | None:
        """Return the rate of a currency into the account's, or none."""
        return ONE if currency == self.base else self.rates.get(currency, NOTHING).value_at(day)

    def worth(self, currency: str, amount: Decimal, day: int) -> Decimal | None:
        """Return an amount in the account's currency at the rate of a day, or none where no rate is known."""
        rate = self.rate_at(currency, day)
        return None if rate is None else money(EXACT.multiply(amount, rate))


@dataclass(slots=True)
class Course:
    """How holdings and balances went: for each, the days on which it moved and what it was from then on."""

    units: dict[str, dict[int, Decimal]] = field(default_factory=dict)
    cash: dict[str, dict[int, Decimal]] = field(default_factory=dict)
    owed: dict[str, dict[int, Decimal]] = field(default_factory=dict)

    @classmethod
    def of(cls, pages: Mapping[int, Day]) -> Course:
        """Return the course that pages of days tell."""
        course = cls()
        for day in sorted(pages):
            page = pages[day]
            for instrument, quantity in page.units.items():
                course.units.setdefault(instrument, {})[day] = quantity
            for currency, balance in page.cash.items():
                course.cash.setdefault(currency, {})[day] = balance
            for currency, owed in page.owed.items():
                course.owed.setdefault(currency, {})[day] = owed
        return course


class Flows(NamedTuple):
    """What came in on a day and what went out, both zero or above, in the account's currency."""

    into: Decimal
    out: Decimal


class Causes(NamedTuple):
    """What entries of a day earned and cost, in the account's currency.

    `currency` is what they won or lost by rates: they were recorded at others than the day's, or exchanged money at others.
    `foreign`: some of it was in another currency, so that rounding shows.
    """

    income: Decimal = ZERO
    interest: Decimal = ZERO
    fees: Decimal = ZERO
    taxes: Decimal = ZERO
    currency: Decimal = ZERO
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Valuation:
    """The values of successive days from `first` on, in the account's currency."""

    first: int
    cash: Fixed
    positions: Fixed
    gross: Fixed  # the sizes of all positions, long and short
    owed: Fixed
    flows: Mapping[int, Flows]
    priced: frozenset[int]  # days on which something held, now or before, got a new price
    missing: Mapping[str, int]  # what lacked a price or a rate, and the first day it did
    gaps: NDArray[np.bool_]  # the days on which something held did
    drift: Fixed | None = None  # what was held before, at the day's rates less at those of the day before
    causes: Mapping[int, Causes] = field(default_factory=dict)


def value_days(
    pages: Mapping[int, Day], course: Course, quoted: Quoted, first: int, last: int, since: Mapping[str, int]
) -> Valuation:
    """Value every day from the first to the last; `course` is what the pages tell, those before the first included.

    `since` says for each instrument from which day on its new prices count as such.
    """
    span = last - first + 1
    lack = Lack.over(first, span)
    drifts: list[Fixed] = []
    positions = gross = Fixed.zeros(span)
    sums, sizes = [0] * span, [0] * span
    for instrument, moves in course.units.items():
        if span <= FEW_DAYS and quoted.listings[instrument].currency == quoted.base:
            for offset, single in enumerate(_few_values(instrument, moves, quoted, span, lack)):
                sums[offset] += single
                sizes[offset] += abs(single)
            continue
        value = _value_of_units(instrument, moves, quoted, span, lack)
        if value is None:
            continue
        listing = quoted.listings[instrument]
        if listing.currency != quoted.base:
            before = _position_before(instrument, moves, quoted, first)
            value = _in_base(value, listing.currency, quoted, lack, drifts, before)
        positions, gross = positions + value, gross + abs(value)
    if any(sizes):
        positions, gross = positions + Fixed.whole(sums, MONEY_PLACES), gross + Fixed.whole(sizes, MONEY_PLACES)
    cash = _value_of_money(course.cash, quoted, span, lack, drifts)
    owings: list[Fixed] = []
    owed = _value_of_money(course.owed, quoted, span, lack, owings)
    drifts += [-drift for drift in owings]
    turning = {day: pages[day] for day in sorted(pages) if first <= day <= last}
    return Valuation(
        first,
        cash,
        positions,
        gross,
        owed,
        {day: flows_of(page, quoted, day, lack.missing) for day, page in turning.items()},
        _priced_days(quoted, first, last, since),
        lack.missing,
        lack.days,
        sum(drifts[1:], drifts[0]) if drifts else None,
        {day: found for day, page in turning.items() if (found := causes_of(page, quoted, day, lack.missing)) is not None},
    )


def stretched(moves: Mapping[int, Decimal], first: int, span: int) -> Fixed:
    """Return a value for each of so many days from the first on: zero before the first move, then the last one."""
    return _stretch(np.fromiter(moves, dtype=np.int64, count=len(moves)), Fixed.of(moves.values()), first, span)


def _stretch(days: np.ndarray[tuple[int], np.dtype[np.int64]], values: Fixed, first: int, span: int) -> Fixed:
    """Return values that hold from their days on as one for each day."""
    starts = np.clip(days - first, 0, span)
    if not len(starts):
        return Fixed.zeros(span)
    return values.repeated(np.diff(starts, append=span)).set_in(span, int(starts[0]))


def _value_of_units(instrument: str, moves: dict[int, Decimal], quoted: Quoted, span: int, lack: Lack) -> Fixed | None:
    """Return what the units of an instrument were worth each day in its currency, or none if none were held.

    What was not known is noted.
    """
    first = lack.first
    units = stretched(moves, first, span)
    if not units.peak and not _before(moves, first):
        return None
    listing, points = quoted.listings[instrument], quoted.prices.get(instrument, NOTHING)
    lack.note(instrument, units, points)
    prices = _stretch(points.days, points.values, first, span)
    return (units * prices).upto(MONEY_PLACES) if listing.multiplier == 1 else _multiplied(units * prices, listing)


def _few_values(instrument: str, moves: dict[int, Decimal], quoted: Quoted, span: int, lack: Lack) -> list[int]:
    """Return what `_value_of_units` does for a few days, in units of the last place of money."""
    units, multiplier, points = (
        _before(moves, lack.first),
        quoted.listings[instrument].multiplier,
        quoted.prices.get(instrument, NOTHING),
    )
    values = []
    for day in range(lack.first, lack.first + span):
        units = moves.get(day, units)
        price = points.value_at(day) if units else ZERO
        if price is None:
            lack.note_day(instrument, day)
        value = money(EXACT.multiply(EXACT.multiply(units, price or ZERO), multiplier))
        values.append(int(value.scaleb(MONEY_PLACES, EXACT)))
    return values


def _position_before(instrument: str, moves: dict[int, Decimal], quoted: Quoted, first: int) -> Decimal:
    """Return what was held the day before the first was worth, in the instrument's currency; nothing without a price."""
    price = quoted.prices.get(instrument, NOTHING).value_at(first - 1)
    if price is None:
        return ZERO
    return money(EXACT.multiply(EXACT.multiply(_before(moves, first), price), quoted.listings[instrument].multiplier))


def _before(moves: dict[int, Decimal], first: int) -> Decimal:
    """Return what there was on the day before the first."""
    return next((amount for day, amount in reversed(moves.items()) if day < first), ZERO)


def drift_of_units(instrument: str, moves: dict[int, Decimal], quoted: Quoted, first: int, last: int) -> Decimal:
    """Return what rates made of the units of an instrument from the first day to the last, in the account's currency."""
    currency, drifts = quoted.listings[instrument].currency, list[Fixed]()
    value = (
        None
        if currency == quoted.base
        else _value_of_units(instrument, moves, quoted, last - first + 1, Lack.over(first, last - first + 1))
    )
    if value is None:
        return ZERO
    _in_base(value, currency, quoted, Lack.over(first, len(value)), drifts, _position_before(instrument, moves, quoted, first))
    return sum(drifts[0].decimals(), ZERO)


def _multiplied(value: Fixed, listing: Listing) -> Fixed:
    """Return values times what a unit stands for."""
    factor = Fixed.of([listing.multiplier])
    return (value * factor).upto(MONEY_PLACES)


def _value_of_money(
    balances: Mapping[str, dict[int, Decimal]], quoted: Quoted, span: int, lack: Lack, drifts: list[Fixed]
) -> Fixed:
    """Return what balances in several currencies were worth each day; what rates made of them is added to `drifts`."""
    total = Fixed.zeros(span)
    for currency, moves in balances.items():
        balance = stretched(moves, lack.first, span)
        if currency != quoted.base:
            balance = _in_base(balance, currency, quoted, lack, drifts, _before(moves, lack.first))
        total = total + balance
    return total


def _in_base(value: Fixed, currency: str, quoted: Quoted, lack: Lack, drifts: list[Fixed], before: Decimal) -> Fixed:
    """Return daily values of another currency in the account's; `before` is the value on the day before the first.

    Added to `drifts` is what the value of the day before was worth at the day's rate, less what it was at its own; nothing on
    the first day that has a rate.
    """
    points, span = quoted.rates.get(currency, NOTHING), len(value)
    lack.note(f"{currency}/{quoted.base}", value, points)
    rates = _stretch(points.days, points.values, lack.first, span)
    found = (value * rates).upto(MONEY_PLACES)
    started = quoted.worth(currency, before, lack.first - 1) or ZERO
    drift = (_after(before, value) * rates).upto(MONEY_PLACES) + -_after(started, found)
    begun = int(points.days[0]) - lack.first if len(points.days) else -1
    if 0 <= begun < span:
        drift.digits[begun] = 0
    drifts.append(drift)
    return found


def _after(before: Decimal, values: Fixed) -> Fixed:
    """Return for each day the value of the day before."""
    span = len(values)
    return values.between(0, span - 1).set_in(span, 1) + Fixed.of([before]).set_in(span, 0)


def _priced_days(quoted: Quoted, first: int, last: int, since: Mapping[str, int]) -> frozenset[int]:
    """Return the days on which an instrument got a new close, once it had been held."""
    marks = np.zeros(last - first + 1, dtype=bool)
    for instrument, day in since.items():
        points = quoted.prices.get(instrument, NOTHING)
        start, end = points.closed.searchsorted((max(day, first), last + 1))
        marks[points.closed[start:end] - first] = True
    return frozenset((np.flatnonzero(marks) + first).tolist())


def flows_of(page: Day, quoted: Quoted, day: int, missing: dict[str, int]) -> Flows:
    """Return what came into an account on a day and what left it, at the rates and prices of the day."""
    into = out = ZERO
    for currency, amount, recorded, _ in page.flows:
        value = counted(currency, amount, recorded, quoted, day, missing)
        into, out = into + max(value, ZERO), out + max(-value, ZERO)
    for transfer in page.transfers:
        if transfer.external:
            value = transfer_value(transfer, quoted, day, missing)
            into, out = into + max(value, ZERO), out + max(-value, ZERO)
    return Flows(into, out)


def counted(
    currency: str, amount: Decimal, recorded: Decimal | None, quoted: Quoted, day: int, missing: dict[str, int]
) -> Decimal:
    """Return what an amount of an entry counts as: at the rate it states, else at the day's; nothing, and noted, without one."""
    if currency == quoted.base:
        return money(amount)
    if recorded is not None:
        return money(EXACT.multiply(amount, recorded))
    value = quoted.worth(currency, amount, day)
    if value is None:
        missing.setdefault(f"{currency}/{quoted.base}", day)
    return value or ZERO


def causes_of(page: Day, quoted: Quoted, day: int, missing: dict[str, int]) -> Causes | None:
    """Return what entries of a day earned and cost, none where that is nothing."""
    sums = dict.fromkeys(Cause, ZERO)
    by_rates, foreign = ZERO, False
    for item, amount in page.items.items():
        value = counted(item.currency, amount, item.rate, quoted, day, missing)
        sums[item.cause] += value
        if item.currency != quoted.base:
            foreign = True
            gain = (quoted.worth(item.currency, amount, day) or ZERO) - value if item.rate is not None else ZERO
            by_rates += -gain if item.cause in CHARGES else gain
    for currency, amount, recorded, _ in page.flows:
        foreign = foreign or currency != quoted.base
        if recorded is not None and currency != quoted.base:
            at_rate = quoted.worth(currency, amount, day) or ZERO
            by_rates += at_rate - counted(currency, amount, recorded, quoted, day, missing)
    by_rates += sum((quoted.worth(currency, amount, day) or ZERO for currency, amount in page.turned.items()), ZERO)
    foreign = foreign or bool(page.turned)
    if not (foreign or by_rates or any(sums.values())):
        return None
    income, interest, fees, taxes = sums.values()
    return Causes(income, interest, fees, taxes, by_rates, foreign)


def transfer_value(transfer: Transfer, quoted: Quoted, day: int, missing: dict[str, int]) -> Decimal:
    """Return what moved units were worth: at the price of the day, else as the entry states; signed like the units."""
    value = position_value(transfer.instrument, transfer.quantity, quoted, day)
    if value is not None:
        return value.in_base
    if transfer.amount is None:
        missing.setdefault(transfer.instrument, day)
        return ZERO
    rate = quoted.rate_at(transfer.currency, day)
    if rate is None:
        missing.setdefault(f"{transfer.currency}/{quoted.base}", day)
        return ZERO
    return money(EXACT.multiply(transfer.amount if transfer.quantity > 0 else -transfer.amount, rate))


class PositionValue(NamedTuple):
    """What a position was worth on a day, in the instrument's currency and in the account's."""

    price: Decimal
    seen: int
    value: Decimal
    in_base: Decimal


def position_value(instrument: str, quantity: Decimal, quoted: Quoted, day: int) -> PositionValue | None:
    """Return what units of an instrument were worth on a day, or none if the price or the rate was not known."""
    listing, points = quoted.listings[instrument], quoted.prices.get(instrument, NOTHING)
    index, rate = points.index_at(day), quoted.rate_at(listing.currency, day)
    if index < 0 or rate is None:
        return None
    price, seen = points.values.decimal(index), int(points.seen[index])
    value = money(EXACT.multiply(EXACT.multiply(quantity, price), listing.multiplier))
    in_base = value if listing.currency == quoted.base else money(EXACT.multiply(value, rate))
    return PositionValue(price, seen, value, in_base)


def keyframes(pages: Mapping[int, Day], days: Iterable[int]) -> dict[int, Day]:
    """Return all that was held at the end of some days, so that nobody needs the pages before them.

    >>> pages = {1: Day(cash={"USD": Decimal(5)}), 2: Day(cash={"EUR": Decimal(7), "USD": ZERO})}
    >>> keyframes(pages, [1, 3])[3].cash
    {'EUR': Decimal('7')}
    """
    frames, running = {}, Day()
    wanted = set(days)
    for day in sorted({*pages, *wanted}):
        page = pages.get(day)
        if page is not None:
            running.units |= page.units
            running.cash |= page.cash
            running.owed |= page.owed
        if day in wanted:
            frames[day] = Day(
                units={instrument: units for instrument, units in running.units.items() if units},
                cash={currency: balance for currency, balance in running.cash.items() if balance},
                owed={currency: owed for currency, owed in running.owed.items() if owed},
            )
    return frames
