"""Alpaca as a broker, by its own library: orders by REST, and a stream that says which order something happened to.

Every number is read from text, or from a float's shortest spelling, and sent as text. The library would send a request again that
was not answered; that is turned off here: what has left once is asked for by its client order id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, cast

import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from marketdata.domain.addresses import check_address
from trading.adapters.base import Activity, BrokerAway, BrokerFailed, BrokerOrder, BrokerRefused, Holding, OutcomeUnknown, Ticket
from trading.domain.alpaca_symbols import at_alpaca
from trading.domain.drafts import OrderDraft
from trading.domain.fills import Fill
from trading.domain.orders import OrderStatus

NAME = "alpaca"
PAGE = 100
MOST_ORDERS = 500
BACK = timedelta(minutes=5)
TOO_MANY, TIMED_OUT, MISSING, DENIED = 429, 408, 404, (401, 403)
FAILING = range(500, 600)
UNIQUE = "client_order_id must be unique"
ENDS = {
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "rejected": OrderStatus.REJECTED,
    "suspended": OrderStatus.REJECTED,
}

GROUPS = frozenset({"oco", "oto", "bracket"})
GONE = frozenset({"pending_cancel", "canceled", "expired"})

Sent = Mapping[str, Any]
NO_FILLS: Mapping[str, Sequence[Fill]] = MappingProxyType({})


class _Patience(HTTPAdapter):
    """Waits for so many seconds and no longer; the library itself would wait for ever."""

    def __init__(self, seconds: tuple[float, float]) -> None:
        self.seconds = seconds
        super().__init__(max_retries=0)

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request within the time."""
        return super().send(request, **{**options, "timeout": self.seconds})


