"""Alpaca's stream of trade updates: a WebSocket of the process that streams, on which a client names its key, then listens.

Whoever listens hears what happens to the orders of one account from then on. As Alpaca does it, nothing is told again to who
comes back; the list of orders has it all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from accounts.selectors.access import Access
from accounts.selectors.users import acting_by_token
from accounts.services.tokens import note_use
from portfolio.api.streams import AWAY, Redirect, counted, read, stream_address
from trading.api.alpaca.authentication import account_of
from trading.api.alpaca.base import AlpacaView
from trading.api.alpaca.errors import Refusal
from trading.api.alpaca.order_words import order_row
from trading.api.alpaca.words import digits, stamp
from trading.api.order_following import Watch, follow
from trading.domain.orders import EventKind, OrderStatus, Sending
from trading.models import Order, OrderEvent
from trading.selectors.order_events import Told, held_after
from trading.selectors.order_groups import legs_of, replaced_by

log = logging.getLogger(__name__)

PATH = "/alpaca/stream"
UPDATES = "trade_updates"
PATIENCE = 30.0  # seconds in which a client has to say who it is
LONGEST = 16_384  # bytes of one message
MOST_STRANGERS = 200  # connections whose key is not known yet
GOING, REFUSED = 1001, 1008  # why a connection is closed
UPGRADE = 426
NOTHING: frozenset[str] = frozenset()

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# what Alpaca calls what happens; the rest is not told
EVENTS: Mapping[str, str] = {
    EventKind.CREATED: "pending_new",
    EventKind.RELEASED: "pending_new",
    EventKind.ACCEPTED: "new",
    EventKind.RESIZED: "restated",
    EventKind.CANCEL_REQUESTED: "pending_cancel",
    EventKind.CANCEL_REFUSED: "order_cancel_rejected",
    EventKind.CANCELED: "canceled",
    EventKind.REPLACE_REQUESTED: "pending_replace",
    EventKind.REPLACE_REFUSED: "order_replace_rejected",
    EventKind.REPLACED: "replaced",
    EventKind.REJECTED: "rejected",
    EventKind.EXPIRED: "expired",
}


class SocketRedirect(Redirect):
    """The same WebSocket is elsewhere."""

    allowed_schemes = ["ws", "wss"]


class StreamView(AlpacaView):
    """Where the stream is, for who asks the web server for it: it has no WebSockets."""

    permission_classes = []

    def get(self, request: Request) -> HttpResponse:
        """Send the client on, or say what it takes."""
        asked = request._request
        if settings.STREAM_URL and asked.headers.get("Upgrade", "").lower() == "websocket":
            return SocketRedirect(stream_address(asked).replace("http", "ws", 1))
        return Refusal(UPGRADE, "this is a WebSocket").response()


class UpdateWatch(Watch):
    """Writes events as Alpaca does."""

    def __init__(self, access: Access, codec: Codec) -> None:
        super().__init__(access, now=timezone.now())
        self.codec = codec

    def written(self, told: list[Told]) -> list[bytes]:
        """Return those that Alpaca would tell of."""
        found = self.wanted(told)
        orders = [one.order for one in found]
        legs: dict[Any, list[Order]] = {}
        after: dict[Any, Any] = {}
        if orders:
            legs, after = legs_of(orders[0].account, orders), replaced_by(orders[0].account, orders)
        return [self.framed(one, update(one, legs=legs.get(one.order.pk), replaced=after.get(one.order.pk))) for one in found]

    def wanted(self, told: list[Told]) -> list[Told]:
        """Return those that Alpaca would tell of."""
        return [one for one in told if event_of(one.event, one.order)]

    def framed(self, told: Told, data: dict[str, Any]) -> bytes:
        """Return one event as it is sent."""
        return self.codec.write({"stream": UPDATES, "data": data})


@dataclass(frozen=True, slots=True)
class Codec:
    """How messages are written: JSON, or MessagePack where the client asks for it; both in binary frames."""

    packed: bool = False

    def write(self, message: Mapping[str, Any]) -> bytes:
        """Return a message as bytes."""
        plain = orjson.dumps(message)
        return msgpack.packb(orjson.loads(plain)) if self.packed else plain

    def read(self, frame: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a frame, an empty one if it makes no sense."""
        said = frame.get("bytes") or (frame.get("text") or "").encode()
        if len(said) > LONGEST:
            return {}
        try:
            message = msgpack.unpackb(said) if self.packed and frame.get("bytes") else orjson.loads(said)
        except (ValueError, msgpack.UnpackException):
            return {}
        return message if isinstance(message, dict) else {}


class Gone(Exception):
    """The client has left."""


