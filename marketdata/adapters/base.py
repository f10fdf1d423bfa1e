"""What a source of prices is: it says what it has and hands out pages of rows as they came."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NoReturn, Protocol

from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass, Listing
from marketdata.domain.quality import Dataset

PAGE = 5_000


class ProviderFailed(Exception):
    """The source can't answer this: it does not have it, it refuses, or what it says makes no sense as a whole."""


class ProviderLacks(ProviderFailed):
    """The source does not have this and never will: there is no use in asking again."""


class ProviderAway(ProviderFailed):
    """The source can't answer anything now: nobody is there, it is out of order, or it does not let us in."""


class ProviderThrottled(ProviderAway):
    """We ask too often; `retry_after` is how many seconds the source wants to be left alone."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderStalled(Exception):
    """The source has not answered in the time it is given."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as they came: mappings with the names of a table's columns, or anything else where the source is broken.

    Numbers are decimals or their plain spelling. `lines` says where each row stood, if it stood in a file.
    """

    rows: tuple[object, ...]
    lines: tuple[int, ...] = ()

    def line_of(self, index: int) -> int | None:
        """Return the line of a row in its file."""
        return self.lines[index] if index < len(self.lines) else None


@dataclass(frozen=True, slots=True)
class Session:
    """A day on which an exchange trades, and from when to when."""

    day: date
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a source can do; where it names no exchanges or asset classes, it may have any.

    A source that does not declare something refuses to be asked for it.
    """

    timeframes: frozenset[Timeframe] = frozenset()
    quotes: bool = False
    ticks: bool = False
    corporate_actions: bool = False
    fx_rates: bool = False
    calendar: bool = False
    listings: bool = False
    needs_credentials: bool = False
    asset_classes: frozenset[AssetClass] = frozenset()
    exchanges: frozenset[str] = frozenset()

    def has(self, dataset: Dataset) -> bool:
        """Say whether rows of a kind can be had."""
        return bool(self.timeframes) if dataset is Dataset.BARS else bool(getattr(self, dataset.value))

    def fits(self, listing: Listing) -> bool:
        """Say whether an instrument is of an exchange and a class that the source knows."""
        return (not self.exchanges or listing.exchange in self.exchanges) and (
            not self.asset_classes or listing.asset_class in self.asset_classes
        )

    def names(self) -> list[str]:
        """Return all of it in words, for people."""
        frames = [f"bars {frame.value}" for frame in Timeframe if frame in self.timeframes]
        others = ("quotes", "ticks", "corporate_actions", "fx_rates", "calendar", "listings")
        return frames + [name.replace("_", " ") for name in others if getattr(self, name)]


@dataclass(slots=True)
class Traffic:
    """What asking a source has cost so far: requests sent, those sent again, and how often it said that we ask too often.

    `skipped` counts what it sent and we have no use for; `reasons` say of the last of it why.
    """

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    skipped: int = 0
    reasons: deque[str] = field(default_factory=lambda: deque(maxlen=100))

    def skip(self, reason: str) -> None:
        """Count something that is passed over, and say why."""
        self.skipped += 1
        self.reasons.append(reason)


class PriceProvider(Protocol):
    """A source of prices.

    What yields pages yields them with at most a few thousand rows, of [start, end), older pages first, and ends; asked again it
    answers the same. It may raise ProviderFailed at any time. It neither stores nor checks anything, and never touches the
    database. What it does not declare in its capabilities it refuses with ProviderFailed.
    """

    name: str
    capabilities: Capabilities
    traffic: Traffic

    def listings(self) -> Iterable[Listing]:
        """Return the instruments the source is known to have; empty if only asking would tell."""
        ...

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        """Say whether it is worth asking for bars of an instrument."""
        ...

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of an instrument that start in [start, end), as they were traded: not adjusted for splits."""
        ...

    def quotes(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the quotes of an instrument in [start, end)."""
        ...

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the trades in an instrument in [start, end)."""
        ...

    def corporate_actions(self, listing: Listing, start: date, end: date) -> Iterator[Page]:
        """Yield what a company did to its shares, by ex-dates in [start, end)."""
        ...

    def fx_rates(self, base: str, quote: str, start: date, end: date) -> Iterator[Page]:
        """Yield what one unit of a currency was worth in another on the days of [start, end) that have a rate of their own."""
        ...

    def sessions(self, exchange: str, start: date, end: date) -> Iterator[Session]:
        """Yield the days of [start, end) on which an exchange trades."""
        ...


@dataclass(eq=False)
class Source:
    """A provider that has nothing: what the others start from, each adding what it has."""

    name: str
    capabilities: Capabilities = field(default=Capabilities(), repr=False)
    traffic: Traffic = field(default_factory=Traffic, repr=False)

    def listings(self) -> Iterable[Listing]:
        """Return nothing."""
        return ()

    def covers(self, listing: Listing, timeframe: Timeframe) -> bool:
        """Say whether the capabilities allow for it."""
        return timeframe in self.capabilities.timeframes and self.capabilities.fits(listing)

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Refuse.

        :raises ProviderFailed: always
        """
        self._refuse(f"{timeframe} bars of {listing.key}")

    def quotes(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Refuse.

        :raises ProviderFailed: always
        """
        self._refuse(f"quotes of {listing.key}")

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Refuse.

        :raises ProviderFailed: always
        """
        self._refuse(f"trades in {listing.key}")

    def corporate_actions(self, listing: Listing, start: date, end: date) -> Iterator[Page]:
        """Refuse.

        :raises ProviderFailed: always
        """
        self._refuse(f"corporate actions of {listing.key}")

    def fx_rates(self, base: str, quote: str, start: date, end: date) -> Iterator[Page]:
        """Refuse.

        :raises ProviderFailed: always
        """
        self._refuse(f"rates of {base}/{quote}")

    def sessions(self, exchange: str, start: date, end: date) -> Iterator[Session]:
        """Refuse.

        :raises ProviderFailed: always
        """
        self._refuse(f"a calendar of {exchange}")

    def _refuse(self, what: str) -> NoReturn:
        raise ProviderLacks(f"{self.name} has no {what}.")
