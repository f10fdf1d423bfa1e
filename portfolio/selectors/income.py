"""The income of an account: from its ledger what was paid, from declared dividends what can be expected."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from accounts.domain.ledger import EntryKind
from marketdata.domain.actions import ActionKind
from marketdata.models import Instrument
from marketdata.selectors.actions import actions, splits
from portfolio.domain.book import rate_on
from portfolio.domain.daybook import Day
from portfolio.domain.entries import Entry, in_order
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from portfolio.domain.explain import Cited
from portfolio.domain.explain_days import OF_DAY, cited
from portfolio.domain.explain_income import Foretold, Paid, Worth
from portfolio.domain.income import (
    KINDS,
    YEAR,
    Declared,
    Received,
    Tally,
    by_month,
    earned,
    expected,
    in_currency,
    received,
    total,
)
from portfolio.domain.performance import exact_ratio
from portfolio.domain.pricing import NOTHING, Points
from portfolio.selectors.figures import Figures
from portfolio.selectors.market import load_market

PAYMENTS = """
    SELECT id::text, sequence, kind, occurred_at, instrument_id::text, quantity, price, cash, currency, fee, tax,
           data::text, group_id::text, reverses_id::text
    FROM accounts_ledgerentry
    WHERE account_id = %(account)s AND kind = ANY (%(kinds)s)
      AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
      AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
    ORDER BY sequence
"""
NO_COST = "Nothing is held that cost anything."
NO_RATE = "A rate into the currency is missing."
SPECIAL = "special"


@dataclass(frozen=True, slots=True)
class OfInstrument:
    """What an instrument paid, in the currency asked for; the yield compares the last year with the cost of what is held."""

    instrument: Instrument
    tally: Tally
    trailing: Decimal  # gross, within the last year
    yield_on_cost: Decimal | None
    reason: str = ""  # why there is no yield


@dataclass(frozen=True, slots=True)
class Income:
    """The income of a period, in one currency; `missing` names pairs and instruments without which a payment is left out."""

    currency: str
    as_of: date
    whole: Tally
    months: Mapping[str, Tally]
    instruments: Sequence[OfInstrument]
    trailing: Decimal
    cost: Decimal
    yield_on_cost: Decimal | None
    forecast: Sequence[Foretold]
    missing: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    paid: Sequence[Paid] = ()  # within the period
    trailing_paid: Sequence[Paid] = ()  # within the last year
    costs: Sequence[Worth] = ()  # of what is held, by instrument
    called: Mapping[str, str] = field(default_factory=dict)  # the keys of instruments by their ids


def income_of(
    figures: Figures, *, start: date | None, end: date | None, today: date, known_at: datetime | None = None, past: bool = False
) -> Income:
    """Return the income over [start, end), and what the year after `today` can bring; `past` leaves out what came later."""
    pages = figures.pages()
    entries = _entries(figures.account.pk, today if past else None, known_at)
    payments = received(entries, rate_on) + earned(entries, pages)
    units = Held(pages)
    listed = {entry.instrument for entry in entries if entry.instrument} | units.instruments
    instruments = {str(one.pk): one for one in Instrument.objects.filter(pk__in=listed)}
    declared = _declared(units.instruments, today)
    rates = _Rates(
        figures,
        today,
        {
            *(one.currency for one in payments),
            *(one.currency for one in declared),
            *(one.money for one in instruments.values()),
        },
    )
    paid = [one for one in (rates.convert(payment) for payment in payments) if one is not None]
    unpriced = _unpriced(entries, payments, instruments)
    within = [one for one in paid if (start is None or one.told.day >= start) and (end is None or one.told.day < end)]
    last_paid = [one for one in paid if today - YEAR < one.told.day <= today]
    inside, trailing = [one.told for one in within], [one.told for one in last_paid]
    held = [
        rates.worth(position.cost_basis, position.instrument.money, today, of=str(position.instrument_id))
        for position in figures.positions()
        if position.quantity > 0
    ]
    costs = {one.of: one.value for one in held}
    rows = [_of_instrument(instruments[key], key, inside, trailing, costs) for key in _names(inside, instruments)]
    growth = _Growth(units.instruments)
    coming = expected(today, declared=declared, payments=payments, units=units.at, grown=growth.between)
    cost = sum((one for one in costs.values() if one is not None), ZERO)
    last_year = sum((one.gross for one in trailing if one.instrument and costs.get(one.instrument) is not None), ZERO)
    return Income(
        figures.currency,
        today,
        total(inside),
        by_month(inside),
        rows,
        last_year,
        cost,
        _share(last_year, cost),
        [Foretold(one, instruments[one.instrument].key, rates.worth(one.gross, one.currency, today)) for one in coming],
        sorted(rates.missing | unpriced),
        {} if cost > 0 else {"yield_on_cost": NO_RATE if None in costs.values() else NO_COST},
        within,
        last_paid,
        held,
        {key: one.key for key, one in instruments.items()},
    )


def _entries(account_id: UUID, as_of: date | None, known_at: datetime | None) -> list[Entry]:
    """Return the entries of an account's ledger that brought income, those taken back left out."""
    until = None if as_of is None else datetime.combine(as_of + timedelta(days=1), time(), UTC)
    asked: dict[str, Any] = {"account": account_id, "kinds": list(KINDS), "until": until, "known_at": known_at}
    with connections["default"].cursor() as cursor:
        cursor.execute(PAYMENTS, asked)
        entries = [Entry._make((*row[:11], json.loads(row[11]), *row[12:])) for row in cursor.fetchall()]
    return in_order(entries)


