"""Alpaca's market data stream: JSON or msgpack over a websocket, every number as exact as it was sent.

JSON's numbers are read from their text. Msgpack has nothing but floats for them: of those the shortest spelling that means the
same float is taken, which is what the vendor started from.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgpack  # type: ignore[import-untyped]
from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from marketdata.adapters.base import ProviderFailed
from marketdata.adapters.http import addresses_of
from marketdata.adapters.streams import StreamFailed, StreamRefused
from marketdata.domain.addresses import check_address
from marketdata.domain.instruments import US_EXCHANGES, AssetClass, Listing
from marketdata.domain.quality import as_text
from marketdata.domain.streams import Garbled, Message, StreamBar, StreamQuote, StreamTrade, plain_number

US_CLASSES = frozenset({AssetClass.EQUITY, AssetClass.ETF})
MOST_BYTES = 16 * 1024 * 1024
MOST_FRAMES = 16  # read ahead of us; then the vendor waits
MOST_SYMBOLS = 500  # in one message of ours
# no use in trying these again: authentication, symbol limit, plan, feed
HOPELESS = {401, 402, 403, 405, 408, 409, 410}
SAID = {
    402: "the key or its secret is wrong; see ALPACA_KEY_ID and ALPACA_SECRET_KEY",
    405: "the plan allows no more symbols; name fewer with --symbols",
    406: "the plan allows no more connections: another process uses this key, or the last one is not gone yet",
    407: "we read too slowly",
    409: "the plan does not reach this feed",
}

# of its own, and never lower: at level DEBUG the library writes down every frame, the one with the secret as well
_quiet = logging.getLogger(f"{__name__}.socket")
_quiet.setLevel(logging.WARNING)


class AlpacaStream:
    """A connection to `wss://stream.data.alpaca.markets/v2/{feed}` or to whatever speaks like it.

    `silence` is how many seconds may pass without a word before a ping is sent, `patience` how many the answer may take.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        key_id: str = "",
        secret_key: str = "",
        encoding: str = "json",
        channels: Sequence[str] = ("quotes", "trades"),
        exchanges: Collection[str] = US_EXCHANGES,
        silence: float = 20.0,
        patience: float = 10.0,
    ) -> None:
        if encoding not in {"json", "msgpack"}:
            raise ValueError(f"the encoding is json or msgpack, not {encoding!r}")
        if unknown := set(channels) - {"quotes", "trades", "bars"}:
            raise ValueError(f"there is no channel {', '.join(sorted(unknown))}; there are quotes, trades, bars")
        self.name, self.encoding, self.channels = name, encoding, tuple(channels)
        self.url = check_address(url, settings.PROVIDER_HOSTS)
        self.exchanges, self.silence, self.patience = frozenset(exchanges), silence, patience
        self._key, self._secret = key_id, secret_key
        self.lacks = "" if key_id and secret_key else "There are no credentials: set ALPACA_KEY_ID and ALPACA_SECRET_KEY."
        self._socket: ClientConnection | None = None
        self._owed, self._granted = 0, asyncio.Event()

    def symbol_of(self, listing: Listing) -> str | None:
        """Return the symbol of a US equity or fund; two listings of one symbol elsewhere must not share a feed."""
        return listing.symbol if listing.asset_class in US_CLASSES and listing.exchange in self.exchanges else None

    async def connect(self) -> None:
        """Connect and log in.

        :raises StreamFailed: if that can't be done now
        :raises StreamRefused: if the credentials are wrong, or are not there
        """
        if self.lacks:
            raise StreamRefused(self.lacks)
        headers = {"Content-Type": "application/msgpack"} if self.encoding == "msgpack" else {}
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            addresses = await asyncio.to_thread(addresses_of, str(parts.hostname), port)
            self._socket = await connect(
                self.url,
                host=addresses[0],  # the one that was looked at
                port=port,
                additional_headers=headers,
                open_timeout=self.patience,
                close_timeout=2,
                ping_interval=None,  # it would take our own back-pressure for a dead line; see `_next_frame`
                max_size=MOST_BYTES,
                max_queue=MOST_FRAMES,
                logger=_quiet,
            )
        except (OSError, TimeoutError, WebSocketException, ProviderFailed) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            kind = StreamRefused if isinstance(error, InvalidHandshake) and status in {401, 403, 404} else StreamFailed
            raise kind(f"No connection to {self.url}: {_told(error)}") from error
        self._owed = 0
        self._granted.set()
        await self._await_word("connected")
        await self._send({"action": "auth", "key": self._key, "secret": self._secret})
        await self._await_word("authenticated")

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Ask for symbols; whether they are granted is heard among the messages."""
        await self._ask("subscribe", symbols)

    async def granted(self) -> None:
        """Wait until every subscription is confirmed."""
        await self._granted.wait()

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Ask for symbols no longer."""
        await self._ask("unsubscribe", symbols)

    async def messages(self) -> AsyncIterator[Sequence[Message]]:
        """Yield the messages of each frame.

        :raises StreamFailed: when the connection is lost, silent for too long, or the vendor reports an error
        """
        while True:
            read = self._read(await self._next_frame())
            if read:
                yield read

    async def close(self) -> None:
        """Hang up."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                await socket.close()

    async def _ask(self, action: str, symbols: Collection[str]) -> None:
        names = sorted(symbols)
        for start in range(0, len(names), MOST_SYMBOLS):
            part = names[start : start + MOST_SYMBOLS]
            self._owed += 1
            self._granted.clear()
            await self._send({"action": action} | dict.fromkeys(self.channels, part))

    async def _send(self, order: Mapping[str, Any]) -> None:
        try:
            await self._connected().send(msgpack.packb(order) if self.encoding == "msgpack" else json.dumps(order))
        except (OSError, WebSocketException) as error:
            raise StreamFailed(f"The connection is lost: {_told(error)}") from error

    def _connected(self) -> ClientConnection:
        if self._socket is None:
            raise StreamFailed("There is no connection.")
        return self._socket

    async def _next_frame(self) -> str | bytes:
        """Return the next frame; ask whether the other side is still there when it has been silent for long."""
        socket = self._connected()
        try:
            try:
                async with asyncio.timeout(self.silence):
                    return await socket.recv()
            except TimeoutError:
                answered = await socket.ping()
                async with asyncio.timeout(self.patience):
                    await answered
                return b""
        except TimeoutError as error:
            raise StreamFailed(f"No word for {self.silence + self.patience:g} seconds, and no answer to a ping.") from error
        except (OSError, WebSocketException) as error:
            raise StreamFailed(f"The connection is lost: {_told(error)}") from error

    async def _await_word(self, word: str) -> None:
        """Read on until the vendor has said a word.

        :raises StreamFailed: if it says something else, or nothing
        """
        try:
            async with asyncio.timeout(self.patience):
                while True:
                    for message in self._decode(await self._next_frame()):
                        if isinstance(message, Mapping) and message.get("T") == "error":
                            raise _failure(message)
                        if isinstance(message, Mapping) and message.get("msg") == word:
                            return
        except TimeoutError as error:
            raise StreamFailed(f"The other side never said {word!r}.") from error
        except ValueError as error:
            raise StreamFailed(f"The other side does not speak {self.encoding}: {_told(error)}") from error

    def _decode(self, frame: str | bytes) -> Sequence[Any]:
        """Return the messages of a frame.

        :raises ValueError: if it is none
        """
        if not frame:
            return ()
        if isinstance(frame, bytes) and self.encoding == "msgpack":
            try:
                decoded = msgpack.unpackb(frame, timestamp=3)
            except (msgpack.UnpackException, ValueError, TypeError, OverflowError) as error:
                raise ValueError(f"no msgpack: {_told(error)}") from error
        else:
            try:
                decoded = json.loads(frame, parse_float=str, parse_constant=str)
            except RecursionError as error:
                raise ValueError("nested too deeply") from error
        return decoded if isinstance(decoded, list) else [decoded]

    def _read(self, frame: str | bytes) -> list[Message]:
        """Return the messages in a frame; what is none is told as such, and costs no other."""
        try:
            return [read for each in self._decode(frame) if (read := self._message(each)) is not None]
        except ValueError as error:
            return [Garbled(as_text(frame), f"no {self.encoding}: {_told(error)}")]

    def _message(self, sent: Any) -> Message | None:
        """Return a message; None for those that are about the connection, and kinds that are of no interest.

        :raises StreamFailed: if it is an error of the vendor's
        """
        try:
            kind = sent["T"]
            reader = READERS.get(kind)
            if reader is not None:
                return reader(sent)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return Garbled(as_text(sent), f"{type(error).__name__}: {_told(error)}")
        if kind == "error":
            raise _failure(sent)
        if kind == "subscription":
            self._owed -= 1
            if self._owed <= 0:
                self._granted.set()
        return None


def _quote(sent: Mapping[str, Any]) -> StreamQuote:
    sizes = sent.get("bs"), sent.get("as")
    return StreamQuote(
        _symbol(sent["S"]),
        _instant(sent["t"]),
        plain_number(sent["bp"]),
        plain_number(sent["ap"]),
        plain_number(sizes[0]),
        plain_number(sizes[1]),
    )


def _trade(sent: Mapping[str, Any]) -> StreamTrade:
    conditions = " ".join(map(str, sent.get("c") or ()))[:100]
    return StreamTrade(_symbol(sent["S"]), _instant(sent["t"]), plain_number(sent["p"]), plain_number(sent["s"]), conditions)


def _bar(sent: Mapping[str, Any]) -> StreamBar:
    first, high, low, last, volume = (plain_number(sent[name]) for name in ("o", "h", "l", "c", "v"))
    count = sent.get("n")
    trades = int(count) if count is not None else None
    return StreamBar(
        _symbol(sent["S"]), _instant(sent["t"]), first, high, low, last, volume, plain_number(sent.get("vw")), trades
    )


READERS: Mapping[str, Callable[[Mapping[str, Any]], Message]] = {"q": _quote, "t": _trade, "b": _bar}


def _symbol(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("the symbol is no text")
    return value


def _instant(value: Any) -> datetime:
    """Return an instant; nanoseconds are cut off."""
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError("the time does not say its offset from UTC")
    return instant.astimezone(UTC)


def _failure(sent: Mapping[str, Any]) -> StreamFailed:
    """Return what the vendor's error means for us."""
    code = sent.get("code")
    kind = StreamRefused if code in HOPELESS else StreamFailed
    told = SAID.get(code, "") if isinstance(code, int) else ""
    return kind(f"Error {as_text(code)} of the stream: {as_text(sent.get('msg'))}{f' ({told})' if told else ''}")


def _told(error: BaseException) -> str:
    """Return an error in a line."""
    if isinstance(error, ConnectionClosed) and error.rcvd is None:
        return "it broke off without a farewell"
    return as_text(error) or type(error).__name__
