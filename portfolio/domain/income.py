"""Dividends, interest and staking rewards: what came in, what it comes to beside the cost, and what a year can bring.

Gross is what was paid before taxes and fees were held back, net what arrived; rewards are worth what their units were when they
came. What is expected is gross, of what is held now, and says what it rests on: a payment that was declared, the declared
payments of the last year once more, or the received ones.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from accounts.domain.ledger import EntryKind
from portfolio.domain.causes import gross_of
from portfolio.domain.daybook import Cause, Day, Item
from portfolio.domain.entry import Entry
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from portfolio.domain.numbers import number_in

PAID = (EntryKind.DIVIDEND, EntryKind.INTEREST)
# what these are worth is found in the daily values; all but staking bring income where their cash stands for no units
EARNED = (EntryKind.STAKING, EntryKind.RETURN_OF_CAPITAL, EntryKind.SPLIT, EntryKind.SPIN_OFF)
KINDS = (*PAID, *EARNED)
YEAR = timedelta(days=365)
NEAR = timedelta(days=45)  # a declared payment takes the place of last year's that is as near as this
Units = Callable[[str, date], Decimal]  # what was held of an instrument at the end of a day
Growth = Callable[[str, date, date], Decimal]  # by what splits multiplied its units after a day, up to another


class Received(NamedTuple):
    """One payment, in the currency it came in; `rate` if its entry says what that is worth in the account's."""

    day: date
    kind: str
    instrument: str | None
    currency: str
    gross: Decimal
    tax: Decimal
    fee: Decimal
    net: Decimal
    rate: Decimal | None = None
    payments: int = 1
    sequence: int | None = None  # of the entry it is of, the last one where several of a day are told together


class Declared(NamedTuple):
    """A dividend on one unit that a company has declared; `regular` unless it is a special one."""

    instrument: str
    ex_day: date
    pay_day: date
    cash: Decimal
    currency: str
    regular: bool = True
    received: tuple[Decimal, Decimal] | None = None  # what was paid on how many units, where that is where `cash` is from


class Basis(enum.StrEnum):
    """What an expected payment rests on."""

    DECLARED = "declared"
    LAST_YEAR = "last_year"
    RECEIVED = "received"


class Source(NamedTuple):
    """What an expected payment was reckoned from.

    Of the payment of a day, what was paid on so many units; by what splits divided that; what is held, and by what splits
    will multiply it.
    """

    ex_day: date
    paid: Decimal
    units: Decimal
    grown: Decimal
    held: Decimal
    splits: Decimal


class Expected(NamedTuple):
    """A payment that can be expected, before taxes."""

    day: date
    instrument: str
    currency: str
    per_unit: Decimal
    quantity: Decimal
    gross: Decimal
    basis: Basis
    source: Source


@dataclass(slots=True)
class Tally:
    """What payments add up to."""

    gross: Decimal = ZERO
    tax: Decimal = ZERO
    fee: Decimal = ZERO
    net: Decimal = ZERO
    dividends: Decimal = ZERO  # gross
    interest: Decimal = ZERO  # gross
    staking: Decimal = ZERO  # gross
    payments: int = 0

    def add(self, payment: Received) -> None:
        """Add a payment."""
        self.gross += payment.gross
        self.tax += payment.tax
        self.fee += payment.fee
        self.net += payment.net
        self.payments += payment.payments
        if payment.kind == EntryKind.INTEREST:
            self.interest += payment.gross
        elif payment.kind == EntryKind.STAKING:
            self.staking += payment.gross
        else:
            self.dividends += payment.gross


def received(entries: Iterable[Entry], rate_on: Callable[[Entry], Decimal | None]) -> list[Received]:
    """Return the payments of entries that count, in their order."""
    return [
        Received(
            date.fromordinal(entry.day),
            str(entry.kind),
            entry.instrument,
            entry.currency,
            gross_of(entry),
            entry.tax,
            entry.fee,
            entry.cash,
            rate_on(entry),
            sequence=entry.sequence,
        )
        for entry in entries
        if entry.kind in PAID
    ]


def earned(entries: Sequence[Entry], pages: Mapping[int, Day]) -> list[Received]:
    """Return what came in otherwise: units for staking, capital returned of what is not held, cash beside a split or spin-off.

    What that was worth is the income of a day beyond the dividends of its entries. What was charged for it is a row of its own,
    in the currency of its entry.
    """
    found: list[Received] = []
    rest: dict[tuple[int, Item], Decimal] = {}
    for day, page in pages.items():
        rest |= {(day, item): amount for item, amount in page.items.items() if item.cause is Cause.INCOME}
    for entry in entries:
        if entry.kind == EntryKind.DIVIDEND and entry.instrument:
            item = Item(Cause.INCOME, entry.instrument, entry.currency, number_in(entry.data, "fx_rate"))
            rest[entry.day, item] = rest.get((entry.day, item), ZERO) - gross_of(entry)
    sources = {(entry.day, entry.instrument): entry for entry in entries if _brings(entry)}
    count = Counter((entry.day, entry.instrument) for entry in entries if _brings(entry))
    for (day, item), worth in rest.items():
        source = sources.get((day, item.instrument))
        if source is not None and worth:
            many, kind = count.pop((day, item.instrument), 0), str(source.kind)
            when, amounts = date.fromordinal(day), (worth, ZERO, ZERO, worth)
            found.append(Received(when, kind, item.instrument, item.currency, *amounts, item.rate, many, source.sequence))
    paid = {(one.day.toordinal(), one.instrument) for one in found}
    charged = [entry for entry in entries if _brings(entry) and (entry.fee or entry.tax)]
    return found + [_charged(one) for one in charged if one.kind == EntryKind.STAKING or (one.day, one.instrument) in paid]