def _unpriced(entries: Sequence[Entry], payments: Sequence[Received], instruments: Mapping[str, Instrument]) -> set[str]:
    """Return the names of instruments of which units were earned on a day when nobody knew what they were worth."""
    known = {(one.day.toordinal(), one.instrument) for one in payments if one.payments}
    staked = {(one.day, one.instrument) for one in entries if one.kind == EntryKind.STAKING and one.instrument}
    return {instruments[str(key)].key for _, key in staked - known}


def _declared(instruments: set[str], today: date) -> list[Declared]:
    """Return the cash dividends declared for instruments that are paid from a year before a day on."""
    first = today - YEAR - timedelta(days=180)  # some are paid months after their ex-date
    found = actions(instruments=map(UUID, instruments), start=first, kinds=(ActionKind.CASH_DIVIDEND,))
    return [
        Declared(
            str(action.instrument_id),
            action.ex_date,
            action.pay_date or action.ex_date,
            action.cash or ZERO,
            action.currency,
            SPECIAL not in action.label.lower(),
        )
        for action in found
    ]


class Held:
    """What was held of each instrument at the end of days, from what moved on them."""

    def __init__(self, pages: Mapping[int, Day]) -> None:
        self._moves: dict[str, tuple[list[int], list[Decimal]]] = {}
        for day in sorted(pages):
            for instrument, quantity in pages[day].units.items():
                days, quantities = self._moves.setdefault(instrument, ([], []))
                days.append(day)
                quantities.append(quantity)

    @property
    def instruments(self) -> set[str]:
        """The instruments that were ever held."""
        return set(self._moves)

    def at(self, instrument: str, day: date) -> Decimal:
        """Return what was held at the end of a day."""
        days, quantities = self._moves.get(instrument, ([], []))
        place = bisect_right(days, day.toordinal()) - 1
        return quantities[place] if place >= 0 else ZERO


class _Growth:
    """By what splits multiply the units of instruments."""

    def __init__(self, instruments: set[str]) -> None:
        self._splits = splits(instrument_ids=map(UUID, instruments))

    def between(self, instrument: str, day: date, until: date) -> Decimal:
        """Return the product of the ratios of splits after a day, up to another."""
        ratio = ONE
        for split in self._splits.get(UUID(instrument), ()):
            if day < split.ex_date <= until:
                ratio = EXACT.multiply(ratio, split.ratio)
        return ratio


class _Rates:
    """The rates into the currency asked for, and which there are none of."""

    def __init__(self, figures: Figures, today: date, currencies: set[str]) -> None:
        self.currency, self.own = figures.currency, figures.account.base_currency
        self.missing: set[str] = set()
        pairs = {(one, self.currency) for one in currencies if one != self.currency}
        self._rates = load_market(instruments=(), pairs=pairs, start=date(1970, 1, 1), until=today).rates if pairs else {}

    def convert(self, payment: Received) -> Paid | None:
        """Return a payment in the currency asked for, none where no rate is known: its own rate beats that of its day."""
        said = payment.rate if self.currency == self.own and payment.currency != self.currency else None
        if said is not None:
            number, entry = payment.day.toordinal(), f"entry #{payment.sequence}"
            rate: Cited | None = Cited(f"{payment.currency}/{self.currency}", number, number, said, entry)
        else:
            rate = self._on(payment.currency, payment.day)
        return None if rate is None else Paid(payment, rate, in_currency(payment, self.currency, rate.value))

    def worth(self, amount: Decimal, currency: str, day: date, of: str = "") -> Worth:
        """Return an amount at the rate of a day, none where none is known."""
        rate = self._on(currency, day)
        return Worth(of, amount, rate, None if rate is None else money(EXACT.multiply(amount, rate.value)))

    def _on(self, currency: str, day: date) -> Cited | None:
        """Return the rate of a currency on a day; one, of the currency itself."""
        number, pair = day.toordinal(), f"{currency}/{self.currency}"
        if currency == self.currency:
            return Cited(pair, number, number, ONE, OF_DAY)
        points: Points = self._rates.get((currency, self.currency), NOTHING)
        rate = cited(pair, points, number)
        if rate is None:
            self.missing.add(pair)
        return rate


def _names(payments: Sequence[Received], instruments: Mapping[str, Instrument]) -> list[str]:
    """Return the instruments that paid, by their names."""
    return sorted({one.instrument for one in payments if one.instrument}, key=lambda key: instruments[key].key)


def _of_instrument(
    instrument: Instrument,
    key: str,
    inside: Sequence[Received],
    trailing: Sequence[Received],
    costs: Mapping[str, Decimal | None],
) -> OfInstrument:
    """Return what one instrument paid."""
    last_year = sum((one.gross for one in trailing if one.instrument == key), ZERO)
    tally = total(one for one in inside if one.instrument == key)
    reason = NO_RATE if key in costs and costs[key] is None else NO_COST
    return OfInstrument(instrument, tally, last_year, _share(last_year, costs.get(key) or ZERO), reason)


def _share(earned: Decimal, cost: Decimal) -> Decimal | None:
    """Return income as a share of cost."""
    return exact_ratio(EXACT.divide(earned, cost)) if cost > 0 else None
