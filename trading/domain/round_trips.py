"""From orders and their fills to round trips: what each opening order became, first in, first out.

Every order that opens or adds to a position begins a round trip of its own; what closes is matched with the one it was placed to
close (the exits of a bracket close their entry's), else with the oldest that is still open. Nothing is lost or invented:
quantities, values and fees of the trips add up to those of the fills. Amounts are in the instrument's currency.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from portfolio.domain.exact import EXACT, ZERO, money, share
from trading.domain.matching import Matched, Matches, Move, match
from trading.domain.orders import PositionEffect, Side
from trading.domain.outcomes import TradeOutcome, outcome_of


class Direction(enum.StrEnum):
    """Which way a position gains."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        """What a rise of the price does to a gain."""
        return 1 if self is Direction.LONG else -1


class Execution(NamedTuple):
    """A fill with what is needed of its order; quantity, price and fee are magnitudes."""

    order: Hashable
    instrument: Hashable
    side: Side
    effect: PositionEffect
    at: datetime
    quantity: Decimal
    price: Decimal
    fee: Decimal = ZERO
    multiplier: Decimal = Decimal(1)
    closes: Hashable | None = None  # the order whose round trip it closes before any other

    @property
    def opens(self) -> bool:
        """Say whether it opens or adds to a position."""
        return self.effect is PositionEffect.OPEN

    @property
    def direction(self) -> Direction:
        """Which way the position gains that it opens or closes."""
        return Direction.LONG if (self.side is Side.BUY) == self.opens else Direction.SHORT


class Exit(NamedTuple):
    """What one execution closed of a round trip, with its share of that execution's fee."""

    order: Hashable
    at: datetime
    quantity: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True)
class RoundTrip:
    """What became of an opening order.

    `entry_value`, `entry_fee`, `closed_quantity`, `exit_value` and `exit_fee` are sums over what opened it and what closed it;
    `closed_at` is when the last of it was closed, none while some is open.
    """

    order: Hashable
    instrument: Hashable
    direction: Direction
    multiplier: Decimal
    opened_at: datetime
    quantity: Decimal
    entry_value: Decimal
    entry_fee: Decimal
    closed_quantity: Decimal
    exit_value: Decimal
    exit_fee: Decimal
    closed_at: datetime | None
    exits: Sequence[Exit]

    @property
    def remaining(self) -> Decimal:
        """How much is still open."""
        return EXACT.subtract(self.quantity, self.closed_quantity)

    @property
    def entry_price(self) -> Decimal:
        """The price at which it was opened on average."""
        return money(EXACT.divide(self.entry_value, self.quantity))

    @property
    def exit_price(self) -> Decimal | None:
        """The price at which it was closed on average; none where nothing was."""
        closed = self.closed_quantity
        return money(EXACT.divide(self.exit_value, closed)) if closed else None

    @cached_property
    def gross(self) -> Decimal:
        """What the closed part made, before fees."""
        cost = EXACT.divide(EXACT.multiply(self.entry_value, self.closed_quantity), self.quantity)
        made = EXACT.multiply(EXACT.subtract(self.exit_value, cost), self.multiplier)
        return money(made * self.direction.sign)

    @property
    def paid(self) -> Decimal:
        """All fees so far, those of what is still open included."""
        return EXACT.add(self.entry_fee, self.exit_fee)

    @property
    def fees(self) -> Decimal:
        """What the closed part cost in fees, the opening's by share."""
        return EXACT.add(share(self.entry_fee, self.closed_quantity, self.quantity), self.exit_fee)

    @cached_property
    def net(self) -> Decimal:
        """What the closed part made."""
        return EXACT.subtract(self.gross, self.fees)

    @property
    def held_for(self) -> timedelta | None:
        """From the first fill to the last; none while it is open."""
        return None if self.closed_at is None else self.closed_at - self.opened_at

    @property
    def outcome(self) -> TradeOutcome:
        """What it came to, after fees; open until all is closed."""
        return outcome_of(None if self.closed_at is None else self.net)

    def r_multiple(self, stop: Decimal | None) -> Decimal | None:
        """Return what the closed part made in units of what it risked; none without a stop beyond the entry.

        A win of twice what the stop would have cost is 2, a loss at the stop about -1.
        """
        if stop is None or not self.exits:
            return None
        risk = EXACT.multiply(EXACT.subtract(self.entry_price, stop), self.direction.sign * self.multiplier)
        return money(EXACT.divide(self.net, EXACT.multiply(risk, self.closed_quantity))) if risk > 0 else None


