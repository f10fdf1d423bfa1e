"""The fold: entries in the order of happening, posted one after another; the book afterwards is what they add up to.

Cash of an entry counts as it is written. What each kind does beyond it is in the tables at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext

from accounts.domain.ledger import EntryKind
from portfolio.domain import actions
from portfolio.domain.book import Book, Holding, amount_in
from portfolio.domain.daybook import Transfer
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ZERO, money, share
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
        _POST_TO_ACCOUNT.get(entry.kind, _post_nothing)(book, entry)
        return
    holding = book.holding(entry.instrument)
    currency = holding.listing.currency
    cash = book.into(currency, entry, entry.cash)
    if cash:
        page.paid[entry.instrument] = page.paid.get(entry.instrument, ZERO) - cash
    if entry.fee:
        holding.fees += book.into(currency, entry, entry.fee)
    if entry.tax:
        holding.taxes += book.into(currency, entry, entry.tax)
    _POST_TO_INSTRUMENT[entry.kind](book, entry, holding, cash)


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
    book.trade(entry, holding, cash)


def _close(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a trade that closes: what it closes beyond the holdings is kept and marked as missing."""
    book.trade(entry, holding, cash, missing=True)


def _earn(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a dividend or interest on an instrument, before fees and taxes."""
    holding.income += book.into(holding.currency, entry, gross_of(entry))


def _charge_fee(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a fee for an instrument; its cash is the fee, less what is a tax."""
    holding.fees -= cash + book.into(holding.currency, entry, entry.fee + entry.tax)


def _charge_tax(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a tax for an instrument; its cash is the tax, less what is a fee."""
    holding.taxes -= cash + book.into(holding.currency, entry, entry.fee + entry.tax)


def _transfer(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post units that came from another account, or went to one, with the cost they carry; no gain is made."""
    if entry.cash:
        book.flow(entry, entry.cash)
    stated = _stated_value(entry, holding)
    book.page.transfers.append(Transfer(holding.key, entry.quantity, entry.currency, stated, external=True))
    left = entry.quantity
    if left < 0 < holding.quantity:
        going = min(-left, holding.quantity)
        holding.take(going, book.method, book.named_by(entry))
        left += going
    if left:
        carried = amount_in(entry.data, "cost")
        value = carried if carried is not None else _value(book, entry, holding, stated)
        cost = share(book.into(holding.currency, entry, value), left, entry.quantity)
        book.trade(entry._replace(quantity=left), holding, -cost if left > 0 else cost, missing=left < 0)
    book.moved(holding)


def _stated_value(entry: Entry, holding: Holding) -> Decimal | None:
    """Return what an entry says its units are worth: by its price, else by its cost; none if it says neither."""
    if entry.price is not None:
        return money(abs(entry.quantity) * entry.price * holding.listing.multiplier)
    return amount_in(entry.data, "cost")


def _value(book: Book, entry: Entry, holding: Holding, stated: Decimal | None) -> Decimal:
    """Return what units are worth: as stated, else at the price of the day, in the currency of the entry."""
    price = book.price_of(holding) if stated is None else None
    if stated is not None or price is None:
        return stated or ZERO
    value = money(abs(entry.quantity) * price * holding.listing.multiplier)
    return book.into(entry.currency, actions.in_currency(entry, holding.currency), value)


def _stake(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post units earned by staking: their value is income, and their cost."""
    value = book.into(holding.currency, entry, _value(book, entry, holding, _stated_value(entry, holding)))
    holding.income += value
    book.trade(entry, holding, -value)


def _value_by_hand(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post a price given by hand."""
    price = book.into(holding.currency, entry, entry.price or ZERO)
    book.hands.setdefault(holding.key, []).append(Hand(book.today, price))


def gross_of(entry: Entry) -> Decimal:
    """Return what an entry earned before fees and taxes: as it states, else its cash and what was held back."""
    stated = amount_in(entry.data, "gross")
    return stated if stated is not None else entry.cash + entry.fee + entry.tax


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
    EntryKind.OPTION_EXPIRATION: _close,
    EntryKind.DIVIDEND: _earn,
    EntryKind.INTEREST: _earn,
    EntryKind.FEE: _charge_fee,
    EntryKind.TAX: _charge_tax,
    EntryKind.TRANSFER_IN: _transfer,
    EntryKind.TRANSFER_OUT: _transfer,
    EntryKind.SPLIT: actions.split,
    EntryKind.SPIN_OFF: actions.spin_off,
    EntryKind.MERGER: actions.merger,
    EntryKind.RETURN_OF_CAPITAL: actions.return_of_capital,
    EntryKind.STAKING: _stake,
    EntryKind.VALUATION: _value_by_hand,
}
