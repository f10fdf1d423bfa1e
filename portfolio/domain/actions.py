"""What companies do to their shares: splits, spin-offs, mergers and capital given back. None of them invents or loses cost."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from portfolio.domain.book import Book, Holding, number_in
from portfolio.domain.daybook import Transfer
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ONE, ZERO, money, units
from portfolio.domain.lots import Lot, Method, arrived
from portfolio.domain.pricing import Split


def split(book: Book, entry: Entry, instrument: UUID, cash: Decimal) -> None:
    """Scale what is held by the ratio, or to the total that the entry's quantity leads to.

    With cash in lieu, the units that the ratio gives beyond that total are sold for it.
    """
    new, old = ratio_of(entry)
    book.splits.setdefault(instrument, []).append(Split(entry.day, new, old))
    holding = book.holding(instrument)
    before = holding.quantity
    if not before:
        holding.income += cash
        return
    by_ratio = units(EXACT.divide(EXACT.multiply(before, new), old))
    stated = before + entry.quantity if entry.quantity else by_ratio
    if stated * before < 0:
        stated = by_ratio
    if cash and abs(stated) < abs(by_ratio):
        holding.scale(by_ratio)
        book.close(entry, instrument, abs(by_ratio - stated), cash)
    elif stated:
        holding.scale(stated)
        holding.income += cash
    else:
        book.close(entry, instrument, abs(before), cash)
    book.moved(entry, instrument, holding)


def ratio_of(entry: Entry) -> tuple[Decimal, Decimal]:
    """Return the new units and the old ones that a split states as "new:old" or as one number."""
    new, _, old = str(entry.data.get("ratio", "1")).partition(":")
    return Decimal(new), Decimal(old or 1)


def spin_off(book: Book, entry: Entry, instrument: UUID, cash: Decimal) -> None:
    """Give out units of a child: a fraction of the parent's cost moves to them, lot by lot, dates kept."""
    parent = book.holdings.get(book.named.get(str(entry.data.get("from", "")), instrument))
    fraction = min(number_in(entry.data, "cost_fraction") or ZERO, ONE)
    child = book.holding(instrument)
    child.income += cash
    if parent is None or parent is child or parent.quantity <= 0 or child.quantity < 0:
        book.trade(entry, instrument, ZERO)
    else:
        if book.method is Method.AVERAGE:
            parent.level()
        moved = [money(EXACT.multiply(lot.cost, fraction)) for lot in parent.lots]
        currency, of_parent = child.listing.currency, entry._replace(currency=parent.listing.currency)
        costs = [book.into(currency, of_parent, cost) for cost in moved]
        given = [lot._replace(cost=cost) for lot, cost in zip(parent.lots, costs, strict=True)]
        for lot in arrived(given, entry.quantity, entry.sequence):
            child.open(lot)
        parent.lots = [lot._replace(cost=lot.cost - cost) for lot, cost in zip(parent.lots, moved, strict=True)]
        parent.cost -= sum(moved, ZERO)
        book.touched.add(book.named[str(entry.data["from"])])
        book.moved(entry, instrument, child)
    _note_exchange(book, entry, instrument)


def merger(book: Book, entry: Entry, instrument: UUID, cash: Decimal) -> None:
    """Post one leg of a merger: the units that go leave their lots in the group's hands, those that come take them over.

    Cash of a leg lowers the cost that moves, and is a gain beyond it. Without a group there is nothing to move to: the leg
    is a sale, or a purchase, for its cash.
    """
    holding = book.holding(instrument)
    leaving = holding.quantity * entry.quantity < 0
    if entry.group is None or not (leaving or entry.group in book.parked):
        book.trade(entry, instrument, cash)
    elif leaving:
        _park(book, entry, holding, entry.group, cash)
        book.moved(entry, instrument, holding)
    else:
        _take_over(book, entry, holding, book.parked.pop(entry.group), cash)
        book.moved(entry, instrument, holding)
    _note_exchange(book, entry, instrument)


def _park(book: Book, entry: Entry, holding: Holding, group: UUID, cash: Decimal) -> None:
    """Take the units of an outgoing leg out of the book and keep their lots for the incoming one."""
    parts = holding.take(min(abs(entry.quantity), abs(holding.quantity)), book.method, {})
    gone = Holding(holding.listing)
    for part in parts:
        gone.open(part.lot._replace(quantity=part.quantity, cost=part.cost, opened=part.quantity))
    if cash and gone.lots:
        gone.lower_cost(cash)
        holding.realized += gone.realized
    book.parked.setdefault(group, []).extend((lot, holding.listing.currency) for lot in gone.lots)


def _take_over(book: Book, entry: Entry, holding: Holding, parked: list[tuple[Lot, str]], cash: Decimal) -> None:
    """Open the lots of an incoming leg: units by the ratio of the exchange, costs and dates as they were."""
    own = holding.listing.currency
    lots = [lot._replace(cost=book.into(own, entry._replace(currency=currency), lot.cost)) for lot, currency in parked]
    come = Holding(holding.listing)
    for lot in arrived(lots, entry.quantity, entry.sequence):
        come.open(lot)
    if cash:
        come.lower_cost(cash)
        holding.realized += come.realized
    for lot in come.lots:
        holding.open(lot)


def return_of_capital(book: Book, entry: Entry, instrument: UUID, cash: Decimal) -> None:
    """Lower the cost of what is held by the cash that came back; without holdings it is income."""
    holding = book.holding(instrument)
    if holding.quantity <= 0:
        holding.income += cash
        return
    if book.method is Method.AVERAGE:
        holding.level()
    holding.lower_cost(cash)


def _note_exchange(book: Book, entry: Entry, instrument: UUID) -> None:
    """Note that units moved between instruments, so that the day's gain of neither counts them."""
    note = Transfer(instrument, entry.quantity, entry.currency, None, external=False)
    book.day_of(entry).transfers.append(note)
