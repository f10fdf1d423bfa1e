"""What an automatic session makes of a bar: from what its strategy would hold to what is to be done, and in which order.

It decides as a backtest does: on the close of a bar, to be done as soon as it can be after it. Whoever was stopped out of a
position, or missed it, stays out until the plan wants something else; what is to be left is left whenever that can be done.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from portfolio.domain.exact import ZERO
from trading.domain.backtest_steps import wanted
from trading.domain.orders import Side
from trading.domain.outcomes import Choice
from trading.domain.signals import SignalKind
from trading.domain.strategies.base import BarColumns, Strategy, plan_of

SHARE = Decimal("0.000001")
PRICE = Decimal("1e-10")


class Outcome(enum.StrEnum):
    """What came of a bar in an automatic session."""

    NOTHING = "NOTHING"  # the plan wants what it wanted before
    WAITING = "WAITING"  # for orders that have to be gone, or filled, first
    ORDERED = "ORDERED"
    STOPPED = "STOPPED"  # trading is paused or halted
    REFUSED = "REFUSED"  # by a limit, or by how things stand
    MISSED = "MISSED"  # it came too late


@dataclass(frozen=True, slots=True)
class Seen:
    """What a strategy wants after a bar, as a share of a full position (-1 to 1), and where it would get out."""

    target: Decimal
    stop: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done: first to leave, then to enter; as shares of what is held, and of a full position.

    `left` is what a position is brought to, as a share of what is held now; 1 leaves it as it is. `entered` is signed.
    """

    left: Decimal = Decimal(1)
    entered: Decimal = ZERO

    @property
    def leaves(self) -> bool:
        """Say whether something is to be sold of what is held, or bought back."""
        return self.left < 1

    @property
    def is_nothing(self) -> bool:
        """Say whether nothing is to be done."""
        return not self.leaves and not self.entered


def see(strategy: Strategy, bars: BarColumns, *, shorts: bool, begin: int) -> Seen:
    """Return what a strategy wants after the last of some bars; nothing is wanted before the bar that starts at `begin`.

    The whole plan is made anew from these bars alone, and its last row counts: it is the row that a backtest reads there.
    """
    plan = plan_of(strategy, bars)
    first = int(np.searchsorted(bars.timestamps, begin)) + 1  # its close is the first that is decided on
    target = float(wanted(plan, shorts=shorts, first=first)[-1])
    stop = None if plan.stop is None or np.isnan(plan.stop[-1]) else _exact(float(plan.stop[-1]), PRICE)
    return Seen(_exact(target, SHARE), stop if stop is not None and stop > 0 else None)


def change(*, target: Decimal, before: Decimal, held: Decimal) -> Change:
    """Return what is to be done for what is wanted now, after what was wanted before, with what the session holds (signed).

    >>> change(target=Decimal(1), before=Decimal(0), held=Decimal(0))
    Change(left=Decimal('1'), entered=Decimal('1'))
    >>> change(target=Decimal(-1), before=Decimal(1), held=Decimal(7))
    Change(left=Decimal('0'), entered=Decimal('-1'))
    >>> change(target=Decimal(0), before=Decimal(0), held=Decimal(7)).leaves  # it could not be left before
    True
    >>> change(target=Decimal(1), before=Decimal(1), held=Decimal(0)).is_nothing  # it was stopped out, or missed
    True
    """
    one_way, same = sign(target) == sign(held), sign(target) == sign(before)
    if held and not one_way:
        return Change(ZERO, ZERO if same and target else target)
    if not held:
        return Change(entered=ZERO if same else target)
    if not same or abs(target) > abs(before):
        return Change(entered=target - before if same else ZERO)
    return Change(left=target / before if abs(target) < abs(before) else Decimal(1))


def sign(number: Decimal) -> int:
    """Return 1, 0 or -1."""
    return (number > 0) - (number < 0)


def signal_of(change: Change, held: Decimal) -> SignalKind:
    """Return what a change says: where it leaves and enters, that it enters."""
    if change.entered:
        return SignalKind.ENTER_LONG if change.entered > 0 else SignalKind.ENTER_SHORT
    return SignalKind.EXIT_LONG if held > 0 else SignalKind.EXIT_SHORT


def before_of(target: Decimal, before: Decimal, *, waiting: bool) -> Decimal:
    """Return what counts as wanted before the next bar: of a bar whose orders still wait, what had been reached by then.

    >>> before_of(Decimal(-1), Decimal(1), waiting=True)
    Decimal('0')
    """
    if not waiting:
        return target
    return before if sign(before) == sign(target) else ZERO


def nearer(stop: Decimal | None, known: Decimal | None, target: Decimal) -> Decimal | None:
    """Return the stop of a position that goes on: the nearer one of what the plan says now and what was set before.

    >>> nearer(Decimal(8), Decimal(9), Decimal(1)), nearer(Decimal(8), None, Decimal(1))
    (Decimal('9'), Decimal('8'))
    """
    stops = [one for one in (stop, known) if one is not None]
    return (max if target > 0 else min)(stops, default=None)


def choice_of(change: Change, held: Decimal) -> Choice:
    """Return what is decided by a change."""
    upward = change.entered > 0 if change.entered else held < 0
    return Choice.BUY if upward else Choice.SELL


def side_of(amount: Decimal) -> Side:
    """Return on which side one is who wants to hold that much more."""
    return Side.BUY if amount > 0 else Side.SELL


def said(target: Decimal) -> str:
    """Return what a target is in words.

    >>> said(Decimal(1)), said(Decimal("-0.5")), said(Decimal(0))
    ('long', 'short (50 % of a full position)', 'out')
    """
    if not target:
        return "out"
    word = "long" if target > 0 else "short"
    return word if abs(target) == 1 else f"{word} ({abs(target):.0%} of a full position)".replace("%", " %")


def _exact(number: float, places: Decimal) -> Decimal:
    """Return a number of a plan as columns hold it."""
    return Decimal(repr(number)).quantize(places, ROUND_HALF_EVEN).normalize() + ZERO
