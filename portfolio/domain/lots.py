"""Tax lots: what was opened when and for how much, and which of it a closing trade takes.

Quantities and costs of a lot carry the same sign: a long lot cost money, a short lot brought it (its cost is minus what was
received). So the unrealized gain is market value less cost on both sides. Fees and taxes of a trade are part of its cash and
therefore of cost and proceeds.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from portfolio.domain.dearest import Dearest
from portfolio.domain.exact import UNIT, ZERO, share, spread


class Method(enum.StrEnum):
    """Which lots a closing trade takes first."""

    FIFO = "FIFO"
    LIFO = "LIFO"
    HIFO = "HIFO"
    AVERAGE = "AVERAGE"
    SPECIFIC = "SPECIFIC"


class Lot(NamedTuple):
    """Units opened together: `quantity` and `cost` are of what is left, `opened` is the quantity there once was."""

    opened_at: datetime
    sequence: int
    quantity: Decimal
    cost: Decimal
    opened: Decimal
    missing: bool = False  # the trade closed more than was held: how the units were come by is not known
    # the days it counts as held before: those of units sold at a loss that it replaced (see `wash`), or that a transfer told;
    # none: it may yet replace some
    tacked: int | None = None


class Choice(NamedTuple):
    """A lot somebody chose to be closed: by the entry that opened it, and by its day where that opened several.

    Of several lots of a day, that of the very time, with the same days held before, goes first.
    """

    sequence: int
    quantity: Decimal | None = None  # at most; none for all of it
    opened_on: date | None = None
    opened_at: datetime | None = None
    tacked: int = 0

    def names(self, lot: Lot) -> bool:
        """Say whether a lot is meant."""
        return lot.sequence == self.sequence and self.opened_on in {None, lot.opened_at.date()}

    def order(self, lots: Sequence[Lot]) -> Sequence[int]:
        """Return the places of the lots that are meant, in the order in which they go."""
        places = [place for place, lot in enumerate(lots) if self.names(lot)]
        if self.opened_at is not None:
            places.sort(key=lambda place: (lots[place].opened_at, lots[place].tacked or 0) != (self.opened_at, self.tacked))
        return places


class Rules(NamedTuple):
    """What an account's taxes ask: how long is long, and whether losses of what is bought again are put off."""

    long_term_days: int | None = None  # held for more of them is long-term; none: for more than a year by the calendar
    wash_sales: bool = False


class Part(NamedTuple):
    """Units a closing trade takes out of one lot, and the cost that goes with them."""

    lot: Lot
    quantity: Decimal
    cost: Decimal


class Closure(NamedTuple):
    """Units closed against one lot: what they cost, what they brought, and when.

    No units, where cash came without any going: beyond the cost of a lot, or in a merger. `disallowed` is the part of a loss
    that does not count, because what was sold was bought again; it became cost of what was bought.
    """

    instrument: str
    opened_at: datetime
    closed_at: datetime
    opening: int
    closing: int
    quantity: Decimal
    cost: Decimal
    proceeds: Decimal
    missing: bool
    tacked: int = 0
    long_term_days: int | None = None
    disallowed: Decimal = ZERO

    @property
    def gain(self) -> Decimal:
        """What was won, or lost where below zero."""
        return self.proceeds - self.cost

    @property
    def holding_days(self) -> int:
        """The days from the day of opening to the day of closing, and those of the units that these replaced."""
        return (self.closed_at.date() - self.opened_at.date()).days + self.tacked

    @property
    def long_term(self) -> bool:
        """Whether the units were held for long: closed after the day of opening came round again, or beyond the threshold."""
        if self.long_term_days is not None:
            return self.holding_days > self.long_term_days
        opened, closed = self.opened_at.date() - timedelta(days=self.tacked), self.closed_at.date()
        return (closed.year - 1, closed.month, closed.day) > (opened.year, opened.month, opened.day)

    @property
    def wash_sale(self) -> bool:
        """Whether some of the loss does not count, because the units were bought again."""
        return self.disallowed > 0

    @property
    def disallowed_loss(self) -> Decimal:
        """The part of the loss that does not count, zero or above."""
        return self.disallowed


def take(
    lots: Sequence[Lot],
    quantity: Decimal,
    method: Method,
    *,
    cost: Decimal = ZERO,
    named: Sequence[Choice] = (),
    dearest: Dearest[Lot] | None = None,
) -> tuple[list[Part], list[Lot]]:
    """Return the parts that close a quantity, and the lots left; both sides of the split add up to what was there.

    `lots` are of one sign and in the order of opening; `quantity` is positive, at most what they hold. AVERAGE closes in
    the order of opening, each unit at `cost` (that of all lots) over the quantity held: the costs written in its lots don't
    matter. `named` are the lots to close before all others, whatever the method says of the rest (but AVERAGE). `dearest` is
    what HIFO remembers from one sale to the next, if it is to.

    >>> day = datetime(2024, 1, 2)
    >>> lots = [Lot(day, n, Decimal(10), Decimal(cost), Decimal(10)) for n, cost in ((1, 100), (2, 130), (3, 120))]
    >>> [(part.lot.sequence, part.quantity, part.cost) for part in take(lots, Decimal(15), Method.HIFO)[0]]
    [(2, Decimal('10'), Decimal('130')), (3, Decimal('5'), Decimal('60.0000000000'))]
    """
    if method is Method.AVERAGE:
        return _take_average(lots, quantity, cost)
    if method is Method.FIFO and not named:
        return _take_first(lots, quantity)
    order: Iterable[int] = range(len(lots))
    memory: Dearest[Lot] = dearest or Dearest()
    if method is Method.LIFO:
        order = reversed(range(len(lots)))
    elif method is Method.HIFO:
        memory.look_at(lots)
        order = memory.places()
    rest = ((index, None) for index in order)
    parts, changed = _take_in(chain(chosen(lots, named), rest) if named else rest, lots, quantity)
    if method is Method.HIFO:
        return parts, memory.change(changed)
    left: list[Lot | None] = list(lots)
    for index, lot in changed.items():
        left[index] = lot
    return parts, [lot for lot in left if lot is not None]


