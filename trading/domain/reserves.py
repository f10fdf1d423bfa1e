"""What open orders have spoken for already: money that will be spent, and what of a position will be closed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from portfolio.domain.exact import EXACT, ZERO, plain
from trading.domain.fills import exact_sum
from trading.domain.orders import CrossesZero, OrderType, PositionEffect, Side, effect_of
from trading.domain.problems import Problem, Refused


class OppositeOrder(Refused):
    """An open order opens a position the other way: the two would meet."""

    by_state = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order of which something may still come; `value` is what is left of it in the account's currency, none if unpriced.

    `group` is the same for orders of which one alone will be filled in the end: the exits of a position, or an order and the one
    that is to take its place.
    """

    group: Hashable
    instrument_id: UUID
    side: Side
    effect: PositionEffect
    remaining: Decimal
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Reserves:
    """What open orders will spend on each instrument, what they will close, and how many there are."""

    opening: dict[UUID, Decimal]
    closing: dict[UUID, Decimal]
    sides: frozenset[tuple[UUID, Side]]
    count: int

    @property
    def spent(self) -> Decimal:
        """What all of them will spend."""
        return exact_sum(self.opening.values())


def reserves_of(orders: Iterable[OpenOrder]) -> Reserves:
    """Return what open orders have spoken for; of a group the largest counts."""
    largest: dict[tuple[PositionEffect, UUID, Hashable], Decimal] = {}
    count, sides = 0, set()
    for order in orders:
        count += 1
        opens = order.effect is PositionEffect.OPEN
        if opens:
            sides.add((order.instrument_id, order.side))
        key = (order.effect, order.instrument_id, order.group)
        size = (order.value or ZERO) if opens else order.remaining
        largest[key] = max(largest.get(key, ZERO), size)
    found: dict[PositionEffect, dict[UUID, Decimal]] = {PositionEffect.OPEN: {}, PositionEffect.CLOSE: {}}
    for (effect, instrument, _), size in largest.items():
        found[effect][instrument] = EXACT.add(found[effect].get(instrument, ZERO), size)
    return Reserves(found[PositionEffect.OPEN], found[PositionEffect.CLOSE], frozenset(sides), count)


def effect_beside(side: Side, quantity: Decimal, *, held: Decimal, instrument_id: UUID, reserves: Reserves) -> PositionEffect:
    """Return what an order does to a position, beside the orders that are open.

    :raises CrossesZero: if it would close more than is left to be closed
    :raises OppositeOrder: if it would open a position while an open order opens the opposite one
    """
    reserved = min(reserves.closing.get(instrument_id, ZERO), abs(held))
    free = EXACT.subtract(abs(held), reserved)
    if held * side.sign < 0:
        if reserved and quantity > free:
            detail = (
                f"Open orders will close {plain(reserved)} of the position; {plain(free)} is left. Cancel or replace one of them."
            )
            raise CrossesZero([Problem("quantity", "reserved_by_orders", detail)])
        return effect_of(side, quantity, held)
    if (instrument_id, side.opposite) in reserves.sides:
        detail = f"An open order is to {side.opposite} the same instrument; cancel it first."
        raise OppositeOrder([Problem("side", "opposite_order", detail)])
    return PositionEffect.OPEN


def price_expected(
    *,
    side: Side,
    effect: PositionEffect,
    type: OrderType,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
    market: Decimal | None,
) -> Decimal | None:
    """Return the price that an order is reckoned with: what it costs at most, as far as that can be said.

    What is bought is reckoned at its limit; what is sold short, or set off by a stop, at the market where that is dearer.

    >>> price_expected(side=Side.BUY, effect=PositionEffect.OPEN, type=OrderType.LIMIT, limit_price=Decimal(9), stop_price=None,
    ...     market=Decimal(10))
    Decimal('9')
    """
    if limit_price is not None and side is Side.BUY:
        return limit_price
    known = [price for price in (limit_price or stop_price, market) if price is not None]
    if type in {OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT} and effect is PositionEffect.OPEN:
        return max(known, default=None)
    return market if market is not None else max(known, default=None)
