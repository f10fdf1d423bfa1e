"""What companies do to their shares: splits, spin-offs, mergers and capital given back. None of them invents or loses cost."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from accounts.domain.ledger import RATIO
from portfolio.domain import wash
from portfolio.domain.book import Book, Holding, Parked
from portfolio.domain.daybook import Transfer
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ONE, ZERO, money, spread, units
from portfolio.domain.legs import OTHERS
from portfolio.domain.lots import Method, arrived
from portfolio.domain.numbers import number_in
from portfolio.domain.pricing import Split

ROUNDED_RATIO = Decimal("1e-4")  # as far as a ratio that was written as a decimal may lead away from the units stated


def split(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Scale what is held by the ratio, or to the total that the entry's quantity leads to.

    With cash in lieu, the units that the ratio gives beyond that total, or beyond whole ones, are sold for it.
    """
    new, old = ratio_of(entry)
    book.splits.setdefault(holding.key, []).append(Split(book.today, new, old))
    if holding.key in book.losses:
        book.put_off(holding, wash.after_split(book.losses[holding.key], new, old))
    before = holding.quantity
    if not before:
        earn(book, entry, holding, cash)
        return
    by_ratio = units(EXACT.divide(EXACT.multiply(before, new), old))
    stated = _left_by_split(before + entry.quantity if entry.quantity else None, by_ratio, cash)
    if cash and abs(stated) < abs(by_ratio):
        holding.scale(by_ratio)
        book.close(entry, holding, abs(by_ratio - stated), cash)
    elif stated:
        holding.scale(stated)
        earn(book, entry, holding, cash)
    else:
        book.close(entry, holding, abs(before), cash)
    book.moved(holding)


def _left_by_split(stated: Decimal | None, by_ratio: Decimal, cash: Decimal) -> Decimal:
    """Return what is left: as stated, unless it was stated of other holdings (something was posted late): then by the ratio.

    By the ratio whole units are left where there is cash, which is for the fraction.
    """
    near = max(ONE, EXACT.multiply(abs(by_ratio), ROUNDED_RATIO))
    if stated is not None and stated * by_ratio >= 0 and abs(stated - by_ratio) < near:
        return stated
    return by_ratio.quantize(ONE, ROUND_DOWN, EXACT) if cash else by_ratio


def ratio_of(entry: Entry) -> tuple[Decimal, Decimal]:
    """Return the new units and the old ones that a split states as "new:old" or as one number."""
    new, _, old = str(entry.data.get("ratio", "1")).partition(":")
    return Decimal(new), Decimal(old or 1)


