"""A server on this machine that speaks Alpaca's trading API over real HTTP: orders, positions, activities, and ways to fail.

`python -m tests.trading.adapters.alpaca_standin PORT` serves by itself; a POST of {symbol, bid, ask} to /market moves its market.
"""

import json
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

KEY, SECRET = "PKCANARYKEY0002", "canary-secret-91bd"
OPEN = {"new", "accepted", "partially_filled"}
WORKING = OPEN | {"held"}  # a leg that waits beside another is not listed among the open orders
Fault = Callable[["Handler"], bool]


class Handler(BaseHTTPRequestHandler):
    """Answers with what its server has, unless a fault comes first or after."""

    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    server: "AlpacaStandIn"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        with self.server.lock:
            self.server.seen.append((self.command, parts.path, body))
            writes = self.command != "GET"
            before = self.server.before.popleft() if self.server.before and writes else self.server.always
            if before is not None and before(self):
                return
            status, answer = self.server.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body, self.headers)
            after = self.server.after.popleft() if self.server.after and writes else None
        if after is not None and after(self):
            return
        self.give(status, answer)

    def give(self, status: int, body: Any) -> None:
        """Send an answer."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def hangs_up(handler: Handler) -> bool:
    """Break the connection off."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    return True


def status(code: int, body: Any = None) -> Fault:
    """Answer with a status."""

    def fault(handler: Handler) -> bool:
        handler.give(code, {"code": code, "message": "no"} if body is None else body)
        return True

    return fault