class AlpacaBroker:
    """One account at Alpaca, live or paper, by the address."""

    name = NAME
    local = False
    pairs = True

    def __init__(
        self, *, key: str, secret: str, url: str, hosts: Collection[str], patience: tuple[float, float] = (5, 10)
    ) -> None:
        self._secrets = tuple(filter(None, (key, secret)))
        if len(self._secrets) < 2:  # noqa: PLR2004
            raise BrokerFailed("The account's connection has no key and secret; enter them.")
        base = check_address(url, hosts)
        self._client = TradingClient(key, secret, raw_data=True, url_override=base)
        self._client._retry = 0  # the constructor takes zero for "as usual"
        for scheme in ("https://", "http://"):
            self._client._session.mount(scheme, _Patience(patience))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def submit(self, ticket: Ticket) -> BrokerOrder:
        """Place an order."""
        return self._order(self._write("POST", "/orders", _fields_of(ticket)))

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order of an id."""
        try:
            sent = self._read("/orders:by_client_order_id", {"client_order_id": client_order_id})
        except BrokerRefused as refusal:
            if refusal.code == "not_found":
                return None
            raise
        if sent.get("order_class") in GROUPS and not sent.get("legs"):
            sent = self._read(f"/orders/{sent['id']}", {"nested": "true"})
        return next(iter(self._with_fills([sent])))

    def cancel(self, ticket: Ticket, broker_order_id: str) -> BrokerOrder:
        """Ask for an order to be canceled; one that is canceled already, with its partner, is told as it stands."""
        path, refused = f"/orders/{broker_order_id}", None
        try:
            self._write("DELETE", path)
        except BrokerRefused as refusal:
            refused = refusal
        sent = self._read(path)
        if refused is not None and sent.get("status") not in GONE:
            raise refused
        return next(iter(self._with_fills([{**sent, "client_order_id": ticket.client_order_id}])))

    def replace(self, ticket: Ticket, broker_order_id: str) -> BrokerOrder:
        """Put an order in the place of another."""
        draft = ticket.draft
        wanted = {
            "qty": None if ticket.keeps_quantity else _text(draft.quantity),
            "time_in_force": draft.time_in_force.lower(),
            "limit_price": _text(draft.limit_price),
            "stop_price": _text(draft.stop_price),
            "trail": _text(draft.trail_price if draft.trail_price is not None else draft.trail_percent),
            "client_order_id": ticket.client_order_id,
        }
        fields = {name: value for name, value in wanted.items() if value is not None}
        return self._order(self._write("PATCH", f"/orders/{broker_order_id}", fields))

    def look(self, known: Mapping[str, str], *, since: datetime) -> Sequence[BrokerOrder]:
        """Return how orders stand, and which others were placed since."""
        ours = {theirs: name for name, theirs in known.items() if theirs}
        found = {ours.get(str(sent["id"]), sent["client_order_id"]): sent for sent in self._placed_since(since)}
        for missing in known.keys() - found.keys():
            try:
                found[missing] = self._one(missing, known[missing])
            except BrokerRefused as refusal:
                if refusal.code != "not_found":
                    raise
        return self._with_fills([{**sent, "client_order_id": name} for name, sent in found.items()])

    def holdings(self) -> Sequence[Holding] | None:
        """Return the positions."""
        return [
            Holding(str(each["symbol"]), _signed(each), _number(each.get("avg_entry_price"))) for each in self._list("/positions")
        ]

    def cash(self) -> Mapping[str, Decimal] | None:
        """Return the cash."""
        account = self._read("/account")
        return {str(account.get("currency") or "USD"): _needed(account, "cash")}

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Return what happened to the account besides trades."""
        return [_activity(each) for each in self._activities("/account/activities", since) if each.get("activity_type") != "FILL"]

    def _one(self, client_order_id: str, broker_order_id: str) -> Sent:
        """Return one order, by Alpaca's id where that is known: it gives orders that went along ids of its own."""
        if broker_order_id:
            return cast("Sent", self._read(f"/orders/{broker_order_id}"))
        return cast("Sent", self._read("/orders:by_client_order_id", {"client_order_id": client_order_id}))

    def _placed_since(self, since: datetime) -> Iterator[Sent]:
        """Yield the orders that were placed since, and all open ones."""
        yield from self._list("/orders", {"status": "open", "limit": MOST_ORDERS})
        after = since
        while True:
            page = {"status": "all", "limit": MOST_ORDERS, "direction": "asc", "after": _stamp(after)}
            some = self._list("/orders", page)
            yield from some
            if len(some) < MOST_ORDERS:
                return
            after = _instant(some[-1]["submitted_at"])

    def _with_fills(self, sent: Sequence[Sent]) -> list[BrokerOrder]:
        """Return orders with their executions, all asked for at once."""
        filled = [each for one in sent for each in (one, *(one.get("legs") or ())) if _needed(each, "filled_qty")]
        fills: dict[str, list[Fill]] = defaultdict(list)
        if filled:
            since = min(_instant(each["created_at"]) for each in filled) - BACK
            for each in self._activities("/account/activities/FILL", since):
                at = _instant(each["transaction_time"])
                fill = Fill(str(each["id"]), abs(_needed(each, "qty")), _needed(each, "price"), at)
                fills[str(each["order_id"])].append(fill)
        return [self._order(each, fills) for each in sent]

    def _order(self, sent: Sent, fills: Mapping[str, Sequence[Fill]] = NO_FILLS) -> BrokerOrder:
        """Return an order as we speak of it."""
        try:
            quantity, filled = _number(sent.get("qty")), _needed(sent, "filled_qty")
            status = ENDS.get(sent["status"], OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED)
            made = BrokerOrder(
                client_order_id=str(sent["client_order_id"]),
                broker_order_id=str(sent["id"]),
                status=status,
                at=_instant(sent.get("updated_at") or sent["created_at"]),
                quantity=quantity,
                filled_quantity=filled,
                fills=tuple(sorted(fills.get(str(sent["id"]), ()), key=lambda fill: (fill.at, fill.execution_id))),
                triggered=bool(sent.get("stop_price")) and filled > 0,
                mark=_number(sent.get("hwm")),
                symbol=str(sent.get("symbol") or ""),
                legs=tuple(self._order(leg, fills) for leg in sent.get("legs") or ()),
            )
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
            raise OutcomeUnknown(f"Alpaca's answer makes no sense: {type(error).__name__}.") from error
        complete = status is OrderStatus.FILLED and not made.missing
        return replace(made, complete=True) if complete else made

    def _activities(self, path: str, since: datetime) -> Iterator[Sent]:
        """Yield activities since a time, page by page."""
        page: dict[str, Any] = {"after": _stamp(since), "direction": "asc", "page_size": PAGE}
        while True:
            some = self._list(path, page)
            yield from some
            if len(some) < PAGE:
                return
            page["page_token"] = some[-1]["id"]

    def _list(self, path: str, query: Mapping[str, Any] | None = None) -> list[Sent]:
        found = self._read(path, query)
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            raise BrokerFailed(f"Alpaca's answer to {path} is no list.")
        return found

    def _read(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Ask for something.

        :raises BrokerRefused: if there is no such thing
        :raises BrokerFailed: if it cannot be told now
        """
        try:
            return self._ask("GET", path, query)
        except OutcomeUnknown as unknown:  # nothing was to be done
            raise BrokerAway(str(unknown)) from unknown

    def _write(self, verb: str, path: str, fields: Mapping[str, Any] | None = None) -> Sent:
        sent = self._ask(verb, path, fields)
        if verb != "DELETE" and not isinstance(sent, Mapping):
            raise OutcomeUnknown("Alpaca's answer is no order.")
        return cast("Sent", sent)

    def _ask(self, verb: str, path: str, fields: Mapping[str, Any] | None) -> Any:
        """Send one request, once.

        :raises BrokerRefused: if the answer is no
        :raises BrokerAway: if the request did not leave
        :raises OutcomeUnknown: if it left, and nothing came back that says what came of it
        """
        try:
            return self._client._request(verb, path, dict(fields or {}) or None)
        except APIError as error:
            raise self._told(error) from None
        except requests.exceptions.ConnectTimeout:
            raise BrokerAway("Alpaca cannot be reached in time.") from None
        except requests.exceptions.ConnectionError as error:
            if any(isinstance(each, NewConnectionError) for each in _causes(error)):
                raise BrokerAway("Alpaca cannot be reached.") from None
            raise OutcomeUnknown("The connection to Alpaca broke off.") from None
        except requests.exceptions.Timeout:
            raise OutcomeUnknown("Alpaca did not answer in time.") from None
        except (requests.exceptions.RequestException, ValueError, RecursionError):
            raise OutcomeUnknown("Alpaca's answer cannot be read.") from None

    def _told(self, error: APIError) -> BrokerFailed:
        """Return what an error of Alpaca's means, without secrets."""
        status = error.status_code or 0
        try:
            told = str(error.message)
        except (ValueError, KeyError, TypeError):
            told = f"status {status}"
        for secret in self._secrets:
            told = told.replace(secret, "…")
        told = f"Alpaca says: {told[:300]}"
        if status == TOO_MANY:
            return BrokerAway(told)
        if status in FAILING or status == TIMED_OUT:
            return OutcomeUnknown(told)
        if status == MISSING:
            return BrokerRefused(told, code="not_found")
        if status in DENIED and status != 403:  # noqa: PLR2004
            return BrokerRefused(told, code="unauthorized")
        return BrokerRefused(told, code="duplicate" if UNIQUE in told else "refused", duplicate=UNIQUE in told)


def _fields_of(ticket: Ticket) -> dict[str, Any]:
    """Return an order in Alpaca's words.

    :raises BrokerRefused: if it does not trade the instrument
    """
    listing, draft = ticket.listing, ticket.draft
    symbol = at_alpaca(listing.symbol, listing.exchange, listing.asset_class)
    if symbol is None:
        raise BrokerRefused(f"Alpaca does not trade {listing.symbol} of {listing.exchange}.", code="not_traded")
    wanted = {
        "symbol": symbol,
        "side": draft.side.lower(),
        "type": draft.type.lower(),
        "time_in_force": draft.time_in_force.lower(),
        "client_order_id": ticket.client_order_id,
        "extended_hours": draft.extended_hours or None,
        **_numbers(draft),
    }
    if ticket.partner is not None:
        wanted |= _as_pair(draft, ticket.partner.draft)
    return {name: value for name, value in wanted.items() if value is not None}


def _as_pair(profit: OrderDraft, loss: OrderDraft) -> dict[str, Any]:
    """Return what makes one order of the two exits of a position: the one that is filled cancels the other."""
    prices = {"stop_price": _text(loss.stop_price), "limit_price": _text(loss.limit_price)}
    return {
        "order_class": "oco",
        "limit_price": None,
        "take_profit": {"limit_price": _text(profit.limit_price)},
        "stop_loss": {name: price for name, price in prices.items() if price is not None},
    }


def _numbers(draft: OrderDraft) -> dict[str, str | None]:
    names = {"qty": draft.quantity, "notional": draft.notional, "limit_price": draft.limit_price, "stop_price": draft.stop_price}
    trails = {"trail_price": draft.trail_price, "trail_percent": draft.trail_percent}
    return {name: _text(number) for name, number in (names | trails).items()}


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number.normalize():f}"


