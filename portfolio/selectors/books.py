"""The book of an account in memory: what it holds lot by lot at any point of its ledger, by any method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import DecimalException

from accounts.models import Account, LedgerEntry
from portfolio.domain.book import Book
from portfolio.domain.entries import Entry, Listing, Place, in_order, place_of
from portfolio.domain.lots import Method
from portfolio.domain.positions import fold
from portfolio.domain.pricing import Market
from portfolio.selectors import projections as state
from portfolio.selectors.figures import FiguresBeyondLimits
from portfolio.selectors.market import listings_of, load_market, reach_of_prices


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of an account that count, in the order of happening, and what it takes to post them."""

    account: Account
    entries: Sequence[Entry]
    listings: dict[str, Listing]
    market: Market
    named: dict[str, str]

    def book(self, *, method: str | None = None) -> Book:
        """Return the book after all entries, by the account's method or another.

        :raises FiguresBeyondLimits: if the entries are too large to be computed with
        """
        account = self.account
        chosen, rules = Method(method or account.cost_basis_method), state.rules_of(account)
        book = Book(account.base_currency, chosen, self.listings, self.market, self.named, rules)
        try:
            return fold(book, self.entries)
        except DecimalException as error:
            raise FiguresBeyondLimits from error

    def before(self, place: Place) -> Ledger:
        """Return the ledger of what comes before a place in the order of happening."""
        return replace(self, entries=[entry for entry in self.entries if place_of(entry) < place])

    def entry(self, sequence: int) -> Entry | None:
        """Return the entry of a sequence, none if there is none that counts."""
        return next((entry for entry in self.entries if entry.sequence == sequence), None)


def ledger_of(account: Account) -> Ledger:
    """Return the ledger of an account, as the person who asks may read it."""
    entries = in_order(state.entries_after(account_id=account.pk))
    named = state.instruments_named(entries)
    series = reach_of_prices({entry.instrument for entry in entries if entry.instrument} | set(named.values()))
    pairs = state.pairs_of(account.base_currency, series, (), entries)
    market = Market()
    if entries:
        start = date.fromordinal(min(entry.day for entry in entries))
        market = load_market(instruments=series, pairs=pairs, start=start)
    return Ledger(account, entries, listings_of(series), market, named)


def stands(entry: LedgerEntry) -> bool:
    """Say whether an entry counts: it is no reversal, and none took it back."""
    return entry.reverses_id is None and not LedgerEntry.objects.filter(account=entry.account_id, reverses=entry.pk).exists()
