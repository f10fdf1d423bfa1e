"""Why an instrument made what it did over some days: what was put in and what came of it, what it was worth, and the rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from portfolio.domain.contributions import Contribution
from portfolio.domain.daybook import Cause, Day
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from portfolio.domain.explain import MOST_ROWS, Explanation, Row, Rule, Table
from portfolio.domain.explain_days import DRIFT, Around, cited_rate, position_row
from portfolio.domain.pricing import NOTHING
from portfolio.domain.valuation import CHARGES, position_value

MOVE = {
    "value": Rule("amount * rate"),
    "put_in": Rule("sign * value"),
    "by_rates": Rule("sign * (round(amount * rate_of_day, 10) - value)"),
}
COLUMNS = {Cause.INCOME: "income", Cause.INTEREST: "interest", Cause.FEE: "fees", Cause.TAX: "taxes"}
SUMMED = ("put_in", *COLUMNS.values(), "by_rates")
FIGURES = ("start_value", "end_value", "put_in", "income", "interest", "fees", "taxes", "currency", "price", "total")
WORTH = "round(quantity * price * multiplier, 10) * rate"
PRICE = "end_value - start_value - put_in - currency"
TOTAL = "price + income + currency + interest - fees - taxes"


@dataclass(frozen=True, slots=True)
class Span:
    """The days from the first to the last, what moved on them, and what they are explained from."""

    pages: Mapping[int, Day]
    around: Around
    first: int
    last: int

    @property
    def base(self) -> str:
        """The currency that all is counted in."""
        return self.around.quoted.base

    def pages_within(self) -> Iterator[tuple[int, Day]]:
        """Yield the days with moves."""
        for day in sorted(self.pages):
            if self.first <= day <= self.last:
                yield day, self.pages[day]

    def rate(self, found: Explanation, currency: str, day: int) -> Decimal:
        """Return the rate of a currency on a day and cite it; nothing where none is known."""
        cited = cited_rate(currency, day, self.around.quoted)
        found.cite(rates=[cited] if cited else [])
        return ONE if currency == self.base else cited.value if cited else ZERO


def explain_gains(
    found: Explanation, row: Contribution, span: Span, *, name: str = "gains", called: Mapping[str, str] | None = None
) -> None:
    """Add why an instrument made what it did; tables are called after `name`, and figures, unless they are `called` otherwise."""
    if row.instrument is None:
        return
    names = {figure: f"{name}.{figure}" for figure in FIGURES} | dict(called or {})
    table = found.table(name, summed=SUMMED, rules=MOVE)
    for day, page in span.pages_within():
        _note_moves(found, table, row.instrument, day, page, span)
    drift = found.table(f"{name}_by_rates", summed=("drift",), rules=DRIFT)
    _note_drift(found, drift, row.instrument, span)
    ends = {"start_value": (span.first - 1, row.start_value), "end_value": (span.last, row.end_value)}
    values = {end: _ended(found, names[end], row.instrument, day, span, worth) for end, (day, worth) in ends.items()}
    put_in = found.tell(names["put_in"], f"sum({name}.put_in)", row.paid_in - row.paid_out)
    causes = {cause: found.tell(names[cause], f"sum({name}.{cause})", getattr(row, cause)) for cause in COLUMNS.values()}
    by_rates = f"sum({name}_by_rates.drift) + sum({name}.by_rates)"
    currency = found.tell(names["currency"], by_rates, row.currency_gain)
    price = found.tell(names["price"], PRICE, row.price_gain, **values, put_in=put_in, currency=currency)
    found.tell(names["total"], TOTAL, row.gain, **causes, price=price, currency=currency)


def put_in_by_day(instrument: str, span: Span) -> dict[str, Decimal]:
    """Return what was put into an instrument on each day, below zero what was taken out."""
    days: dict[str, Decimal] = {}
    found = Explanation()
    for day, page in span.pages_within():
        table = Table(("put_in",))
        _note_moves(found, table, instrument, day, page, span)
        if table.count:
            days[date.fromordinal(day).isoformat()] = table.total("put_in")
    return days


def _ended(found: Explanation, figure: str, instrument: str, day: int, span: Span, kept: Decimal) -> Decimal | None:
    """Add what was held on a day was worth, and return it."""
    units = span.around.units(instrument, day)
    worth = position_row(found, instrument, units, day, span.around) if units else None
    if worth is None:
        return found.tell(figure, "0", kept)
    numbers = {name: worth[name] for name in ("quantity", "price", "multiplier", "rate")}
    return found.tell(figure, WORTH, kept, **numbers)


def _note_moves(found: Explanation, table: Table, instrument: str, day: int, page: Day, span: Span) -> None:
    """Add what was put into an instrument on a day, or taken out, and what it earned or was charged."""
    paid = page.paid.get(instrument)
    if paid is not None:
        currency = span.around.quoted.listings[instrument].currency
        table.add(_move(found, "paid", currency, paid, None, day, span))
    for move in page.transfers:
        if move.instrument == instrument:
            worth = position_value(instrument, move.quantity, span.around.quoted, day)
            stated = ZERO if move.amount is None else move.amount if move.quantity > 0 else -move.amount
            currency = move.currency if worth is None else span.around.quoted.listings[instrument].currency
            table.add(_move(found, "transferred", currency, stated if worth is None else worth.value, None, day, span))
    for item, amount in page.items.items():
        if item.instrument == instrument:
            column, sign = COLUMNS[item.cause], -ONE if item.cause in CHARGES else ONE
            one = _move(found, item.cause.name.lower(), item.currency, amount, item.rate, day, span, sign)
            table.add(one | {column: one["value"]})


def _move(
    found: Explanation,
    what: str,
    currency: str,
    amount: Decimal,
    recorded: Decimal | None,
    day: int,
    span: Span,
    sign: Decimal = ONE,
) -> Row:
    """Return an amount as a row: what it counts as, at the rate of its entry or of the day."""
    of_day = span.rate(found, currency, day)
    rate = of_day if recorded is None or currency == span.base else recorded
    value = money(EXACT.multiply(amount, rate))
    gained = sign * (money(EXACT.multiply(amount, of_day)) - value)
    told = {"day": date.fromordinal(day).isoformat(), "what": what, "currency": currency, "sign": sign, "amount": amount}
    counted = {"rate": rate, "rate_of_day": of_day, "value": value, "put_in": sign * value, "by_rates": gained}
    return {**told, **counted, **dict.fromkeys(COLUMNS.values(), ZERO)}


def _note_drift(found: Explanation, table: Table, instrument: str, span: Span) -> None:
    """Add what each new rate made of what was held before, where it is held in another currency."""
    listing, quoted = span.around.quoted.listings[instrument], span.around.quoted
    if listing.currency == span.base:
        return
    prices, moves = quoted.prices.get(instrument, NOTHING), span.around.course.units.get(instrument, {})
    rates = quoted.rates.get(listing.currency, NOTHING)
    first, last = rates.index_at(span.first - 1) + 1, rates.index_at(span.last) + 1
    then = rates.values.decimal(first - 1) if first else ZERO
    days = rates.days[first:last]
    moved, held = np.array(list(moves), dtype=np.int64), [ZERO, *moves.values()]
    places = (np.searchsorted(moved, days, side="left"), np.searchsorted(prices.days, days - 1, side="right") - 1)
    for at, (day, place, price) in enumerate(zip(days.tolist(), *(place.tolist() for place in places), strict=True), first):
        before, then = then, rates.values.decimal(at)
        units = held[place]
        if not units or price < 0:
            continue
        if len(found.rates) < MOST_ROWS:
            span.rate(found, listing.currency, day)
            span.rate(found, listing.currency, day - 1)
        value = money(EXACT.multiply(EXACT.multiply(units, prices.values.decimal(price)), listing.multiplier))
        drift = money(EXACT.multiply(value, then)) - money(EXACT.multiply(value, before))
        told = {"day": date.fromordinal(day).isoformat(), "currency": listing.currency, "value_before": value}
        table.add({**told, "rate": then, "rate_before": before, "drift": drift})
