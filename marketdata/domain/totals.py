"""What a day's rows add up to, instrument by instrument: by this a table and the file made of it are compared.

The database adds its rows up by itself and the file is read back and added up here: neither figure is made from the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from hashlib import sha256
from typing import Any, Literal

import polars as pl

from marketdata.domain.archive import columns_of
from marketdata.domain.frames import INSTANT
from marketdata.domain.money import plain
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import SHAPES

Figures = tuple[Decimal, ...]
EXACTLY = Context(prec=200)
LONGEST = 200  # characters of a content that a segment's row keeps


@dataclass(frozen=True, slots=True)
class Sums:
    """What the rows of one instrument add up to: how many, from when to when, and a figure for every column."""

    rows: int
    first_at: datetime
    last_at: datetime
    figures: Figures

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.rows + other.rows,
            min(self.first_at, other.first_at),
            max(self.last_at, other.last_at),
            tuple(map(EXACTLY.add, self.figures, other.figures)),
        )


@dataclass(slots=True)
class Totals:
    """What rows add up to: by instrument, and how often each text occurs in the columns of texts."""

    by_instrument: dict[str, Sums] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)

    def include(self, other: "Totals") -> None:
        """Add further rows."""
        for instrument, sums in other.by_instrument.items():
            known = self.by_instrument.get(instrument)
            self.by_instrument[instrument] = known + sums if known else sums
        for text, rows in other.texts.items():
            self.texts[text] = self.texts.get(text, 0) + rows

    @property
    def sums(self) -> Sums:
        """What all rows add up to; there must be some."""
        first, *others = self.by_instrument.values()
        for sums in others:
            first += sums
        return first

    @property
    def content(self) -> str:
        """The count of the rows and the figures of all columns in their order, as one line, or the hash of one too long."""
        line = " ".join([str(self.sums.rows), *map(plain, self.sums.figures)])
        return line if len(line) <= LONGEST else sha256(line.encode()).hexdigest()


def sums_from(instrument: Sequence[Any]) -> Sums:
    """Return the sums that were read as a row: count, first and last time, a figure for every column (None: nothing to add)."""
    rows, first_at, last_at, *figures = instrument
    return Sums(rows, first_at, last_at, tuple([Decimal(figure or 0) for figure in figures]))


def totals_of(dataset: Dataset, day: date, portions: Iterable[pl.DataFrame | pl.LazyFrame]) -> Totals:
    """Return what rows add up to, which come in portions; one that is still in a file is never in memory as a whole.

    Times are added up as microseconds since the start of the day, texts as their lengths in bytes; then follow how many values
    there are in each of the columns that may have none.
    """
    midnight = datetime.combine(day, time(), UTC)
    found = Totals()
    for rows in portions:
        engine: Literal["streaming", "in-memory"] = "streaming" if isinstance(rows, pl.LazyFrame) else "in-memory"
        grouped = (
            rows.lazy()
            .group_by("instrument")
            .agg(
                pl.len().alias("rows"),
                pl.col("timestamp").min().alias("first_at"),
                pl.col("timestamp").max().alias("last_at"),
                *[_sum(name, dtype, midnight) for name, dtype in figures_of(dataset).items()],
                *[pl.col(name).count().alias(f"count of {name}") for name in optional_of(dataset)],
            )
        )
        part = Totals({row[0]: sums_from(row[1:]) for row in grouped.collect(engine=engine).iter_rows()})
        for name in texts_of(dataset):
            part.texts.update(rows.lazy().group_by(name).len().collect(engine=engine).iter_rows())
        found.include(part)
    return found


def figures_of(dataset: Dataset) -> Mapping[str, pl.DataType]:
    """Return the columns that are added up."""
    return {name: dtype for name, dtype in columns_of(dataset).items() if name != "instrument"}


def texts_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of texts."""
    return tuple([name for name, dtype in figures_of(dataset).items() if dtype == pl.String])


def optional_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of numbers that may be empty."""
    return tuple([name for name in sorted(SHAPES[dataset].optional) if name not in texts_of(dataset)])


def difference(ours: Totals, theirs: Totals) -> str:
    """Say where two totals differ first, or nothing if they are equal."""
    for instrument in sorted(ours.by_instrument.keys() | theirs.by_instrument.keys()):
        one, other = ours.by_instrument.get(instrument), theirs.by_instrument.get(instrument)
        if one != other:
            return f"instrument {instrument}: {one} is not {other}"
    if ours.texts != theirs.texts:
        return "the texts do not occur as often"
    return ""


def _sum(name: str, dtype: pl.DataType, midnight: datetime) -> pl.Expr:
    """Return the figure of a column."""
    if dtype == INSTANT:
        return (pl.col(name) - midnight).dt.total_microseconds().cast(pl.Int128).sum().alias(f"sum of {name}")
    if dtype == pl.String:
        return pl.col(name).str.len_bytes().cast(pl.Int64).sum().alias(f"sum of {name}")
    return pl.col(name).sum().alias(f"sum of {name}")
