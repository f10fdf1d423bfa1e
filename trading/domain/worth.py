"""What an account was worth at moments within days: what it held then, at the last prices known then.

Held is what was held at the end of the day, less what moved after the moment: a day ends with what the ledger adds up to,
whatever else its entries do. Rates of currencies are those of the day; what has no price or rate yet is left out, as it is of
days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from accounts.domain.ledger import EntryKind
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.valuation import Quoted
from trading.domain.fills import exact_sum

MOMENT = timedelta(microseconds=1)
OUTSIDE = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL, EntryKind.TRANSFER_IN, EntryKind.TRANSFER_OUT})
# what changes units by its quantity as it is written; the rest, such as splits, counts from the start of its day
MOVES_UNITS = frozenset({*OUTSIDE, EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER, EntryKind.STAKING})


@dataclass(slots=True)
class Holdings:
    """Units of instruments, and balances of currencies less what is owed in them."""

    units: dict[str, Decimal] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)

    def without(self, entry: Entry) -> None:
        """Take back what an entry moved."""
        if entry.cash:
            self.money[entry.currency] = EXACT.subtract(self.money.get(entry.currency, ZERO), entry.cash)
        if entry.instrument and entry.quantity and entry.kind in MOVES_UNITS:
            self.units[entry.instrument] = EXACT.subtract(self.units.get(entry.instrument, ZERO), entry.quantity)


class Known(NamedTuple):
    """A price in the instrument's currency, and from when on it was known."""

    at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class Series:
    """What was known of the price of one instrument, in the order of time."""

    times: Sequence[datetime]
    prices: Sequence[Decimal]

    @classmethod
    def of(cls, known: Iterable[Known]) -> Series:
        """Return what is known, put in order; of one instant the last counts."""
        ordered = sorted(known, key=lambda one: one.at)
        return cls([one.at for one in ordered], [one.price for one in ordered])

    def at(self, moment: datetime) -> Decimal | None:
        """Return the last price known at a moment, or none."""
        place = bisect_right(self.times, moment)
        return self.prices[place - 1] if place else None


class Worth(NamedTuple):
    """What an account was worth at a moment, and what had come in from outside since the day (UTC) began; in its currency."""

    at: datetime
    value: Decimal
    flowed: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """What was known of prices, by instrument, and the listings and rates that go with them."""

    known: Mapping[str, Series]
    quoted: Quoted

    def worth(self, instrument: str, units: Decimal, at: datetime) -> Decimal:
        """Return what units were worth at a moment; nothing, where no price was known."""
        price = self.known[instrument].at(at) if units and instrument in self.known else None
        if price is None:
            return ZERO
        listing = self.quoted.listings[instrument]
        value = EXACT.multiply(EXACT.multiply(units, price), listing.multiplier)
        return self.in_base(listing.currency, value, at)

    def in_base(self, currency: str, amount: Decimal, at: datetime) -> Decimal:
        """Return an amount in the account's currency; nothing, where no rate was known."""
        rate = self.quoted.rate_at(currency, day_of(at)) if amount else None
        return ZERO if rate is None else EXACT.multiply(amount, rate)

    def flow(self, entry: Entry) -> Decimal:
        """Return what an entry brought from outside; below zero what it took there."""
        if entry.kind not in OUTSIDE:
            return ZERO
        brought = self.in_base(entry.currency, entry.cash, entry.occurred_at)
        if entry.instrument is None:
            return brought
        return EXACT.add(brought, self.worth(entry.instrument, entry.quantity, entry.occurred_at))


def day_of(moment: datetime) -> int:
    """Return the day (UTC, as an ordinal) that a moment is of; midnight is the end of the day before.

    >>> day_of(datetime(2024, 5, 7, tzinfo=UTC)) == day_of(datetime(2024, 5, 6, 12, tzinfo=UTC))
    True
    """
    return (moment.astimezone(UTC) - MOMENT).toordinal()


def worths(moments: Iterable[datetime], ends: Mapping[int, Holdings], entries: Iterable[Entry], prices: Prices) -> list[Worth]:
    """Return what an account was worth at moments, given in the order of time.

    `ends` has what was held at the end of each day that they are of; `entries` are those of these days that count.
    """
    by_day: dict[int, list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: one.occurred_at):
        by_day.setdefault(entry.day, []).append(entry)
    found: list[Worth] = []
    for day, group in groupby(moments, key=day_of):
        moved = by_day.get(day, [])
        held = Holdings(dict(ends[day].units), dict(ends[day].money))
        flowed = exact_sum(prices.flow(entry) for entry in moved)
        backwards: list[Worth] = []
        for at in reversed(list(group)):
            while moved and moved[-1].occurred_at > at:
                gone = moved.pop()
                held.without(gone)
                flowed = EXACT.subtract(flowed, prices.flow(gone))
            backwards.append(Worth(at, _value(held, prices, at), flowed))
        found += reversed(backwards)
    return found


def _value(held: Holdings, prices: Prices, at: datetime) -> Decimal:
    """Return what is held at the prices of a moment."""
    value = ZERO
    for instrument, units in held.units.items():
        value = EXACT.add(value, prices.worth(instrument, units, at))
    for currency, balance in held.money.items():
        value = EXACT.add(value, prices.in_base(currency, balance, at))
    return value
