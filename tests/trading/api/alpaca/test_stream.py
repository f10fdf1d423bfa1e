"""Trade updates over a WebSocket, heard by Alpaca's own library and by hand."""

import asyncio
import json
import queue
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import msgpack
import pytest
from alpaca.trading.stream import TradingStream
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from accounts.models.tenancy import acting_as
from accounts.services.tokens import revoke_token
from tests.clients import make_token, nobody
from tests.factories import make_account, make_instrument
from tests.trading.api.servers import serving
from trading.api.alpaca.stream import LONGEST, Codec, event_of
from trading.domain import orders as domain
from trading.domain.drafts import OrderDraft
from trading.domain.fills import Fill
from trading.domain.orders import EventKind, OrderStatus, OrderType, Sending, Side, TimeInForce
from trading.models import Door, Order, OrderEvent
from trading.services.fills import Execution, post_fills
from trading.services.order_rows import Cause, Origin, record_events, write_orders


def now() -> datetime:
    return datetime.now(UTC)


def ordered(account: Any, instrument: Any, quantity: str = "10", **origin: Any) -> Order:
    """Write an order down."""
    draft = OrderDraft(
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=Decimal(quantity),
        limit_price=Decimal(11),
        effect=domain.PositionEffect.OPEN,
    )
    with acting_as(account.owner_id):
        by = Origin(actor=account.owner, door=Door.ALPACA, broker="paper", **origin)
        return write_orders(account=account, instrument=instrument, draft=draft, origin=by, now=now())[0]


def happened(order: Order, *kinds: EventKind) -> None:
    """Let something happen to an order."""
    with acting_as(order.account.owner_id):
        record_events(
            order=order, events=[domain.Event(kind) for kind in kinds], cause=Cause(door=Door.BROKER, at=now(), now=now())
        )


def filled(order: Order, *fills: tuple[str, str]) -> None:
    """Fill some of an order."""
    executions = [Execution(order.pk, Fill(uuid4().hex, Decimal(quantity), Decimal(price), now())) for quantity, price in fills]
    with acting_as(order.account.owner_id):
        post_fills(account=order.account, executions=executions, broker="paper", actor=order.account.owner, now=now())


class Heard(TradingStream):
    """Alpaca's client, which says when it listens."""

    def __init__(self, *credentials: str, url: str) -> None:
        super().__init__(*credentials, url_override=url)
        self.updates: queue.Queue[Any] = queue.Queue()
        self.listens = Event()
        self.subscribe_trade_updates(self.hear)

    async def hear(self, update: Any) -> None:
        self.updates.put(update)

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("stream") == "listening":
            self.listens.set()
        await super()._dispatch(msg)


@contextmanager
def hearing(url: str, *credentials: str) -> Any:
    """Run Alpaca's client in a thread of its own."""
    client = Heard(*credentials, url=url)
    thread = Thread(target=lambda: asyncio.run(client._run_forever()), daemon=True)
    thread.start()
    try:
        assert client.listens.wait(20)
        yield client
    finally:
        client.stop()
        thread.join(20)


@pytest.fixture(scope="module")
def server():
    with serving() as port:
        yield port


@pytest.fixture
def url(server) -> str:
    return f"ws://127.0.0.1:{server}/alpaca/stream"


@pytest.fixture
def instrument():
    return make_instrument(exchange="XNAS")


@contextmanager
def connected(url: str, key: str, secret: str, **headers: str) -> Any:
    """Connect by hand and name a key."""
    with connect(url, additional_headers=headers) as socket:
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}))
        yield socket


def said(socket: Any, **message: Any) -> Any:
    """Send a message and return the next one."""
    socket.send(json.dumps(message))
    return json.loads(socket.recv(10))


def listen(socket: Any, *streams: str) -> Any:
    """Listen to streams and return the answer."""
    return said(socket, action="listen", data={"streams": list(streams)})


