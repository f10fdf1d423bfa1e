"""Wash sales, as the United States have it: a loss does not count if the same was bought within 30 days before or after.

The loss of the units that were bought again becomes cost of those bought, and the days for which the sold ones were held count
for them (26 U.S.C. 1091, 1223). Sales are matched with purchases in the order of happening, the purchases before a sale first;
a unit replaces one unit once. What is sold by the same entry replaces
nothing, nor does the rest of the lot that was sold from (Rev. Rul. 56-602). Options on the same share do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from portfolio.domain.exact import EXACT, UNIT, ZERO, share, units
from portfolio.domain.lots import Closure, Lot

if TYPE_CHECKING:
    from portfolio.domain.book import Book, Holding

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


def note_losses(book: Book, holding: Holding, closures: Sequence[Closure]) -> None:
    """Note what was closed at a loss, and match it with what was bought in the days before."""
    first = book.closed + len(book.closures) - len(closures) + 1
    losses = [
        Loss(first + index, book.today, abs(one.quantity), -one.gain, one.holding_days, one.quantity < 0, one.opening)
        for index, one in enumerate(closures)
        if one.gain < 0 and one.quantity and not one.missing
    ]
    if losses:
        _keep(book, holding, [*_pending(book, holding), *(_match(book, holding, loss, None) for loss in losses)])


def note_purchase(book: Book, holding: Holding, sequence: int) -> None:
    """Match what an entry bought with what was sold at a loss in the days before."""
    if holding.key in book.losses:
        _keep(book, holding, [_match(book, holding, loss, sequence) for loss in _pending(book, holding)])


def note_split(book: Book, holding: Holding, new: Decimal, old: Decimal) -> None:
    """Count losses that wait for a purchase in new units."""
    pending = _pending(book, holding)
    _keep(
        book,
        holding,
        [loss._replace(quantity=units(EXACT.divide(EXACT.multiply(loss.quantity, new), old))) for loss in pending],
    )


def _pending(book: Book, holding: Holding) -> list[Loss]:
    """Return the losses that a purchase of today would still undo."""
    return [loss for loss in book.losses.get(holding.key, ()) if loss.day >= book.today - WINDOW]


def _keep(book: Book, holding: Holding, losses: Sequence[Loss]) -> None:
    """Remember the losses of which something is left."""
    left = [loss for loss in losses if loss.quantity]
    if left:
        book.losses[holding.key] = left
    else:
        book.losses.pop(holding.key, None)


def _match(book: Book, holding: Holding, loss: Loss, sequence: int | None) -> Loss:
    """Match a loss with the lots of one entry, or of the days before; return what is left of it."""
    index = 0
    while index < len(holding.lots) and loss.quantity:
        lot = holding.lots[index]
        if (lot.quantity < 0) is loss.short and _replaces(lot, loss, sequence):
            loss = _put_off(book, holding, loss, index)
        index += 1
    return loss


def _replaces(lot: Lot, loss: Loss, sequence: int | None) -> bool:
    """Say whether a lot was bought near enough to a loss, and replaces nothing else."""
    if lot.tacked is not None or lot.missing:
        return False
    if sequence is not None:
        return lot.sequence == sequence
    return lot.sequence != loss.opening and loss.day - lot.opened_at.toordinal() <= WINDOW


def _put_off(book: Book, holding: Holding, loss: Loss, index: int) -> Loss:
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
    disallowed = loss.disallowed + amount
    book.amend(loss.number, disallowed)
    return loss._replace(quantity=loss.quantity - count, amount=loss.amount - amount, disallowed=disallowed)