@dataclass(frozen=True, slots=True)
class Unmatched:
    """What was closed without having been opened by an order: a position that came into the account in another way."""

    execution: Execution
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Trips:
    """Round trips in the order of opening, and what closed nothing that is known."""

    trips: list[RoundTrip]
    unmatched: list[Unmatched]


@dataclass(frozen=True, slots=True)
class PriceBar:
    """The highest and lowest price of a span of time, end excluded."""

    start: datetime
    end: datetime
    high: Decimal
    low: Decimal


@dataclass(frozen=True, slots=True)
class Excursion:
    """How far the price went against a trade (zero or below) and for it (zero or above), in money for all that was opened."""

    adverse: Decimal
    favorable: Decimal


def round_trips(executions: Iterable[Execution]) -> Trips:
    """Return the round trips of executions, which come in the order in which they happened."""
    done = list(executions)
    found = match(Move(one.order, (one.instrument, one.direction), one.opens, one.quantity, one.closes) for one in done)
    return Trips(trips_of(found.opened.values(), found, done), [Unmatched(done[place], left) for place, left in found.unmatched])


def trips_of(opened: Iterable[Matched], found: Matches, done: Sequence[Execution] | Mapping[int, Execution]) -> list[RoundTrip]:
    """Return the round trips of some orders among those that were matched; `done` has the executions at their places."""
    fees: dict[int, list[Decimal]] = {}
    return [_trip(one, found.parts, done, fees) for one in opened]


def excursion(trip: RoundTrip, bars: Sequence[PriceBar], *, until: datetime) -> Excursion:
    """Return how far the price went against a trade and for it, from its prices and the bars that lie wholly within it.

    A bar in which it was opened or closed says nothing of what happened meanwhile, so it does not count; `until` is now, for a
    trade that is open.
    """
    end = trip.closed_at or until
    within = [bar for bar in bars if bar.start >= trip.opened_at and bar.end <= end]
    prices = [trip.entry_price, *(one.price for one in trip.exits)]
    highest, lowest = max([*prices, *(bar.high for bar in within)]), min([*prices, *(bar.low for bar in within)])
    best, worst = (highest, lowest) if trip.direction is Direction.LONG else (lowest, highest)
    size = EXACT.multiply(trip.quantity, trip.multiplier) * trip.direction.sign
    moves = [money(EXACT.multiply(EXACT.subtract(price, trip.entry_price), size)) for price in (worst, best)]
    return Excursion(min(moves[0], ZERO), max(moves[1], ZERO))


def _trip(
    one: Matched,
    parts: Mapping[int, Sequence[Decimal]],
    done: Sequence[Execution] | Mapping[int, Execution],
    fees: dict[int, list[Decimal]],
) -> RoundTrip:
    """Return the round trip of an order; `fees` has what parts of executions bear, as far as somebody asked for it."""
    first = done[one.entries[0]]
    quantity = value = fee = closed = brought = paid = ZERO
    for place in one.entries:
        entry = done[place]
        quantity = EXACT.add(quantity, entry.quantity)
        value = EXACT.add(value, EXACT.multiply(entry.quantity, entry.price))
        fee = EXACT.add(fee, entry.fee)
    exits = []
    for place, number in one.exits:
        closing = done[place]
        if place not in fees:
            fees[place] = _fees_of(closing, parts[place])
        part = Exit(closing.order, closing.at, parts[place][number], closing.price, fees[place][number])
        closed = EXACT.add(closed, part.quantity)
        brought = EXACT.add(brought, EXACT.multiply(part.quantity, part.price))
        paid = EXACT.add(paid, part.fee)
        exits.append(part)
    sums = (quantity, value, fee, closed, brought, paid)
    closed_at = exits[-1].at if closed == quantity else None
    return RoundTrip(first.order, first.instrument, first.direction, first.multiplier, first.at, *sums, closed_at, exits)


def _fees_of(closing: Execution, parts: Sequence[Decimal]) -> list[Decimal]:
    """Return the share of an execution's fee that each part of it bears."""
    if parts == [closing.quantity]:  # as it mostly is
        return [closing.fee]
    left, fee_left = closing.quantity, closing.fee
    fees = []
    for part in parts:
        fee = fee_left if part == left else share(fee_left, part, left)
        fees.append(fee)
        left, fee_left = EXACT.subtract(left, part), EXACT.subtract(fee_left, fee)
    return fees
