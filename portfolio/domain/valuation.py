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

from portfolio.domain.daybook import Day, Transfer
from portfolio.domain.entries import Listing
from portfolio.domain.exact import EXACT, MONEY_PLACES, ZERO, Fixed, money
from portfolio.domain.pricing import NOTHING, Points


@dataclass(frozen=True, slots=True)
class Quoted:
    """Everything a valuation asks of the market: prices with hand-given ones and splits worked in, rates into the base."""

    base: str
    listings: Mapping[str, Listing]
    prices: Mapping[str, Points]
    rates: Mapping[str, Points]

    def rate_at(self, currency: str, day: int) -> Decimal | None:
        """Return the rate of a currency into the account's, or none."""
        return Decimal(1) if currency == self.base else self.rates.get(currency, NOTHING).value_at(day)


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


def value_days(
    pages: Mapping[int, Day], course: Course, quoted: Quoted, first: int, last: int, since: Mapping[str, int]
) -> Valuation:
    """Value every day from the first to the last; `course` is what the pages tell, those before the first included.

    `since` says for each instrument from which day on its new prices count as such.
    """
    span = last - first + 1
    missing: dict[str, int] = {}
    positions = gross = Fixed.zeros(span)
    for instrument, moves in course.units.items():
        value = _value_of_units(instrument, moves, quoted, first, span, missing)
        if value is not None:
            positions, gross = positions + value, gross + abs(value)
    return Valuation(
        first,
        _value_of_money(course.cash, quoted, first, span, missing),
        positions,
        gross,
        _value_of_money(course.owed, quoted, first, span, missing),
        {day: flows_of(pages[day], quoted, day, missing) for day in sorted(pages) if first <= day <= last},
        _priced_days(quoted, first, last, since),
        missing,
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


def _value_of_units(
    instrument: str, moves: Mapping[int, Decimal], quoted: Quoted, first: int, span: int, missing: dict[str, int]
) -> Fixed | None:
    """Return what the units of an instrument were worth each day, or none if none were held; note what was not known."""
    units = stretched(moves, first, span)
    if not units.peak:
        return None
    listing, points = quoted.listings[instrument], quoted.prices.get(instrument, NOTHING)
    _note_gap(instrument, units, points, first, missing)
    prices = _stretch(points.days, points.values, first, span)
    value = (units * prices).upto(MONEY_PLACES) if listing.multiplier == 1 else _multiplied(units * prices, listing)
    return _in_base(value, listing.currency, quoted, first, missing)


def _multiplied(value: Fixed, listing: Listing) -> Fixed:
    """Return values times what a unit stands for."""
    factor = Fixed.of([listing.multiplier])
    return (value * factor).upto(MONEY_PLACES)


def _value_of_money(
    balances: Mapping[str, Mapping[int, Decimal]], quoted: Quoted, first: int, span: int, missing: dict[str, int]
) -> Fixed:
    """Return what balances in several currencies were worth each day."""
    total = Fixed.zeros(span)
    for currency, moves in balances.items():
        total = total + _in_base(stretched(moves, first, span), currency, quoted, first, missing)
    return total


def _in_base(value: Fixed, currency: str, quoted: Quoted, first: int, missing: dict[str, int]) -> Fixed:
    """Return daily values of a currency in the account's."""
    if currency == quoted.base:
        return value
    points = quoted.rates.get(currency, NOTHING)
    _note_gap(f"{currency}/{quoted.base}", value, points, first, missing)
    return (value * _stretch(points.days, points.values, first, len(value))).upto(MONEY_PLACES)


def _note_gap(name: str, held: Fixed, points: Points, first: int, missing: dict[str, int]) -> None:
    """Note the first day on which something was held whose price or rate was not known yet."""
    known = int(points.days[0]) - first if len(points.days) else len(held)
    if known > 0:
        gaps = np.flatnonzero(held.digits[:known])
        if len(gaps):
            missing[name] = min(first + int(gaps[0]), missing.get(name, first + int(gaps[0])))


def _priced_days(quoted: Quoted, first: int, last: int, since: Mapping[str, int]) -> frozenset[int]:
    """Return the days on which an instrument got a new close, once it had been held."""
    marks = np.zeros(last - first + 1, dtype=bool)
    for instrument, day in since.items():
        points = quoted.prices.get(instrument, NOTHING)
        days = points.closed
        marks[days[(days >= max(day, first)) & (days <= last)] - first] = True
    return frozenset((np.flatnonzero(marks) + first).tolist())


def flows_of(page: Day, quoted: Quoted, day: int, missing: dict[str, int]) -> Flows:
    """Return what came into an account on a day and what left it, at the rates and prices of the day."""
    into = out = ZERO
    for currency, amount, recorded in page.flows:
        rate = recorded if recorded is not None else quoted.rate_at(currency, day)
        if rate is None:
            missing.setdefault(f"{currency}/{quoted.base}", day)
            continue
        value = money(EXACT.multiply(amount, rate))
        into, out = into + max(value, ZERO), out + max(-value, ZERO)
    for transfer in page.transfers:
        if transfer.external:
            value = transfer_value(transfer, quoted, day, missing)
            into, out = into + max(value, ZERO), out + max(-value, ZERO)
    return Flows(into, out)


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
    price, seen, rate = points.value_at(day), points.seen_at(day), quoted.rate_at(listing.currency, day)
    if price is None or seen is None or rate is None:
        return None
    value = money(EXACT.multiply(EXACT.multiply(quantity, price), listing.multiplier))
    return PositionValue(price, seen, value, money(EXACT.multiply(value, rate)))


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
