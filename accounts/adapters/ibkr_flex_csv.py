"""Interactive Brokers: the answer to a Flex query as CSV, whichever columns it was set to have, with one section or several."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.table import DELIMITERS, delimiter_of, records
from accounts.adapters.table import Record as Cells
from accounts.domain.happenings import Happening, Lines
from accounts.domain.ibkr import CANCELED, SOURCE, Record, base_currency, cash, order_of, plain_name, taxed
from accounts.domain.ibkr_actions import booking_of, corporate, transferred
from accounts.domain.ibkr_trades import trade
from accounts.domain.statements import CashBalance, Holding, Item, LineRefused, Refusal, said_with
from accounts.domain.takebacks import settled

# names of columns of which at least three stand in any row of headings
KNOWN = frozenset(
    {"currencyprimary", "clientaccountid", "isin", "quantity", "tradeprice", "buysell", "symbol", "amount", "type", "conid",
     "fxratetobase", "assetclass", "description", "settledate", "tradedate", "datetime", "reportdate", "endingcash"}
)  # fmt: skip
OWN = frozenset({"currencyprimary", "ibcommission", "clientaccountid", "fxratetobase", "ibcommissioncurrency"})
ENOUGH = 3
MARKS = frozenset({"BOF", "BOA", "BOS", "EOS", "EOA", "EOF"})
CODED = frozenset({"HEADER", "DATA", "TRAILER"})
COARSE = frozenset({"ORDER", "SYMBOL_SUMMARY", "ASSET_SUMMARY", "CLOSED_LOT", "WASH_SALE", "LOT"})


class FlexCsv:
    """A Flex query as CSV."""

    name = "ibkr_flex_csv"
    title = "Interactive Brokers Flex query (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the names of columns that no other broker uses."""
        first = set(map(plain_name, re.split(f"[{DELIMITERS}\n]", file.head[:8000].replace('"', ""))))
        own = len(first & OWN)
        if not own or len(first & KNOWN) < ENOUGH:
            return 0.0
        return min(1.0, 0.75 + 0.1 * own + (0.1 if "currencyprimary" in first else 0))

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the trades, movements of cash, corporate actions and transfers, and the closing figures."""
        yield from settled(_Reading(file).items(), trades=file.mentions(*CANCELED))


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    file: StatementFile
    lines: Lines = field(default_factory=lambda: Lines(SOURCE))
    names: Sequence[str] = ()
    actions: list[tuple[Cells, Record]] = field(default_factory=list)

    def items(self) -> Iterator[Item]:
        """Yield what the rows of a file say."""
        fine, details = self.file.mentions("EXECUTION"), self.file.mentions("DETAIL")
        order = order_of(self.file.head, self.file.lines)
        for row in records(self.file, delimiter_of(self.file, ("CurrencyPrimary", "Amount", "Quantity", "ISIN"))):
            if row.problem:
                yield Refusal(row.number, "bad_csv", row.problem)
                continue
            cells = self._values(row.cells)
            if cells is None:
                yield from self._acted()
                continue
            record = Record(cells, order=order)
            level = record.text("levelOfDetail")
            if not (fine and level in COARSE) and not (details and level == "SUMMARY" and "amount" in self.names):
                yield from self._row(row, record)
        yield from self._acted()
        if not self.names:
            raise NotReadable("missing_columns", "No line names the columns of a Flex query: let it include the headings.")

    def _values(self, cells: list[str]) -> Mapping[str, str] | None:
        """Return the cells of a row by the names of their columns, or None if it holds those names, or marks a section."""
        if cells[0] in MARKS or cells[0] == "TRAILER":
            return None
        values = cells[2:] if cells[0] in CODED else cells
        names = [plain_name(cell) for cell in values]
        if len(KNOWN & set(names)) >= ENOUGH or cells[0] == "HEADER":
            self.names = names
            return None
        return dict(zip(self.names, values, strict=False)) if self.names else None

    def _row(self, row: Cells, record: Record) -> Iterator[Item]:
        """Yield what a row says."""
        names = set(self.names)
        if {"actiondescription"} & names or ({"proceeds", "value"} <= names and "tradeprice" not in names):
            if self.actions and booking_of(self.actions[-1][1]) != booking_of(record):
                yield from self._acted()
            self.actions.append((row, record))
        elif read := self._reads(names):
            yield from self._lines(row, read, record)
        else:
            yield from self._left(row, names, record)

    def _reads(self, names: set[str]) -> Callable[[Record], Iterator[Happening]] | None:
        """Return what reads the rows of a section, by its columns."""
        if {"taxamount", "salestax"} & names:
            return taxed
        if {"tradeprice", "buysell"} & names:
            return trade
        if {"direction", "positionamount"} & names:
            return transferred
        return cash if {"amount", "type"} <= names else None

    def _lines(self, row: Cells, read: Callable[[Record], Iterator[Happening]], record: Record) -> Iterator[Item]:
        """Yield the lines that a row is, or why it can't be taken."""
        try:
            for happening in list(read(record)):
                yield self.lines.line(row.number, happening, row.raw)
        except LineRefused as refusal:
            yield Refusal(row.number, refusal.code, str(refusal))

    def _acted(self) -> Iterator[Item]:
        """Yield the lines of a corporate action, all of whose rows have come."""
        waiting, self.actions = self.actions, []
        if not waiting:
            return
        try:
            told = dict(corporate([record for _, record in waiting]))
            for place, happening in told.items():
                yield self.lines.line(waiting[place][0].number, happening, waiting[place][0].raw)
            yield from said_with(row.number for place, (row, _) in enumerate(waiting) if place not in told)
        except LineRefused as refusal:
            for row, _ in waiting:
                yield Refusal(row.number, refusal.code, str(refusal))

    def _left(self, row: Cells, names: set[str], record: Record) -> Iterator[Item]:
        """Yield what a row says was left at the end, or that it says nothing that is known."""
        try:
            left, held = record.number("endingCash"), record.number("position", "quantity")
            if left is not None:
                currency = record.text("currencyPrimary").upper()
                if base_currency(currency):
                    yield CashBalance(record.account(), currency, left)
            elif held is not None and {"markprice", "positionvalue"} & names:
                yield Holding(record.account(), record.hints(), held, record.number("markPrice"), record.number("positionValue"))
            else:
                raise LineRefused("unknown_section", "row: its columns are those of no section that is known; leave it out.")
        except LineRefused as refusal:
            yield Refusal(row.number, refusal.code, str(refusal))


READERS = (FlexCsv(),)
