"""Options that are exercised or assigned: what was paid or received for them goes into the trade of the underlying.

A call exercised raises the cost of what is bought, a put exercised lowers the proceeds of what is sold; premium received for a
call raises the proceeds of what is called away, for a put it lowers the cost of what is put. No gain is made on the option
itself. What the exercise cost goes the same way. An option that expires, or is settled in cash, is closed for its cash like any
other.
"""

from __future__ import annotations

from decimal import Decimal

from portfolio.domain import actions
from portfolio.domain.book import Book, Holding, Parked
from portfolio.domain.entries import Entry
from portfolio.domain.exact import UNIT, ZERO, share
from portfolio.domain.legs import DUE


def roll(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Take an option out of the book and keep what it cost for the trade of its group; more than is held is missing."""
    held = holding.quantity
    going = min(abs(entry.quantity), abs(held)) if held * entry.quantity < 0 else ZERO
    if going and entry.group is not None:
        parts = holding.take(going, book.method, book.named_by(entry))
        cost = sum((part.cost for part in parts), -cash)
        taken = parts[0].lot._replace(quantity=going, cost=cost, opened=going)
        book.parked.setdefault(entry.group, []).append(Parked(taken, holding.key, holding.currency))
        book.page.paid[holding.key] = book.page.paid.get(holding.key, ZERO) - cost
    beyond = entry.quantity + (going if entry.quantity < 0 else -going)
    if beyond:
        book.trade(entry._replace(quantity=beyond), holding, ZERO if going else cash, missing=True)
    book.moved(holding)


def with_premium(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> Decimal:
    """Return the cash of a trade with the premium of the options that led to it, as far as its units are theirs.

    An adjusted contract may deliver fewer units than its multiplier says: then those of the group share all of the premium.
    """
    if entry.group is None or entry.group not in book.parked:
        return cash
    waiting = book.parked.pop(entry.group)
    stand_for = sum((one.lot.quantity * book.listings[one.instrument].multiplier for one in waiting), ZERO)
    own = abs(entry.quantity)
    whole = min(stand_for, entry.data.get(DUE, own))
    used = min(own, whole)
    premium, rest = ZERO, []
    for one in waiting:
        cost = share(one.lot.cost, used, whole)
        premium += book.into(holding.currency, actions.in_currency(entry, one.currency), cost)
        gone = share(one.lot.quantity, used, whole, UNIT)
        rest.append(one._replace(lot=one.lot._replace(quantity=one.lot.quantity - gone, cost=one.lot.cost - cost)))
    if used < whole:
        book.parked[entry.group] = rest
    book.page.paid[holding.key] = book.page.paid.get(holding.key, ZERO) + premium
    return cash - premium
