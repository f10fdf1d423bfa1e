"""Coinbase: the transaction history as CSV, with or without lines before the headings; amounts carry the sign of a currency."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Passed, Row, certain, needed, read_rows, rows
from accounts.domain.figures import figure, units
from accounts.domain.happenings import Happening, Lines, currency_of, flow
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import coin
from accounts.domain.moments import stamp
from accounts.domain.statements import InstrumentHints, Item, LineRefused
from marketdata.domain.money import CURRENCIES

NEEDED = ("Timestamp", "Transaction Type", "Asset", "Quantity Transacted")
ALSO = ("Subtotal", "Total (inclusive of fees and/or spread)", "Notes")
UTC = ZoneInfo("UTC")
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
)
INTERNAL = ("retail staking transfer", "retail unstaking transfer", "retail eth2 deprecation", "vault", "asset migration",
            "eth2 deprecation", "staking transfer", "unstaking transfer")  # fmt: skip
OUT = frozenset({"send", "exchange deposit", "pro deposit", "debit", "card spend", "merchant payment", "admin debit"})
IN = frozenset({"receive", "exchange withdrawal", "pro withdrawal", "credit", "admin credit", "fork"})


class Coinbase:
    """The transactions of an account at Coinbase."""

    name = "coinbase"
    title = "Coinbase transaction history (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns, of which "Quantity Transacted" is Coinbase's own."""
        return certain(file, NEEDED, ALSO)

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

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
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
            price=row.money("Price at Transaction", "Spot Price at Transaction"),
            notes=row.text("Notes"),
            id=row.text("ID"),
            weak_id=True,
            data={"type": row.text("Transaction Type")},
        )
        if any(kind.startswith(word) for word in INTERNAL):
            raise Passed("internal", "Transaction Type: it moves coins between places of the same account.")
        if asset in CURRENCIES:
            yield _of_money(row, made, kind, asset)
        elif kind == "convert":
            yield from _conversion(row, made)
        else:
            yield _of_coins(row, made, kind)


def _of_coins(row: Row, made: Happening, kind: str) -> Happening:
    """Return what moved coins."""
    if kind in BUYS | SELLS:
        total = needed(row.money("Total (inclusive of fees and/or spread)", "Total (inclusive of fees)", "Subtotal"), "Total")
        cash = abs(total) if kind in SELLS else -abs(total)
        fee = row.cost("Fees and/or Spread", "Fees")
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
    worth = abs(needed(row.money("Subtotal", "Total (inclusive of fees and/or spread)"), "Subtotal"))
    got = units(figure(found["got"], "Notes") or ZERO, "Notes")
    group = f"{made.id or made.at.isoformat()}|{found[0]}"
    sold = replace(made, kind=EntryKind.SELL, cash=worth, converted=True, group=group)
    hints = coin(found["to"].upper(), made.currency)
    yield sold
    yield replace(sold, kind=EntryKind.BUY, hints=hints, quantity=got, price=None, cash=-worth, id=made.id and f"{made.id}/to")


READERS = (Coinbase(),)