@pytest.mark.slow
class TestAlpacasLibrary:
    def test_hears_an_order_through_its_life(self, url, account, instrument):
        secret = make_token(account.owner, ["read"]).secret
        stranger = make_account(owner=account.owner, name="Another")
        with hearing(url, str(account.pk), secret) as client:
            other = ordered(stranger, instrument)
            order = ordered(account, instrument)
            happened(order, EventKind.SENT, EventKind.ACCEPTED)
            filled(order, ("4", "10"))
            filled(other, ("1", "10"))
            filled(order, ("6", "11"))
            told = [client.updates.get(timeout=20) for _ in range(4)]
            assert client.updates.empty()
        assert [update.event for update in told] == ["pending_new", "new", "partial_fill", "fill"]
        assert {update.order.id for update in told} == {order.pk}
        assert [update.order.status.value for update in told][1:] == ["new", "partially_filled", "filled"]
        assert [update.order.filled_qty for update in told] == ["0", "0", "4", "10"]
        assert [update.order.filled_avg_price for update in told] == [None, None, "10", "10.6"]
        assert [(update.qty, update.price, update.position_qty) for update in told[2:]] == [(4, 10, 4), (6, 11, 10)]
        assert told[2].execution_id != told[3].execution_id
        assert told[3].order.filled_at is not None
        assert told[2].order.filled_at is None

    def test_hears_how_orders_end(self, url, account, instrument):
        with hearing(url, "", make_token(account.owner, ["read"], [account.pk]).secret) as client:
            for kinds in (
                (EventKind.CANCEL_REQUESTED, EventKind.CANCELED),
                (EventKind.REJECTED,),
                (EventKind.EXPIRED,),
                (EventKind.REPLACE_REQUESTED, EventKind.REPLACED),
            ):
                order = ordered(account, instrument)
                happened(order, EventKind.ACCEPTED) if kinds[0] is not EventKind.REJECTED else None
                happened(order, *kinds)
            told = [client.updates.get(timeout=20) for _ in range(13)]
        assert [update.event for update in told] == [
            *("pending_new", "new", "pending_cancel", "canceled"),
            *("pending_new", "rejected"),
            *("pending_new", "new", "expired"),
            *("pending_new", "new", "pending_replace", "replaced"),
        ]
        assert (told[3].order.canceled_at, told[2].order.status.value) != (None, "canceled")
        assert told[5].order.failed_at is not None


