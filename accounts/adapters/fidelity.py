"""Fidelity: the history of one account or of all of them as CSV, with empty lines before and a disclaimer behind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Refused, Row, certain, paired, read_rows, rows
from accounts.domain.contracts import UNITS, contract_of
from accounts.domain.happenings import Happening, Lines, currency_of, flow, ratio_text, transfer
from accounts.domain.holdings import with_holdings
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import identified, in_percent
from accounts.domain.moments import US, day, midnight
from accounts.domain.statements import CashBalance, InstrumentHints, Item, LineRefused
from accounts.domain.takebacks import TAKEN_BACK, settled
from marketdata.domain.money import plain

NEEDED = ("Run Date", "Action", "Symbol", "Quantity", "Settlement Date")
ALSO = ("Amount", "Accrued Interest", "Commission", "Fees")
IN_BRACKETS = re.compile(r"\((?P<symbol>[A-Z][A-Z.0-9]{0,5})\) *(\([A-Za-z]+\))?\s*$", re.ASCII)
STARTS_WITH_A_DAY = re.compile(r"\d{1,4}[-/]", re.ASCII)
REORGANIZATION = re.compile(r"#REOR *(\w+)", re.ASCII)
CUSIP_LENGTH, RATIO = 9, "+ratio"
PERCENT, PAR, ONE = Decimal("0.01"), Decimal(100), Decimal(1)

# how an action begins, the first that fits
ACTIONS = (
    ("you bought closing", EntryKind.COVER),
    ("you bought short cover", EntryKind.COVER),
    ("you bought", EntryKind.BUY),
    ("you sold opening", EntryKind.SHORT),
    ("you sold short sale", EntryKind.SHORT),
    ("you sold", EntryKind.SELL),
    ("reinvestment", EntryKind.BUY),
    ("purchase into core account", EntryKind.BUY),
    ("redemption from core account", EntryKind.SELL),
    ("redemption payout", EntryKind.SELL),
    ("full call payout", EntryKind.SELL),
    ("partial call payout", EntryKind.SELL),
    ("in lieu of", EntryKind.DIVIDEND),
    ("dividend", EntryKind.DIVIDEND),
    ("long-term cap gain", EntryKind.DIVIDEND),
    ("short-term cap gain", EntryKind.DIVIDEND),
    ("royalty tr pymt", EntryKind.DIVIDEND),
    ("return of capital", EntryKind.RETURN_OF_CAPITAL),
    ("muni exempt int", EntryKind.INTEREST),
    ("margin interest", EntryKind.INTEREST),
    ("fully paid lending", EntryKind.INTEREST),
    ("interest", EntryKind.INTEREST),
    ("foreign tax", EntryKind.TAX),
    ("adj foreign tax", EntryKind.TAX),
    ("non-resident tax", EntryKind.TAX),
    ("tax withheld", EntryKind.TAX),
    ("fed tax w/h", EntryKind.TAX),
    ("state tax w/h", EntryKind.TAX),
    ("fee charged", EntryKind.FEE),
    ("foreign custody fee", EntryKind.FEE),
    ("advisor fee", EntryKind.FEE),
    ("advisory fee", EntryKind.FEE),
    ("merger", EntryKind.MERGER),
    ("exchanged to", EntryKind.MERGER),
    ("tender", EntryKind.MERGER),
    ("name change", EntryKind.MERGER),
    ("reverse split", EntryKind.SPLIT),
    ("stock split", EntryKind.SPLIT),
    ("distribution", EntryKind.SPLIT),
    ("spin-off", EntryKind.SPIN_OFF),
    ("expired", EntryKind.OPTION_EXPIRATION),
    ("assigned", EntryKind.OPTION_ASSIGNMENT),
    ("exercised", EntryKind.OPTION_EXERCISE),
)
# between the account and a bank, however much it sounds like a transfer
EXTERNAL = ("electronic funds transfer", "wire transfer")
MOVES = ("transferred", "journaled", "transfer of assets", "transfer", "acat")
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER})
UNITS_MOVED = frozenset(
    {EntryKind.MERGER, EntryKind.SPLIT, EntryKind.SPIN_OFF, EntryKind.OPTION_EXPIRATION, EntryKind.OPTION_ASSIGNMENT}
    | {EntryKind.OPTION_EXERCISE}
)
# what leaves open how many units were held before
LEFT_OPEN = (
    "SPLIT",
    "DISTRIBUTION",
    "EXPIRED",
    "ASSIGNED",
    "EXERCISED",
)


class Fidelity:
    """The history of accounts at Fidelity."""

    name = "fidelity"
    title = "Fidelity account history (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns, of which "Run Date" is Fidelity's own."""
        named = ("Amount ($)" if "Amount ($)" in file.head else "Amount", *ALSO[1:])
        return certain(file, NEEDED, named)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the transactions, and the cash that was left where the file says it."""
        yield from settled(with_holdings(lambda: _Reading().items(file), asks=file.mentions(*LEFT_OPEN), ends=True))


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    lines: Lines = field(default_factory=lambda: Lines("fidelity"))
    left: dict[str, tuple[date, CashBalance]] = field(default_factory=dict)

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say. What does not begin with a day is the disclaimer, or when the file was made."""
        genuine = (row for row in rows(file, NEEDED) if _is_line(row))
        yield from read_rows(paired(genuine, _of_action, _joined), self.lines, self._happenings)
        yield from (balance for _, balance in self.left.values())

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        action, cash = row.word("Action"), row.money("Amount", "Amount ($)")
        quantity = row.units("Quantity") or ZERO
        made = self._made(row)
        self._remember(row, made)
        kind = next((kind for start, kind in ACTIONS if action.startswith(start)), None)
        if kind is EntryKind.SPLIT and "spin" in action and quantity:
            kind = EntryKind.SPIN_OFF
        if kind is None and any(word in action for word in MOVES) and not any(word in action for word in EXTERNAL):
            yield self._move(row, made, cash, quantity)
        elif kind is EntryKind.SPLIT and action.startswith("distribution") and cash:
            yield replace(made, kind=EntryKind.DIVIDEND, cash=cash)
        elif kind in TRADES:
            yield self._trade(row, replace(made, kind=kind), cash, quantity)
        elif kind in UNITS_MOVED:
            yield self._moved(row, replace(made, kind=kind), cash or ZERO, quantity)
        elif cash is None:
            raise LineRefused("missing_amount", "Amount: the row needs its amount.")
        else:
            kind = kind or _flow(row, cash)
            yield replace(made, kind=kind, cash=cash, takes_back=kind in TAKEN_BACK and cash < 0)

    def _made(self, row: Row) -> Happening:
        """Return what all happenings in a row have in common."""
        return Happening(
            kind=EntryKind.NOTE,
            at=midnight(day(row.needed_text("Run Date"), "Run Date", US)),
            day_only=True,
            currency=currency_of(row.text("Currency") or "USD"),
            hints=_hints(row),
            fee=row.cost("Commission", "Commission ($)") + row.cost("Fees", "Fees ($)"),
            notes=row.text("Action"),
            account=row.text("Account Number"),
        )

    def _remember(self, row: Row, made: Happening) -> None:
        """Keep the cash that was left after the last line of each account, where the file says it."""
        try:
            left = row.money("Cash Balance", "Cash Balance ($)")
        except LineRefused:  # "Processing" while it is not known
            return
        on = made.at.date()
        if left is not None and (made.account not in self.left or self.left[made.account][0] < on):
            self.left[made.account] = (on, CashBalance(made.account, made.currency, left, on))

    def _trade(self, row: Row, made: Happening, cash: Decimal | None, quantity: Decimal) -> Happening:
        """Return a purchase or a sale; bonds are quoted in percent, and come with the interest that had accrued."""
        price, hints, data = row.money("Price", "Price ($)"), made.hints, {}
        accrued = row.cost("Accrued Interest", "Accrued Interest ($)")
        if accrued:
            data = {"accrued_interest": plain(accrued)}
        if "payout" in row.word("Action"):
            hints, price = replace(hints, asset_class="BOND", multiplier=PERCENT), PAR if price == ONE else price
        elif price is not None and cash is not None and (hints.cusip or hints.isin):
            hints = in_percent(hints, quantity, price, abs(cash) - accrued)
        if row.word("Action").startswith("reinvestment") and cash and cash > 0 and quantity < 0:
            made = replace(made, kind=EntryKind.SELL)
        return replace(made, hints=hints, quantity=quantity, price=price, cash=cash, data=data)

    def _moved(self, row: Row, made: Happening, cash: Decimal, quantity: Decimal) -> Happening:
        """Return what moved units: a corporate action, or the end of an option."""
        if not quantity and made.kind is EntryKind.MERGER:
            return replace(made, kind=EntryKind.RETURN_OF_CAPITAL, cash=cash)
        if made.kind is EntryKind.MERGER and quantity < 0 and cash > 0:
            return replace(made, kind=EntryKind.SELL, quantity=quantity, cash=cash)
        data = {"ratio": ratio} if (ratio := row.cells.get(RATIO)) else {}
        return replace(made, quantity=quantity, cash=cash, group=_number(made.notes), data=data)

    def _move(self, row: Row, made: Happening, cash: Decimal | None, quantity: Decimal) -> Happening:
        """Return what came from another account, or went there: units, or money."""
        if quantity and made.hints.key:
            return replace(made, kind=transfer(quantity), quantity=quantity, price=row.money("Price", "Price ($)"), cash=ZERO)
        if not cash:
            raise LineRefused("missing_amount", "Amount: a transfer needs its amount, or the units it moves.")
        return replace(made, kind=transfer(cash), cash=cash)


