"""Positions in another currency than their instruments': costs at the rates of the days they arose, values at the last day's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from django.db import connections

from marketdata.models import Instrument
from portfolio.domain.contributions import Contribution, of_instruments
from portfolio.domain.exact import EXACT, ZERO, money
from portfolio.domain.numbers import number_in
from portfolio.domain.pricing import Points
from portfolio.models import Closure, Position
from portfolio.selectors.conversion import EARLIEST, in_currency, rates_into
from portfolio.selectors.figures import Figures

RECORDED = """
    SELECT sequence, currency, data::text FROM accounts_ledgerentry WHERE account_id = %s AND data ? 'fx_rate'
"""


@dataclass(frozen=True, slots=True)
class Valued:
    """A position in a currency; none where a rate is missing."""

    instrument: Instrument
    quantity: Decimal
    cost_basis: Decimal | None
    market_price: Decimal | None
    priced_on: date | None
    market_value: Decimal | None
    value_in_base: Decimal | None
    day_gain: Decimal | None
    realized_gain: Decimal | None
    income: Decimal | None
    fees: Decimal | None
    taxes: Decimal | None

    @property
    def instrument_id(self) -> UUID:
        """The instrument's id."""
        return self.instrument.pk

    @property
    def average_price(self) -> Decimal | None:
        """What a unit cost on average."""
        if self.cost_basis is None or not self.quantity:
            return None
        return self.cost_basis / (self.quantity * self.instrument.multiplier)

    @property
    def unrealized_gain(self) -> Decimal | None:
        """The value less the cost."""
        return None if self.market_value is None or self.cost_basis is None else self.market_value - self.cost_basis

    @property
    def unrealized_gain_pct(self) -> Decimal | None:
        """The unrealized gain as a fraction of the size of the cost."""
        gain = self.unrealized_gain
        return None if gain is None or not self.cost_basis else gain / abs(self.cost_basis)


class Rates:
    """The rates of an account's amounts into a currency; the rate on an entry beats the day's."""

    def __init__(self, figures: Figures, currency: str) -> None:
        self.figures, self.currency = figures, currency

    @cached_property
    def recorded(self) -> Mapping[int, tuple[str, Decimal]]:
        """The rates on entries, which are into the account's currency."""
        if self.currency != self.figures.currency:
            return {}
        with connections["default"].cursor() as cursor:
            cursor.execute(RECORDED, [self.figures.account.pk])
            rows = [(sequence, own, number_in(json.loads(data), "fx_rate")) for sequence, own, data in cursor.fetchall()]
        return {sequence: (own, rate) for sequence, own, rate in rows if rate is not None}

    @cached_property
    def points(self) -> Mapping[str, Points]:
        """The rates of the days, by the currencies of the instruments."""
        sources = {position.instrument.money for position in self.figures.positions()}
        return rates_into(self.currency, sources, via=self.figures.account.base_currency)

    def on(self, currency: str, day: date, sequence: int = 0) -> Decimal | None:
        """Return the rate of a currency on a day, or that of the entry with a sequence."""
        if currency == self.currency:
            return Decimal(1)
        own, rate = self.recorded.get(sequence, ("", ZERO))
        return rate if own == currency else self.points[currency].value_at(day.toordinal())

    def of(self, amount: Decimal | None, currency: str, at: date | datetime, sequence: int = 0) -> Decimal | None:
        """Return an amount of a day, or of the entry with a sequence, none where it has no rate."""
        day = at.date() if isinstance(at, datetime) else at
        rate = self.on(currency, day, sequence)
        return None if rate is None or amount is None else money(EXACT.multiply(amount, rate))

    def of_closure(self, closure: Closure) -> tuple[Decimal | None, Decimal | None]:
        """Return what was paid and what was received, each at the rate of its day: of a short lot, that came first."""
        opened, closed = (closure.opened_at, closure.opening), (closure.closed_at, closure.closing)
        bought, sold = (closed, opened) if closure.quantity < 0 else (opened, closed)
        own = closure.instrument.money
        return self.of(closure.cost, own, *bought), self.of(closure.proceeds, own, *sold)


def gains_of(figures: Figures, currency: str, *, last_day: bool = False) -> dict[str, Contribution]:
    """Return what each instrument made in an account by its id, in a currency: since the beginning, or on the last day."""
    told = in_currency(figures, currency)
    reach = told.reach()
    if reach is None or told.gap():
        return {}
    pages = told.pages()
    quoted = told.quoted(pages.values(), currency=currency, start=EARLIEST, until=reach[1])
    first, last = (day.toordinal() for day in ((reach[1] if last_day else reach[0]), reach[1]))
    return {row.instrument: row for row in of_instruments(pages, quoted, first, last) if row.instrument}


def positions_in(figures: Figures, currency: str) -> list[Valued]:
    """Return the positions of an account in a currency."""
    rates = Rates(figures, currency)
    reach = figures.reach()
    if reach is None:
        return []
    last = reach[1]
    costs, realized = _costs(figures, rates), _realized(figures, rates)
    whole, today = gains_of(figures, currency), gains_of(figures, currency, last_day=True)
    return [
        _valued(position, rates, last, (costs, realized), whole.get(key), today.get(key), known=bool(whole))
        for position in figures.positions()
        for key in [str(position.instrument_id)]
    ]


def _valued(
    position: Position,
    rates: Rates,
    last: date,
    sums: tuple[Mapping[UUID, Decimal | None], Mapping[UUID, Decimal | None]],
    whole: Contribution | None,
    today: Contribution | None,
    *,
    known: bool,
) -> Valued:
    """Return one position in the currency of the rates."""
    costs, realized = sums
    pk, own = position.instrument_id, position.instrument.money
    nothing = ZERO if known else None  # where rates are known, what has no row made nothing
    return Valued(
        position.instrument,
        position.quantity,
        costs.get(pk, ZERO),
        rates.of(position.market_price, own, last),
        position.priced_on,
        rates.of(position.market_value, own, last),
        position.value_in_base,
        today.gain if today else nothing if position.market_value is not None else None,
        realized.get(pk, ZERO),
        whole.income + whole.interest if whole else nothing,
        whole.fees if whole else nothing,
        whole.taxes if whole else nothing,
    )


def _costs(figures: Figures, rates: Rates) -> dict[UUID, Decimal | None]:
    """Return what is held cost, by instrument: each lot at the rate of its opening."""
    found: dict[UUID, Decimal | None] = {}
    for lot in figures.lots():
        cost = rates.of(lot.cost, lot.instrument.money, lot.opened_at, lot.sequence)
        found[lot.instrument_id] = _sum(found.get(lot.instrument_id, ZERO), cost)
    return found


def _realized(figures: Figures, rates: Rates) -> dict[UUID, Decimal | None]:
    """Return what was realized, by instrument: at the rates of the days of payment, and without losses that were put off."""
    found: dict[UUID, Decimal | None] = {}
    for one in figures.closures():
        cost, proceeds = rates.of_closure(one)
        put_off = rates.of(one.disallowed_loss, one.instrument.money, one.closed_at, one.closing)
        gain = None if cost is None or proceeds is None or put_off is None else proceeds - cost + put_off
        found[one.instrument_id] = _sum(found.get(one.instrument_id, ZERO), gain)
    return found


def _sum(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    """Return a sum, none if a part is none."""
    return None if first is None or second is None else first + second
