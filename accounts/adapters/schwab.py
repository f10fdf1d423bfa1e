"""Charles Schwab: the history of a brokerage account as CSV, with or without its title line, the newest first."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Refused, Row, certain, paired, read_rows, rows
from accounts.domain.contracts import UNITS, contract_of
from accounts.domain.happenings import Happening, Lines, flow, ratio_text, transfer
from accounts.domain.holdings import with_holdings
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import identified, in_percent
from accounts.domain.moments import US, day, midnight, said_day
from accounts.domain.statements import Heading, InstrumentHints, Item, LineRefused, Refusal, Remark, said_with
from accounts.domain.takebacks import TAKEN_BACK, canceled, settled
from marketdata.domain.money import plain

COLUMNS = ("Date", "Action", "Symbol", "Description", "Quantity", "Price", "Fees & Comm", "Amount")
TITLE = re.compile(r'^"?Transactions +for account (?P<account>.+?) as of (?P<day>\d\d/\d\d/\d{4})', re.ASCII | re.M)
AS_OF = re.compile(r"(?P<booked>[\d/]+) as of (?P<as_of>[\d/]+)", re.ASCII)
IN_BRACKETS = re.compile(r"\((?P<symbol>[A-Z][A-Z.]{0,5})\)\s*$", re.ASCII)
TOTAL = "transactions total"
CUSIP_LENGTH = 9
CENT = Decimal("0.01")
MOST_ACCRUED = Decimal("0.06")  # of the amount of a bond: half a year at 12 percent

TRADES = {
    "buy": EntryKind.BUY,
    "buy to open": EntryKind.BUY,
    "reinvest shares": EntryKind.BUY,
    "sell": EntryKind.SELL,
    "sell to close": EntryKind.SELL,
    "sell to open": EntryKind.SHORT,
    "sell short": EntryKind.SHORT,
    "buy to close": EntryKind.COVER,
    "buy to cover": EntryKind.COVER,
}
UNITS_MOVED = {
    "stock split": EntryKind.SPLIT,
    "stock div dist": EntryKind.SPLIT,
    "stock dividend": EntryKind.SPLIT,
    "spin-off": EntryKind.SPIN_OFF,
    "expired": EntryKind.OPTION_EXPIRATION,
    "assigned": EntryKind.OPTION_ASSIGNMENT,
    "exchange or exercise": EntryKind.OPTION_EXERCISE,
    "exercised": EntryKind.OPTION_EXERCISE,
}
# the old units go in one row and the new ones come in the next
IN_PAIRS = frozenset(
    {
        "reverse split",
        "stock merger",
        "cash/stock merger",
        "name change",
        "conversion",
        "exchange",
        "mandatory reorg",
        "mandatory reorg exc",
    }
)
MOVES = frozenset(
    {"journal", "journaled shares", "security transfer", "internal transfer", "moneylink transfer", "transfer of assets"}
    | {"stock plan activity", "futures mm sweep"}
)
# what is paid for all units of a share or a bond: the units may go in a row beside that of the money
PAID = ("cash merger", "redemption", "matur")
CANCELS = {"cancel buy": EntryKind.BUY, "cancel sell": EntryKind.SELL}
# what words in an action say about a movement of money, the first that fits
OF_CASH = (
    (("tax", "withh"), EntryKind.TAX),
    (("fee",), EntryKind.FEE),
    (("return of cap", "ret cap"), EntryKind.RETURN_OF_CAPITAL),
    (("div", "cap gain", "cash in lieu", "capital gain", "distribution", "sub inc", "substitute inc"), EntryKind.DIVIDEND),
    (("interest",), EntryKind.INTEREST),
)
FLOWS = (
    "wire",
    "bank transfer",
    "moneylink",
    "funds",
    "atm",
    "visa",
    "check",
    "deposit",
    "withdrawal",
    "ach",
    "promotional",
    "misc",
    "rebate",
    "cash ",
)
# what leaves open how many units were held before
LEFT_OPEN = (
    "plit",
    "Stock Div",
    "Expired",
    "Assigned",
    "xercise",
)


class Schwab:
    """The history of an account at Schwab."""

    name = "schwab"
    title = "Charles Schwab transactions (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns, of which "Fees & Comm" is Schwab's own."""
        return certain(file, COLUMNS)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the transactions, and whether they add up to the total under them."""
        found = with_holdings(lambda: _Reading().items(file), asks=file.mentions(*LEFT_OPEN), ends=True)
        yield from settled(found, trades=file.mentions("Cancel "))


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    lines: Lines = field(default_factory=lambda: Lines("schwab"))
    moved: Decimal = ZERO

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say; those that move units from one instrument into another belong together."""
        title = TITLE.search(file.head)
        if title:
            self.lines.account = title["account"].strip()
            yield Heading(self.lines.account, "USD", end=said_day(title["day"], US))
        for key, together in groupby(paired(rows(file, COLUMNS), _paid_for, _joined), _key_of):
            if key:
                yield from self._pair([row for row in together if isinstance(row, Row)])
            else:
                yield from self._each(together)

    def _each(self, together: Iterable[Row | Refused]) -> Iterator[Item]:
        """Yield what rows say that stand for themselves."""
        for row in together:
            if isinstance(row, Row) and row.word("Date") == TOTAL:
                yield from self._total(row)
            else:
                yield from read_rows([row], self.lines, self._happenings)

    def _total(self, row: Row) -> Iterator[Item]:
        """Yield a remark if the rows do not add up to the total."""
        try:
            total = row.money("Amount")
        except LineRefused:
            return
        if total is not None and abs(total - self.moved) >= CENT:
            yield Remark(
                "does_not_reconcile", f"The last line says {plain(total)}, the lines above add up to {plain(self.moved)}."
            )

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        cash, quantity = row.money("Amount"), row.units("Quantity") or ZERO
        self.moved += cash or ZERO
        action = row.word("Action")
        made = self._made(row)
        if action in TRADES:
            yield self._trade(row, replace(made, kind=TRADES[action]), cash, quantity)
        elif action in UNITS_MOVED:
            yield replace(made, kind=UNITS_MOVED[action], quantity=quantity, cash=cash or ZERO)
        elif action in MOVES:
            yield self._move(row, made, cash, quantity)
        elif action in CANCELS:
            yield canceled(replace(made, kind=CANCELS[action], price=row.money("Price"), cash=cash), quantity)
        elif any(word in action for word in PAID):
            yield self._paid(made, cash, quantity)
        else:
            kind = _kind_of_cash(row, cash)
            yield replace(made, kind=kind, cash=cash, takes_back=kind in TAKEN_BACK and (cash or ZERO) < 0)

    def _made(self, row: Row) -> Happening:
        """Return what all happenings in a row have in common."""
        said = row.needed_text("Date")
        found = AS_OF.fullmatch(said)
        on = day(found["booked"] if found else said, "Date", US)
        data = {"as_of": day(found["as_of"], "Date", US).isoformat()} if found else {}
        return Happening(
            kind=EntryKind.NOTE,
            at=midnight(on),
            day_only=True,
            currency="USD",
            hints=_hints(row),
            fee=row.cost("Fees & Comm"),
            data={**data, "type": row.text("Action")},
            notes=row.text("Description"),
        )

    def _trade(self, row: Row, made: Happening, cash: Decimal | None, quantity: Decimal) -> Happening:
        """Return a purchase or a sale; the amount of a bond may hold the interest that had accrued."""
        price, hints, data = row.money("Price"), made.hints, made.data
        if price is not None and cash is not None and hints.cusip:
            hints = in_percent(hints, quantity, price, cash)
            accrued = abs(cash + made.fee) - abs(quantity * price * CENT)
            if hints.multiplier == CENT and CENT <= accrued <= abs(cash) * MOST_ACCRUED:
                data = {**data, "accrued_interest": plain(accrued)}
        return replace(made, hints=hints, quantity=quantity, price=price, cash=cash, data=data)

    def _move(self, row: Row, made: Happening, cash: Decimal | None, quantity: Decimal) -> Happening:
        """Return what came from another account, or went there: units, or money."""
        if quantity:
            return replace(made, kind=transfer(quantity), quantity=quantity, price=row.money("Price"), cash=ZERO)
        if not cash:
            raise LineRefused("missing_amount", "Amount: a transfer needs its amount, or the units it moves.")
        return replace(made, kind=transfer(cash), cash=cash, hints=InstrumentHints())

    def _paid(self, made: Happening, cash: Decimal | None, quantity: Decimal) -> Happening:
        """Return what was paid for a bond at its end, or for a share, with or without the units."""
        if quantity and cash:
            hints = replace(made.hints, asset_class="BOND", multiplier=CENT) if made.hints.cusip else made.hints
            return replace(made, kind=EntryKind.SELL, hints=hints, quantity=quantity, cash=cash)
        if quantity:
            return replace(made, kind=EntryKind.MERGER, quantity=-abs(quantity), cash=ZERO)
        return replace(made, kind=EntryKind.RETURN_OF_CAPITAL, cash=cash)

    def _pair(self, together: list[Row]) -> Iterator[Item]:
        """Yield what rows say in which the units of one instrument became those of another."""
        try:
            made = [
                replace(self._made(row), quantity=row.needed_units("Quantity"), cash=row.money("Amount") or ZERO)
                for row in together
            ]
            action = together[0].word("Action")
            gone = [place for place, one in enumerate(made) if one.quantity < 0]
            come = [place for place, one in enumerate(made) if one.quantity > 0]
            if action == "reverse split":
                both = len(gone) == len(come) == 1
                ratio = ratio_text(made[come[0]].quantity, made[gone[0]].quantity) if both else ""
                kept = made[come[0] if come else 0]
                moved = sum((one.quantity for one in made), ZERO)
                split = replace(
                    kept, kind=EntryKind.SPLIT, quantity=moved, data={**kept.data, **({"ratio": ratio} if ratio else {})}
                )
                places, happenings = [come[0] if come else 0], [split]
            else:
                group = f"{together[0].text('Date')}|{action}|{'|'.join(one.hints.key for one in made)}"
                places, happenings = list(range(len(made))), [replace(one, kind=EntryKind.MERGER, group=group) for one in made]
            lines = [
                self.lines.line(together[place].number, one, together[place].raw)
                for place, one in zip(places, happenings, strict=True)
            ]
        except LineRefused as refusal:
            for row in together:
                yield Refusal(row.number, refusal.code, str(refusal))
            return
        self.moved += sum((one.cash or ZERO for one in made), ZERO)
        yield from lines
        yield from said_with(row.number for place, row in enumerate(together) if place not in places)