@dataclass(slots=True)
class Line:
    """One connection."""

    receive: Receive
    send: Send
    codec: Codec
    streams: frozenset[str] = NOTHING
    follows: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self) -> None:
        """Find out who it is, then tell them what happens."""
        _strangers.add(id(self))
        try:
            access = await self.greet()
        except TimeoutError:
            access = None
        finally:
            _strangers.discard(id(self))
        if access is None:
            await self.send({"type": "websocket.close", "code": REFUSED})
            return
        with counted(access.user_id) as is_one_too_many:
            if is_one_too_many:
                await self.send({"type": "websocket.close", "code": REFUSED, "reason": "too many streams"})
                return
            hearing, telling = asyncio.create_task(self.hear()), asyncio.create_task(self.tell(access))
            try:
                await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (hearing, telling):
                    task.cancel()
                ends = await asyncio.gather(hearing, telling, return_exceptions=True)
        if any(isinstance(end, Gone) for end in ends):
            return
        for end in ends:
            if isinstance(end, Exception):
                raise end
        await self.send({"type": "websocket.close", "code": GOING})

    async def greet(self) -> Access | None:
        """Return who the client is, none if the key it names is not good.

        :raises TimeoutError: if it does not say in time
        """
        async with asyncio.timeout(PATIENCE):
            message = await self.message()
        action, said = str(message.get("action")), message.get("data")
        named = said if isinstance(said, Mapping) else message  # a newer spelling has no data
        key, secret = (named.get(each) for each in (("key_id", "secret_key") if "secret_key" in named else ("key", "secret")))
        if "oauth_token" in named:
            key, secret = "", named["oauth_token"]
        says = action in {"authenticate", "auth"}
        access = None
        if says and isinstance(key, str) and isinstance(secret, str):
            access = await read(partial(let_in, key, secret))
        status = "unauthorized" if access is None else "authorized"
        await self.say("authorization", {"status": status, "action": action if says else "listen"})
        return access

    async def hear(self) -> None:
        """Take notice of what the client wants to listen to.

        :raises Gone: when it leaves
        """
        while True:
            message = await self.message()
            said = message.get("data")
            if message.get("action") != "listen" or not isinstance(said, Mapping):
                continue
            names = said.get("streams")
            self.streams = frozenset({UPDATES}) if isinstance(names, list) and UPDATES in names else NOTHING
            self.asked.set()
            if self.follows:
                await self.listening()

    async def tell(self, access: Access) -> None:
        """Tell what happens from when the client is told that it listens, until it may not listen any more."""
        await self.asked.wait()
        async for parts in follow(UpdateWatch(access, self.codec)):
            if not self.follows:
                self.follows = True
                await self.listening()
            for part in parts if self.streams else ():
                await self.send({"type": "websocket.send", "bytes": part})

    async def message(self) -> dict[str, Any]:
        """Return the next message.

        :raises Gone: if there is none
        """
        frame = await self.receive()
        if frame["type"] != "websocket.receive":
            raise Gone
        return self.codec.read(frame)

    async def listening(self) -> None:
        """Say what the client listens to."""
        await self.say("listening", {"streams": sorted(self.streams)})

    async def say(self, stream: str, data: Mapping[str, Any]) -> None:
        """Send a message."""
        await self.send({"type": "websocket.send", "bytes": self.codec.write({"stream": stream, "data": data})})


_strangers: set[int] = set()  # of this process


async def socket(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve a WebSocket."""
    await receive()  # that it would connect
    if scope["path"].rstrip("/") != PATH or len(_strangers) >= MOST_STRANGERS:
        await send({"type": "websocket.close", "code": REFUSED})
        return
    headers = {name.lower(): value for name, value in scope["headers"]}
    await send({"type": "websocket.accept"})
    line = Line(receive, send, Codec(b"msgpack" in headers.get(b"content-type", b"")))
    try:
        await line.serve()
    except Gone:
        return
    except AWAY as error:  # whether they may still hear can't be known; they come back by themselves
        log.warning("A stream of trade updates breaks off: %s", error)
        await send({"type": "websocket.close", "code": GOING})


def let_in(key: str, secret: str) -> Access | None:
    """Return who a key and its secret let in, and to which account; none if they are not good."""
    at = timezone.now()
    with acting_by_token(secret=secret, at=at) as token:
        if token is None:
            return None
        try:
            account = account_of(token.user, token, key=key, secret=secret)
        except Refusal:
            return None
        note_use(token=token, at=at)
        return Access(token.user.pk, token.pk, (account.pk,))


def event_of(event: OrderEvent, order: Order) -> str:
    """Return what Alpaca calls what happened, nothing for what it does not tell of."""
    if event.kind == EventKind.FILLED:
        return "fill" if event.status == OrderStatus.FILLED else "partial_fill"
    if event.kind == EventKind.CREATED and order.sending == Sending.HELD:
        return ""  # a leg that waits
    return EVENTS.get(event.kind, "")


def update(told: Told, *, legs: list[Order] | None = None, replaced: Any = None) -> dict[str, Any]:
    """Return what Alpaca tells of an event."""
    data: dict[str, Any] = {
        "event": event_of(told.event, told.order),
        "event_id": told.event.pk,
        "at": stamp(told.event.recorded_at),
        "timestamp": stamp(told.event.at),
        "order": order_row(told.order, legs=legs, replaced_by=replaced),
    }
    if told.event.kind == EventKind.FILLED:
        data |= {"execution_id": told.event.pk, "qty": told.event.data.get("quantity"), "price": told.event.data.get("price")}
    if told.fill is not None:
        fill = told.fill
        data |= {"execution_id": fill.pk, "qty": digits(fill.quantity), "price": digits(fill.price)}
        data["position_qty"] = digits(held_after(fill))
    return data
