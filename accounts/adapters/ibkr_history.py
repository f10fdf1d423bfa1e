"""Interactive Brokers: "Transaction History" as CSV, whose rows begin with the name of their section. All in one currency."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.table import DELIMITERS, Record, Row, key, records
from accounts.domain.figures import figure, money
from accounts.domain.happenings import Happening, Lines, currency_of, flow, side
from accounts.domain.ibkr import SOURCE
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.moments import ISO, day, midnight
from accounts.domain.statements import CashBalance, Heading, InstrumentHints, Item, LineRefused, Refusal, Remark
from marketdata.domain.money import plain

SECTION = "Transaction History"
ABOUT = re.compile(r"(?P<symbol>[A-Z0-9. ]+)\((?P<isin>[A-Z0-9]{12})\)", re.ASCII)
CENT = Decimal("0.01")
KINDS = {
    "dividend": EntryKind.DIVIDEND,
    "payment in lieu": EntryKind.DIVIDEND,
    "foreign tax withholding": EntryKind.TAX,
    "withholding tax": EntryKind.TAX,
    "transaction tax": EntryKind.TAX,
    "sales tax": EntryKind.TAX,
    "credit interest": EntryKind.INTEREST,
    "debit interest": EntryKind.INTEREST,
    "bond interest": EntryKind.INTEREST,
    "investment interest": EntryKind.INTEREST,
    "broker interest": EntryKind.INTEREST,
    "other fee": EntryKind.FEE,
    "other fees": EntryKind.FEE,
    "commission adjustment": EntryKind.FEE,
    "adjustment": EntryKind.FX,
    "forex trade component": EntryKind.FX,
    "return of capital": EntryKind.RETURN_OF_CAPITAL,
}


class TransactionHistory:
    """The transaction history."""

    name = "ibkr_history"
    title = "Interactive Brokers Transaction History (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say whether a file has the section that gives the format its name."""
        if not _begins(SECTION, file):
            return 0.0
        return 1.0 if _begins("(Statement|Summary)", file) else 0.9

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the lines of the history, and whether they add up to what the summary says."""
        yield from _Reading().items(file)


def _delimiter(file: StatementFile) -> str:
    """Return what stands behind the name of a section; programs that save tables put another sign there."""
    found = _begins(SECTION, file)
    return found["delimiter"] if found else ","


def _begins(section: str, file: StatementFile) -> re.Match[str] | None:
    """Return where a section begins with its headings, if it does."""
    return re.search(rf'^"?{section}"?(?P<delimiter>[{DELIMITERS}])"?Header"?(?P=delimiter)', file.head, re.MULTILINE)


@dataclass(slots=True)
class _Reading:
    """One reading of a file: its summary, and what its rows add up to."""

    lines: Lines = field(default_factory=lambda: Lines(SOURCE))
    names: list[str] = field(default_factory=list)
    summary: dict[str, str] = field(default_factory=dict)
    moved: Decimal = ZERO

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say."""
        for record in records(file, _delimiter(file)):
            section, what, *cells = [*(cell.strip() for cell in record.cells), "", ""]
            if record.problem:
                yield Refusal(record.number, "bad_csv", record.problem)
            elif section in {"Statement", "Summary"} and what == "Data" and len(cells) > 1:
                self.summary[key(cells[0])] = cells[1]
            elif section == SECTION and what == "Header":
                self.names = list(map(key, cells))
                yield self._heading()
            elif section == SECTION and what == "Data":
                yield from self._row(record, cells)
        if not self.names:
            raise NotReadable("missing_columns", f"The file has no section {SECTION} with headings.")
        yield from self._closing()

    def _heading(self) -> Heading:
        """Return whose statement it is."""
        days = re.split(r" - ", self.summary.get("period", ""))
        try:
            start, end = (day(text, "Period", ISO) for text in days)
        except (LineRefused, ValueError):
            return Heading(currency=self._currency())
        return Heading(currency=self._currency(), start=start, end=end)

    def _currency(self) -> str:
        return currency_of(self.summary.get("basecurrency", ""), "Base Currency") if self.summary.get("basecurrency") else ""

    def _row(self, record: Record, cells: list[str]) -> Iterator[Item]:
        """Yield the line that a row is, or why it can't be taken."""
        row = Row(record.number, dict(zip(self.names, cells, strict=False)), record.raw.strip())
        try:
            happening = self._happening(row)
            yield self.lines.line(row.number, happening, row.raw)
            self.moved += happening.cash or ZERO
        except LineRefused as refusal:
            yield Refusal(row.number, refusal.code, str(refusal))

    def _happening(self, row: Row) -> Happening:
        """Return what a row says."""
        said = row.word("Transaction Type")
        net = row.needed_money("Net Amount", "Gross Amount")
        quantity = row.units("Quantity") or ZERO
        kind = KINDS.get(said) or _by_sign(said, net, quantity)
        if kind is None:
            raise LineRefused("unknown_type", f"Transaction Type: {row.text('Transaction Type')[:60]!r} is not known.")
        trades = kind in {EntryKind.BUY, EntryKind.SELL}
        price = row.money("Price") if trades else None
        gross = row.money("Gross Amount") or net
        converted = price is not None and abs(abs(gross) - abs(quantity * price)) > abs(gross) * CENT
        return Happening(
            kind=kind,
            at=midnight(day(row.text("Date"), "Date", ISO)),
            day_only=True,
            currency=self._currency(),
            hints=_hints(row) if kind is not EntryKind.FX else InstrumentHints(),
            quantity=quantity if trades else ZERO,
            price=price,
            converted=converted,
            cash=net,
            fee=row.cost("Commission") if trades else ZERO,
            notes=row.text("Description"),
            account=row.text("Account"),
            group=f"{row.text('Date')}|{row.text('Description')}|{plain(net)}" if kind is EntryKind.FX else "",
            takes_back=kind is EntryKind.DIVIDEND and net < 0,
        )

    def _closing(self) -> Iterator[Item]:
        """Yield what the summary says was left, and whether the rows lead there."""
        figures = {}
        for name in ("startingcash", "change", "endingcash"):
            try:
                figures[name] = figure(self.summary.get(name, ""), name)
            except LineRefused:
                figures[name] = None
        left, change = figures["endingcash"], figures["change"]
        if left is not None and self._currency():
            yield CashBalance("", self._currency(), money(left, "Ending Cash"))
        if change is None and left is not None:
            change = left - (figures["startingcash"] or ZERO)
        if change is not None and abs(change - self.moved) >= CENT:
            said = f"The summary says that the cash changed by {plain(change)}, the rows add up to {plain(round(self.moved, 2))}."
            yield Remark("does_not_reconcile", said)


def _by_sign(said: str, net: Decimal, quantity: Decimal) -> EntryKind | None:
    """Return the kind of entry that a type of row is which goes either way."""
    if said in {"buy", "sell"}:
        return side(quantity or (Decimal(1) if said == "buy" else Decimal(-1)))
    if said in {"deposit", "withdrawal", "deposits & withdrawals", "electronic fund transfer"}:
        return flow(net)
    if "interest" in said:
        return EntryKind.INTEREST
    if "tax" in said:
        return EntryKind.TAX
    return EntryKind.FEE if "fee" in said or "commission" in said else None


def _hints(row: Row) -> InstrumentHints:
    """Return what a row says about its instrument."""
    symbol = row.text("Symbol")
    found = ABOUT.match(row.text("Description"))
    name = "" if found else row.text("Description")
    if symbol in {"", "-"}:
        return InstrumentHints()
    return InstrumentHints(symbol=symbol.upper(), isin=found["isin"] if found else "", name=name)


READERS = (TransactionHistory(),)