class AlpacaStandIn(ThreadingHTTPServer):
    """One account; faults `before` a write keep it from happening, those `after` keep its answer back."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.lock = threading.RLock()
        self.before: deque[Fault] = deque()
        self.after: deque[Fault] = deque()
        self.always: Fault | None = None
        self.seen: list[tuple[str, str, Any]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.quotes: dict[str, tuple[Decimal, Decimal, Decimal | None]] = {}
        self.cash = Decimal(1_000_000)
        self.hides_fills = False
        self.pairs: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that hang up."""

    def market(self, symbol: str, bid: Any, ask: Any, size: Any = None) -> None:
        """Move the market, and fill what it reaches."""
        with self.lock:
            self.quotes[symbol] = (Decimal(bid), Decimal(ask), None if size is None else Decimal(size))
            for order in list(self.orders.values()):
                self._work(order)

    def answer(self, verb: str, path: str, query: dict[str, str], body: dict[str, Any], headers: Any) -> tuple[int, Any]:  # noqa: PLR0911
        """Return what it says to a request."""
        if path == "/market":
            self.market(body["symbol"], body["bid"], body["ask"], body.get("size"))
            return 200, {}
        if path == "/all":
            return 200, {"orders": list(self.orders.values()), "fills": self.fills}
        if (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) != (KEY, SECRET):
            return 401, {"message": "unauthorized."}
        name = path.removeprefix("/v2")
        if name == "/orders" and verb == "POST":
            return self._place(body)
        if name == "/orders":
            return 200, self._orders(query)
        if name == "/orders:by_client_order_id":
            found = [order for order in self.orders.values() if order["client_order_id"] == query["client_order_id"]]
            return (200, found[0]) if found else _missing(query["client_order_id"])
        if name.startswith("/orders/"):
            return self._one(verb, name.removeprefix("/orders/"), query, body)
        return self._account(name, query)

    def _account(self, name: str, query: dict[str, str]) -> tuple[int, Any]:
        if name == "/account":
            return 200, {"id": str(uuid4()), "currency": "USD", "cash": str(self.cash), "status": "ACTIVE"}
        if name == "/positions":
            return 200, self._positions()
        if name in {"/account/activities", "/account/activities/FILL"}:
            rows = self.fills if name.endswith("FILL") else sorted(self.fills + self.others, key=lambda row: row["id"])
            return 200, [] if self.hides_fills else self._page(rows, query)
        return 404, {"code": 40410000, "message": "endpoint not found."}

    def _page(self, rows: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        after = datetime.fromisoformat(query["after"])
        kept = [row for row in rows if datetime.fromisoformat(row["transaction_time"]) > after]
        if token := query.get("page_token"):
            kept = [row for row in kept if row["id"] > token]
        return kept[: int(query["page_size"])]

    def _orders(self, query: dict[str, str]) -> list[dict[str, Any]]:
        rows = list(self.orders.values())
        if query.get("status") == "open":
            rows = [row for row in rows if row["status"] in OPEN]
        if after := query.get("after"):
            rows = [row for row in rows if datetime.fromisoformat(row["submitted_at"]) > datetime.fromisoformat(after)]
        return rows[: int(query["limit"])]

    def _place(self, body: dict[str, Any], **more: Any) -> tuple[int, Any]:
        if any(order["client_order_id"] == body["client_order_id"] for order in self.orders.values()):
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        if body.get("symbol") == "NOFUNDS":
            return 403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "0"}
        if told := self._too_much(body, more.get("replaces")):
            return 403, {"code": 40310000, "message": told}
        pair = body.get("order_class") == "oco"
        if pair:
            body = body | {"limit_price": body["take_profit"]["limit_price"]}
        now = _now()
        order = {
            "id": str(uuid4()), "client_order_id": body["client_order_id"], "created_at": now, "updated_at": now,
            "submitted_at": now, "filled_at": None, "expired_at": None, "canceled_at": None, "failed_at": None,
            "replaced_at": None, "replaced_by": None, "replaces": None, "asset_id": str(uuid4()), "symbol": body["symbol"],
            "asset_class": "us_equity", "notional": body.get("notional"), "qty": body.get("qty"), "filled_qty": "0",
            "filled_avg_price": None, "order_class": body.get("order_class", ""), "order_type": body["type"],
            "type": body["type"],
            "side": body["side"], "time_in_force": body["time_in_force"], "limit_price": body.get("limit_price"),
            "stop_price": body.get("stop_price"), "status": "accepted", "legs": None, "hwm": None,
            "extended_hours": body.get("extended_hours", False), "trail_percent": body.get("trail_percent"),
            "trail_price": body.get("trail_price"),
        } | more  # fmt: skip
        self.orders[order["id"]] = order
        if pair:
            self._add_leg(order, body["stop_loss"])
        before = self._told(order, nested=True)
        self._work(order)
        return 200, before

    def _add_leg(self, order: dict[str, Any], loss: dict[str, Any]) -> None:
        """Put a stop beside a limit order; it gets a client order id of the broker's own."""
        kind = "stop_limit" if loss.get("limit_price") else "stop"
        leg = order | {
            "id": str(uuid4()), "client_order_id": str(uuid4()), "type": kind, "order_type": kind, "status": "held",
            "stop_price": loss["stop_price"], "limit_price": loss.get("limit_price"),
        }  # fmt: skip
        self.orders[leg["id"]] = leg
        self.pairs[order["id"]], self.pairs[leg["id"]] = leg["id"], order["id"]

    def _told(self, order: dict[str, Any], *, nested: bool) -> dict[str, Any]:
        """Return an order; nested the limit order of a pair shows the stop as its leg."""
        other = self.orders.get(self.pairs.get(order["id"], ""))
        return order | {"legs": [dict(other)] if nested and other and order["type"] == "limit" else None}

    def _too_much(self, body: dict[str, Any], replaces: str | None) -> str:
        """Say why an order would close more than is held, every open order counted; the stop of a pair counts with the limit."""
        held = self._held().get(body["symbol"], Decimal(0))
        if not held or (body["side"] == "buy") == (held > 0) or not body.get("qty"):
            return ""
        spoken = sum(
            Decimal(one["qty"]) - Decimal(one["filled_qty"])
            for one in self.orders.values()
            if one["symbol"] == body["symbol"] and one["side"] == body["side"] and one["status"] in OPEN and one["qty"]
            and one["id"] not in (replaces, self.pairs.get(replaces or ""))
        )  # fmt: skip
        free, wanted = abs(held) - spoken, Decimal(body["qty"])
        return f"insufficient qty available for order (requested: {wanted}, available: {free})" if wanted > free else ""

    def _one(self, verb: str, key: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        order = self.orders.get(key)
        if order is None:
            return _missing(key)
        if verb == "GET":
            return 200, self._told(order, nested=query.get("nested") == "true")
        if order["status"] not in WORKING:
            return 422, {"code": 42210000, "message": f'order is already in "{order["status"]}" state'}
        if verb == "DELETE":
            self._cancel(order)
            self._settle_pair(order)
            return 204, None
        kept = {name: order[name] for name in ("symbol", "side", "type", "time_in_force", "qty", "limit_price", "stop_price")}
        told, answer = self._place(kept | body, replaces=key)
        if told == 200:
            order |= {"status": "replaced", "replaced_by": answer["id"], "replaced_at": _now(), "updated_at": _now()}
            if other := self.pairs.pop(key, None):
                self.pairs[other], self.pairs[answer["id"]] = answer["id"], other
        return told, answer

    def _cancel(self, order: dict[str, Any]) -> None:
        order |= {"status": "canceled", "canceled_at": _now(), "updated_at": _now()}

    def _settle_pair(self, order: dict[str, Any]) -> None:
        """Let the other order of a pair follow: gone with what has ended, and for the rest of what is partly filled."""
        other = self.orders.get(self.pairs.get(order["id"], ""))
        if other is None or other["status"] not in WORKING:
            return
        if order["status"] in {"filled", "canceled"}:
            self._cancel(other)
        elif order["status"] == "partially_filled":
            other |= {"qty": str(Decimal(order["qty"]) - Decimal(order["filled_qty"])), "updated_at": _now()}

    def _work(self, order: dict[str, Any]) -> None:
        """Fill an order as far as the market goes."""
        quote = self.quotes.get(order["symbol"])
        if quote is None or order["status"] not in WORKING:
            return
        bid, ask, size = quote
        buys = order["side"] == "buy"
        price = ask if buys else bid
        stop = order["stop_price"] and Decimal(order["stop_price"])
        if stop and not order.get("set_off"):
            if (price < stop) if buys else (price > stop):
                return
            order["set_off"] = True
        limit = order["limit_price"] and Decimal(order["limit_price"])
        reached = not limit or ((price <= limit) if buys else (price >= limit))
        if reached:
            self._fill(order, price, size)
        if order["time_in_force"] in {"ioc", "fok"} and order["status"] in OPEN:
            self._cancel(order)
        self._settle_pair(order)

    def _fill(self, order: dict[str, Any], price: Decimal, size: Decimal | None) -> None:
        had = Decimal(order["filled_qty"])
        whole = Decimal(order["qty"]) if order["qty"] else (Decimal(order["notional"]) / price).quantize(Decimal("1e-9"))
        some = min(whole - had, whole if size is None else size)
        if order["time_in_force"] == "fok" and some < whole:
            return
        total = had + some
        value = had * Decimal(order["filled_avg_price"] or 0) + some * price
        done, now = total == whole, _now()
        order |= {
            "filled_qty": str(total), "filled_avg_price": str(value / total), "updated_at": now,
            "status": "filled" if done else "partially_filled", "filled_at": now if done else None,
        }  # fmt: skip
        self.cash += some * price * (-1 if order["side"] == "buy" else 1)
        self.fills.append(
            {
                "id": f"{datetime.now(UTC):%Y%m%d%H%M%S%f}{len(self.fills):04d}::{uuid4()}",
                "activity_type": "FILL",
                "transaction_time": now,
                "type": "fill" if done else "partial_fill",
                "price": str(price),
                "qty": str(some),
                "side": order["side"],
                "symbol": order["symbol"],
                "leaves_qty": str(whole - total),
                "cum_qty": str(total),
                "order_id": order["id"],
                "order_status": order["status"],
            }
        )

    def _held(self) -> dict[str, Decimal]:
        held: dict[str, Decimal] = {}
        for fill in self.fills:
            sign = 1 if fill["side"] == "buy" else -1
            held[fill["symbol"]] = held.get(fill["symbol"], Decimal(0)) + sign * Decimal(fill["qty"])
        return held

    def _positions(self) -> list[dict[str, Any]]:
        return [
            {"symbol": symbol, "qty": str(quantity), "side": "long" if quantity > 0 else "short", "avg_entry_price": "1"}
            for symbol, quantity in self._held().items()
            if quantity
        ]


def _missing(what: str) -> tuple[int, Any]:
    return 404, {"code": 40410000, "message": f"order not found for {what}"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


if __name__ == "__main__":
    AlpacaStandIn(int(sys.argv[1])).serve_forever()