def _number(action: str) -> str:
    """Return the number of a reorganization, without the digits that tell its rows apart."""
    found = REORGANIZATION.search(action)
    return found[1][:10] if found else ""


def _of_action(row: Row) -> tuple[str, ...] | None:
    """Return what the two rows of a reverse split have in common, None for other rows."""
    if not row.word("Action").startswith("reverse split"):
        return None
    return (row.text("Run Date"), row.text("Account Number"), _number(row.text("Action")))


def _joined(one: Row, other: Row) -> Row | None:
    """Return one row for the two of a reverse split, the old units that went and the new ones that came, with its ratio."""
    try:
        old, new = (row.needed_units("Quantity") for row in (one, other))
    except LineRefused:
        return None
    if old > new:
        one, other, old, new = other, one, new, old
    if not old < 0 < new:
        return None
    return replace(other, cells={**other.cells, "quantity": f"{new + old:f}", RATIO: ratio_text(new, old)})


def _is_line(row: Row | Refused) -> bool:
    """Say whether a row is one of the history; what can't be taken apart may be."""
    if not isinstance(row, Row) or STARTS_WITH_A_DAY.match(row.text("Run Date")):
        return True
    return bool(row.text("Action") and row.text("Amount", "Amount ($)", "Quantity"))


def _flow(row: Row, cash: Decimal) -> EntryKind:
    """Return what a movement of money is that names no instrument: it came from outside, or went there.

    :raises LineRefused: if the row names an instrument, and so is something else
    """
    if row.text("Symbol"):
        raise LineRefused("unknown_action", f"Action: {row.text('Action')[:60]!r} is not known; enter the line by hand.")
    return flow(cash)


def _hints(row: Row) -> InstrumentHints:
    """Return what a row says about its instrument."""
    symbol = row.text("Symbol").upper()
    name = row.text("Description", "Security Description")
    name = "" if name == "No Description" else name
    contract = contract_of(symbol, name) if symbol else None
    if contract:
        return InstrumentHints(
            exchange="OPRA", name=name, asset_class="OPTION", currency="USD", multiplier=UNITS, contract=contract
        )
    if not symbol and (found := IN_BRACKETS.search(row.text("Action"))):
        symbol = found["symbol"]
    if len(symbol) >= CUSIP_LENGTH and (number := identified(symbol)):
        return InstrumentHints(isin=number.get("isin", ""), cusip=number.get("cusip", ""), name=name, currency="USD")
    return InstrumentHints(symbol=symbol.replace("/", "."), name=name, currency="USD") if symbol else InstrumentHints()


READERS = (Fidelity(),)
