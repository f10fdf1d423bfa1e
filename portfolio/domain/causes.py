"""What an entry earned, cost and exchanged, noted on the page of its day while it is posted.

Income, interest, fees and taxes are noted in the entry's currency, with the rate it states; fees and taxes of trades, too. What
one currency was given for another is noted as turned: with the rates of the day it says what the exchange won or lost.
"""

from __future__ import annotations

from decimal import Decimal

from accounts.domain.ledger import EntryKind
from portfolio.domain.daybook import Cause, Day
from portfolio.domain.entry import Entry
from portfolio.domain.exact import ZERO
from portfolio.domain.numbers import amount_in, number_in

EARNINGS = {EntryKind.DIVIDEND: Cause.INCOME, EntryKind.INTEREST: Cause.INTEREST}
CHARGES = {EntryKind.FEE: Cause.FEE, EntryKind.TAX: Cause.TAX}
NOTED = frozenset({EntryKind.INTEREST, EntryKind.FEE, EntryKind.TAX, EntryKind.FX})  # of entries without an instrument


def note_of_account(page: Day, entry: Entry) -> None:
    """Note what an entry without an instrument earned or cost. Fees inside a flow are none of the account's."""
    if entry.kind not in NOTED:
        return
    if entry.kind == EntryKind.FX:
        page.turn(entry.currency, entry.cash + entry.fee + entry.tax)
    _note(page, entry, "", ZERO, "")


def note_of_instrument(page: Day, entry: Entry, own: str, cash: Decimal, earned: Decimal) -> None:
    """Note what an entry on an instrument earned, cost and exchanged.

    `own` is the instrument's currency, `cash` and `earned` (what was added to its income) are in it.
    """
    if entry.currency != own and entry.cash:
        page.turn(entry.currency, entry.cash)
        page.turn(own, -cash)
    if earned or entry.fee or entry.tax or entry.kind in CHARGES:
        _note(page, entry, entry.instrument or "", earned, own)


def gross_of(entry: Entry) -> Decimal:
    """Return what an entry earned before fees and taxes: as it states, else its cash and what was held back."""
    stated = amount_in(entry.data, "gross")
    return stated if stated is not None else entry.cash + entry.fee + entry.tax


def _note(page: Day, entry: Entry, instrument: str, earned: Decimal, own: str) -> None:
    """Note the parts of an entry."""
    currency, rate = entry.currency, number_in(entry.data, "fx_rate")
    if entry.kind in EARNINGS:
        page.note(EARNINGS[EntryKind(entry.kind)], instrument, currency, rate, gross_of(entry))
    elif earned:
        page.note(Cause.INCOME, instrument, own, rate if own == currency else None, earned)
    charges = {Cause.FEE: entry.fee, Cause.TAX: entry.tax}
    if entry.kind in CHARGES:  # the cash is the charge itself, less what is the other one
        cause = CHARGES[EntryKind(entry.kind)]
        charges[cause] = -entry.cash - (entry.tax if cause is Cause.FEE else entry.fee)
    for cause, amount in charges.items():
        page.note(cause, instrument, currency, rate, amount)
