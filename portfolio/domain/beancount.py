"""The book of an account in the language of beancount: every entry that counts is a transaction that `bean-check` balances.

Lots are beancount's own: what is bought opens one at its cost, what is sold closes lots. Of an account that goes by FIFO
beancount is left to choose them itself, which it does as we do; where it would not, and by every other method, they are named.
A gain is stated as we reckon it, and beancount refuses the transaction unless the lots it closed say the same.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, localcontext

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
TEXT_ENDS = re.compile(r'["\\\x00-\x1f\x7f]+')
NO_LETTERS = re.compile(r"[^A-Z0-9'._-]+")
LONGEST_NAME, LONGEST_TEXT = 24, 200
CENTS = 2


@dataclass(slots=True)
class Kept:
    """A lot as beancount has it: under a name, with the units left of those it was opened with, at a cost for each."""

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


@dataclass(slots=True)
class Change:
    """What an entry did to lots: those that lose units, and those that are opened at a cost for all of them."""

    closed: list[tuple[Kept, Decimal]] = field(default_factory=list)
    opened: list[tuple[Kept, Decimal]] = field(default_factory=list)


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
    kept: dict[str, dict[tuple[int, str, int], Kept]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)

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
        kept = self.kept.setdefault(holding.key, {})
        order = [(lot, lot.units) for lot in kept.values()]
        change = self._change(kept, ours)
        name, currency = self.names[holding.key], holding.currency
        if self.book.method is Method.FIFO and change.closed and _first_in(order, change.closed):
            total = sum((units for _, units in change.closed), ZERO)
            legs.append(f"  {HOLDINGS}  {plain(-total)} {name} {{{currency}}}\n")
        else:
            legs += [f'  {HOLDINGS}  {plain(-units)} {name} {{{currency}, "{lot.label}"}}\n' for lot, units in change.closed]
        for lot, units in change.closed:
            sums[currency] -= lot.cost(units)
        for lot, cost in change.opened:
            sums[currency] += lot.cost(lot.units)
            legs.append(f'  {HOLDINGS}  {plain(lot.units)} {name} {{{{{plain(cost)} {currency}, {lot.day}, "{lot.label}"}}}}\n')

    def _change(self, kept: dict[tuple[int, str, int], Kept], ours: Sequence[Lot]) -> Change:
        """Return what has to be told for beancount to have our lots, and note that it has them then."""
        change, there = Change(), _keyed(ours)
        for key in [key for key in kept if key not in there]:
            gone = kept.pop(key)
            change.closed.append((gone, gone.units))
        for key, lot in there.items():
            known = kept.get(key)
            if known is not None and known.has_left(lot):
                if less := known.units - lot.quantity:
                    change.closed.append((known, less))
                    known.units = lot.quantity
                continue
            if known is not None:
                change.closed.append((kept.pop(key), known.units))
            cost = max(lot.cost.copy_sign(lot.cost * lot.quantity), ZERO)
            kept[key] = fresh = Kept(self._label(lot), lot.opened_at.date(), lot.quantity, THEIRS.divide(cost, abs(lot.quantity)))
            change.opened.append((fresh, cost))
        return change

    def _label(self, lot: Lot) -> str:
        """Return a name for a lot: the sequence of the entry that opened it, and how often that was told."""
        self.labels[str(lot.sequence)] += 1
        return f"{lot.sequence}.{self.labels[str(lot.sequence)]}"


def _keyed(lots: Iterable[Lot]) -> dict[tuple[int, str, int], Lot]:
    """Return lots by the entry and the time that opened them, and which one of these it is."""
    seen: Counter[tuple[int, str]] = Counter()
    found = {}
    for lot in lots:
        key = (lot.sequence, lot.opened_at.isoformat())
        found[(*key, seen[key])] = lot
        seen[key] += 1
    return found


def _first_in(order: Iterable[tuple[Kept, Decimal]], closed: Sequence[tuple[Kept, Decimal]]) -> bool:
    """Say whether beancount would choose these very lots: it goes by their days, and of one day by when it was told of them."""
    going = {lot.label: units for lot, units in closed}
    left = sum(going.values(), ZERO)
    for lot, units in sorted(order, key=lambda one: one[0].day):
        taken = units if abs(units) <= abs(left) else left
        if taken != going.get(lot.label, ZERO):
            return False
        left -= taken
    return not left


def _amount(number: Decimal) -> str:
    """Return an amount of money with cents at least.

    >>> _amount(Decimal("5")), _amount(Decimal("-0.12345"))
    ('5.00', '-0.12345')
    """
    text = plain(number)
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<{CENTS}}"
