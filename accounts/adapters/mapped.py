"""Any table, by a mapping of its columns."""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.domain.statements import Item


class MappedTable:
    """A table whose columns a mapping explains."""

    name = "mapped_csv"
    title = "Any table, by its columns (CSV)"
    several_accounts = False

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self.mapping = mapping

    def certainty(self, file: StatementFile) -> float:
        """Any table may be read so, where somebody says how."""
        return 0.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the lines of a table."""
        yield from ()
