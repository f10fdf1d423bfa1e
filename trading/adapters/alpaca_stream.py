"""Alpaca's stream of trade updates, by its own library: it says of which order something is to be asked, and no more.

What is written down is what is asked for afterwards, so that the stream and the polls lead to the same rows, and a message that
was missed, or came twice, costs nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from alpaca.trading.stream import TradingStream

from marketdata.domain.addresses import check_address

# of its own library, which logs what it hears of an order
logging.getLogger("alpaca.trading.stream").setLevel(logging.WARNING)
logging.getLogger("websockets").setLevel(logging.WARNING)

Heard = Callable[[str], Awaitable[None]]


def stream_url(url: str) -> str:
    """Return where the stream of a REST address is.

    >>> stream_url("https://paper-api.alpaca.markets")
    'wss://paper-api.alpaca.markets/stream'
    """
    parts = urlsplit(url)
    return urlunsplit(({"https": "wss", "http": "ws"}[parts.scheme], parts.netloc, "/stream", "", ""))


class AlpacaUpdates:
    """The connection of one account; `heard` is told the client order id of each order that something happened to."""

    def __init__(self, *, key: str, secret: str, url: str, hosts: Collection[str], heard: Heard) -> None:
        self._heard = heard
        self._stream = TradingStream(key, secret, raw_data=True, url_override=check_address(stream_url(url), hosts))
        self._stream.subscribe_trade_updates(self._told)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    async def run(self) -> None:
        """Listen until told to stop; the library connects again by itself."""
        await self._stream._run_forever()

    async def stop(self) -> None:
        """Listen no longer."""
        await self._stream.stop_ws()
        await asyncio.sleep(0)

    async def _told(self, message: Mapping[str, Any]) -> None:
        """Pass on of which order something was told; what makes no sense is left to the polls."""
        data = message.get("data")
        order = data.get("order") if isinstance(data, Mapping) else None
        name = order.get("client_order_id") if isinstance(order, Mapping) else None
        if isinstance(name, str) and name:
            await self._heard(name)
