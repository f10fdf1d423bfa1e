"""A vendor of live prices on this machine: Alpaca's wire format over a real websocket, and every way in which it can go wrong."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from marketdata.adapters.base import Page
from marketdata.domain.instruments import Listing

KEY, SECRET = "AK-TEST", "canary-secret-5f2e"
Script = Callable[["Session"], Awaitable[None]]


def quote(symbol: str, at: datetime, bid: str, ask: str, **more: Any) -> dict[str, Any]:
    """Return a quote as Alpaca sends it; its numbers are put into the JSON as they are written here."""
    return {"T": "q", "S": symbol, "bx": "V", "bp": Raw(bid), "bs": 2, "ax": "V", "ap": Raw(ask), "as": 3,
            "t": stamp(at), "c": ["R"], "z": "C"} | more  # fmt: skip


def trade(symbol: str, at: datetime, price: str, size: str, **more: Any) -> dict[str, Any]:
    """Return a trade as Alpaca sends it."""
    return {"T": "t", "i": 96921, "S": symbol, "x": "D", "p": Raw(price), "s": Raw(size), "t": stamp(at), "c": ["@", "I"]} | more


def stamp(at: datetime) -> str:
    """Return a time to the nanosecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


class Raw(str):
    """A number by its spelling."""


def as_json(messages: list[Any]) -> str:
    """Return messages as JSON in which numbers have the spelling they were given."""
    marked = json.dumps(messages, default=str, cls=_Spelled)
    return marked.replace('"\\u0000', "").replace('\\u0000"', "")


class _Spelled(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        return super().encode(_marked(o))


def _marked(value: Any) -> Any:
    if isinstance(value, Raw):
        return f"\0{value}\0"
    if isinstance(value, dict):
        return {key: _marked(each) for key, each in value.items()}
    return [_marked(each) for each in value] if isinstance(value, list) else value


def _packed(value: Any) -> Any:
    if isinstance(value, Raw):
        return float(value)
    if isinstance(value, dict):
        packed = {key: _packed(each) for key, each in value.items()}
        if isinstance(value.get("t"), str):
            packed["t"] = msgpack.Timestamp.from_datetime(datetime.fromisoformat(value["t"]))
        return packed
    return [_packed(each) for each in value] if isinstance(value, list) else value


@dataclass
class Session:
    """One connection of a client, after it has logged in and subscribed."""

    socket: ServerConnection
    number: int
    packed: bool
    vendor: "Vendor"

    async def send(self, *messages: Any) -> None:
        """Send messages as one frame."""
        await self.socket.send(msgpack.packb(_packed(list(messages))) if self.packed else as_json(list(messages)))
        self.vendor.sent += len(messages)

    async def raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        await self.socket.send(frame)

    async def break_off(self) -> None:
        """Break the connection in the middle of a frame."""
        self.socket.transport.write(b"\x81\x7e\x03\xe8" + b'[{"T":"q","S":')
        await asyncio.sleep(0.01)
        self.socket.transport.abort()

    async def go_deaf(self) -> None:
        """Say nothing, and answer no ping either."""
        self.socket.transport.pause_reading()
        await asyncio.sleep(3600)

    async def wait(self) -> None:
        """Say nothing more, but stay."""
        await self.socket.wait_closed()


async def _listen(session: Session) -> None:
    await session.wait()


@dataclass
class Vendor:
    """The server; `script` is what it does on each connection."""

    script: Script = _listen
    errors: list[int] = field(default_factory=list)  # of the next connections, instead of what they expect
    subscribed: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    sent: int = 0
    port: int = 0
    _server: Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}/v2/test"

    async def start(self) -> None:
        """Listen."""
        self._server = await serve(self._meet, "127.0.0.1", self.port, compression=None, ping_interval=None, close_timeout=0.2)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody and listen no more."""
        if self._server is not None:
            for socket in list(self._server.connections):
                socket.transport.abort()
            self._server.close()
            await self._server.wait_closed()

    async def _meet(self, socket: ServerConnection) -> None:
        packed = socket.request.headers.get("Content-Type") == "application/msgpack"
        self.connections += 1
        session = Session(socket, self.connections, packed, self)

        async def say(*messages: Any) -> None:
            await socket.send(msgpack.packb(list(messages)) if packed else json.dumps(messages))

        with contextlib.suppress(ConnectionClosed):
            await say({"T": "success", "msg": "connected"})
            asked = await self._heard(socket)
            if self.errors:
                return await say({"T": "error", "code": self.errors.pop(0), "msg": "scripted"})
            if (asked.get("action"), asked.get("key"), asked.get("secret")) != ("auth", KEY, SECRET):
                return await say({"T": "error", "code": 402, "msg": "auth failed"})
            await say({"T": "success", "msg": "authenticated"})
            await self._serve(socket, session, say)
        return None

    async def _serve(self, socket: ServerConnection, session: Session, say: Any) -> None:
        """Confirm subscriptions, and do after the first what the script says."""
        doing: asyncio.Task[None] | None = None
        try:
            while True:
                order = await self._heard(socket)
                self.subscribed.append(order)
                await say({"T": "subscription", "trades": order.get("trades", []), "quotes": order.get("quotes", [])})
                if doing is None:
                    doing = asyncio.create_task(self._follow(session))
        finally:
            if doing is not None:
                doing.cancel()

    async def _follow(self, session: Session) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.script(session)

    @staticmethod
    async def _heard(socket: ServerConnection) -> dict[str, Any]:
        order = await socket.recv()
        return msgpack.unpackb(order) if isinstance(order, bytes) else json.loads(order)


@contextmanager
def vendor_in_thread(vendor: Vendor) -> Iterator[Vendor]:
    """Run a vendor beside the test, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(vendor.start(), loop).result(10)
    try:
        yield vendor
    finally:
        asyncio.run_coroutine_threadsafe(vendor.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


class JournalHistory:
    """The vendor's history: all it ever had, in a file, as a provider hands it out."""

    def __init__(self, *, name: str, file: str) -> None:
        self.name, self.file = name, Path(file)

    def quotes(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the last quote of each microsecond."""
        rows = {row["t"]: row for row in self._rows("q", listing, start, end)}
        yield from _pages(
            {"timestamp": at, "bid": row["bp"], "ask": row["ap"], "bid_size": row["bs"], "ask_size": row["as"]}
            for at, row in rows.items()
        )

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the trades."""
        yield from _pages(
            {"timestamp": row["t"], "price": row["p"], "size": row["s"], "conditions": " ".join(row["c"])}
            for row in self._rows("t", listing, start, end)
        )

    def _rows(self, kind: str, listing: Listing, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        for line in self.file.read_text().splitlines() if self.file.exists() else ():
            row = json.loads(line, parse_float=str, parse_int=str)
            row["t"] = datetime.fromisoformat(row["t"])
            if row["T"] == kind and row["S"] == listing.symbol and start <= row["t"] < end:
                yield row


def _pages(rows: Iterable[dict[str, Any]]) -> Iterator[Page]:
    kept = list(rows)
    for start in range(0, len(kept), 1000):
        yield Page(tuple(kept[start : start + 1000]))
