"""The book of an account in the language of beancount: every entry that counts is a transaction that `bean-check` balances.

Lots are beancount's own: what is bought opens one at its cost, what is sold closes lots. Of an account that goes by FIFO
beancount is left to choose them itself, which it does as we do; where it would not, and by every other method, they are named.
A gain is stated as we reckon it, and beancount refuses the transaction unless the lots it closed say the same.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, localcontext
from itertools import count
from typing import NamedTuple

from accounts.domain.ledger import EntryKind
from portfolio.domain.book import Book
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ZERO, plain
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Lot, Method, leveled
from portfolio.domain.positions import post

THEIRS = Context(prec=28)  # what beancount reckons with
NEAR = Decimal("1e-6")
HOLDINGS, CASH, GAINS, ROUNDING, OTHER = "Assets:Holdings", "Assets:Cash", "Income:Gains", "Equity:Rounding", "Equity:Adjustments"
FEES, TAXES, CONVERSIONS = "Expenses:Fees", "Expenses:Taxes", "Equity:Conversions"
COUNTERPARTS: Mapping[str, str] = {
    EntryKind.DEPOSIT: "Equity:Owner",
    EntryKind.WITHDRAWAL: "Equity:Owner",
    EntryKind.TRANSFER_IN: "Equity:Transfers",
    EntryKind.TRANSFER_OUT: "Equity:Transfers",
    EntryKind.FX: CONVERSIONS,
    EntryKind.DIVIDEND: "Income:Dividends",
    EntryKind.INTEREST: "Income:Interest",
    EntryKind.STAKING: "Income:Staking",
    EntryKind.FEE: FEES,
    EntryKind.TAX: TAXES,
}
ACCOUNTS = sorted({HOLDINGS, CASH, GAINS, ROUNDING, OTHER, FEES, TAXES, CONVERSIONS, *COUNTERPARTS.values()} - {HOLDINGS})
EARNED = frozenset({EntryKind.DIVIDEND, EntryKind.INTEREST})
Key = tuple[int, str, int]  # the entry and the time that opened a lot, and which one of these it is
TEXT_ENDS = re.compile(r'["\\\x00-\x1f\x7f]+')
NO_LETTERS = re.compile(r"[^A-Z0-9'._-]+")
LONGEST_NAME, LONGEST_TEXT = 24, 200
CENTS = 2
STRIDE = 1024  # lots that are compared at once


@dataclass(slots=True)
class Kept:
    """A lot as beancount has it: under a name, with the units left of those it was opened with, at a cost for each.

    `number` is when beancount was told of it: one that is told later has a higher one.
    """

    number: int
    label: str
    day: date
    units: Decimal
    each: Decimal

    def cost(self, units: Decimal) -> Decimal:
        """Return what units of it cost, as beancount reckons."""
        return THEIRS.multiply(units, self.each)

    def has_left(self, lot: Lot) -> bool:
        """Say whether a lot of ours is what is left of it: units went, or none, and each of the others costs what it did."""
        fewer = lot.quantity * self.units > 0 and abs(lot.quantity) <= abs(self.units)
        return fewer and abs(self.cost(lot.quantity) - lot.cost) <= NEAR


class Closed(NamedTuple):
    """Units that a lot loses, and those it is left with."""

    lot: Kept
    units: Decimal
    left: Decimal = ZERO


@dataclass(slots=True)
class Change:
    """What an entry did to lots: those that lose units, and those that are opened at a cost for all of them."""

    closed: list[Closed] = field(default_factory=list)
    opened: list[tuple[Kept, Decimal]] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """What beancount was told of an instrument: our lots as they were then, and its own.

    A lot of ours never changes, another one takes its place; so what is the same as it was needs no telling.
    """

    ours: list[Lot] = field(default_factory=list)
    kept: dict[Key, Kept] = field(default_factory=dict)
    queue: list[tuple[date, int, Kept]] = field(default_factory=list)  # as beancount goes by FIFO; empty by other methods
    restless: bool = False  # a lot can't be told as it is (one that cost less than nothing), and is told anew every time


def commodities(keys: Mapping[str, str], taken: Iterable[str]) -> dict[str, str]:
    """Return a name that beancount takes for each instrument, by its key: alike names, and those of currencies, are told apart.

    >>> commodities({"1": "BTC/USD:CRYPTO", "2": "AAPL:XNAS", "3": "AAPL:XETR", "4": "4711:XTKS"}, ["USD"])
    {'1': 'BTC.USD', '2': 'AAPL', '3': 'AAPL.XETR', '4': 'X4711'}
    """
    used, found = set(taken), {}
    for instrument, key in keys.items():
        symbol, _, exchange = key.partition(":")
        for spelled in (symbol, f"{symbol}.{exchange}", *(f"{symbol}.{number}" for number in range(2, 1000))):
            name = NO_LETTERS.sub(".", spelled.upper())
            name = (name if name[:1].isalpha() else f"X{name}")[-LONGEST_NAME:].strip(".-_'")
            name = name if name[:1].isalpha() else f"X{name[1:]}"
            if len(name) > 1 and name not in used:
                break
        used.add(name)
        found[instrument] = name
    return found


def journal(
    book: Book, entries: Sequence[Entry], *, title: str, names: Mapping[str, str], about: Mapping[str, str]
) -> Iterator[str]:
    """Yield a file of beancount: what is posted to an empty book, transaction by transaction; `about` are names to be read."""
    yield f'option "title" "{as_text(title)}"\noption "operating_currency" "{book.base}"\n\n'
    first = date.fromordinal(min((entry.day for entry in entries), default=1))
    booking = "FIFO" if book.method is Method.FIFO else "STRICT"
    yield f'{first} open {HOLDINGS} "{booking}"\n' + "".join(f"{first} open {name}\n" for name in ACCOUNTS)
    for instrument, name in names.items():
        yield f'{first} commodity {name}\n  name: "{as_text(about.get(instrument, ""))}"\n'
    writer = Writer(book, names)
    for entry in entries:
        with localcontext(EXACT):
            yield from writer.written(entry)


def as_text(text: str) -> str:
    """Return a text that may stand between quotation marks."""
    return TEXT_ENDS.sub(" ", text)[:LONGEST_TEXT].strip()


@dataclass(slots=True)
class Writer:
    """What beancount has been told of so far."""

    book: Book
    names: Mapping[str, str]
    told: defaultdict[str, Told] = field(default_factory=lambda: defaultdict(Told))
    labels: Counter[str] = field(default_factory=Counter)
    numbers: count[int] = field(default_factory=count)

    def written(self, entry: Entry) -> Iterator[str]:
        """Post an entry to the book, and yield the transaction that it is."""
        before = len(self.book.closures)
        touched, self.book.touched = self.book.touched, set()
        post(self.book, entry)
        changed, self.book.touched = sorted(self.book.touched), touched | self.book.touched
        if entry.kind == EntryKind.VALUATION and entry.instrument:
            amount = f"{plain(entry.price or ZERO)} {entry.currency}"
            yield f"\n{date.fromordinal(entry.day)} price {self.names[entry.instrument]} {amount}\n"
            return
        legs: list[str] = []
        sums: dict[str, Decimal] = defaultdict(Decimal)
        if entry.cash:
            self._leg(legs, sums, CASH, entry.cash, entry.currency)
        for key in changed:
            self._lots(legs, sums, self.book.holdings[key])
        for closure in self.book.closures[before:]:
            self._leg(legs, sums, GAINS, -closure.gain, self.book.holdings[closure.instrument].currency)
        if entry.kind in EARNED:
            for account, withheld in ((TAXES, entry.tax), (FEES, entry.fee)):
                if withheld:
                    self._leg(legs, sums, account, withheld, entry.currency)
        yield from self._balanced(entry, legs, sums)

    def _balanced(self, entry: Entry, legs: list[str], sums: dict[str, Decimal]) -> Iterator[str]:
        """Yield a transaction whose legs add up to nothing, if there are any; what is beyond rounding has a place by its kind."""
        if not legs:
            return
        left = {currency: -amount for currency, amount in sums.items() if abs(amount) > NEAR}
        other = COUNTERPARTS.get(entry.kind, CONVERSIONS if len(left) > 1 else OTHER)
        for currency, amount in left.items():
            self._leg(legs, sums, other, EXACT.quantize(amount, NEAR), currency)
        # beancount believes in as many digits as the roughest amount of a currency has: that is a cent
        legs += [f"  {ROUNDING}  0.00 {currency}\n" for currency in sums]
        yield f'\n{date.fromordinal(entry.day)} * "{entry.kind.replace("_", " ").capitalize()}"\n  entry: {entry.sequence}\n'
        yield "".join(legs)

    def _leg(self, legs: list[str], sums: dict[str, Decimal], account: str, amount: Decimal, currency: str) -> None:
        """Add an amount to an account."""
        sums[currency] += amount
        legs.append(f"  {account}  {_amount(amount)} {currency}\n")

    def _lots(self, legs: list[str], sums: dict[str, Decimal], holding: Holding) -> None:
        """Add what an entry did to the lots of an instrument."""
        ours = leveled(holding.lots, holding.cost) if self.book.method is Method.AVERAGE else holding.lots
        told = self.told[holding.key]
        change = self._change(told, ours)
        name, currency = self.names[holding.key], holding.currency
        if self.book.method is Method.FIFO and change.closed and _first_in(told.queue, change.closed):
            total = sum((one.units for one in change.closed), ZERO)
            legs.append(f"  {HOLDINGS}  {plain(-total)} {name} {{{currency}}}\n")
        else:
            legs += [f'  {HOLDINGS}  {plain(-units)} {name} {{{currency}, "{lot.label}"}}\n' for lot, units, _ in change.closed]
        for lot, units, _ in change.closed:
            sums[currency] -= lot.cost(units)
        for lot, cost in change.opened:
            sums[currency] += lot.cost(lot.units)
            legs.append(f'  {HOLDINGS}  {plain(lot.units)} {name} {{{{{plain(cost)} {currency}, {lot.day}, "{lot.label}"}}}}\n')
        self._note(told, change)

    def _change(self, told: Told, ours: Sequence[Lot]) -> Change:
        """Return what has to be told for beancount to have our lots; only those between the first and the last change count."""
        front, back = (0, 0) if told.restless else _alike(told.ours, ours)
        middle, until = slice(front, len(ours) - back), len(told.ours) - back
        change, kept, there = Change(), told.kept, _keyed(ours[middle])
        known_there = _keyed(told.ours[front:until]) if front or back else kept
        gone = [kept.pop(key) for key in [key for key in known_there if key not in there]]
        change.closed += [Closed(lot, lot.units) for lot in sorted(gone, key=lambda lot: lot.number)]
        told.ours[front:until], told.restless = ours[middle], False
        for key, lot in there.items():
            known = kept.get(key)
            if known is not None and known.has_left(lot):
                if less := known.units - lot.quantity:
                    change.closed.append(Closed(known, less, lot.quantity))
                continue
            if known is not None:
                change.closed.append(Closed(known, known.units))
            cost = max(lot.cost.copy_sign(lot.cost * lot.quantity), ZERO)
            each = THEIRS.divide(cost, abs(lot.quantity))
            kept[key] = fresh = Kept(next(self.numbers), self._label(lot), lot.opened_at.date(), lot.quantity, each)
            change.opened.append((fresh, cost))
            told.restless |= not fresh.has_left(lot)
        return change

    def _note(self, told: Told, change: Change) -> None:
        """Note what beancount has after a change."""
        fifo = self.book.method is Method.FIFO
        for lot, _, left in change.closed:
            if left:
                lot.units = left
            elif fifo:
                del told.queue[bisect_left(told.queue, (lot.day, lot.number))]
        if fifo:
            for lot, _ in change.opened:
                insort(told.queue, (lot.day, lot.number, lot))

    def _label(self, lot: Lot) -> str:
        """Return a name for a lot: the sequence of the entry that opened it, and how often that was told."""
        self.labels[str(lot.sequence)] += 1
        return f"{lot.sequence}.{self.labels[str(lot.sequence)]}"


def _keyed(lots: Iterable[Lot]) -> dict[Key, Lot]:
    """Return lots by the entry and the time that opened them, and which one of these it is."""
    seen: Counter[tuple[int, str]] = Counter()
    found = {}
    for lot in lots:
        key = (lot.sequence, lot.opened_at.isoformat())
        found[(*key, seen[key])] = lot
        seen[key] += 1
    return found


def _alike(before: Sequence[Lot], now: Sequence[Lot]) -> tuple[int, int]:
    """Return how many lots, in the order of opening, are the same from the front, and how many of the others from the back.

    Lots opened together are told apart by their places, so they are all the same or none of them counts as that.
    """
    most = min(len(before), len(now))
    front = _run(before, now, most)
    if front == len(before) == len(now):
        return front, 0
    back = _run(before, now, most - front, back=True)
    while front and any(front < len(lots) and lots[front][:2] == before[front - 1][:2] for lots in (before, now)):
        front -= 1
    while back and any(back < len(lots) and lots[-back - 1][:2] == before[-back][:2] for lots in (before, now)):
        back -= 1
    return front, back


def _run(before: Sequence[Lot], now: Sequence[Lot], most: int, *, back: bool = False) -> int:
    """Return how many lots on end are the same, from the front or from the back; so many at most are looked at."""
    same, step = 0, STRIDE
    while step:
        one, other = (len(before) - same - step, len(now) - same - step) if back else (same, same)
        if same + step <= most and before[one : one + step] == now[other : other + step]:
            same += step
        else:
            step //= 2
    return same


def _first_in(queue: Iterable[tuple[date, int, Kept]], closed: Sequence[Closed]) -> bool:
    """Say whether beancount would choose these very lots: it goes by their days, and of one day by when it was told of them."""
    going = {one.lot.number: one.units for one in closed}
    left = sum(going.values(), ZERO)
    for _, number, lot in queue:
        if not left:
            break
        taken = lot.units if abs(lot.units) <= abs(left) else left
        if taken != going.pop(number, ZERO):
            return False
        left -= taken
    return not left and not going


def _amount(number: Decimal) -> str:
    """Return an amount of money with cents at least.

    >>> _amount(Decimal("5")), _amount(Decimal("-0.12345"))
    ('5.00', '-0.12345')
    """
    text = plain(number)
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<{CENTS}}"
