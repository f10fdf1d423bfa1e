"""Another cost basis method: what it would move, and the change itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import Account
from accounts.services.accounts import change_account
from marketdata.models import Instrument
from portfolio.domain.book import Book
from portfolio.domain.exact import ZERO
from portfolio.selectors.books import ledger_of


@dataclass(frozen=True, slots=True)
class Basis:
    """What a method makes of an instrument: the gain realized, the loss put off, the cost of what is held, and its lots."""

    realized_gain: Decimal
    disallowed_loss: Decimal
    cost: Decimal
    lots: int
    long_term_gain: Decimal
    short_term_gain: Decimal


@dataclass(frozen=True, slots=True)
class Move:
    """What changes for an instrument, in its currency."""

    instrument: Instrument
    before: Basis
    after: Basis

    @property
    def moved(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Comparison:
    """What another method moves, instrument by instrument; those it leaves alone are not named."""

    before: str
    after: str
    moves: Sequence[Move]


def compare_methods(*, account: Account, method: str) -> Comparison:
    """Return what an account's figures would be by another method; nothing is changed."""
    ledger = ledger_of(account)
    before, after = ledger.book(), ledger.book(method=method)
    instruments = Instrument.objects.filter(pk__in=list(before.holdings)).order_by("symbol", "exchange")
    moves = [Move(one, _basis(before, str(one.pk)), _basis(after, str(one.pk))) for one in instruments]
    return Comparison(account.cost_basis_method, method, [move for move in moves if move.moved])


@transaction.atomic
def change_method(*, account: Account, method: str, at: datetime) -> Comparison:
    """Change how an account closes its lots, and return what that moved.

    :raises AccountClosed: if it is closed
    """
    comparison = compare_methods(account=account, method=method)
    change_account(account=account, changes={"cost_basis_method": method}, at=at)
    return comparison


def _basis(book: Book, key: str) -> Basis:
    """Return what a book says of an instrument."""
    holding = book.holdings[key]
    closures = [closure for closure in book.closures if closure.instrument == key]
    taxable = [(closure.long_term, closure.gain + closure.disallowed) for closure in closures]
    return Basis(
        realized_gain=holding.realized,
        disallowed_loss=sum((closure.disallowed for closure in closures), ZERO),
        cost=holding.cost,
        lots=len(holding.lots),
        long_term_gain=sum((gain for long, gain in taxable if long), ZERO),
        short_term_gain=sum((gain for long, gain in taxable if not long), ZERO),
    )
