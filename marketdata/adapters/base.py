"""What a source of prices is: it says what it has and hands out pages of bars as they came."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing

PAGE = 5_000


class ProviderFailed(Exception):
    """The source can't answer: it is away, it refuses, or what it says makes no sense as a whole."""


class ProviderStalled(Exception):
    """The source has not answered in the time it is given."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as they came: mappings with the names of a bar's columns, or anything else where the source is broken.

    Numbers are decimals or their plain spelling. `lines` says where each row stood, if it stood in a file.
    """

    rows: tuple[object, ...]
    lines: tuple[int, ...] = ()

    def line_of(self, index: int) -> int | None:
        """Return the line of a row in its file."""
        return self.lines[index] if index < len(self.lines) else None


class PriceProvider(Protocol):
    """A source of prices.

    `bars` yields pages of at most a few thousand rows whose bars start in [start, end), older pages first, and ends; asked
    again it answers the same. It may raise ProviderFailed at any time. It neither stores nor checks anything, and never
    touches the database.
    """

    name: str
    timeframes: frozenset[Timeframe]

    def listings(self) -> Iterable[Listing]:
        """Return the instruments the source is known to have; empty if only asking would tell."""
        ...

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        """Say whether it is worth asking for bars of an instrument."""
        ...

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of an instrument that start in [start, end), older pages first."""
        ...
