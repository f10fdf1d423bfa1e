"""Plain entries posted to an empty book all at once: what the fold makes of them, to the last digit.

Holdings, lots and closures come from whole columns. What is noted on the pages of days follows the order of happening, and
entries of the account itself are posted one by one: there are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.book import Book
from portfolio.domain.columns import (
    BUY,
    DIVIDEND,
    EPOCH,
    FEE,
    FLOW,
    INTEREST,
    MICROSECOND,
    OF_ACCOUNT,
    SELL,
    TAX,
    Columns,
    Numbers,
    as_decimal,
    sums,
)
from portfolio.domain.daybook import Cause
from portfolio.domain.entries import ARRIVAL, DEPARTURE, Place
from portfolio.domain.exact import MONEY_PLACES, Digits, Fixed, widened
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Closure, Lot, Method
from portfolio.domain.minor import unit_of
from portfolio.domain.positions import post_to_account
from portfolio.domain.swift import Holdings, Matched, by_fifo, total

_EARNINGS = {DIVIDEND: Cause.INCOME, INTEREST: Cause.INTEREST}
_CHARGES = {FEE: Cause.FEE, TAX: Cause.TAX}


def can_post(columns: Columns, book: Book) -> bool:
    """Say whether columns are all there is to say: lots by FIFO, nothing held short, each entry in its instrument's currency."""
    if book.method is not Method.FIFO or book.rules.wash_sales or not len(columns):
        return False
    if any(unit_of(currency)[1] != 1 for currency in columns.currencies):
        return False
    of_instrument = columns.what != OF_ACCOUNT
    own = [book.listings[name].currency for name in columns.instruments]
    known = {currency: place for place, currency in enumerate(columns.currencies)}
    wanted = np.array([known.get(currency, OF_ACCOUNT) for currency in own], dtype=np.int64)
    if not bool((columns.currency[of_instrument] == wanted[columns.what[of_instrument]]).all()):
        return False
    trades, flows, units = columns.kind <= SELL, columns.kind == FLOW, columns.quantity.digits
    sound = np.where(columns.kind == BUY, units > 0, np.where(columns.kind == SELL, units < 0, True)).astype(bool)
    if not bool(sound.all()) or bool((trades & ~of_instrument).any()) or bool((flows & of_instrument).any()):
        return False
    return not len(Holdings.of(columns.in_order()).went_short())


def last_place(columns: Columns) -> Place:
    """Return where the last entry stands in the order of happening."""
    last = int(_order(columns)[-1])
    rank = DEPARTURE if columns.leaves[last] else ARRIVAL
    return Place(EPOCH + int(columns.at[last]) * MICROSECOND, rank, int(columns.sequence[last]))


def post_all(book: Book, columns: Columns) -> Book:
    """Post plain entries to an empty book and return it; `can_post` has to say that they are all there is to say."""
    ordered = columns.only(_order(columns))
    for day in np.unique(ordered.day).tolist():
        book.turn_to(day)
    _balance(book, ordered)
    _note(book, ordered)
    _hold(book, ordered)
    return book


def _order(columns: Columns) -> NDArray[np.intp]:
    """Return the order of happening."""
    return np.lexsort((columns.sequence, columns.leaves, columns.at))


def _balance(book: Book, ordered: Columns) -> None:
    """Note the balances at the end of each day on which they moved."""
    days, cash = ordered.day, ordered.cash
    for place, currency in enumerate(ordered.currencies):
        mine = np.flatnonzero((ordered.currency == place) & (cash.digits != 0).astype(bool))
        if not len(mine):
            continue
        running = np.cumsum(widened(cash.digits[mine], cash.peak * len(mine)))
        ends = np.append(days[mine][1:] != days[mine][:-1], True)
        for day, balance in zip(days[mine][ends].tolist(), running[ends].tolist(), strict=True):
            book.cash[currency] = book.days[day].cash[currency] = as_decimal(balance, cash.places)


def _note(book: Book, ordered: Columns) -> None:
    """Note what entries earned and cost, and post those of the account itself, in the order of happening."""
    told = (ordered.what == OF_ACCOUNT) | (ordered.kind > SELL)
    told |= ((ordered.fee.digits != 0) | (ordered.tax.digits != 0)).astype(bool)
    days = ordered.day[told].tolist()
    for day, entry, code in zip(days, ordered.only(told).entries(), ordered.kind[told].tolist(), strict=True):
        page = book.turn_to(day)
        if entry.instrument is None:
            post_to_account(book, entry)
            continue
        charges = {Cause.FEE: entry.fee, Cause.TAX: entry.tax}
        if code in _EARNINGS:
            page.note(_EARNINGS[code], entry.instrument, entry.currency, None, entry.cash + entry.fee + entry.tax)
        elif code in _CHARGES:
            charges[_CHARGES[code]] = -entry.cash - (entry.tax if code == FEE else entry.fee)
        for cause, amount in charges.items():
            if amount:
                page.note(cause, entry.instrument, entry.currency, None, amount)