@pytest.mark.slow
class TestByHand:
    def test_what_was_before_is_not_told_and_what_comes_after_it_listens_is(self, url, account, instrument):
        ordered(account, instrument)
        with connected(url, str(account.pk), make_token(account.owner, ["read"]).secret) as socket:
            first = socket.recv(10)
            assert isinstance(first, bytes)
            assert json.loads(first) == {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
            assert listen(socket, "trade_updates", "more") == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
            later = ordered(account, instrument)
            told = json.loads(socket.recv(20))
            assert (told["stream"], told["data"]["order"]["id"]) == ("trade_updates", str(later.pk))
            assert listen(socket) == {"stream": "listening", "data": {"streams": []}}
            ordered(account, instrument)
            with pytest.raises(TimeoutError):
                socket.recv(2)

    @pytest.mark.parametrize("secret", ["", "x", "brk_aaaaaaaa_" + "a" * 43])
    def test_a_wrong_secret_is_refused_and_the_connection_closed(self, url, account, secret):
        with connected(url, str(account.pk), secret) as socket:
            assert json.loads(socket.recv(10))["data"]["status"] == "unauthorized"
            with pytest.raises(ConnectionClosed):
                socket.recv(10)

    def test_a_key_that_means_somebody_elses_account_is_refused(self, url, account, charlie):
        with connected(url, str(account.pk), make_token(charlie, ["manage"]).secret) as socket:
            assert json.loads(socket.recv(10))["data"]["status"] == "unauthorized"

    def test_nobody_listens_before_saying_who_they_are(self, url):
        with connect(url) as socket:
            assert listen(socket, "trade_updates")["data"] == {"status": "unauthorized", "action": "listen"}
            with pytest.raises(ConnectionClosed):
                socket.recv(10)

    def test_the_newer_spelling_and_messagepack(self, url, account, instrument):
        secret = make_token(account.owner, ["read"], [account.pk]).secret
        with connect(url, additional_headers={"Content-Type": "application/msgpack"}) as socket:
            socket.send(msgpack.packb({"action": "auth", "key": secret[:12], "secret": secret}))
            assert msgpack.unpackb(socket.recv(10))["data"] == {"status": "authorized", "action": "auth"}
            socket.send(msgpack.packb({"action": "listen", "data": {"streams": ["trade_updates"]}}))
            assert msgpack.unpackb(socket.recv(10))["data"] == {"streams": ["trade_updates"]}
            order = ordered(account, instrument)
            assert msgpack.unpackb(socket.recv(20))["data"]["order"]["client_order_id"] == order.client_order_id

    def test_ends_when_the_token_is_revoked(self, url, account):
        issued = make_token(account.owner, ["read"])
        with connected(url, str(account.pk), issued.secret) as socket:
            socket.recv(10)
            listen(socket, "trade_updates")
            with acting_as(account.owner_id):
                revoke_token(token=issued.token, at=now())
            with pytest.raises(ConnectionClosed):
                socket.recv(20)

    def test_other_paths_lead_nowhere(self, url):
        with pytest.raises(Exception, match="403"):
            connect(url + "s")


class TestWebServer:
    def test_sends_on_to_the_server_of_what_lasts(self, settings):
        settings.STREAM_URL = ":8001"
        answer = nobody().get("/alpaca/stream", HTTP_UPGRADE="websocket")
        assert (answer.status_code, answer["Location"]) == (307, "ws://testserver:8001/alpaca/stream")

    def test_says_that_it_is_a_websocket(self):
        answer = nobody().get("/alpaca/stream")
        assert (answer.status_code, answer.json()["message"]) == (426, "this is a WebSocket")


@pytest.mark.parametrize(
    ("kind", "status", "sending", "name"),
    [
        (EventKind.CREATED, OrderStatus.NEW, Sending.PENDING, "pending_new"),
        (EventKind.CREATED, OrderStatus.NEW, Sending.HELD, ""),
        (EventKind.RELEASED, OrderStatus.NEW, Sending.PENDING, "pending_new"),
        (EventKind.SENT, OrderStatus.NEW, Sending.SENT, ""),
        (EventKind.TRIGGERED, OrderStatus.ACCEPTED, Sending.SETTLED, ""),
        (EventKind.TRAILED, OrderStatus.ACCEPTED, Sending.SETTLED, ""),
        (EventKind.RESIZED, OrderStatus.ACCEPTED, Sending.SETTLED, "restated"),
        (EventKind.FILLED, OrderStatus.CANCELED, Sending.SETTLED, "partial_fill"),
        (EventKind.CANCEL_REFUSED, OrderStatus.ACCEPTED, Sending.SETTLED, "order_cancel_rejected"),
        (EventKind.REPLACE_REFUSED, OrderStatus.ACCEPTED, Sending.SETTLED, "order_replace_rejected"),
    ],
)
def test_what_alpaca_calls_what_happens(kind, status, sending, name):
    assert event_of(OrderEvent(kind=kind, status=status), Order(sending=sending)) == name


def test_what_is_too_long_is_not_even_read():
    deep = "[" * LONGEST
    assert Codec().read({"text": f'{{"action": {deep}'}) == Codec(packed=True).read({"bytes": b"\x91" * (LONGEST + 1)}) == {}
    assert Codec().read({"bytes": b'{"action": "listen"}'}) == {"action": "listen"}
