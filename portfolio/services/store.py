"""Write derived figures: whole columns as arrays, one statement a table, all sent together, no model instances in between."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import repeat
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.utils import CursorWrapper

from portfolio.domain.book import Book
from portfolio.domain.checkpoints import Checkpoint, thinned
from portfolio.domain.derivation import Derivation
from portfolio.domain.lots import Closure
from portfolio.models import Projection
from portfolio.selectors.market import SYSTEM

TABLES = ("position", "lot", "closure", "snapshot", "performance", "checkpoint")
SNAPSHOT = {
    "date": "date", "total_value": "numeric", "cash": "numeric", "positions_value": "numeric", "buying_power": "numeric",
    "net_flow": "numeric", "day_gain": "numeric", "total_gain": "numeric", "twr_index": "numeric", "priced": "boolean",
    "inflow": "numeric", "outflow": "numeric", "price_gain": "numeric", "currency_gain": "numeric", "income": "numeric",
    "interest": "numeric", "fees": "numeric", "taxes": "numeric", "complete": "boolean", "moves": "jsonb", "held": "jsonb",
    "fingerprint": "bigint",
}  # fmt: skip
POSITION = {
    "instrument_id": "uuid", "quantity": "numeric", "cost_basis": "numeric", "realized_gain": "numeric", "income": "numeric",
    "fees": "numeric", "taxes": "numeric", "since": "date", "market_price": "numeric", "priced_on": "date",
    "market_value": "numeric", "value_in_base": "numeric", "unrealized_gain": "numeric", "day_gain": "numeric",
}  # fmt: skip
LOT = {
    "instrument_id": "uuid", "number": "integer", "opened_at": "timestamptz", "sequence": "bigint", "remaining": "numeric",
    "cost": "numeric", "quantity": "numeric", "missing": "boolean", "tacked_days": "integer",
}  # fmt: skip
CLOSURE = {
    "instrument_id": "uuid", "number": "bigint", "opened_at": "timestamptz", "closed_at": "timestamptz", "opening": "bigint",
    "closing": "bigint", "quantity": "numeric", "cost": "numeric", "proceeds": "numeric", "gain": "numeric",
    "holding_days": "integer", "long_term": "boolean", "missing": "boolean", "wash_sale": "boolean",
    "disallowed_loss": "numeric",
}  # fmt: skip

CHECKPOINT = {"day": "date", "entries": "bigint", "state": "text"}
MANY = 1_000_000  # characters
FROM_DAY_ON = """
    DELETE FROM portfolio_snapshot WHERE account_id = %s AND date >= %s;
    DELETE FROM portfolio_performance WHERE account_id = %s AND as_of >= %s
"""
LOTS_OF = "DELETE FROM portfolio_lot WHERE account_id = %s AND instrument_id = ANY (%s::uuid[])"


class Together:
    """Statements that are sent together: each way to the server and back costs as much as a small statement does."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self.cursor = cursor
        self.texts: list[str] = []

    def execute(self, statement: str, given: Sequence[Any]) -> None:
        """Keep a statement that returns nothing; after many characters, all that are kept are sent."""
        self.texts.append(self.cursor.mogrify(statement, given))
        if sum(map(len, self.texts)) > MANY:
            self.send()

    def send(self) -> None:
        """Execute what is kept."""
        if self.texts:
            self.cursor.execute(";".join(self.texts))
            self.texts.clear()


Writer = CursorWrapper | Together


def forget(cursor: Writer, account_id: UUID) -> None:
    """Empty the account's derived tables."""
    for table in TABLES:
        cursor.execute(f"DELETE FROM portfolio_{table} WHERE account_id = %s", [account_id])  # noqa: S608


def write_snapshots(cursor: Writer, account_id: UUID, result: Derivation, fingerprint: int) -> None:
    """Replace the snapshots from the first valued day on; `fingerprint` is that of all prices, on which the last day rests.

    A performance that was measured up to one of these days is dropped; up to a day before, it still is that of the day.
    """
    moves = {day: _quoted(json.dumps(page.as_json())) for day, page in result.pages.items()}
    held = {day: _quoted(json.dumps(page.as_json())) for day, page in result.frames.items()}
    columns = list(zip(*result.figures, strict=True))
    days = columns[0]
    columns[0] = tuple(map(date.fromordinal, days))
    columns += [tuple(map(moves.get, days)), tuple(map(held.get, days)), (*repeat(None, len(days) - 1), fingerprint)]
    cursor.execute(FROM_DAY_ON, [account_id, columns[0][0]] * 2)
    _insert(cursor, "snapshot", SNAPSHOT, account_id, columns)


def write_positions(cursor: Writer, account_id: UUID, result: Derivation, *, only: Collection[str] | None = None) -> None:
    """Write positions as they stand now: all, or only some."""
    rows = []
    for instrument, *market in result.positions:
        if only is not None and instrument not in only:
            continue
        holding = result.book.holdings[instrument]
        sums = (holding.quantity, holding.cost, holding.realized, holding.income, holding.fees, holding.taxes)
        rows.append((instrument, *sums, holding.since and date.fromordinal(holding.since), *market))
    _insert(cursor, "position", POSITION, account_id, _columns(rows, POSITION), replace="account_id, instrument_id")


