"""Wash sales, as the United States have it: a loss does not count if the same was bought within 30 days before or after.

The loss of the units that were bought again becomes cost of those bought, and the days for which the sold ones were held count
for them (26 U.S.C. 1091, 1223). Sales are matched with purchases in the order of happening, the purchases before a sale first;
a unit replaces one unit once. What is sold by the same entry replaces
nothing, nor does the rest of the lot that was sold from (Rev. Rul. 56-602). Options on the same share do not count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.exact import EXACT, UNIT, ZERO, share, units
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Closure, Lot

WINDOW = 30  # days before and after


class Loss(NamedTuple):
    """The units closed at a loss that were not bought again so far, and what they lost; both above zero."""

    number: int  # of the closure
    day: int
    quantity: Decimal
    amount: Decimal
    held: int  # days
    short: bool
    opening: int  # the entry that opened what was closed: the rest of it replaces nothing
    disallowed: Decimal = ZERO  # of the closure, so far


def losses_in(closures: Sequence[Closure], first: int) -> list[Loss]:
    """Return what was closed at a loss; `first` is the number of the first closure."""
    return [
        Loss(
            first + index,
            one.closed_at.toordinal(),
            abs(one.quantity),
            -one.gain,
            one.holding_days,
            one.quantity < 0,
            one.opening,
        )
        for index, one in enumerate(closures)
        if one.gain < 0 and one.quantity and not one.missing
    ]


def after_sale(pending: Sequence[Loss], holding: Holding, losses: Sequence[Loss], today: int) -> list[Loss]:
    """Match losses of today with lots bought in the days before that are still held; return all losses as they are now."""
    return [*recent(pending, today), *(_match(holding, loss, None) for loss in losses)]


def after_purchase(pending: Sequence[Loss], holding: Holding, sequence: int, today: int) -> list[Loss]:
    """Match the losses of the days before with what an entry bought; return them as they are now."""
    return [_match(holding, loss, sequence) for loss in recent(pending, today)]


def after_split(pending: Sequence[Loss], new: Decimal, old: Decimal) -> list[Loss]:
    """Return losses in new units."""
    return [loss._replace(quantity=units(EXACT.divide(EXACT.multiply(loss.quantity, new), old))) for loss in pending]


def recent(pending: Sequence[Loss], today: int) -> list[Loss]:
    """Return the losses that a purchase of today would still undo."""
    return [loss for loss in pending if loss.day >= today - WINDOW]


def _match(holding: Holding, loss: Loss, sequence: int | None) -> Loss:
    """Match a loss with the lots of one entry, or of the days before; return what is left of it."""
    index = bisect_left(holding.lots, loss.day - WINDOW, key=_opened)  # what is older is out of reach
    while index < len(holding.lots) and loss.quantity:
        lot = holding.lots[index]
        if (lot.quantity < 0) is loss.short and _replaces(lot, loss, sequence):
            loss = _put_off(holding, loss, index)
        index += 1
    return loss


def _opened(lot: Lot) -> int:
    """Return the day on which a lot was opened."""
    return lot.opened_at.toordinal()


def _replaces(lot: Lot, loss: Loss, sequence: int | None) -> bool:
    """Say whether a lot was bought near enough to a loss, and replaces nothing else."""
    if lot.tacked is not None or lot.missing:
        return False
    if sequence is not None:
        return lot.sequence == sequence
    return lot.sequence != loss.opening and loss.day - lot.opened_at.toordinal() <= WINDOW


def _put_off(holding: Holding, loss: Loss, index: int) -> Loss:
    """Move the loss of as many units as a lot has into its cost; the rest of a larger lot stays as it was."""
    lot = holding.lots[index]
    count = min(abs(lot.quantity), loss.quantity)
    amount = share(loss.amount, count, loss.quantity)
    if count < abs(lot.quantity):
        signed = -count if loss.short else count
        cost, opened = share(lot.cost, signed, lot.quantity), share(lot.opened, signed, lot.quantity, UNIT)
        rest = lot._replace(quantity=lot.quantity - signed, cost=lot.cost - cost, opened=lot.opened - opened)
        holding.lots.insert(index + 1, rest)
        lot = lot._replace(quantity=signed, cost=cost, opened=opened)
    holding.lots[index] = lot._replace(cost=lot.cost + amount, tacked=loss.held)
    holding.cost += amount
    holding.realized += amount
    return loss._replace(quantity=loss.quantity - count, amount=loss.amount - amount, disallowed=loss.disallowed + amount)
