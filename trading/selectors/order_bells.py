"""Which accounts something has just happened in, for whoever follows their orders: heard once for a whole process.

What happened is read from the database by who may see it; here nothing is told but that it is worth a look. While Redis is away
nobody hears anything, and whoever follows looks by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings

from marketdata.selectors.live import TELL, Ear

CHANNEL = f"{settings.CACHES['default'].get('KEY_PREFIX', 'bedrock')}:orders"


class Bell:
    """Rings when something has happened in one of the accounts."""

    def __init__(self, wanted: Iterable[UUID]) -> None:
        self.wanted = frozenset(map(str, wanted))
        self._rung = asyncio.Event()

    def want(self, wanted: Iterable[UUID]) -> None:
        """Ring for these accounts from now on."""
        self.wanted = frozenset(map(str, wanted))

    def offer(self, told: TELL, /) -> None:
        """Ring, if it is about one of the accounts."""
        if told["account"] in self.wanted:
            self._rung.set()

    def note_missed(self) -> None:
        """Ring: something may have happened."""
        self._rung.set()

    async def rings(self, *, within: float) -> bool:
        """Wait until it rings, for so long at most; say whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


class OrderHub(Ear[Bell]):
    """Hears of every account in which something happened to an order."""

    subject = "orders"

    def box(self, wanted: Iterable[UUID]) -> Bell:
        """Return a bell for accounts."""
        return Bell(wanted)

    def makes_sense(self, told: object) -> bool:
        """Say whether something names an account."""
        return isinstance(told, dict) and isinstance(told.get("account"), str)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, OrderHub] = WeakKeyDictionary()


def order_hub() -> OrderHub:
    """Return the listener of this event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), OrderHub(CHANNEL))
