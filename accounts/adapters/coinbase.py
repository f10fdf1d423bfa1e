"""Coinbase: the transaction history as CSV, with or without lines before the headings; amounts carry the sign of a currency."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Passed, Row, certain, key, needed, read_rows, rows
from accounts.domain.figures import figure, units
from accounts.domain.happenings import Happening, Lines, currency_of, flow
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import coin
from accounts.domain.moments import stamp
from accounts.domain.statements import InstrumentHints, Item, LineRefused
from marketdata.domain.money import CURRENCIES

NEEDED = ("Timestamp", "Transaction Type", "Asset", "Quantity Transacted")
# as exports of several years call them; those of the first had the currency in front: "EUR Subtotal"
PRICES = ("Price at Transaction", "Spot Price at Transaction")
TOTALS = ("Total (inclusive of fees and/or spread)", "Total (inclusive of fees)", "Subtotal")
FEES = ("Fees and/or Spread", "Fees")
FIRST = re.compile(r"([a-z]{3})spotpriceattransaction", re.ASCII)
UTC = ZoneInfo("UTC")
TRADED = re.compile(
    r"(Bought|Sold) [\d.,]+ [A-Z0-9]+ for (?P<amount>[\d.,]+) (?P<quoted>[A-Z0-9]+) on [A-Z0-9]+-[A-Z0-9]+ at", re.ASCII
)
CONVERTED = re.compile(r"Converted (?P<gave>[\d.,]+) (?P<from>[A-Z0-9]+) to (?P<got>[\d.,]+) (?P<to>[A-Z0-9]+)", re.ASCII | re.I)
BUYS = frozenset({"buy", "advanced trade buy", "advance trade buy", "recurring buy", "limit buy", "order buy"})
SELLS = frozenset({"sell", "advanced trade sell", "advance trade sell", "limit sell", "order sell"})
INCOME = (
    "staking income",
    "reward",
    "inflation reward",
    "coinbase earn",
    "interest",
    "incentive",
    "airdrop",
    "learning",
    "bonus",
    "rebate",
)
INTERNAL = ("retail staking transfer", "retail unstaking transfer", "retail eth2 deprecation", "vault", "asset migration",
            "eth2 deprecation", "staking transfer", "unstaking transfer", "cash to savings")  # fmt: skip
OUT = frozenset({"send", "exchange deposit", "pro deposit", "debit", "card spend", "merchant payment", "admin debit", "donation"})
IN = frozenset({"receive", "exchange withdrawal", "pro withdrawal", "credit", "admin credit", "fork"})


class Coinbase:
    """The transactions of an account at Coinbase."""

    name = "coinbase"
    title = "Coinbase transaction history (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns, of which "Quantity Transacted" is Coinbase's own."""
        return certain(file, NEEDED)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the transactions."""
        yield from _Reading().items(file)


@dataclass(slots=True)
class _Reading:
    """One reading of a file. Ids are said to come twice with other figures, so the figures are part of what is known."""

    lines: Lines = field(default_factory=lambda: Lines("coinbase"))

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say."""
        yield from read_rows(rows(file, NEEDED), self.lines, self._happenings)

    def _happenings(self, said: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        row = _renamed(said)
        at, day_only = stamp(row.needed_text("Timestamp"), "Timestamp", UTC)
        kind, asset = row.word("Transaction Type"), row.needed_text("Asset").upper()
        code = row.text("Price Currency", "Spot Price Currency") or row.text("Currency")
        currency = currency_of(code, "Price Currency") if code else ""
        made = Happening(
            kind=EntryKind.NOTE,
            at=at,
            day_only=day_only,
            currency=currency,
            hints=coin(asset, currency),
            quantity=row.needed_units("Quantity Transacted"),
            price=row.money(*PRICES),
            notes=row.text("Notes"),
            id=row.text("ID"),
            weak_id=True,
            data={"type": row.text("Transaction Type")},
        )
        if any(kind.startswith(word) for word in INTERNAL):
            raise Passed("internal", "Transaction Type: it moves coins between places of the same account.")
        if asset in CURRENCIES:
            yield _of_money(row, made, kind, asset)
        elif kind == "convert" or CONVERTED.search(made.notes):
            yield from _conversion(row, made)
        elif kind in BUYS | SELLS and (found := TRADED.search(made.notes)) and found["quoted"] not in CURRENCIES:
            yield from _exchange(row, made, found)
        else:
            yield _of_coins(row, made, kind)


def _renamed(row: Row) -> Row:
    """Return a row of the first exports, whose headings name the currency, under the headings of later ones."""
    found = next(filter(None, map(FIRST.fullmatch, row.cells)), None)
    if found is None:
        return row
    cells = {name.removeprefix(found[1]): cell for name, cell in row.cells.items()}
    return replace(row, cells={**cells, key("Spot Price Currency"): found[1].upper()})


def _exchange(row: Row, made: Happening, found: re.Match[str]) -> Iterator[Happening]:
    """Yield the sale and the purchase that a trade against another coin is: no money moves but between the two."""
    worth = abs(needed(row.money(*TOTALS), "Total"))
    amount = units(figure(found["amount"], "Notes") or ZERO, "Notes")
    group = f"{made.id or made.at.isoformat()}|{found[0]}"
    identity = made.id and f"{made.id}/quoted"
    other = replace(made, hints=coin(found["quoted"], made.currency), quantity=amount, price=None, id=identity)
    sold, got = (other, made) if row.word("Transaction Type") in BUYS else (made, other)
    yield replace(sold, kind=EntryKind.SELL, cash=worth, converted=True, group=group)
    yield replace(got, kind=EntryKind.BUY, cash=-worth, converted=True, group=group)


def _of_coins(row: Row, made: Happening, kind: str) -> Happening:
    """Return what moved coins."""
    if kind in BUYS | SELLS:
        total = needed(row.money(*TOTALS), "Total")
        cash = abs(total) if kind in SELLS else -abs(total)
        fee = row.cost(*FEES)
        return replace(made, kind=EntryKind.SELL if kind in SELLS else EntryKind.BUY, cash=cash, fee=fee, converted=True)
    if any(word in kind for word in INCOME):
        return replace(made, kind=EntryKind.STAKING, cash=ZERO)
    if kind in OUT or (kind in {"withdrawal", "deposit"} and made.quantity < 0):
        return replace(made, kind=EntryKind.TRANSFER_OUT, cash=ZERO)
    if kind in IN or kind in {"withdrawal", "deposit"}:
        entry = EntryKind.TRANSFER_OUT if made.quantity < 0 or kind == "withdrawal" else EntryKind.TRANSFER_IN
        return replace(made, kind=entry, cash=ZERO)
    raise LineRefused("unknown_type", f"Transaction Type: {row.text('Transaction Type')[:60]!r} is not known.")


def _of_money(row: Row, made: Happening, kind: str, asset: str) -> Happening:
    """Return what moved money of a state."""
    goes = kind in OUT or "withdrawal" in kind
    cash = -abs(made.quantity) if goes else made.quantity
    plain = replace(made, hints=InstrumentHints(), quantity=ZERO, price=None, currency=asset, cash=cash)
    if any(word in kind for word in INCOME):
        return replace(plain, kind=EntryKind.INTEREST)
    if "deposit" in kind or "withdrawal" in kind or kind in OUT | IN:
        return replace(plain, kind=flow(cash))
    raise LineRefused("unknown_type", f"Transaction Type: {row.text('Transaction Type')[:60]!r} of money is not known.")


def _conversion(row: Row, made: Happening) -> Iterator[Happening]:
    """Yield the sale and the purchase that a conversion of coins is, at what they were worth."""
    found = CONVERTED.search(made.notes)
    if not found:
        raise LineRefused(
            "bad_conversion", "Notes: a conversion says here what became what, such as 'Converted 1 BTC to 20 ETH'."
        )
    worth = abs(needed(row.money("Subtotal", *TOTALS), "Subtotal"))
    got = units(figure(found["got"], "Notes") or ZERO, "Notes")
    group = f"{made.id or made.at.isoformat()}|{found[0]}"
    sold = replace(made, kind=EntryKind.SELL, cash=worth, converted=True, group=group)
    hints = coin(found["to"].upper(), made.currency)
    yield sold
    yield replace(sold, kind=EntryKind.BUY, hints=hints, quantity=got, price=None, cash=-worth, id=made.id and f"{made.id}/to")


READERS = (Coinbase(),)
