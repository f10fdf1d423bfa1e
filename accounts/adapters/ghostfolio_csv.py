"""Ghostfolio: activities as CSV, in the columns that it imports."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Passed, Row, certain, read_rows, rows
from accounts.domain.ghostfolio import MANUAL, SOURCE, Activity, happenings
from accounts.domain.happenings import Happening, Lines
from accounts.domain.ledger import ZERO
from accounts.domain.moments import DAY_FIRST, stamp
from accounts.domain.statements import Item

# as its own pages call the columns, and as the fields of its activities are called
NEEDED = ("Date", "Code", "Price", "Action", "Fee")
FIELDS = ("date", "symbol", "unitPrice", "type", "fee", "dataSource")
ALSO = ("DataSource", "Note")
UTC = ZoneInfo("UTC")


class GhostfolioCsv:
    """The activities of Ghostfolio."""

    name = "ghostfolio_csv"
    title = "Ghostfolio (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns; "Code" beside "Action" is how Ghostfolio calls them."""
        sure = certain(file, NEEDED, ALSO)
        return max(sure, 0.85) if sure else certain(file, FIELDS)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the activities."""
        yield from _Reading().items(file)


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    lines: Lines = field(default_factory=lambda: Lines(SOURCE))

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say."""
        named = NEEDED if certain(file, NEEDED) else FIELDS
        yield from read_rows(rows(file, named), self.lines, self._happenings)

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        at, day_only = stamp(row.needed_text("Date"), "Date", UTC, DAY_FIRST)
        symbol, source = row.needed_text("Code", "symbol"), row.text("DataSource").upper()
        told = list(
            happenings(
                Activity(
                    type=row.needed_text("Action", "type"),
                    at=at,
                    day_only=day_only,
                    currency=row.needed_text("Currency", "CCY"),
                    symbol=symbol,
                    source=source or (MANUAL if " " in symbol else ""),
                    quantity=row.units("Quantity", "Qty"),
                    price=row.money("Price", "unitPrice"),
                    fee=row.money("Fee") or ZERO,
                    note=row.text("Note", "Comment"),
                    account=row.text("Account"),
                )
            )
        )
        if not told:
            raise Passed("draft", "Quantity: a draft without units and price moves nothing.")
        yield from told


READERS = (GhostfolioCsv(),)
