"""What is left of open orders, read of the texts in which the database tells them.

An order is told in the same text for as long as nothing happens to it, and whoever trades hears of the same orders again and
again: what was read of a text is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from marketdata.domain.money import major_unit
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from trading.domain.orders import OrderType, PositionEffect, Sending, Side
from trading.domain.reserves import OpenOrder, price_expected

KEPT = 4096  # texts, of some hundred bytes each


class Line(NamedTuple):
    """An open order as `trading_stands` tells it; empty texts are nulls."""

    id: str
    parent: str
    replaces: str
    instrument: str
    side: str
    effect: str
    type: str
    sending: str
    quantity: str
    notional: str
    filled_quantity: str
    filled_value: str
    limit_price: str
    stop_price: str
    reference_price: str
    currency: str
    multiplier: str


class Left(NamedTuple):
    """What is left of the open order of a text; `amount` is in the currency, none if it is unpriced."""

    text: str
    id: str
    parent: str
    replaces: str
    held: bool
    currency: str
    instrument_id: UUID
    side: Side
    effect: PositionEffect
    remaining: Decimal
    amount: Decimal | None

    def told(self, known: Mapping[str, Left], rates: Mapping[str, Decimal]) -> OpenOrder:
        """Return the order as reserves are reckoned, beside the `known` ones; `rates` are those of currencies that have one."""
        order = _valued(self.text, rates.get(self.currency))
        return replace(order, group=self.replaces) if self.replaces in known and not self.parent else order


def left_of(texts: Sequence[str]) -> dict[str, Left]:
    """Return what is left of orders, by their ids."""
    return {left.id: left for left in map(_read, texts)}


def exact_product(*numbers: Decimal) -> Decimal:
    """Return a product that loses no digit, whatever context the caller has set."""
    found = ONE
    for number in numbers:
        found = EXACT.multiply(found, number)
    return found


@lru_cache(KEPT)
def _read(text: str) -> Left:
    """Return what is left of the order that a text tells."""
    line = Line(*text.split("|"))
    side, effect = Side(line.side), PositionEffect(line.effect)
    currency, unit = major_unit(line.currency)
    market, multiplier = _number(line.reference_price), Decimal(line.multiplier)
    amount: Decimal | None
    if not line.quantity:
        spent = EXACT.multiply(Decimal(line.filled_value), multiplier)
        amount = max(EXACT.subtract(Decimal(line.notional), spent), ZERO)
        remaining = EXACT.divide(amount, EXACT.multiply(market, multiplier)) if market else ZERO
    else:
        remaining = EXACT.subtract(Decimal(line.quantity), Decimal(line.filled_quantity))
        price = price_expected(
            side=side, effect=effect, type=OrderType(line.type), limit_price=_number(line.limit_price),
            stop_price=_number(line.stop_price), market=market,
        )  # fmt: skip
        amount = None if price is None else exact_product(remaining, price, multiplier)
    return Left(
        text, line.id, line.parent, line.replaces, line.sending == Sending.HELD, currency, UUID(line.instrument), side, effect,
        remaining, None if amount is None else EXACT.multiply(amount, unit),
    )  # fmt: skip


@lru_cache(KEPT)
def _valued(text: str, rate: Decimal | None) -> OpenOrder:
    """Return an order with its value at a rate, none without one."""
    left = _read(text)
    value = None if left.amount is None or rate is None else money(EXACT.multiply(left.amount, rate))
    return OpenOrder(
        group=left.parent or left.id, instrument_id=left.instrument_id, side=left.side, effect=left.effect,
        remaining=left.remaining, value=value,
    )  # fmt: skip


def _number(text: str) -> Decimal | None:
    """Return the number that a text says, none for an empty one."""
    return Decimal(text) if text else None