def _key_of(row: Row | Refused) -> tuple[str, str] | None:
    """Return what rows that belong together have in common, or None for those that stand for themselves."""
    if not isinstance(row, Row) or row.word("Action") not in IN_PAIRS:
        return None
    return (row.word("Date"), row.word("Action"))


def _paid_for(row: Row) -> tuple[str, ...] | None:
    """Return what the units that go, and the money that is paid for them, have in common; None for other rows."""
    action = row.word("Action").removesuffix(" adj")
    return (row.word("Date"), action, row.word("Symbol")) if any(word in action for word in PAID) else None


def _joined(one: Row, other: Row) -> Row | None:
    """Return one row for two of which one holds the units and the other the money."""
    paid, without = (one, other) if one.text("Amount") else (other, one)
    if without.text("Amount") or paid.text("Quantity"):
        return None
    return replace(paid, cells={**paid.cells, "quantity": without.text("Quantity")})


def _kind_of_cash(row: Row, cash: Decimal | None) -> EntryKind:
    """Return what a movement of money is."""
    action = row.word("Action")
    if cash is None and not row.text("Quantity"):
        raise LineRefused("missing_amount", f"Amount: {row.text('Action')[:60]!r} needs its amount.")
    for words, kind in OF_CASH:
        if cash is not None and any(word in action for word in words):
            return kind
    if cash is not None and any(word in f"{action} " for word in FLOWS):
        return flow(cash)
    raise LineRefused("unknown_action", f"Action: {row.text('Action')[:60]!r} is not known; enter the line by hand.")


def _hints(row: Row) -> InstrumentHints:
    """Return what a row says about its instrument."""
    symbol, name = re.sub(r"\s+", " ", row.text("Symbol").upper()), row.text("Description")
    contract = contract_of(row.text("Symbol"), name) if symbol else None
    if contract:
        return InstrumentHints(
            exchange="OPRA", name=name, asset_class="OPTION", currency="USD", multiplier=UNITS, contract=contract
        )
    if len(symbol) == CUSIP_LENGTH and (number := identified(symbol)):
        return InstrumentHints(isin=number.get("isin", ""), cusip=number.get("cusip", ""), name=name, currency="USD")
    if not symbol and (found := IN_BRACKETS.search(name)):
        symbol = found["symbol"]
    return InstrumentHints(symbol=symbol.replace("/", "."), name=name, currency="USD")


READERS = (Schwab(),)
