"""Bring an old portfolio.db in: each table where it belongs, and what does not follow from the ledger told.

| table | goes to |
|---|---|
| quotes, trades | market data, through its own ingest: the trades are those of the market, not of the account |
| orders | what was filled is posted to the ledger, known by the order's id; an order without a fill is left to whoever trades |
| positions, portfolio_snapshots | nowhere: they are compared with what follows from the ledger |

All of it is one transaction: a file that breaks off leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from accounts.domain.happenings import Happening, Lines
from accounts.domain.ledger import EntryKind
from accounts.domain.statements import InstrumentHints, Item, LineRefused, Refusal, Skipped
from accounts.models import Account, ImportBatch, User
from accounts.services.import_lines import Came, InstrumentNames, Question, Unsure, import_lines
from marketdata.models import Instrument
from marketdata.services.ingest import store_quotes, store_ticks
from marketdata.services.line_reports import FileReport
from portfolio.adapters.portfolio_db import COLUMNS, NotReadable, OldStore, Row
from portfolio.domain.old_cells import BadCell, moment, number, told, word
from portfolio.selectors.comparing import Compared
from portfolio.services.portfolio_db_compare import compare

__all__ = ["Done", "NotReadable", "Wishes", "import_portfolio_db"]

SOURCE = "portfolio_db"
BATCH = 10_000
MOST_SYMBOLS = 10_000
STORES: Mapping[str, Callable[..., Any]] = {"quotes": store_quotes, "trades": store_ticks}
FIGURES = {"quotes": ("bid", "ask", "bid_size", "ask_size"), "trades": ("price", "size")}
SIDES = {"buy": EntryKind.BUY, "sell": EntryKind.SELL}
OVER = frozenset({"filled", "cancelled", "canceled", "expired", "rejected"})
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the file does not say.

    `symbols` says which instrument is meant by a symbol, `exchange` where the others are listed, `time_zone` in which zone
    times are that do not name theirs. `skipped` tables are left.
    """

    symbols: Mapping[str, Instrument] = field(default_factory=dict)
    exchange: str = ""
    time_zone: str = "UTC"
    skipped: frozenset[str] = frozenset()


NO_WISHES = Wishes()


@dataclass(slots=True)
class Done:
    """What became of each table, the symbols that mean no instrument with why, and what does not follow from the ledger."""

    rows: dict[str, int] = field(default_factory=dict)
    prices: dict[str, FileReport] = field(default_factory=dict)
    batch: ImportBatch | None = None
    unfilled: int = 0
    questions: list[Question] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    positions: Compared = field(default_factory=Compared)
    snapshots: Compared = field(default_factory=Compared)

    @property
    def left(self) -> int:
        """The number of rows that did not go in, or were read as no figures."""
        orders = len(self.batch.refused) + sum(one.lines for one in self.questions) if self.batch else 0
        return orders + sum(one.refusals for one in self.prices.values())


@dataclass(slots=True)
class Symbols:
    """What the symbols of the file mean."""

    names: InstrumentNames
    wishes: Wishes
    done: Done
    known: dict[str, Instrument | None] = field(default_factory=dict)

    def hints(self, symbol: str) -> InstrumentHints:
        """Return what the file says of an instrument."""
        name = symbol.upper()
        hints = InstrumentHints(symbol=name, exchange=self.wishes.exchange, asset_class="CRYPTO" if "/" in name else "")
        if name in self.wishes.symbols:
            self.names.meant[hints] = self.wishes.symbols[name]
        return hints

    def meant(self, symbol: str) -> Instrument | None:
        """Return the instrument of a symbol, written down if nobody knows it; none if it can't be told."""
        if symbol not in self.known:
            if len(self.known) >= MOST_SYMBOLS:
                raise NotReadable(f"The file names more than {MOST_SYMBOLS:,} symbols; that is no portfolio.")
            hints = self.hints(symbol)
            self.names.learn_hints([hints])
            try:
                self.known[symbol] = self.names.of_hints(hints, "")
            except Unsure as unsure:
                self.known[symbol], self.done.unknown[symbol] = None, unsure.question.why
            except LineRefused as refusal:
                self.known[symbol], self.done.unknown[symbol] = None, str(refusal)
        return self.known[symbol]


