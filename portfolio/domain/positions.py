"""The fold: entries in the order of happening, posted one after another; the book afterwards is what they add up to.

Cash of an entry counts as it is written. What each kind does beyond it is in the tables at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext

from accounts.domain.ledger import EntryKind
from portfolio.domain import actions, options, transfers
from portfolio.domain.book import Book, Holding
from portfolio.domain.causes import gross_of, note_of_account, note_of_instrument
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.legs import ROLLED
from portfolio.domain.pricing import Hand


def fold(book: Book, entries: Iterable[Entry]) -> Book:
    """Post entries, given in the order of happening, to a book and return it."""
    with localcontext(EXACT):
        for entry in entries:
            post(book, entry)
        book.level()
    return book


def post(book: Book, entry: Entry) -> None:
    """Post one entry: its cash, then what its kind does to holdings, flows and tallies."""
    page = book.turn_to(entry.day)
    if entry.cash:
        balance = book.cash.get(entry.currency, ZERO) + entry.cash
        book.cash[entry.currency] = page.cash[entry.currency] = balance
    if entry.instrument is None:
        post_to_account(book, entry)
        return
    holding = book.holding(entry.instrument)
    income = holding.income
    currency = holding.listing.currency
    cash = book.into(currency, entry, entry.cash)
    if cash:
        page.paid[entry.instrument] = page.paid.get(entry.instrument, ZERO) - cash
    if entry.fee:
        holding.fees += book.into(currency, entry, entry.fee)
    if entry.tax:
        holding.taxes += book.into(currency, entry, entry.tax)
    _POST_TO_INSTRUMENT[entry.kind](book, entry, holding, cash)
    note_of_instrument(page, entry, currency, cash, holding.income - income)


def post_to_account(book: Book, entry: Entry) -> None:
    """Post what an entry without an instrument does beyond its cash, on the page of the day that is open."""
    _POST_TO_ACCOUNT.get(entry.kind, _post_nothing)(book, entry)
    note_of_account(book.page, entry)


def _post_nothing(book: Book, entry: Entry) -> None:
    """Leave it at the cash: one leg of an exchange of currencies."""


def _post_flow(book: Book, entry: Entry) -> None:
    """Post money that came from outside, or went there."""
    book.flow(entry, entry.cash)


def _post_earning(book: Book, entry: Entry) -> None:
    """Post what the account itself earned, before fees and taxes."""
    tally = book.tally(entry.currency)
    tally.income += gross_of(entry)
    tally.fees += entry.fee
    tally.taxes += entry.tax


def _post_fee(book: Book, entry: Entry) -> None:
    """Post a fee of the account itself."""
    tally = book.tally(entry.currency)
    tally.fees -= entry.cash + entry.tax
    tally.taxes += entry.tax


def _post_tax(book: Book, entry: Entry) -> None:
    """Post a tax of the account itself."""
    tally = book.tally(entry.currency)
    tally.taxes -= entry.cash + entry.fee
    tally.fees += entry.fee


def _post_liability(book: Book, entry: Entry) -> None:
    """Post what is owed under a name from now on; borrowing and paying back are no gain, so the change is a flow."""
    name, amount = str(entry.data.get("name", "")), entry.price or ZERO
    before_currency, before = book.owed.get(name, (entry.currency, ZERO))
    book.owed[name] = (entry.currency, amount)
    day = book.page
    for currency in {before_currency, entry.currency}:
        day.owed[currency] = sum((owed for own, owed in book.owed.values() if own == currency), ZERO)
    if before_currency != entry.currency:
        book.flow(actions.in_currency(entry, before_currency), before)
        before = ZERO
    if amount != before:
        book.flow(entry, before - amount)


def _trade(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a purchase or a short sale."""
    book.trade(entry, holding, cash if entry.group is None else options.with_premium(book, entry, holding, cash))


def _close(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a trade that closes: what it closes beyond the holdings is kept and marked as missing."""
    own = cash if entry.group is None else options.with_premium(book, entry, holding, cash)
    book.trade(entry, holding, own, missing=True)


def _expire(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post the end of contracts: of those held or written, whichever sign their number was given."""
    if entry.quantity * holding.quantity > 0:
        entry = entry._replace(quantity=-entry.quantity)
    _close(book, entry, holding, cash)


def _earn(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a dividend or interest on an instrument, before fees and taxes."""
    holding.income += book.into(holding.currency, entry, gross_of(entry))


def _charge_fee(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a fee for an instrument; its cash is the fee, less what is a tax."""
    holding.fees -= cash + book.into(holding.currency, entry, entry.fee + entry.tax)


def _charge_tax(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a tax for an instrument; its cash is the tax, less what is a fee."""
    holding.taxes -= cash + book.into(holding.currency, entry, entry.fee + entry.tax)


def _stake(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post units earned by staking: their value is income, and their cost."""
    value = book.into(holding.currency, entry, transfers.value_of(book, entry, holding, transfers.stated_value(entry, holding)))
    holding.income += value
    book.trade(entry, holding, -value)


def _value_by_hand(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a price given by hand."""
    price = book.into(holding.currency, entry, entry.price or ZERO)
    book.hands.setdefault(holding.key, []).append(Hand(book.today, price))


Posting = Callable[[Book, Entry], None]
PostingToInstrument = Callable[[Book, Entry, Holding, Decimal], None]

_POST_TO_ACCOUNT: Mapping[str, Posting] = {
    EntryKind.DEPOSIT: _post_flow,
    EntryKind.WITHDRAWAL: _post_flow,
    EntryKind.TRANSFER_IN: _post_flow,
    EntryKind.TRANSFER_OUT: _post_flow,
    EntryKind.INTEREST: _post_earning,
    EntryKind.FEE: _post_fee,
    EntryKind.TAX: _post_tax,
    EntryKind.LIABILITY: _post_liability,
}

_POST_TO_INSTRUMENT: Mapping[str, PostingToInstrument] = {
    EntryKind.BUY: _trade,
    EntryKind.SHORT: _trade,
    EntryKind.SELL: _close,
    EntryKind.COVER: _close,
    EntryKind.OPTION_EXERCISE: _close,
    EntryKind.OPTION_ASSIGNMENT: _close,
    EntryKind.OPTION_EXPIRATION: _expire,
    ROLLED: options.roll,
    EntryKind.DIVIDEND: _earn,
    EntryKind.INTEREST: _earn,
    EntryKind.FEE: _charge_fee,
    EntryKind.TAX: _charge_tax,
    EntryKind.TRANSFER_IN: transfers.transfer,
    EntryKind.TRANSFER_OUT: transfers.transfer,
    EntryKind.SPLIT: actions.split,
    EntryKind.SPIN_OFF: actions.spin_off,
    EntryKind.MERGER: actions.merger,
    EntryKind.RETURN_OF_CAPITAL: actions.return_of_capital,
    EntryKind.STAKING: _stake,
    EntryKind.VALUATION: _value_by_hand,
}
