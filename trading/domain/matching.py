"""What closes what: a fill that closes is matched with the order it was placed to close, else with the oldest that is open.

The exits of a bracket close their entry's trade. Of fills only what this takes is looked at, so that it costs little for however
many; who wants to know what came of some orders looks at the fills that they are matched with.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.exact import EXACT, ZERO


class Move(NamedTuple):
    """A fill: of which order, in which book (one direction of one instrument), and whether it opens; `quantity` is above zero."""

    order: Hashable
    book: Hashable
    opens: bool
    quantity: Decimal
    closes: Hashable | None = None  # the order whose trade it closes before any other


@dataclass(slots=True)
class Matched:
    """What became of an opening order, by the places of moves: those that opened it, and those that closed, with which part."""

    order: Hashable
    entries: list[int] = field(default_factory=list)
    exits: list[tuple[int, int]] = field(default_factory=list)
    remaining: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Matches:
    """What became of all of them, in the order of opening; what each closing move closed part by part, and what was in vain."""

    opened: dict[Hashable, Matched]
    parts: dict[int, list[Decimal]]
    unmatched: list[tuple[int, Decimal]]


def match(moves: Iterable[Move]) -> Matches:
    """Match moves, which come in the order in which they happened.

    >>> one, two = Decimal(1), Decimal(2)
    >>> found = match([Move("a", "X", True, one), Move("b", "X", True, two), Move("c", "X", False, two)])
    >>> [(trade.order, trade.exits, trade.remaining) for trade in found.opened.values()], found.parts
    ([('a', [(2, 0)], Decimal('0')), ('b', [(2, 1)], Decimal('1'))], {2: [Decimal('1'), Decimal('1')]})
    """
    found = Matches({}, {}, [])
    books: dict[Hashable, OrderedDict[Hashable, Matched]] = defaultdict(OrderedDict)
    for place, one in enumerate(moves):
        queue = books[one.book]
        if not one.opens:
            parts = found.parts[place] = []
            if left := _close(queue, place, one, parts):
                found.unmatched.append((place, left))
            continue
        trade = found.opened.get(one.order)
        if trade is None:
            trade = found.opened[one.order] = Matched(one.order)
        trade.entries.append(place)
        trade.remaining = EXACT.add(trade.remaining, one.quantity)
        queue.setdefault(one.order, trade)  # behind the others, if all of it was closed before the rest of it was opened
    return found


def _close(queue: OrderedDict[Hashable, Matched], place: int, closing: Move, parts: list[Decimal]) -> Decimal:
    """Close the trade that a move is meant for, then the oldest ones; return what is left of it."""
    left = closing.quantity
    while left and queue:
        trade = queue.get(closing.closes) or next(iter(queue.values()))
        part = min(left, trade.remaining)
        trade.exits.append((place, len(parts)))
        parts.append(part)
        left, trade.remaining = EXACT.subtract(left, part), EXACT.subtract(trade.remaining, part)
        if not trade.remaining:
            del queue[trade.order]
    return left