def _number(value: Any) -> Decimal | None:
    """Return a number from text, or from a float by its shortest spelling."""
    if value is None or value == "":
        return None
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("no finite number")
    return number


def _needed(sent: Sent, name: str) -> Decimal:
    try:
        number = _number(sent.get(name))
    except (InvalidOperation, ValueError) as error:
        raise BrokerFailed(f"Alpaca sent a {name} that is no number.") from error
    return Decimal(0) if number is None else number


def _signed(sent: Sent) -> Decimal:
    quantity = abs(_needed(sent, "qty"))
    return -quantity if sent.get("side") == "short" else quantity


def _activity(sent: Sent) -> Activity:
    kind, day = str(sent.get("activity_type")), sent.get("date")
    at = sent.get("transaction_time") or sent.get("created_at") or f"{day}T00:00:00Z"
    told = {name: str(value) for name, value in sent.items() if value is not None}
    return Activity(
        str(sent.get("id")), kind, _instant(at), _needed(sent, "net_amount"), str(sent.get("symbol") or ""),
        str(sent.get("description") or ""), told,
    )  # fmt: skip


def _instant(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise BrokerFailed("Alpaca sent a time that is none.") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it was made of, and what came before it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = next((each for each in seen.args if isinstance(each, BaseException)), None)
        reason = getattr(inner, "reason", None)
        if isinstance(reason, BaseException):
            yield reason
        seen = seen.__cause__ or seen.__context__
