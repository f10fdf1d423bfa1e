"""Any table, by a mapping of its columns; and what can be guessed of such a mapping."""

from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.table import Passed, Record, Refused, Row, key, named, read_rows, records
from accounts.domain.happenings import TRADES, Happening, Lines, currency_of, flow, side
from accounts.domain.ledger import TAKES_CASH, ZERO, EntryKind
from accounts.domain.listings import listed
from accounts.domain.mapping import BadMapping, Mapped, mapping_of
from accounts.domain.moments import day, moment, stamp
from accounts.domain.statements import NO_HINTS, InstrumentHints, Item, LineRefused

SHOWN = 1_000
COSTS = frozenset({EntryKind.FEE, EntryKind.TAX, EntryKind.WITHDRAWAL})
INCOME = frozenset({EntryKind.DEPOSIT, EntryKind.DIVIDEND, EntryKind.INTEREST, EntryKind.RETURN_OF_CAPITAL})


class MappedTable:
    """A table whose columns a mapping explains."""

    name = "mapped_csv"
    title = "Any table, by its columns (CSV)"
    several_accounts = False

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        """Take a mapping.

        :raises NotReadable: if it can't be used
        """
        try:
            self.mapping = mapping_of(mapping)
        except BadMapping as error:
            raise NotReadable("bad_mapping", f"mapping.{error}") from error
        self.keys = {name: key(heading) for name, heading in self.mapping.columns.items()}

    def certainty(self, file: StatementFile) -> float:
        """Any table may be read so, where somebody says how."""
        return 0.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the lines of a table.

        :raises NotReadable: if the columns are not there
        """
        rows = self._rows(encoded(file, self.mapping))
        yield from read_rows(rows, Lines(self.name), lambda row: self._happenings(row, zone))

    def _rows(self, file: StatementFile) -> Iterator[Row | Refused]:
        """Yield the rows between the headings and the tail, by the names of their columns."""
        names: list[str] | None = None
        for record in without_tail(records(file, self.mapping.delimiter), self.mapping.skip_last):
            if record.number < self.mapping.headings_line:
                continue
            if names is None:
                names = self._named(record)
            elif record.problem:
                yield (record.number, LineRefused("bad_csv", record.problem))
            else:
                cells = dict(zip(names, record.cells, strict=False))
                yield Row(record.number, cells, record.raw.strip()[:SHOWN], self.mapping.style)
        if names is None:
            raise NotReadable(
                "missing_columns", f"mapping.headings_line: the file ends before line {self.mapping.headings_line}."
            )

    def _named(self, record: Record) -> list[str]:
        """Return the names of the columns, which must hold those of the mapping."""
        names = named(record.cells)
        for field, heading in self.mapping.columns.items():
            if key(heading) not in names:
                shown = ", ".join(cell.strip() for cell in record.cells)[:300]
                raise NotReadable(
                    "missing_columns",
                    f"mapping.columns.{field}: line {record.number} names no column {heading!r}; it names {shown}.",
                )
        return names

    def _text(self, row: Row, field: str) -> str:
        return row.cells.get(self.keys.get(field, ""), "").strip()

    def _number(self, row: Row, field: str) -> Decimal | None:
        return row.number_in(self.mapping.columns[field]) if field in self.keys else None

    def _happenings(self, row: Row, zone: ZoneInfo) -> Iterator[Happening]:
        """Yield what a row says."""
        date = self._text(row, "date")
        if not date and not any(cell.strip() for cell in row.cells.values()):
            raise Passed("empty", "The row is empty.")
        clock = self._text(row, "time")
        column = self.mapping.columns["date"]
        if clock:
            at, day_only = moment(day(date, column, self.mapping.date_format), clock, self.mapping.columns["time"], zone), False
        else:
            at, day_only = stamp(date, column, zone, self.mapping.date_format)
        quantity, amount = self._number(row, "quantity"), self._number(row, "amount")
        kind = self._kind(row, quantity, amount)
        fee, tax = (abs(self._number(row, name) or ZERO) for name in ("fee", "tax"))
        price = self._number(row, "price")
        code = self._text(row, "currency") or self.mapping.currency
        yield Happening(
            kind=kind,
            at=at,
            day_only=day_only,
            names_zone=day_only,
            currency=currency_of(code, self.mapping.columns.get("currency", "currency")) if code else "",
            hints=self._hints(row, code),
            quantity=quantity or ZERO,
            price=abs(price) if price is not None else None,
            cash=self._cash(kind, amount, fee + tax),
            fee=ZERO if kind in {EntryKind.FEE, EntryKind.TAX} else fee,
            tax=ZERO if kind in {EntryKind.FEE, EntryKind.TAX} else tax,
            notes=self._text(row, "notes"),
            id=self._text(row, "id"),
        )

    def _kind(self, row: Row, quantity: Decimal | None, amount: Decimal | None) -> EntryKind:
        """Return what happened: by the word of the row, or where there is none, by what moved.

        :raises LineRefused: if its word means nothing
        """
        word = self._text(row, "kind")
        if word:
            kind = self.mapping.kind_of(word)
            if kind is None:
                raise LineRefused("unknown_type", f"{self.mapping.columns['kind']}: say in mapping.kinds what {word[:60]!r} is.")
            return kind
        if self.mapping.default_kind:
            return EntryKind(self.mapping.default_kind)
        if quantity:
            return side(quantity)
        if amount:
            return flow(amount)
        raise LineRefused(
            "nothing_moved", f"{self.mapping.columns.get('amount', 'quantity')}: the row moves nothing; leave it out."
        )

    def _cash(self, kind: EntryKind, amount: Decimal | None, costs: Decimal) -> Decimal | None:
        """Return the cash that moved, with the sign that the file or the kind gives it."""
        if amount is None:
            return None
        if not self.mapping.signed:
            amount = -abs(amount) if kind in TAKES_CASH | COSTS else abs(amount)
        elif kind in COSTS and self.mapping.signed and amount > 0 and kind is EntryKind.WITHDRAWAL:
            amount = -amount
        return amount - costs if self.mapping.gross and kind in TRADES | INCOME else amount

    def _hints(self, row: Row, currency: str) -> InstrumentHints:
        """Return what a row says about its instrument."""
        symbol, isin, name = (self._text(row, field) for field in ("symbol", "isin", "name"))
        if not (symbol or isin or self._text(row, "figi")):
            return NO_HINTS
        said = listed(symbol) if symbol else InstrumentHints()
        root, colon, exchange = symbol.upper().partition(":")
        if colon:
            said = InstrumentHints(symbol=root, exchange=exchange)
        return InstrumentHints(
            symbol=said.symbol,
            exchange=self._text(row, "exchange").upper() or said.exchange,
            isin=isin.upper() or said.isin,
            figi=self._text(row, "figi").upper(),
            name=name if name != symbol else "",
            asset_class=said.asset_class,
            currency=currency.upper() if currency else said.currency,
            multiplier=said.multiplier,
        )


def encoded(file: StatementFile, mapping: Mapped) -> StatementFile:
    """Return a file in the encoding that a mapping says.

    :raises NotReadable: if it is not in that one
    """
    if mapping.encoding != "auto":
        try:
            file.content.decode(mapping.encoding)
        except UnicodeDecodeError as error:
            raise NotReadable("bad_encoding", f"mapping.encoding: the file is not {mapping.encoding} text.") from error
        bom = mapping.encoding == "utf-8" and file.content.startswith(b"\xef\xbb\xbf")
        file.encoding = "utf-8-sig" if bom else mapping.encoding
    return file


def without_tail(found: Iterator[Record], number: int) -> Iterator[Record]:
    """Yield rows without the last ones."""
    held: deque[Record] = deque()
    for record in found:
        held.append(record)
        if len(held) > number:
            yield held.popleft()
