"""What a live feed of prices is: it connects, is told what is wanted, and yields what comes until it is closed."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from marketdata.adapters.base import Page
from marketdata.domain.instruments import Listing
from marketdata.domain.streams import Message


class StreamFailed(Exception):
    """The connection is lost or can't be made; it is worth trying again."""


class StreamRefused(StreamFailed):
    """The vendor does not want us: wrong credentials, a plan that does not reach so far, too many symbols."""


class QuoteStream(Protocol):
    """A live feed.

    `messages` yields what came, a websocket's frame at a time and in its order; while nobody takes the next, nothing is read
    and the vendor has to wait. It never ends by itself but raises StreamFailed. It neither stores nor checks anything.
    """

    name: str

    def symbol_of(self, listing: Listing) -> str | None:
        """Return what the feed calls an instrument, None if it does not have it."""
        ...

    async def connect(self) -> None:
        """Connect and say who we are.

        :raises StreamFailed: if that can't be done now
        :raises StreamRefused: if trying again is of no use before somebody has changed something
        """
        ...

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Ask for the quotes and trades of further symbols."""
        ...

    async def granted(self) -> None:
        """Wait until everything asked for is subscribed; that is heard while `messages` is read."""
        ...

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Ask for symbols no longer."""
        ...

    def messages(self) -> AsyncIterator[Sequence[Message]]:
        """Yield what comes.

        :raises StreamFailed: when the connection is lost, or has been silent for too long
        """
        ...

    async def close(self) -> None:
        """Hang up; nothing happens where there is no connection."""
        ...


class History(Protocol):
    """Where what a feed did not bring is fetched from afterwards; times are half-open periods, older pages come first."""

    name: str

    def quotes(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the quotes of an instrument in [start, end)."""
        ...

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the trades of an instrument in [start, end)."""
        ...


class Configured(NamedTuple):
    """A feed, and the name of the provider that its gaps are filled from; empty if there is none."""

    stream: QuoteStream
    history: str


def stream_named(name: str) -> Configured:
    """Return a feed that the setting MARKETDATA_STREAMS names.

    :raises LookupError: if it names none of that name
    :raises ImproperlyConfigured: if what is written there makes no feed
    """
    configured: Mapping[str, Mapping[str, Any]] = settings.MARKETDATA_STREAMS
    if name not in configured:
        raise LookupError(f"No stream is named {name}; there are {', '.join(configured) or 'none'}.")
    options = dict(configured[name])
    try:
        kind, history = options.pop("class"), options.pop("history", name)
        stream: QuoteStream = import_string(kind)(name=name, **options)
    except (ImportError, KeyError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"MARKETDATA_STREAMS[{name!r}]: {error}") from error
    return Configured(stream, history)