def _hold(book: Book, ordered: Columns) -> None:
    """Put holdings with their lots into the book, what moved of them onto the pages, and the closures into their list."""
    holdings = Holdings.of(ordered.in_order())
    matched, columns, count = by_fifo(holdings), holdings.columns, len(ordered.instruments)
    times = [EPOCH + at * MICROSECOND for at in columns.at.tolist()]
    _close(book, columns, matched, times)
    lots = _lots(columns, matched, times)
    begin = int(holdings.starts[0])
    own = columns.only(np.arange(begin, len(columns)))
    income, fees, taxes = sums_of(own, count)
    gained = matched.proceeds - matched.cost
    realized = total(gained, columns.what[matched.opening], count).tolist()
    cost = total(matched.left_cost, columns.what[matched.lots], count).tolist()
    units = total(matched.left, columns.what[matched.lots], count).tolist()
    since = _pages(book, holdings)
    firsts: dict[int, None] = dict.fromkeys(what for what in ordered.what.tolist() if what != OF_ACCOUNT)
    for what in firsts:
        name = ordered.instruments[what]
        own_cost, gain, earned, charged, taxed = (
            as_decimal(column[what], MONEY_PLACES) for column in (cost, realized, income, fees, taxes)
        )
        units_left, listing = as_decimal(units[what], columns.quantity.places), book.listings[name]
        book.holdings[name] = Holding(
            name, listing, lots.get(what, []), units_left, own_cost, gain, earned, charged, taxed, since.get(name)
        )
    book.touched |= set(book.holdings)


def sums_of(own: Columns, count: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Return the income, the fees and the taxes of each instrument, in units of the last place of money."""
    cash, fee, tax = (column.at(MONEY_PLACES) for column in (own.cash, own.fee, own.tax))
    gross = cash + fee + tax

    def of(values: Fixed, *codes: int) -> Digits:
        chosen = np.isin(own.kind, codes) if codes else np.ones(len(own), dtype=bool)
        found: Digits = sums(Fixed(values.digits[chosen], values.places, values.peak), own.what[chosen], count)
        return found

    income = of(gross, DIVIDEND, INTEREST)
    fees, taxes = of(fee) - of(gross, FEE), of(tax) - of(gross, TAX)
    return income.tolist(), fees.tolist(), taxes.tolist()


def _pages(book: Book, holdings: Holdings) -> dict[str, int]:
    """Note on the pages what was held at the end of days and what was paid for it; return the first day of each holding."""
    columns, begin = holdings.columns, int(holdings.starts[0])
    days, what, place = columns.day, columns.what, columns.quantity.places
    trades = np.flatnonzero(columns.kind <= SELL)
    trades = trades[trades >= begin]
    since: dict[str, int] = {}
    for name, day, held in zip(
        *_ends(columns, trades, days), holdings.held.digits[_last(days, what, trades)].tolist(), strict=True
    ):
        since.setdefault(name, day)
        book.days[day].units[name] = as_decimal(held, place)
    paid = np.flatnonzero((columns.cash.digits != 0).astype(bool) & (what != OF_ACCOUNT))
    running = np.cumsum(widened(columns.cash.digits[paid], columns.cash.peak * max(len(paid), 1)))
    upto = running[np.searchsorted(paid, _last(days, what, paid))]
    amounts = np.diff(upto, prepend=upto[:1] * 0).tolist()
    for name, day, amount in zip(*_ends(columns, paid, days), amounts, strict=True):
        book.days[day].paid[name] = as_decimal(-amount, columns.cash.places)
    return since


def _last(days: Numbers, what: Numbers, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return those of chosen entries that are the last ones of their instruments and days."""
    turns = (days[chosen][1:] != days[chosen][:-1]) | (what[chosen][1:] != what[chosen][:-1])
    last: NDArray[np.intp] = chosen[np.append(turns, True)[: len(chosen)]]
    return last


def _ends(columns: Columns, chosen: NDArray[np.intp], days: Numbers) -> tuple[list[str], list[int]]:
    """Return the instruments and days of the last entries."""
    last = _last(days, columns.what, chosen)
    return [columns.instruments[what] for what in columns.what[last].tolist()], days[last].tolist()


def _close(book: Book, columns: Columns, matched: Matched, times: Sequence[datetime]) -> None:
    """Put the closures into the book, in the order of happening."""
    order = matched.in_order(columns)
    opening, closing = matched.opening[order], matched.closing[order]
    names = [columns.instruments[what] for what in columns.what[opening].tolist()]
    places = columns.quantity.places
    rows = zip(
        names,
        opening.tolist(),
        closing.tolist(),
        columns.sequence[opening].tolist(),
        columns.sequence[closing].tolist(),
        matched.quantity[order].tolist(),
        matched.cost[order].tolist(),
        matched.proceeds[order].tolist(),
        strict=True,
    )
    for name, opened, closed, first, last, units, cost, proceeds in rows:
        amounts = (as_decimal(units, places), as_decimal(cost, MONEY_PLACES), as_decimal(proceeds, MONEY_PLACES))
        book.closures.append(
            Closure(name, times[opened], times[closed], first, last, *amounts, False, 0, book.rules.long_term_days)
        )


def _lots(columns: Columns, matched: Matched, times: Sequence[datetime]) -> dict[int, list[Lot]]:
    """Return the lots that are left, by the place of their instrument."""
    found: dict[int, list[Lot]] = {}
    places = columns.quantity.places
    bought = columns.quantity.digits[matched.lots].tolist()
    rows = zip(matched.lots.tolist(), matched.left.tolist(), matched.left_cost.tolist(), bought, strict=True)
    for index, left, cost, opened in rows:
        lot = Lot(
            times[index],
            int(columns.sequence[index]),
            as_decimal(left, places),
            as_decimal(cost, MONEY_PLACES),
            as_decimal(opened, places),
        )
        found.setdefault(int(columns.what[index]), []).append(lot)
    return found


__all__ = ["can_post", "last_place", "post_all"]
