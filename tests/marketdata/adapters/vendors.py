"""Servers on this machine that speak as vendors do, and misbehave as vendors do."""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from marketdata.adapters.http import Limits
from marketdata.adapters.pacing import Pace

Query = dict[str, str]
Answer = tuple[int, Any, dict[str, str]]
Fault = Callable[["Handler"], bool]

KEY, SECRET = "PKCANARYKEY0001", "canary-secret-7c1f"


class Clock:
    """A clock that only waiting moves on, and what was waited."""

    def __init__(self) -> None:
        self.now, self.slept = 1_000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def patient(clock: Clock | None = None, **limits: Any) -> Limits:
    """Return limits that wait by a clock of their own, and are short with a server that says nothing."""
    clock = clock or Clock()
    quick = {"connect_seconds": 2.0, "read_seconds": 0.4, "pace": Pace(clock, clock.sleep, lambda: 1.0)}
    return Limits(**{**quick, **limits})


class Handler(BaseHTTPRequestHandler):
    """Answers with what its server has, unless a fault comes first."""

    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # headers and body in one packet, else each answer waits for the other side's nod
    server: "Vendor"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        self.server.seen.append((parts.path, query, dict(self.headers)))
        with self.server.lock:
            fault = self.server.faults.popleft() if self.server.faults else self.server.always
        if fault is not None and fault(self):
            return
        status, body, headers = self.server.answer(parts.path, query, self)
        self.give(status, body, headers)

    def give(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        content = body if isinstance(body, bytes) else dumps(body).encode()
        self.send_response_only(status)
        for name, value in {
            "Date": self.date_time_string(),
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Vendor(ThreadingHTTPServer):
    """A vendor's server; `faults` happen to the next requests, `always` to all."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.seen: list[tuple[str, Query, dict[str, str]]] = []
        self.lock, self.let_go = threading.Lock(), threading.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, query: Query, handler: Handler) -> Answer:
        """Return what it has."""
        raise NotImplementedError

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    """Serve until the test is over."""
    thread = threading.Thread(target=vendor.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        vendor.let_go.set()
        vendor.shutdown()
        vendor.server_close()
        thread.join(5)


def status(code: int, body: Any = None, **headers: str) -> Fault:
    """Answer with a status; underscores in the names of headers are hyphens."""

    def fault(handler: Handler) -> bool:
        handler.give(code, {"message": "no"} if body is None else body, {k.replace("_", "-"): v for k, v in headers.items()})
        return True

    return fault


def stalls(handler: Handler) -> bool:
    """Say nothing until the test is over."""
    handler.server.let_go.wait(10)
    handler.close_connection = True
    return True


def hangs_up(handler: Handler) -> bool:
    """Break the connection off, as a machine does that is switched off."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    return True


def breaks_off(handler: Handler) -> bool:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"bars": {"AAPL": [')
    handler.wfile.flush()
    handler.close_connection = True
    return True


def dumps(value: Any) -> str:
    """Return JSON as vendors write it: decimals as bare numbers, every digit of them."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(name))}: {dumps(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(dumps, value)) + "]"
    return json.dumps(value)


class AlpacaServer(Vendor):
    """Alpaca's market data: lists by symbol, sorted by time, in pages that a token leads on from.

    `lists` has the rows by path and symbol; `page` is how many rows it gives at most, whatever limit is asked for.
    """

    def __init__(self, lists: dict[str, dict[str, list[dict[str, Any]]]] | None = None, *, page: int = 4) -> None:
        super().__init__()
        self.lists, self.page = lists or {}, page
        self.actions: dict[str, list[dict[str, Any]]] = {}
        self.calendar: list[dict[str, str]] = []

    def answer(self, path: str, query: Query, handler: Handler) -> Answer:
        if (handler.headers["APCA-API-KEY-ID"], handler.headers["APCA-API-SECRET-KEY"]) != (KEY, SECRET):
            return 401, {"message": "unauthorized."}, {}
        left = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "199"}
        if path == "/v2/calendar":
            days = [day for day in self.calendar if query["start"] <= day["date"] <= query["end"]]
            return 200, days, left
        if path == "/v1/corporate-actions":
            return 200, self._actions_of(query), left
        under = path.rpartition("/")[2]
        if path not in {"/v2/stocks/bars", "/v2/stocks/quotes", "/v2/stocks/trades"}:
            return 404, {"message": "Not Found"}, left
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        rows = [row for row in self.lists.get(under, {}).get(query["symbols"], []) if start <= _time(row) <= end]
        return 200, self._page(rows, query, lambda some: {under: {query["symbols"]: some} if some else {}}), left

    def _actions_of(self, query: Query) -> dict[str, Any]:
        found = [
            (kind, each)
            for kind, actions in self.actions.items()
            for each in actions
            if query["symbols"] in each.values() and query["start"] <= each.get("ex_date", each["process_date"]) <= query["end"]
        ]

        def grouped(some: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
            kinds: dict[str, list[dict[str, Any]]] = {}
            for kind, each in some:
                kinds.setdefault(kind, []).append(each)
            return {"corporate_actions": kinds}

        return self._page(found, query, grouped)

    def _page(self, rows: list[Any], query: Query, put: Callable[[list[Any]], dict[str, Any]]) -> dict[str, Any]:
        begin = int(query.get("page_token", "token-0").removeprefix("token-"))
        size = min(self.page, int(query["limit"]))
        more = begin + size < len(rows)
        return put(rows[begin : begin + size]) | {"next_page_token": f"token-{begin + size}" if more else None}


def _time(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["t"])


class CoinbaseServer(Vendor):
    """Coinbase Exchange: products, and candles of at most 300, the newest first, as bare numbers."""

    def __init__(self, candles: list[list[Any]]) -> None:
        super().__init__()
        self.candles = candles

    def answer(self, path: str, query: Query, handler: Handler) -> Answer:
        if path == "/currencies":
            return 200, [{"id": each, "name": each, "status": "online", "details": {}} for each in ("BTC", "USD")], {}
        if path == "/products":
            numbers = {"base_increment": "0.00000001", "quote_increment": "0.01", "min_market_funds": "1"}
            pair = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online", **numbers}
            return 200, [pair], {}
        if path != "/products/BTC-USD/candles":
            return 404, {"message": "NotFound"}, {}
        start, end = (datetime.fromisoformat(query[name]).timestamp() for name in ("start", "end"))
        if (end - start) / int(query["granularity"]) > 300:
            return 400, {"message": "granularity too small for the requested time range. Count of aggregations exceeds 300"}, {}
        return 200, sorted((each for each in self.candles if start <= each[0] <= end), reverse=True), {}


class KrakenServer(Vendor):
    """Kraken: pairs by odd names, trades from a second on, oldest first, prices as text and times as bare numbers."""

    def __init__(self, trades: list[list[Any]], *, page: int = 4) -> None:
        super().__init__()
        self.trades, self.page = trades, page

    def answer(self, path: str, query: Query, handler: Handler) -> Answer:
        if path == "/0/public/Assets":
            both = {"XXBT": {"altname": "XBT", "decimals": 10}, "ZUSD": {"altname": "USD", "decimals": 4}}
            return 200, {"error": [], "result": {name: {"aclass": "currency", **each} for name, each in both.items()}}, {}
        if path == "/0/public/AssetPairs":
            pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD", "status": "online"}
            numbers = {"pair_decimals": 1, "lot_decimals": 8, "fees": [[0, 0.26]], "fees_maker": [[0, 0.16]], "leverage_buy": []}
            return 200, {"error": [], "result": {"XXBTZUSD": {**pair, **numbers}}}, {}
        if path != "/0/public/Trades":
            return 200, {"error": ["EGeneral:Unknown method"]}, {}
        since = Decimal(query.get("since", "0"))
        found = [each for each in self.trades if each[2] >= since][: max(self.page, 1)]
        last = str(int(found[-1][2] * 10**9)) if found else query.get("since", "0")
        return 200, {"error": [], "result": {"XXBTZUSD": found, "last": last}}, {}


class BankServer(Vendor):
    """The central bank: one file."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content

    def answer(self, path: str, query: Query, handler: Handler) -> Answer:
        return 200, self.content, {"Content-Type": "application/zip"}
