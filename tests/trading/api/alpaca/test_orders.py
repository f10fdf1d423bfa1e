"""Orders placed, listed, replaced and canceled by Alpaca's own client."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from accounts.models.tenancy import acting_as
from tests.factories import make_bars, make_instrument
from tests.trading.factories import make_fill, make_order, move_order
from trading.domain.orders import Event, EventKind
from trading.models import Order, RiskEvent
from trading.services.pauses import pause_trading

DAY = {"time_in_force": TimeInForce.DAY, "side": OrderSide.BUY}
ODD = str(uuid4())


def limit(instrument, price="9", **fields):
    return LimitOrderRequest(**{"symbol": instrument.symbol, "qty": 10, "limit_price": float(price), **DAY} | fields)


def row_of(account, placed):
    with acting_as(account.owner_id):
        return Order.objects.select_related("account__owner", "instrument").get(pk=placed.id)


@pytest.fixture
def bracket(apple):
    return MarketOrderRequest(
        symbol=apple.symbol,
        qty=10,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=14),
        stop_loss=StopLossRequest(stop_price=9, limit_price=8.9),
        **DAY,
    )


class TestPlaced:
    def test_is_accepted_with_every_field(self, client, apple, account):
        placed = client.submit_order(limit(apple, "9.25", client_order_id="mine", qty=1.5))
        assert (placed.client_order_id, placed.symbol, placed.asset_id) == ("mine", apple.symbol, apple.pk)
        assert (placed.qty, placed.limit_price, placed.filled_qty, placed.filled_avg_price) == ("1.5", "9.25", "0", None)
        assert (placed.status, placed.order_class, placed.type) == (OrderStatus.ACCEPTED, OrderClass.SIMPLE, "limit")
        assert (placed.position_intent, placed.legs, placed.extended_hours) == ("buy_to_open", None, False)
        row = row_of(account, placed)
        assert (row.door, row.sending, row.created_at) == ("ALPACA", "PENDING", placed.submitted_at)

    def test_takes_all_types(self, client, apple):
        common = {"symbol": apple.symbol, "qty": 2, **DAY}
        for asked in (
            MarketOrderRequest(**common),
            StopOrderRequest(**common, stop_price=13),
            StopLimitOrderRequest(**common, stop_price=13, limit_price=13.5),
            TrailingStopOrderRequest(**common, trail_percent=5),
            MarketOrderRequest(**common | {"qty": None}, notional=55.5),
        ):
            placed = client.submit_order(asked)
            assert placed.type == asked.type
        assert (placed.qty, placed.notional) == (None, "55.5")

    def test_comes_with_its_legs(self, client, bracket):
        placed = client.submit_order(bracket)
        assert placed.order_class == OrderClass.BRACKET
        told = [(leg.side, leg.type, leg.limit_price, leg.stop_price, leg.status) for leg in placed.legs]
        assert told == [("sell", "limit", "14", None, "held"), ("sell", "stop_limit", "8.9", "9", "held")]

    def test_closes_by_one_of_two(self, client, apple, account):
        make_fill(make_order(account, apple))
        exits = {"take_profit": TakeProfitRequest(limit_price=14), "stop_loss": StopLossRequest(stop_price=9)}
        asked = LimitOrderRequest(
            symbol=apple.symbol, qty=10, side="sell", time_in_force="gtc", order_class=OrderClass.OCO, **exits
        )
        placed = client.submit_order(asked)
        assert (placed.limit_price, placed.position_intent) == ("14", "sell_to_close")
        assert [(leg.stop_price, leg.type) for leg in placed.legs] == [("9", "stop")]

    def test_is_refused_for_what_it_is(self, client, raw, apple, refused):
        client.submit_order(limit(apple, client_order_id="twice"))
        again = refused(client.submit_order, limit(apple, client_order_id="twice"))
        assert again == (422, 40010001, "client_order_id must be unique")
        missing = MarketOrderRequest(symbol="NOSUCHTHING", qty=1, **DAY)
        assert refused(client.submit_order, missing) == (422, 42210000, 'asset "NOSUCHTHING" not found')
        assert refused(raw.post, "/orders", {"symbol": apple.symbol, "qty": "1"})[:2] == (422, 40010001)
        odd = {"symbol": apple.symbol, "qty": "many", "side": "buy", "type": "market", "time_in_force": "day"}
        assert refused(raw.post, "/orders", odd) == (422, 40010001, "qty must be a number")
        opening = odd | {"qty": "1", "position_intent": "buy_to_close"}
        assert refused(raw.post, "/orders", opening)[0] == 422
        assert refused(raw.post, "/orders", odd | {"qty": "1", "order_class": "mleg"})[0] == 422

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"qty": "0"}, "qty must be > 0"),
            ({"limit_price": "-1"}, "limit_price must be > 0"),
            ({"limit_price": "1.12345678901"}, "limit_price: "),
            ({"order_class": "oco", "limit_price": None, "take_profit": {"limit_price": "9"}, "stop_loss": {"stop_price": "8"}},
             "An OCO order closes a position; this one would not."),
        ],
        ids=["qty", "price", "places", "oco"],
    )  # fmt: skip
    def test_is_refused_in_words_that_name_what_is_wrong(self, raw, apple, refused, asked, message):
        body = {"symbol": apple.symbol, "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": "9"}
        status, _, told = refused(raw.post, "/orders", body | asked)
        assert (status, message in told) == (422, True), told

    def test_is_refused_by_risk_which_is_on_record(self, client, apple, account, refused):
        status, number, message = refused(client.submit_order, limit(apple, "12", qty=5000))
        assert (status, number, message.startswith("insufficient buying power: ")) == (403, 40310000, True)
        with acting_as(account.owner_id):
            assert RiskEvent.objects.filter(account=account).count() > 0
            assert not Order.objects.filter(account=account).exists()
            pause_trading(account=account, reason="Enough.", at=datetime.now(UTC))
        assert "paused" in refused(client.submit_order, limit(apple))[2]

    def test_sells_no_more_than_there_is(self, client, apple, account, refused):
        make_fill(make_order(account, apple))
        sell = MarketOrderRequest(symbol=apple.symbol, qty=11, side="sell", time_in_force="day")
        told = (403, 40310000, "insufficient qty available for order (requested: 11, available: 10)")
        assert refused(client.submit_order, sell) == told

    def test_hears_what_is_wrong_with_it_before_that_there_is_too_little(self, client, raw, apple, account, refused):
        make_fill(make_order(account, apple))
        client.submit_order(MarketOrderRequest(symbol=apple.symbol, qty=10, side="sell", time_in_force="day"))
        body = {"symbol": apple.symbol, "qty": "10", "side": "sell", "type": "trailing_stop", "time_in_force": "day"}
        told = refused(raw.post, "/orders", body | {"trail_price": "1", "trail_percent": "2"})
        assert told == (422, 40010001, "A trailing stop needs either a trail price or a trail percent.")
        assert refused(raw.post, "/orders", body | {"trail_price": "1"})[0] == 403


class TestFound:
    def test_by_either_id(self, client, apple, refused):
        placed = client.submit_order(limit(apple, client_order_id="sought"))
        assert client.get_order_by_client_id("sought").id == client.get_order_by_id(placed.id).id == placed.id
        assert refused(client.get_order_by_id, ODD) == (404, 40410000, f"order not found for {ODD}")
        assert refused(client.get_order_by_client_id, "never")[:2] == (404, 40410000)

    def test_of_nobody_else(self, client, client_of, charlie, apple, refused):
        placed = client.submit_order(limit(apple))
        mine = charlie.memberships.model.objects  # his own account, where the id is unknown
        with acting_as(charlie.pk):
            own = mine.get(user=charlie).account_id
        assert refused(client_of(charlie, key=str(own)).get_order_by_id, placed.id)[0] == 404

    def test_filled_with_times_and_prices(self, client, apple, account):
        order = move_order(make_order(account, apple), Event(EventKind.ACCEPTED))
        assert client.get_order_by_id(order.pk).status == OrderStatus.NEW
        make_fill(order, "4", "10")
        assert client.get_order_by_id(order.pk).status == OrderStatus.PARTIALLY_FILLED
        make_fill(row_of(account, client.get_order_by_id(order.pk)), "6", "11")
        told = client.get_order_by_id(order.pk)
        assert (told.status, told.filled_qty, told.filled_avg_price) == (OrderStatus.FILLED, "10", "10.6")
        assert told.filled_at is not None
        assert told.canceled_at is None


class TestListed:
    @pytest.fixture
    def some(self, account, apple):
        """Return seven orders, a minute apart, every other one to sell."""
        start = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)
        sides = ["BUY", "SELL"]
        return [
            make_order(account, apple, created_at=start + timedelta(minutes=n), side=sides[n % 2], client_order_id=f"n{n}")
            for n in range(7)
        ]

    def names(self, client, **asked):
        return [one.client_order_id for one in client.get_orders(GetOrdersRequest(**asked))]

    def test_newest_first_and_open_unless_others_are_asked_for(self, client, some, apple, account):
        move_order(some[0], Event(EventKind.CANCELED))
        assert [one.client_order_id for one in client.get_orders()] == ["n6", "n5", "n4", "n3", "n2", "n1"]
        assert self.names(client, status=QueryOrderStatus.CLOSED) == ["n0"]
        assert self.names(client, status="all", direction="asc", limit=2) == ["n0", "n1"]
        assert self.names(client, status="all", side=OrderSide.SELL) == ["n5", "n3", "n1"]

    def test_by_time_which_is_how_pages_are_turned(self, client, some):
        seen, after = [], None
        while page := client.get_orders(GetOrdersRequest(limit=3, direction="asc", after=after)):
            seen += [one.client_order_id for one in page]
            after = page[-1].submitted_at
        assert seen == [f"n{n}" for n in range(7)]
        assert self.names(client, until=some[2].created_at) == ["n1", "n0"]

    @pytest.mark.parametrize(("direction", "cursor"), [("asc", "after_order_id"), ("desc", "before_order_id")])
    def test_by_order_which_is_how_pages_are_turned_too(self, raw, some, direction, cursor):
        seen, more = [], {}
        while page := raw.get("/orders", {"limit": 3, "direction": direction, **more}):
            seen += [one["client_order_id"] for one in page]
            more = {cursor: page[-1]["id"]}
        assert seen == [f"n{n}" for n in range(7)][:: 1 if direction == "asc" else -1]

    def test_by_order_alone(self, raw, some, refused):
        both = {"after_order_id": str(some[0].pk), "before_order_id": str(some[3].pk)}
        for odd in (
            both,
            {"after_order_id": str(some[0].pk), "until": "2024-01-01"},
            {"after_order_id": ODD},
            {"after_order_id": "x"},
        ):
            assert refused(raw.get, "/orders", odd)[:2] == (422, 40010001)

    def test_by_kind_of_asset(self, client, raw, some):
        assert len(raw.get("/orders", {"asset_class": "us_equity"})) == 7
        assert raw.get("/orders", {"asset_class": "crypto"}) == []
        assert len(raw.get("/orders", {"asset_class": "crypto,us_equity"})) == 7

    def test_of_options_by_what_they_are_options_on(self, raw, account, apple, refused):
        terms = {"expiry": "2030-01-18", "strike": "10", "right": "CALL", "multiplier": 100}
        option = make_instrument(exchange="OPRA", asset_class="OPTION", underlying=apple, **terms)
        orders = [make_order(account, one) for one in (option, apple)]
        on_apple = {"symbols": apple.symbol, "asset_class": "us_option"}
        assert [one["id"] for one in raw.get("/orders", on_apple)] == [str(orders[0].pk)]
        both = on_apple | {"asset_class": "us_option,us_equity", "direction": "asc"}
        assert {one["id"] for one in raw.get("/orders", both)} == {str(one.pk) for one in orders}
        assert [one["id"] for one in raw.get("/orders", {"symbols": apple.symbol})] == [str(orders[1].pk)]
        assert refused(raw.get, "/orders", {"asset_class": "us_equity,bonds"})[:2] == (422, 40010001)

    def test_by_symbol(self, client, some, account):
        other = make_instrument(exchange="XETR")
        make_order(account, other, client_order_id="german")
        assert self.names(client, symbols=[other.key]) == ["german"]
        assert self.names(client, symbols=["NOSUCHTHING"]) == []

    def test_with_legs_below_or_beside_their_order(self, client, bracket):
        placed = client.submit_order(bracket)
        flat = client.get_orders()
        assert {one.id for one in flat} == {placed.id, *(leg.id for leg in placed.legs)}
        assert [one.legs for one in flat] == [None] * 3
        nested = client.get_orders(GetOrdersRequest(nested=True))
        assert [(one.id, len(one.legs)) for one in nested] == [(placed.id, 2)]
        assert client.get_order_by_id(placed.id).legs is None
        assert len(client.get_order_by_id(placed.id, GetOrderByIdRequest(nested=True)).legs) == 2

    def test_with_legs_that_outlive_their_entry(self, client, bracket, account):
        placed = client.submit_order(bracket)
        make_fill(row_of(account, placed))
        still = client.get_orders(GetOrdersRequest(nested=True))
        assert {one.id for one in still} == {leg.id for leg in placed.legs}
        whole = client.get_orders(GetOrdersRequest(nested=True, status="all"))
        assert [(one.id, len(one.legs)) for one in whole] == [(placed.id, 2)]


class TestReplaced:
    def test_by_an_order_that_says_so(self, client, apple):
        first = client.submit_order(limit(apple))
        second = client.replace_order_by_id(first.id, ReplaceOrderRequest(qty=12, limit_price=9.5, client_order_id="second"))
        assert (second.qty, second.limit_price, second.replaces, second.client_order_id) == ("12", "9.5", first.id, "second")
        gone = client.get_order_by_id(first.id)
        assert (gone.status, gone.replaced_by) == (OrderStatus.REPLACED, second.id)
        assert gone.replaced_at is not None

    def test_keeping_its_legs(self, client, apple):
        exits = {"take_profit": TakeProfitRequest(limit_price=14), "stop_loss": StopLossRequest(stop_price=8)}
        first = client.submit_order(limit(apple, order_class=OrderClass.BRACKET, **exits))
        second = client.replace_order_by_id(first.id, ReplaceOrderRequest(limit_price=9.5))
        assert [leg.id for leg in second.legs] == [leg.id for leg in first.legs]
        nested = client.get_orders(GetOrdersRequest(nested=True))
        assert [(one.id, len(one.legs)) for one in nested] == [(second.id, 2)]

    def test_while_it_waits_for_its_entry_for_as_much_as_that_alone(self, client, apple, refused):
        exits = {"take_profit": TakeProfitRequest(limit_price=14), "stop_loss": StopLossRequest(stop_price=8)}
        _, stop = client.submit_order(limit(apple, order_class=OrderClass.BRACKET, **exits)).legs
        assert refused(client.replace_order_by_id, stop.id, ReplaceOrderRequest(qty=5))[:2] == (422, 42210000)
        nearer = client.replace_order_by_id(stop.id, ReplaceOrderRequest(stop_price=8.5))
        assert (nearer.status, nearer.stop_price) == (OrderStatus.HELD, "8.5")

    def test_for_no_more_than_is_filled_is_refused(self, client, apple, account, refused):
        order = move_order(make_order(account, apple, type="LIMIT", limit_price="11"), Event(EventKind.ACCEPTED))
        make_fill(order, "4", "10")
        told = refused(client.replace_order_by_id, order.pk, ReplaceOrderRequest(qty=4))
        assert told == (422, 42210000, "4 are filled already; ask for more, or cancel the rest.")

    def test_in_its_trail(self, client, apple):
        trailing = TrailingStopOrderRequest(symbol=apple.symbol, qty=2, trail_percent=5, **DAY)
        placed = client.submit_order(trailing)
        assert client.replace_order_by_id(placed.id, ReplaceOrderRequest(trail=4)).trail_percent == "4"

    def test_never_once_it_has_ended(self, client, apple, account, refused):
        placed = client.submit_order(limit(apple))
        client.cancel_order_by_id(placed.id)
        assert refused(client.replace_order_by_id, placed.id, ReplaceOrderRequest(qty=5))[:2] == (422, 42210000)
        assert refused(client.replace_order_by_id, ODD, ReplaceOrderRequest(qty=5))[:2] == (404, 40410000)

    def test_with_nothing_is_refused(self, client, apple, refused):
        placed = client.submit_order(limit(apple))
        assert refused(client.replace_order_by_id, placed.id, ReplaceOrderRequest(qty=10))[:2] == (422, 42210000)


class TestCanceled:
    def test_once(self, client, apple, refused):
        placed = client.submit_order(limit(apple))
        assert client.cancel_order_by_id(placed.id) is None
        told = client.get_order_by_id(placed.id)
        assert told.status == OrderStatus.CANCELED
        assert told.canceled_at is not None
        again = refused(client.cancel_order_by_id, placed.id)
        assert again == (422, 42210000, 'order is already in "canceled" state')

    def test_by_the_broker_where_that_has_it(self, client, apple, account):
        order = move_order(make_order(account, apple, sending="SETTLED", broker_order_id=ODD), Event(EventKind.ACCEPTED))
        client.cancel_order_by_id(order.pk)
        assert client.get_order_by_id(order.pk).status == OrderStatus.PENDING_CANCEL

    def test_all_at_once(self, client, apple):
        placed = [client.submit_order(limit(apple)) for _ in range(3)]
        done = client.cancel_orders()
        assert {(one.id, one.status) for one in done} == {(one.id, 200) for one in placed}
        assert client.get_orders() == []
        assert client.cancel_orders() == []


class TestCrypto:
    def test_is_known_with_and_without_its_slash(self, client):
        coin = make_instrument(symbol=f"T{uuid4().hex[:6].upper()}USD", exchange="CRYPTO", asset_class="CRYPTO")
        make_bars(coin, [("2020-01-02", "10")])
        slashed = f"{coin.symbol.removesuffix('USD')}/USD"
        for symbol in (coin.symbol, slashed):
            placed = client.submit_order(MarketOrderRequest(symbol=symbol, qty=0.5, side="buy", time_in_force="gtc"))
            assert (placed.symbol, placed.asset_class) == (slashed, "crypto")
