"""Reports as tables: named columns of a kind each, and rows in a stable order, before anything is written to a file.

A report has one or several tables: `rows` first, then what they add up to. Rows may come from an iterator: they are read once, in
the order of the tables, so totals can be gathered while the rows go by.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any, NamedTuple

from portfolio.domain.exact import ZERO

SPREADSHEET_DIGITS = Context(prec=15)  # all that a spreadsheet keeps of a number
FIRST, LAST = 1970, 9998


class Kind(enum.Enum):
    """What the cells of a column hold."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole"
    FLAG = "flag"
    DAY = "day"
    INSTANT = "instant"


class Column(NamedTuple):
    """A column by its name."""

    name: str
    kind: Kind = Kind.TEXT


class Table(NamedTuple):
    """Rows under columns."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """A report: what it is of, and its tables, which are read once and in their order."""

    name: str
    about: Mapping[str, Any]
    tables: Sequence[Table]


class Period(NamedTuple):
    """The days in [start, end); none where it is open."""

    start: date | None = None
    end: date | None = None

    def has(self, day: date) -> bool:
        """Say whether a day is in it."""
        return (self.start is None or day >= self.start) and (self.end is None or day < self.end)

    @property
    def last(self) -> date | None:
        """The last day."""
        return self.end - timedelta(days=1) if self.end else None

    @property
    def label(self) -> str:
        """What the period is called in the name of a file."""
        if self.start and self.end and self.start == date(self.start.year, 1, 1) and self.end == date(self.start.year + 1, 1, 1):
            return str(self.start.year)
        return f"{self.start or 'first'}-to-{self.last or 'last'}" if self.start or self.end else "all"


def year_of(year: int) -> Period:
    """Return the days of a calendar year.

    >>> year_of(2024).label, year_of(2024).has(date(2024, 12, 31)), year_of(2024).has(date(2025, 1, 1))
    ('2024', True, False)
    """
    return Period(date(year, 1, 1), date(year + 1, 1, 1))


def columns(**kinds: Kind) -> list[Column]:
    """Return columns by their names."""
    return [Column(name, kind) for name, kind in kinds.items()]


def as_kept_by_spreadsheets(number: Decimal) -> Decimal:
    """Return a number with the fifteen digits that a spreadsheet keeps.

    >>> as_kept_by_spreadsheets(Decimal("123456.3333333333"))
    Decimal('123456.333333333')
    """
    return SPREADSHEET_DIGITS.plus(number)


@dataclass(slots=True)
class Sums:
    """Amounts added up under keys while rows go by; `without` counts the rows that had no amount for want of a rate."""

    names: Sequence[str]
    found: dict[tuple[str, ...], dict[str, Decimal]] = field(default_factory=dict)
    counts: dict[tuple[str, ...], int] = field(default_factory=dict)
    without: dict[tuple[str, ...], int] = field(default_factory=dict)

    def add(self, key: tuple[str, ...], **amounts: Decimal | None) -> None:
        """Add the amounts of a row; a row of which one is missing is counted alone."""
        sums = self.found.setdefault(key, dict.fromkeys(self.names, ZERO))
        self.counts[key] = self.counts.get(key, 0) + 1
        if any(amount is None for amount in amounts.values()):
            self.without[key] = self.without.get(key, 0) + 1
            return
        for name, amount in amounts.items():
            sums[name] += amount or ZERO

    def rows(self) -> Iterator[list[Any]]:
        """Return the sums by their keys: the key, how many rows, the sums, and how many rows are not in them."""
        for key in sorted(self.found):
            yield [*key, self.counts[key], *self.found[key].values(), self.without.get(key, 0)]

    def table(self, name: str, *keys: str) -> Table:
        """Return the sums as a table, filled when the rows before it were read."""
        heads = [Column(key) for key in keys] + [Column("count", Kind.WHOLE)]
        return Table(
            name,
            [*heads, *(Column(each, Kind.NUMBER) for each in self.names), Column("without_rate", Kind.WHOLE)],
            Later(self),
        )


class Later:
    """The rows of sums, asked for when they are read and not before."""

    def __init__(self, sums: Sums) -> None:
        self.sums = sums

    def __iter__(self) -> Iterator[list[Any]]:
        """Return the rows."""
        return self.sums.rows()