def write_lots(cursor: Writer, account_id: UUID, book: Book) -> None:
    """Replace the open lots of every instrument that was touched."""
    touched = sorted(book.touched)
    if not touched:
        return
    rows = [
        (instrument, number, lot.opened_at, lot.sequence, lot.quantity, lot.cost, lot.opened, lot.missing, lot.tacked)
        for instrument in touched
        for number, lot in enumerate(book.holdings[instrument].lots, 1)
    ]
    cursor.execute(LOTS_OF, [account_id, _array(touched)])
    _insert(cursor, "lot", LOT, account_id, _columns(rows, LOT))


def drop_vanished(cursor: Writer, account_id: UUID, book: Book) -> None:
    """Drop positions and lots of instruments that no entry names any more: it was taken back."""
    for table in ("position", "lot"):
        cursor.execute(
            f"DELETE FROM portfolio_{table} WHERE account_id = %s AND NOT instrument_id = ANY (%s::uuid[])",  # noqa: S608
            [account_id, list(book.holdings)],
        )


def drop_closures(cursor: Writer, account_id: UUID, known: int) -> None:
    """Drop the closures after those known."""
    cursor.execute("DELETE FROM portfolio_closure WHERE account_id = %s AND number > %s", [account_id, known])


def write_projection(cursor: Writer, projection: Projection, names: Collection[str]) -> None:
    """Write some fields of how far an account has been derived; its row is there and locked."""
    fields = [field for field in Projection._meta.concrete_fields if field.name in names]
    given = [field.get_db_prep_save(getattr(projection, field.attname), connection=connections[SYSTEM]) for field in fields]
    noted = ", ".join(f"{field.column} = %s" for field in fields)
    cursor.execute(f"UPDATE portfolio_projection SET {noted} WHERE account_id = %s", [*given, projection.pk])  # noqa: S608


def write_closures(cursor: Writer, account_id: UUID, closures: Sequence[Closure], known: int) -> None:
    """Add closures after those known."""
    rows = [
        (
            closure.instrument, number, closure.opened_at, closure.closed_at, closure.opening, closure.closing,
            closure.quantity, closure.cost, closure.proceeds, closure.gain,
            closure.holding_days, closure.long_term, closure.missing, closure.wash_sale, closure.disallowed,
        )
        for number, closure in enumerate(closures, known + 1)
    ]  # fmt: skip
    _insert(cursor, "closure", CLOSURE, account_id, _columns(rows, CLOSURE))


def write_checkpoints(cursor: CursorWrapper, account_id: UUID, kept: Sequence[Checkpoint]) -> None:
    """Keep books, and drop those that stand too close to others by now."""
    if not kept:
        return
    rows = [(date.fromordinal(one.day), one.entries, _quoted(one.state)) for one in kept]
    _insert(cursor, "checkpoint", CHECKPOINT, account_id, _columns(rows, CHECKPOINT), replace="account_id, day")
    cursor.execute("SELECT day, entries FROM portfolio_checkpoint WHERE account_id = %s ORDER BY day", [account_id])
    found = cursor.fetchall()
    reached = max(entries for _, entries in found)
    dropped = thinned(reached, [(day.toordinal(), entries) for day, entries in found])
    if dropped:
        days = [date.fromordinal(day) for day in dropped]
        cursor.execute("DELETE FROM portfolio_checkpoint WHERE account_id = %s AND day = ANY (%s)", [account_id, days])


def drop_checkpoints(cursor: CursorWrapper, account_id: UUID, day: int) -> None:
    """Drop the books that were kept before days after one; a day of zero stands before all."""
    after = date.fromordinal(max(day, 1))
    cursor.execute("DELETE FROM portfolio_checkpoint WHERE account_id = %s AND day > %s", [account_id, after])


def amend_closures(cursor: Writer, account_id: UUID, amended: Mapping[int, Decimal]) -> None:
    """Write how much of the losses of closures does not count by now, by their numbers."""
    if amended:
        cursor.execute(
            "UPDATE portfolio_closure AS c SET disallowed_loss = given.loss, wash_sale = given.loss > 0 "
            "FROM unnest(%s::bigint[], %s::numeric[]) AS given (number, loss) "
            "WHERE c.account_id = %s AND c.number = given.number",
            [list(amended), list(amended.values()), account_id],
        )


def _columns(rows: Sequence[Sequence[Any]], types: dict[str, str]) -> list[Sequence[Any]]:
    """Return rows as columns, empty ones where there are no rows."""
    return list(zip(*rows, strict=True)) if rows else [()] * len(types)


def _insert(
    cursor: Writer,
    table: str,
    types: dict[str, str],
    account_id: UUID,
    columns: Iterable[Sequence[Any]],
    *,
    replace: str = "",
) -> None:
    """Insert columns in one statement; `replace` names the key whose rows are overwritten."""
    given = list(columns)
    if not given[0]:
        return
    names = ", ".join(types)
    arrays = ", ".join(f"%s::{kind}[]" for kind in types.values())
    update = ", ".join(f"{name} = excluded.{name}" for name in types)
    own, new = (", ".join(f"{row}.{name}" for name in types) for row in (f"portfolio_{table}", "excluded"))
    # what is as it was is not written again
    conflict = f"ON CONFLICT ({replace}) DO UPDATE SET {update} WHERE ({own}) IS DISTINCT FROM ({new})" if replace else ""
    cursor.execute(
        f"INSERT INTO portfolio_{table} (account_id, {names}) SELECT %s, given.* FROM unnest({arrays}) AS given {conflict}",  # noqa: S608
        [account_id, *map(_array, given)],
    )


def _array(values: Sequence[Any]) -> str:
    """Return values as the text of a PostgreSQL array; far cheaper than adapting them one by one."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    """Return a text as an element of such an array."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
