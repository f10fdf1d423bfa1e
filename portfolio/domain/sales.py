"""What a sale would realize: the lots it would close, and the gain in each, short-term or long-term.

Whoever may choose lots and cares for taxes sells those without a gain first (the largest loss of a unit first), then those held
for long, then the rest, each time the smallest gain of a unit first; the oldest where two are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from portfolio.domain.exact import ZERO, spread
from portfolio.domain.lots import Closure, Lot, Method, Rules, take


class Sale(NamedTuple):
    """Units of an instrument to sell at a time, and what they would bring in its currency."""

    instrument: str
    quantity: Decimal
    proceeds: Decimal
    at: datetime


def closures_of(sale: Sale, lots: Sequence[Lot], method: Method, rules: Rules, *, tax_aware: bool = False) -> list[Closure]:
    """Return what a sale would close, lot by lot; `lots` are the open ones in the order of opening.

    >>> from datetime import UTC
    >>> def lot(year, cost): return Lot(datetime(year, 1, 2, tzinfo=UTC), year, Decimal(5), Decimal(cost), Decimal(5))
    >>> sale = Sale("1", Decimal(8), Decimal(80), datetime(2024, 6, 3, tzinfo=UTC))
    >>> found = closures_of(sale, [lot(2022, 20), lot(2023, 60), lot(2024, 30)], Method.SPECIFIC, Rules(), tax_aware=True)
    >>> [(one.opening, str(one.quantity), str(one.gain), one.long_term) for one in found]
    [(2023, '5', '-10.0000000000', True), (2022, '3', '18.0000000000', True)]
    """
    if not lots or sale.quantity <= 0:
        return []
    order = by_taxes(sale, lots, rules) if tax_aware and method is Method.SPECIFIC else lots
    chosen = Method.FIFO if order is not lots else method
    held = sum((lot.quantity for lot in lots), ZERO)
    parts, _ = take(order, min(sale.quantity, held), chosen, cost=sum((lot.cost for lot in lots), ZERO))
    brought = spread(sale.proceeds, [part.quantity for part in parts])
    return [_closure(sale, part.lot, rules, part.quantity, part.cost, own) for part, own in zip(parts, brought, strict=True)]


def by_taxes(sale: Sale, lots: Iterable[Lot], rules: Rules) -> list[Lot]:
    """Return lots in the order in which to sell them for the sake of taxes."""
    price = Fraction(sale.proceeds) / Fraction(sale.quantity)

    def rank(lot: Lot) -> tuple[int, Fraction, datetime, int]:
        gain = price - Fraction(lot.cost) / Fraction(lot.quantity)
        held_long = _closure(sale, lot, rules, lot.quantity, lot.cost, lot.cost).long_term
        return (0 if gain <= 0 else 1 if held_long else 2, gain, lot.opened_at, lot.sequence)

    return sorted(lots, key=rank)


def _closure(sale: Sale, lot: Lot, rules: Rules, quantity: Decimal, cost: Decimal, proceeds: Decimal) -> Closure:
    """Return what closing units of a lot would be."""
    return Closure(
        instrument=sale.instrument,
        opened_at=lot.opened_at,
        closed_at=sale.at,
        opening=lot.sequence,
        closing=0,
        quantity=quantity,
        cost=cost,
        proceeds=proceeds,
        missing=lot.missing,
        tacked=lot.tacked or 0,
        long_term_days=rules.long_term_days,
    )
