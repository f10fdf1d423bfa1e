"""The positions and snapshots of an old portfolio.db beside what follows from the ledger.

Units and costs are compared at the instant that the file states, to the last trade. What things were worth is compared with the
end of that day: of several snapshots of a day, the last one; of positions, those of the last snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.domain.ledger import EARLIEST, HALF_A_CENT
from accounts.models import Account
from accounts.selectors.import_figures import keys_of
from marketdata.models import Instrument
from portfolio.adapters.portfolio_db import COLUMNS, NotReadable, OldStore
from portfolio.domain.exact import ZERO
from portfolio.domain.old_cells import BadCell, moment, number, told, word
from portfolio.models import Position
from portfolio.selectors.comparing import Compared, Difference, Held, Past

MOST_SNAPSHOTS = 500_000
HAIR = Decimal("1e-9")
DAY_FIGURES = {"total_value": "total_value", "buying_power": "buying_power", "day_pnl": "day_gain", "total_pnl": "total_gain"}
WORTH = {"market_value": "market_value", "unrealized_pnl": "unrealized_gain", "day_pnl": "day_gain"}
POSITIONS, SNAPSHOTS = "positions", "portfolio_snapshots"
Meaning = Callable[[str], Instrument | None]
Cells = dict[str, Any]


@dataclass
class Comparison:
    """A comparison as it goes on: what is known of the account, and when the snapshots were taken."""

    past: Past
    zone: ZoneInfo
    meaning: Meaning
    times: Mapping[object, datetime]
    positions: Compared = field(default_factory=Compared)
    snapshots: Compared = field(default_factory=Compared)
    keys: dict[str, str] = field(default_factory=dict)

    def of_snapshots(self, store: OldStore) -> None:
        """Compare the last snapshot of each day with the end of that day."""
        last: dict[date, datetime] = {}
        for at in self.times.values():
            last[at.date()] = max(at, last.get(at.date(), at))
        for cells in _read(store, SNAPSHOTS):
            self.snapshots.rows += 1
            if cells["id"] not in self.times:
                self.unread(self.snapshots, SNAPSHOTS, cells["timestamp"], "the time can't be read")
            elif (at := self.times[cells["id"]]) == last[at.date()]:
                self._of_day(cells, at)

    def _of_day(self, cells: Cells, at: datetime) -> None:
        """Compare the figures of a snapshot."""
        ours = self.past.day(at)
        why = "nothing follows for that day" if ours is None else "" if ours.complete else "a price was missing"
        for column, name in DAY_FIGURES.items():
            found = None if ours is None else getattr(ours, name)
            self.beside(self.snapshots, (SNAPSHOTS, at, "", column), cells[column], found, why)

    def of_positions(self, store: OldStore) -> None:
        """Compare what was held: snapshot by snapshot, and the positions of none as of when they were written."""
        latest = max(self.times.items(), key=lambda pair: pair[1], default=(None, None))[0]
        loose: dict[str, Cells] = {}
        for snapshot, rows in groupby(_read(store, POSITIONS), key=lambda cells: cells["snapshot_id"]):
            if snapshot is None:
                for cells in rows:
                    self.positions.rows += 1
                    loose[told(cells["symbol"])] = cells
            elif snapshot not in self.times:
                self.positions.rows += sum(1 for _ in rows)
                self.unread(self.positions, POSITIONS, snapshot, "there is no such snapshot")
            else:
                self._of_snapshot(rows, self.times[snapshot], worth=snapshot == latest)
        for cells in loose.values():
            try:
                at = moment(cells["created_at"], "created_at", self.zone)[0]
            except BadCell as bad:
                self.unread(self.positions, POSITIONS, cells["symbol"], str(bad))
            else:
                self._of_position(cells, at, self.past.held_at(at), worth=False)

    def _of_snapshot(self, rows: Iterator[Cells], at: datetime, *, worth: bool) -> None:
        """Compare the positions of a snapshot, and name what the ledger holds beside them."""
        held, named = self.past.held_at(at), set[str]()
        for cells in rows:
            self.positions.rows += 1
            named.add(self._of_position(cells, at, held, worth=worth))
        for instrument in held.keys() - named:
            self.positions.beside(
                Difference(POSITIONS, at, self.key_of(instrument), "quantity", None, held[instrument][0], "the file has none")
            )

    def _of_position(self, cells: Cells, at: datetime, held: Mapping[str, Held], *, worth: bool) -> str:
        """Compare one position, and return the id of its instrument."""
        try:
            symbol = word(cells["symbol"], "symbol")
        except BadCell as bad:
            self.unread(self.positions, POSITIONS, cells["symbol"], str(bad))
            return ""
        instrument = self.meaning(symbol)
        pk, why = (str(instrument.pk), "") if instrument else ("", "no instrument is meant for sure")
        key = instrument.key if instrument else symbol
        quantity, cost = held.get(pk, (ZERO, ZERO))
        self.beside(self.positions, (POSITIONS, at, key, "quantity"), cells["quantity"], quantity, why, off=HAIR)
        self.beside(self.positions, (POSITIONS, at, key, "cost_basis"), cells["cost_basis"], cost, why)
        if worth and quantity:
            ours = self.standing.get(pk)
            for column, name in WORTH.items():
                found = getattr(ours, name, None)
                missing = "" if found is not None else "no price is known"
                self.beside(self.positions, (POSITIONS, at, key, column), cells[column], found, missing)
        return pk

    @cached_property
    def standing(self) -> Mapping[str, Position]:
        """The positions at the end of the last day."""
        return self.past.positions()

    def beside(
        self,
        into: Compared,
        what: tuple[str, datetime, str, str],
        cell: object,
        ours: Decimal | None,
        why: str,
        *,
        off: Decimal = HALF_A_CENT,
    ) -> None:
        """Compare a cell with what is ours."""
        try:
            into.beside(Difference(*what, number(cell, what[3]), ours, why), off=off)
        except BadCell as bad:
            into.beside(Difference(*what, None, ours, str(bad)))

    def unread(self, into: Compared, table: str, what: object, why: str) -> None:
        """Note a row that can't be compared."""
        into.beside(Difference(table, EARLIEST, told(what), "row", None, None, why))

    def key_of(self, instrument: str) -> str:
        """Return the name of an instrument."""
        if instrument not in self.keys:
            self.keys |= {str(pk): key for pk, key in keys_of([UUID(one) for one in self.past.held]).items()}
        return self.keys[instrument]


def compare(account: Account, store: OldStore, time_zone: str, meaning: Meaning) -> tuple[Compared, Compared]:
    """Return how the positions and the snapshots of a file compare with the ledger.

    :raises NotReadable: if there are more snapshots than any file has
    """
    zone = ZoneInfo(time_zone)
    times: dict[object, datetime] = {}
    for cells in _read(store, SNAPSHOTS):
        with suppress(BadCell):
            times[cells["id"]] = moment(cells["timestamp"], "timestamp", zone)[0]
        if len(times) > MOST_SNAPSHOTS:
            raise NotReadable(f"The file has more than {MOST_SNAPSHOTS:,} snapshots.")
    last = max(times.values(), default=EARLIEST)
    found = Comparison(Past(account, last.astimezone(UTC).date()), zone, meaning, times)
    found.of_snapshots(store)
    found.of_positions(store)
    return found.positions, found.snapshots


def _read(store: OldStore, table: str) -> Iterator[Cells]:
    """Yield the rows of a table by the names of their columns."""
    for _, row in store.rows(table):
        yield dict(zip(COLUMNS[table], row, strict=True))
