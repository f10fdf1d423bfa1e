"""Any table, by a mapping of its columns; and what can be guessed of such a mapping."""

from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.pieces import opened
from accounts.adapters.table import Passed, Record, Refused, Row, key, named, read_rows
from accounts.domain.blocks import SHOWN, Block
from accounts.domain.happenings import TRADES, Happening, Lines, currency_of, flow, side
from accounts.domain.ledger import TAKES_CASH, ZERO, EntryKind
from accounts.domain.listings import listed
from accounts.domain.mapped_columns import COSTS, INCOME, Named, as_texts, contents, read_plain
from accounts.domain.mapping import FIELDS, BadMapping, Mapped, mapping_of
from accounts.domain.moments import day, moment, stamp
from accounts.domain.statements import NO_HINTS, InstrumentHints, Item, LineRefused

NAMED_BY = ("symbol", "isin", "figi", "exchange", "name")


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
        return chain.from_iterable(block.items() for block in self.blocks(file, zone))

    def blocks(self, file: StatementFile, zone: ZoneInfo, *, with_ids: bool = True) -> Iterator[Block]:
        """Yield the lines of a table, many at a time: what is plain is read by columns, every other row by itself.

        Without ids, what the lines are known by is not worked out: it is half of the work.

        :raises NotReadable: if the columns are not there
        """
        asked = self.mapping
        table = opened(encoded(file, asked), asked.delimiter, headings_line=asked.headings_line, skip_last=asked.skip_last)
        if table is None:
            raise NotReadable("missing_columns", f"mapping.headings_line: the file ends before line {asked.headings_line}.")
        names = self._named(table.headings)
        lines, known = Lines(self.name), Named(hints_of)
        for piece in table.pieces:
            yield self._block(piece, names, zone, lines, known, with_ids=with_ids)

    def _block(
        self, piece: pl.DataFrame, names: list[str], zone: ZoneInfo, lines: Lines, known: Named, *, with_ids: bool
    ) -> Block:
        """Return what the rows of a piece say; a row that is not plain is read at its turn, since ids depend on the order."""
        rows = read_plain(self._cells(piece, names), self.mapping, zone, known).with_columns(piece["number"], piece["raw"])
        is_plain = rows["plain"] & self._is_usable(piece, names)
        alone = read_rows(self._rows(piece.filter(~is_plain), names), lines, lambda row: self._happenings(row, zone))
        plain = rows.filter(is_plain)
        own_ids = plain["id"].to_list() if "id" in self.keys else ()
        if not with_ids:
            return Block(self.name, plain, known.hints, list(alone), own_ids)
        plain = as_texts(plain)
        told = zip(plain["id"], contents(plain, known.hints), strict=True)
        ids, others = [], []
        for by_columns in is_plain:
            if by_columns:
                own, content = next(told)
                ids.append(own or lines.known_by(content))
            else:
                others.append(next(alone))
        return Block(self.name, plain.with_columns(id=pl.Series(ids, dtype=pl.String)), known.hints, others, own_ids)

    def _cells(self, piece: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        """Return the columns that the mapping names as texts, those it does not name empty."""
        places = {name: place for place, name in enumerate(names)}
        cells = {
            field: pl.col("cells").list.get(places[self.keys[field]], null_on_oob=True).fill_null("").str.strip_chars()
            if field in self.keys else pl.lit("")
            for field in FIELDS
        }  # fmt: skip
        return piece.select(**cells) if len(piece) else pl.DataFrame(schema=dict.fromkeys(FIELDS, pl.String))

    def _is_usable(self, piece: pl.DataFrame, names: list[str]) -> pl.Series:
        """Say of which rows the columns hold all: those that could be taken apart, and mean one thing alone by each name."""
        whole = ~piece["odd"]
        return whole if len(set(names)) == len(names) else whole & (piece["cells"].list.len() >= len(names))

    def _rows(self, piece: pl.DataFrame, names: list[str]) -> Iterator[Row | Refused]:
        """Yield the rows of a piece, by the names of their columns."""
        for number, raw, cells, problem in piece.select("number", "raw", "cells", "problem").iter_rows():
            if problem:
                yield (number, LineRefused("bad_csv", problem))
            else:
                yield Row(number, dict(zip(names, cells, strict=False)), raw.strip()[:SHOWN], self.mapping.style)

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
            hints=hints_of(code=code, **{name: self._text(row, name) for name in NAMED_BY}),
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


def hints_of(symbol: str, isin: str, figi: str, exchange: str, name: str, code: str) -> InstrumentHints:
    """Return what the cells of a row say about its instrument; `code` is the currency."""
    if not (symbol or isin or figi):
        return NO_HINTS
    said = listed(symbol) if symbol else InstrumentHints()
    root, colon, on = symbol.upper().partition(":")
    if colon:
        said = InstrumentHints(symbol=root, exchange=on)
    return InstrumentHints(
        symbol=said.symbol,
        exchange=exchange.upper() or said.exchange,
        isin=isin.upper() or said.isin,
        figi=figi.upper(),
        name=name if name != symbol else "",
        asset_class=said.asset_class,
        currency=code.upper() if code else said.currency,
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