def chosen(lots: Sequence[Lot], named: Sequence[Choice]) -> list[tuple[int, Decimal | None]]:
    """Return the lots that choices mean, by their place, and how much of each is to go; one choice may mean several lots."""
    steps: list[tuple[int, Decimal | None]] = []
    left = [abs(lot.quantity) for lot in lots]
    for choice in named:
        wanted = choice.quantity
        for index in choice.order(lots):
            if not left[index] or wanted == 0:
                continue
            going = left[index] if wanted is None else min(wanted, left[index])
            left[index] -= going
            wanted = None if wanted is None else wanted - going
            steps.append((index, going))
    return steps


def _take_first(lots: Sequence[Lot], quantity: Decimal) -> tuple[list[Part], list[Lot]]:
    """Return parts and rest in the order of opening; the usual case, without a detour."""
    parts: list[Part] = []
    for index, lot in enumerate(lots):
        held = abs(lot.quantity)
        if held > quantity:
            part, rest = _split(lot, quantity)
            return [*parts, part], [rest, *lots[index + 1 :]]
        parts.append(Part(lot, lot.quantity, lot.cost))
        quantity -= held
        if not quantity:
            return parts, list(lots[index + 1 :])
    return parts, []


def _take_in(
    steps: Iterable[tuple[int, Decimal | None]], lots: Sequence[Lot], quantity: Decimal
) -> tuple[list[Part], dict[int, Lot | None]]:
    """Return parts, and what is left of their lots, taken step by step: the index of each, and at most how much of it."""
    parts: list[Part] = []
    changed: dict[int, Lot | None] = {}
    for index, limit in steps:
        if not quantity:
            break
        lot = changed.get(index, lots[index])
        if lot is None:
            continue
        held = abs(lot.quantity)
        wanted = min(quantity, held if limit is None else limit, held)
        quantity -= wanted
        if wanted == held:
            parts.append(Part(lot, lot.quantity, lot.cost))
            changed[index] = None
        elif wanted > 0:
            part, changed[index] = _split(lot, wanted)
            parts.append(part)
    return parts, changed


def _split(lot: Lot, quantity: Decimal) -> tuple[Part, Lot]:
    """Return a part of a lot and the lot that is left; the last part of a lot takes whatever cost remains."""
    signed = quantity if lot.quantity > 0 else -quantity
    cost = share(lot.cost, signed, lot.quantity)
    left = Lot(lot.opened_at, lot.sequence, lot.quantity - signed, lot.cost - cost, lot.opened, lot.missing, lot.tacked)
    return Part(lot, signed, cost), left


def _take_average(lots: Sequence[Lot], quantity: Decimal, cost: Decimal) -> tuple[list[Part], list[Lot]]:
    """Return parts and rest where every unit has the same cost; closing everything takes all of it."""
    bare, left = _take_first(lots, quantity)
    held = sum((abs(part.quantity) for part in bare), ZERO) + sum((abs(lot.quantity) for lot in left), ZERO)
    reached = taken = ZERO
    parts = []
    for part in bare:
        reached += abs(part.quantity)
        upto = share(cost, reached, held)
        parts.append(part._replace(cost=upto - taken))
        taken = upto
    return parts, left


def leveled(lots: Sequence[Lot], cost: Decimal) -> list[Lot]:
    """Return lots that share a cost by their quantities, as average cost has it."""
    costs = spread(cost, [lot.quantity for lot in lots]) if lots else []
    return [lot._replace(cost=own) for lot, own in zip(lots, costs, strict=True)]


def scaled(lots: Sequence[Lot], quantity: Decimal) -> list[Lot]:
    """Return the lots after a split that makes their quantities add up to another one; costs stay, none is invented.

    >>> lot = Lot(datetime(2024, 1, 2), 1, Decimal(3), Decimal(90), Decimal(5))
    >>> scaled([lot], Decimal(6))[0][2:5]
    (Decimal('6'), Decimal('90'), Decimal('10.000000000000'))
    """
    before = sum((lot.quantity for lot in lots), ZERO)
    quantities = spread(quantity, [lot.quantity for lot in lots], UNIT)
    after: list[Lot] = []
    homeless = ZERO  # the cost of a lot too small to be left with a unit goes to its neighbor
    for lot, own in zip(lots, quantities, strict=True):
        cost, homeless = lot.cost + homeless, ZERO
        if own:
            after.append(lot._replace(quantity=own, cost=cost, opened=share(lot.opened, quantity, before, UNIT)))
        elif after:
            after[-1] = after[-1]._replace(cost=after[-1].cost + cost)
        else:
            homeless = cost
    return after


def arrived(lots: Sequence[Lot], quantity: Decimal, sequence: int) -> list[Lot]:
    """Return the lots that other ones turn into: new units, the same costs and dates; `sequence` is of the entry that says so."""
    return [lot._replace(opened=lot.quantity, sequence=sequence, tacked=lot.tacked or 0) for lot in scaled(lots, quantity)]


def insert(lots: list[Lot], lot: Lot) -> None:
    """Put a lot among others in the order of opening; a transfer may bring one older than those held."""
    if lots and lot[:2] < lots[-1][:2]:
        lots.insert(bisect_right(lots, (lot.opened_at, lot.sequence), key=lambda known: (known.opened_at, known.sequence)), lot)
    else:
        lots.append(lot)
