"""A day of trading on paper by Alpaca's own client: ordered, sent, filled, held, closed, and all of it told."""

from datetime import UTC, datetime, time, timedelta

import pytest
from alpaca.trading.enums import OrderStatus
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest, StopLossRequest, TakeProfitRequest

from tests.factories import make_bars, make_instrument, make_quotes
from trading.services.looking import look_at
from trading.services.sending import send_orders


class Desk:
    """Those who send orders and look after them, at the time that the market has come to."""

    def __init__(self, account, instrument):
        self.account, self.instrument = account, instrument

    def quote(self, bid, ask):
        """Quote the instrument now, and let orders be sent and filled."""
        make_quotes(self.instrument, [(datetime.now(UTC), bid, ask)])
        send_orders(clock=self.clock, account_id=self.account.pk)
        for _ in range(2):
            look_at(account=self.account, broker="paper", clock=self.clock, since=datetime.now(UTC) - timedelta(days=1))
            send_orders(clock=self.clock, account_id=self.account.pk)

    def clock(self):
        return datetime.now(UTC)


@pytest.fixture
def coin():
    """Return what trades around the clock, so that the test may run at any hour."""
    made = make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
    yesterday = datetime.combine(datetime.now(UTC).date() - timedelta(days=1), time(), UTC)
    make_bars(made, [(yesterday.date(), "10")])
    return made


class TestADay:
    def test_ends_with_what_was_done(self, client, raw, account, coin):
        desk = Desk(account, coin)
        desk.quote("9.9", "10")
        bought = client.submit_order(MarketOrderRequest(symbol=coin.symbol, qty=5, side="buy", time_in_force="gtc"))
        assert bought.status == OrderStatus.ACCEPTED
        desk.quote("9.9", "10")
        told = client.get_order_by_id(bought.id)
        assert (told.status, told.filled_qty, told.filled_avg_price) == (OrderStatus.FILLED, "5", "10")
        [held] = client.get_all_positions()
        assert (held.qty, held.avg_entry_price) == ("5", "10")
        exit_at = LimitOrderRequest(symbol=coin.symbol, qty=5, side="sell", time_in_force="gtc", limit_price=11)
        waiting = client.submit_order(exit_at)
        desk.quote("10.4", "10.5")
        assert client.get_order_by_id(waiting.id).status == OrderStatus.NEW
        assert client.get_open_position(coin.symbol).qty_available == "0"
        client.cancel_order_by_id(waiting.id)
        assert client.get_order_by_id(waiting.id).status == OrderStatus.PENDING_CANCEL
        desk.quote("10.4", "10.5")
        assert client.get_order_by_id(waiting.id).status == OrderStatus.CANCELED
        closing = client.close_position(coin.symbol)
        desk.quote("10.4", "10.5")
        assert client.get_order_by_id(closing.id).filled_avg_price == "10.4"
        assert client.get_all_positions() == []
        assert client.get_account().cash == "10002"
        fills = raw.get("/account/activities/FILL")
        assert [(one["side"], one["qty"], one["price"], one["type"]) for one in fills] == [
            ("sell", "5", "10.4", "fill"),
            ("buy", "5", "10", "fill"),
        ]


class TestGroups:
    def test_are_not_for_crypto(self, client, coin, refused):
        exits = {"take_profit": TakeProfitRequest(limit_price=14), "stop_loss": StopLossRequest(stop_price=9)}
        asked = MarketOrderRequest(symbol=coin.symbol, qty=1, side="buy", time_in_force="gtc", order_class="bracket", **exits)
        status, number, message = refused(client.submit_order, asked)
        assert (status, number, "SIMPLE orders alone" in message) == (422, 42210000, True)