def _brings(entry: Entry) -> bool:
    """Say whether an entry may have brought income that is no payment."""
    return entry.kind == EntryKind.STAKING or (entry.kind in EARNED and bool(entry.cash))


def _charged(entry: Entry) -> Received:
    """Return what was charged for what came in otherwise."""
    rate, net = number_in(entry.data, "fx_rate"), -entry.tax - entry.fee
    when = date.fromordinal(entry.day)
    amounts = (ZERO, entry.tax, entry.fee, net)
    return Received(when, str(entry.kind), entry.instrument, entry.currency, *amounts, rate, 0, entry.sequence)


def in_currency(payment: Received, currency: str, rate: Decimal) -> Received:
    """Return a payment in another currency; what is left of rounding is the fee's, so that net is gross less tax and fee."""
    gross, tax, net = (money(EXACT.multiply(amount, rate)) for amount in (payment.gross, payment.tax, payment.net))
    return payment._replace(currency=currency, gross=gross, tax=tax, fee=gross - tax - net, net=net, rate=None)


def expected(
    today: date, *, declared: Sequence[Declared], payments: Sequence[Received], units: Units, grown: Growth
) -> list[Expected]:
    """Return what can be expected after a day and within a year from it, by day.

    A declared dividend is of the units held before its ex-date, as they were then. Last year's payments are repeated a year later
    on what is held now, in its units, but for special ones, those that a declared one takes the place of, and what is no longer
    held.
    """
    until = today + YEAR
    found = []
    coming: dict[str, list[date]] = {}
    for one in declared:
        if today < one.pay_day <= until:
            before = one.ex_day - timedelta(days=1)
            # splits on the way to it make units of those that are held
            splits = grown(one.instrument, today, before) if before > today else ONE
            source = Source(one.ex_day, one.cash, ONE, ONE, units(one.instrument, min(today, before)), splits)
            coming.setdefault(one.instrument, []).append(one.ex_day)
            found.append(_expect(one, one.pay_day, Basis.DECLARED, source))
    known = {one.instrument for one in declared if today - YEAR < one.pay_day <= today}
    past = [(one, Basis.LAST_YEAR) for one in declared if one.regular and today - YEAR < one.pay_day <= today]
    past += [(one, Basis.RECEIVED) for one in _per_unit(today, payments, units) if one.instrument not in known]
    for one, basis in sorted(past, key=lambda pair: pair[0].ex_day):
        if _replaced(coming.get(one.instrument, []), one.ex_day + YEAR):
            continue
        since = grown(one.instrument, one.ex_day - timedelta(days=1), today)
        source = Source(one.ex_day, *(one.received or (one.cash, ONE)), since, units(one.instrument, today), ONE)
        found.append(_expect(one, one.pay_day + YEAR, basis, source))
    return sorted((one for one in found if one.gross > 0), key=lambda one: (one.day, one.instrument))


def _per_unit(today: date, payments: Sequence[Received], units: Units) -> list[Declared]:
    """Return the dividends received within the last year for each unit held when they came."""
    found = []
    for payment in payments:
        if payment.kind == EntryKind.DIVIDEND and payment.instrument and today - YEAR < payment.day <= today:
            held = units(payment.instrument, payment.day - timedelta(days=1)) or units(payment.instrument, payment.day)
            if held > 0:
                cash = EXACT.divide(payment.gross, held)
                told = (payment.gross, held)
                found.append(Declared(payment.instrument, payment.day, payment.day, cash, payment.currency, received=told))
    return found


def _replaced(coming: list[date], day: date) -> bool:
    """Say whether a declared payment takes the place of one expected on a day; each does so once."""
    near = [one for one in coming if abs(one - day) <= NEAR]
    if near:
        coming.remove(min(near, key=lambda one: abs(one - day)))
    return bool(near)


def _expect(one: Declared, day: date, basis: Basis, source: Source) -> Expected:
    """Return an expected payment of a day, by the units held and what was paid on each."""
    cash, quantity = EXACT.divide(one.cash, source.grown), EXACT.multiply(source.held, source.splits)
    gross = money(EXACT.multiply(cash, quantity))
    return Expected(day, one.instrument, one.currency, money(cash), quantity, gross, basis, source)


def by_month(payments: Iterable[Received]) -> Mapping[str, Tally]:
    """Return what payments add up to in each month that has any, in order."""
    found: dict[str, Tally] = {}
    for payment in sorted(payments, key=lambda one: one.day):
        found.setdefault(f"{payment.day.year:04}-{payment.day.month:02}", Tally()).add(payment)
    return found


def total(payments: Iterable[Received]) -> Tally:
    """Return what payments add up to."""
    found = Tally()
    for payment in payments:
        found.add(payment)
    return found