def spin_off(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Give out units of a child: a fraction of the parent's cost moves to them, lot by lot, dates kept.

    Of a short position they are owed. If the entry states its ratio, the units that gives beyond its own are sold for its cash.
    """
    parent = book.holdings.get(book.named.get(str(entry.data.get("from", "")), holding.key))
    if parent is None or parent is holding or not parent.quantity:
        earn(book, entry, holding, cash)
        book.trade(entry, holding, ZERO)
        _note_exchange(book, entry, entry.quantity)
        return
    signed = entry.quantity.copy_sign(parent.quantity)
    beyond = _fraction(entry, parent, signed) if cash else ZERO
    _spin_off(book, entry, parent, holding, signed + beyond)
    if beyond:
        book.trade(entry._replace(quantity=-beyond), holding, cash)
    else:
        earn(book, entry, holding, cash)
    _note_exchange(book, entry, signed)


def _fraction(entry: Entry, parent: Holding, given: Decimal) -> Decimal:
    """Return the part of a unit that the ratio gives beyond what was given; nothing where no ratio is stated."""
    if not RATIO.fullmatch(str(entry.data.get("ratio", ""))):
        return ZERO
    new, old = ratio_of(entry)
    beyond = units(EXACT.divide(EXACT.multiply(parent.quantity, new), old)) - given if old else ZERO
    return beyond if beyond * given > 0 and abs(beyond) < ONE else ZERO


def _spin_off(book: Book, entry: Entry, parent: Holding, child: Holding, quantity: Decimal) -> None:
    """Move a fraction of the cost of the parent's lots to the child's units."""
    if book.method is Method.AVERAGE:
        parent.level()
    fraction = min(number_in(entry.data, "cost_fraction") or ZERO, ONE)
    moved = [money(EXACT.multiply(lot.cost, fraction)) for lot in parent.lots]
    given = [
        lot._replace(cost=book.into(child.currency, in_currency(entry, parent.currency), cost))
        for lot, cost in zip(parent.lots, moved, strict=True)
    ]
    parent.lots = [lot._replace(cost=lot.cost - cost) for lot, cost in zip(parent.lots, moved, strict=True)]
    parent.cost -= sum(moved, ZERO)
    for lot in arrived(given, quantity, entry.sequence):
        book.arrive(entry, child, lot)
    book.touched.add(parent.key)
    book.moved(child)


def merger(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post one leg of a merger: the units that go leave their lots in the group's hands, those that come take them over.

    Cash beside units is a gain as far as there is one, but no more than the cash; what is no gain lowers the cost. Without
    another leg there is nothing to move to: the leg is a sale, or a purchase, for its cash. Units that go beyond those held
    are kept and marked as missing.
    """
    group = entry.group
    if group is not None and _goes(book, entry, holding, group):
        _park(book, entry, holding, group, cash)
        for late in book.waiting.pop(group, ()):
            own = book.holding(late.instrument or "")
            _come(book, late, own, book.into(own.currency, late, late.cash))
    elif group is not None and (group in book.waiting or (group not in book.parked and _precedes(book, entry))):
        book.waiting.setdefault(group, []).append(entry)
    else:
        _come(book, entry, holding, cash)


def _goes(book: Book, entry: Entry, holding: Holding, group: str) -> bool:
    """Say whether a leg goes: units held do, for what comes with the other sign; where both sides are held, the long ones."""
    if book.parked.get(group):
        return (book.parked[group][0].lot.quantity > 0) is not (entry.quantity > 0)
    if group in book.waiting:
        return (book.waiting[group][0].quantity > 0) is not (entry.quantity > 0)
    return holding.quantity * entry.quantity < 0 and not (entry.quantity > 0 and _precedes(book, entry))


def _precedes(book: Book, entry: Entry) -> bool:
    """Say whether a leg comes before the units that go for it, which are held: long ones for what is added, else short ones."""
    others = [book.holdings[key] for key in entry.data.get(OTHERS, ()) if key in book.holdings]
    return any(other.quantity * entry.quantity > 0 for other in others)


def _park(book: Book, entry: Entry, holding: Holding, group: str, cash: Decimal) -> None:
    """Take the units of an outgoing leg out of the book and keep their lots, and the cash for them, for the incoming one."""
    going = min(abs(entry.quantity), abs(holding.quantity)) if holding.quantity * entry.quantity < 0 else ZERO
    parts = holding.take(going, book.method) if going else []
    shares = spread(cash, [part.quantity for part in parts]) if parts else []
    if parts:
        book.parked.setdefault(group, []).extend(
            Parked(
                part.lot._replace(quantity=part.quantity, cost=part.cost, opened=part.quantity),
                holding.key,
                holding.currency,
                own,
            )
            for part, own in zip(parts, shares, strict=True)
        )
    beyond = entry.quantity + (going if entry.quantity < 0 else -going)
    if beyond:
        book.trade(entry._replace(quantity=beyond), holding, ZERO if parts else cash, missing=True)
    book.moved(holding)
    _note_exchange(book, entry, entry.quantity)


def _come(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post units that come: with the lots of those that went; without any, for the cash."""
    parked = book.parked.pop(entry.group, []) if entry.group is not None else []
    if parked:
        _take_over(book, entry, holding, parked, cash)
    else:
        book.trade(entry, holding, cash, missing=entry.quantity < 0)
    book.moved(holding)
    _note_exchange(book, entry, entry.quantity)


def _take_over(book: Book, entry: Entry, holding: Holding, parked: list[Parked], cash: Decimal) -> None:
    """Open the lots of an incoming leg: units by the ratio, dates as they were, costs less what cash is no gain."""
    weights = [one.lot.quantity for one in parked]
    worths = _worths(book, entry, holding, weights) if cash or any(one.cash for one in parked) else [None] * len(parked)
    lots = []
    for one, own, worth in zip(parked, spread(cash, weights), worths, strict=True):
        foreign = in_currency(entry, one.currency)
        cost = book.into(holding.currency, foreign, one.lot.cost)
        boot = own + book.into(holding.currency, foreign, one.cash)
        gain = _recognized(cost, boot, worth)
        if gain:
            source = book.holding(one.instrument)
            won = book.into(source.currency, in_currency(entry, holding.currency), gain)
            received = book.into(source.currency, in_currency(entry, holding.currency), boot)
            book.settle(entry, source, one.lot, received - won, received)
        lots.append(one.lot._replace(cost=cost - boot + gain))
    for lot in arrived(lots, entry.quantity, entry.sequence):
        book.arrive(entry, holding, lot)


def _worths(book: Book, entry: Entry, holding: Holding, weights: list[Decimal]) -> list[Decimal | None]:
    """Return what the incoming units of each lot are worth, at the price of the entry or the day; none where there is none."""
    price = book.into(holding.currency, entry, entry.price) if entry.price is not None else book.price_of(holding)
    if price is None:
        return [None] * len(weights)
    worth = money(EXACT.multiply(EXACT.multiply(entry.quantity, price), holding.listing.multiplier))
    return [*spread(worth, weights)]


def _recognized(cost: Decimal, boot: Decimal, worth: Decimal | None) -> Decimal:
    """Return the gain that counts now: up to the cash, none of a loss; if the units' worth is not known, cash beyond the cost."""
    if boot <= 0:
        return ZERO
    gain = boot - max(cost, ZERO) if worth is None else boot + worth - cost
    return min(max(gain, ZERO), boot)


def return_of_capital(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Lower the cost of what is held by the cash that came back; without holdings it is income."""
    if holding.quantity <= 0:
        earn(book, entry, holding, cash)
        return
    if book.method is Method.AVERAGE:
        holding.level()
    book.lower_cost(entry, holding, cash)


def earn(book: Book, entry: Entry, holding: Holding, cash: Decimal) -> None:
    """Post cash that stands for no units as income, before the fees and taxes that were held back from it."""
    holding.income += cash + book.into(holding.currency, entry, entry.fee + entry.tax)


def in_currency(entry: Entry, currency: str) -> Entry:
    """Return an entry as if it were in another currency, without the rate it states of its own."""
    return entry._replace(currency=currency, data={})


def _note_exchange(book: Book, entry: Entry, quantity: Decimal) -> None:
    """Note that units moved between instruments, so that the day's gain of neither counts them."""
    if entry.instrument is not None:
        book.page.transfers.append(Transfer(entry.instrument, quantity, entry.currency, None, external=False))