def import_portfolio_db(
    *,
    account: Account,
    actor: User,
    path: Path,
    at: datetime,
    wishes: Wishes = NO_WISHES,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Done:
    """Bring a file in and return what became of it; brought in again, it changes nothing. A dry run leaves nothing behind.

    :raises NotReadable: if the file is of another kind or version, damaged, or hostile
    :raises AccountClosed: if the account is closed
    """
    done = Done()
    names = InstrumentNames(wishes.exchange or None, account.base_currency, actor, SOURCE)
    symbols = Symbols(names, wishes, done)
    with OldStore(path) as store, transaction.atomic():
        done.rows = {table: store.count(table) for table in COLUMNS}
        for table in STORES:
            if table not in wishes.skipped:
                done.prices[table] = _store_prices(store, table, symbols, at, progress)
        if "orders" not in wishes.skipped:
            came = Came(path.name, store.size, store.sha256, SOURCE, wishes.time_zone)
            items = _orders(store, symbols)
            done.batch, done.questions = import_lines(account=account, actor=actor, came=came, items=items, names=names, at=at)
        done.created = list(names.created)
        done.positions, done.snapshots = compare(
            account, store, wishes.time_zone, lambda text: names.known_to_be(symbols.hints(text))
        )
        if dry_run:
            transaction.set_rollback(True)
    return done


def _store_prices(store: OldStore, table: str, symbols: Symbols, at: datetime, progress: Progress | None) -> FileReport:
    """Store the quotes or the trades of the market, some at a time."""
    report, zone = FileReport(), ZoneInfo(symbols.wishes.time_zone)
    rows = enumerate((row for _, row in store.rows(table)), 1)
    while batch := list(islice(_read_prices(table, rows, symbols, zone, report), BATCH)):
        found = STORES[table](source=SOURCE, rows=[row for _, row in batch], recorded_at=at)
        report.add(found, [line for line, _ in batch], rows=len(batch))
        if progress is not None:
            progress(table, report.lines)
    report.settle()
    return report


def _read_prices(
    table: str, rows: Iterable[tuple[int, Row]], symbols: Symbols, zone: ZoneInfo, report: FileReport
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows that can be read, with their numbers; of the others it is told why not."""
    columns = COLUMNS[table]
    for line, cells in rows:
        report.lines += 1
        row = dict(zip(columns, cells, strict=True))
        try:
            instrument = symbols.meant(word(row["symbol"], "symbol"))
            if instrument is None:
                raise BadCell("symbol", f"{told(row['symbol'])} means no instrument for sure (--symbol, --exchange).")
            read: dict[str, Any] = {"instrument": instrument, "timestamp": moment(row["timestamp"], "timestamp", zone)[0]}
            read |= {column: number(row[column], column) for column in FIGURES[table]}
            if row.get("conditions"):
                read["conditions"] = word(row["conditions"], "conditions")
        except BadCell as bad:
            report.refuse(line, str(bad), told(row.get(bad.column)))
            continue
        yield line, read


def _orders(store: OldStore, symbols: Symbols) -> Iterator[Item]:
    """Yield what was filled of each order as a line of a statement."""
    lines, zone = Lines(SOURCE), ZoneInfo(symbols.wishes.time_zone)
    for line, (_, cells) in enumerate(store.rows("orders"), 1):
        row = dict(zip(COLUMNS["orders"], cells, strict=True))
        try:
            happening = _fill(row, symbols, zone)
            if happening is None:
                symbols.done.unfilled += 1
                yield Skipped(line, "not_filled", "Nothing of the order was filled.")
            else:
                yield lines.line(line, happening)
        except BadCell as bad:
            yield Refusal(line, "bad_cell", f"{bad} (order {told(row['order_id'])})")
        except LineRefused as refusal:
            yield Refusal(line, refusal.code, str(refusal))


def _fill(row: Mapping[str, Any], symbols: Symbols, zone: ZoneInfo) -> Happening | None:
    """Return what was filled of an order, none if nothing was.

    :raises BadCell: if a cell makes no sense, or contradicts another
    """
    status, side = word(row["status"], "status").lower(), word(row["side"], "side").lower()
    name, symbol = word(row["order_id"], "order_id"), word(row["symbol"], "symbol")
    wanted = number(row["quantity"], "quantity")
    filled = number(0 if row["filled_quantity"] is None else row["filled_quantity"], "filled_quantity")
    if side not in SIDES:
        raise BadCell("side", f"{told(side)} is neither buy nor sell.")
    if not 0 <= filled <= wanted:
        raise BadCell("filled_quantity", f"{filled} of {wanted} can't have been filled.")
    if not filled:
        if status in {"filled", "partially_filled"}:
            raise BadCell("filled_quantity", f"nothing was filled of an order that is {status}.")
        return None
    at, names_zone = moment(row["updated_at"] or row["created_at"], "updated_at", zone)
    return Happening(
        kind=SIDES[side],
        at=at,
        names_zone=names_zone,
        hints=symbols.hints(symbol),
        quantity=filled,
        price=number(row["average_fill_price"], "average_fill_price"),
        notes="" if status in OVER else f"The order was {status} when the file was read.",
        id=name,
    )
