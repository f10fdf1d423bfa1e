"""Positions seen and closed by Alpaca's own client."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from alpaca.trading.requests import ClosePositionRequest, LimitOrderRequest

from accounts.models.tenancy import acting_as
from tests.factories import make_bars, make_instrument, make_quotes, post, quiet_day
from tests.trading.factories import make_order
from tests.trading.services.test_sending import Clock, kinds, look, seen, sent
from trading.api.alpaca.positions import part_of
from trading.models import Order
from trading.selectors.holdings import Held

SELLING = {"side": "SELL", "effect": "CLOSE", "time_in_force": "GTC"}


@pytest.fixture
def held(account, apple):
    """Buy ten shares at ten."""
    post(account, "BUY", instrument=apple, quantity="10", price="10")
    return apple


class TestPositions:
    def test_are_told_with_every_figure(self, client, held):
        [told] = client.get_all_positions()
        assert (told.symbol, told.asset_id, told.exchange, told.asset_class) == (held.symbol, held.pk, "NASDAQ", "us_equity")
        assert (told.qty, told.side, told.qty_available, told.avg_entry_price) == ("10", "long", "10", "10")
        assert (told.current_price, told.market_value, told.cost_basis) == ("12", "120", "100")
        assert (told.unrealized_pl, told.unrealized_plpc) == ("20", "0.2")

    def test_follow_the_market(self, client, held):
        make_quotes(held, [(datetime(2024, 5, 6, 15, tzinfo=UTC), "14.9", "15.1")])
        told = client.get_open_position(held.symbol)
        assert (told.current_price, told.market_value, told.unrealized_pl) == ("15", "150", "50")
        assert (told.lastday_price, told.change_today, told.unrealized_intraday_pl) == ("12", "0.25", "30")

    def test_are_found_by_symbol_key_or_id(self, client, held, refused):
        for name in (held.symbol, held.key, str(held.pk)):
            assert client.get_open_position(name).symbol == held.symbol
        other = make_instrument(exchange="XNAS")
        assert refused(client.get_open_position, other.symbol) == (404, 40410000, "position does not exist")
        assert refused(client.get_open_position, "NOSUCHTHING") == (404, 40410000, "symbol not found: NOSUCHTHING")

    def test_short_ones_are_below_zero(self, client, account, apple):
        post(account, "SHORT", instrument=apple, quantity="-5", price="10")
        [told] = client.get_all_positions()
        assert (told.qty, told.side, told.market_value, told.unrealized_pl) == ("-5", "short", "-60", "-10")
        assert told.qty_available == "-5"

    def test_leave_out_what_open_orders_close(self, client, held):
        client.submit_order(LimitOrderRequest(symbol=held.symbol, qty=4, side="sell", time_in_force="day", limit_price=14))
        assert client.get_open_position(held.symbol).qty_available == "6"


class TestClosed:
    def test_whole_or_in_part(self, client, held):
        part = client.close_position(held.symbol, ClosePositionRequest(qty="3"))
        assert (part.qty, part.side, part.type, part.position_intent) == ("3", "sell", "market", "sell_to_close")
        share = client.close_position(held.symbol, ClosePositionRequest(percentage="25"))
        assert share.qty == "2"
        client.cancel_orders()
        assert client.close_position(held.symbol).qty == "10"

    def test_only_as_far_as_there_is_some(self, client, held, refused):
        assert refused(client.close_position, held.symbol, ClosePositionRequest(qty="11"))[:2] == (403, 40310000)
        assert refused(client.close_position, held.symbol, ClosePositionRequest(percentage="101"))[:2] == (422, 40010001)
        other = make_instrument(exchange="XNAS")
        assert refused(client.close_position, other.symbol)[:2] == (404, 40410000)

    def test_all_at_once(self, client, held, account):
        short = make_instrument(exchange="XNAS")
        make_bars(short, [("2020-01-02", "10")])
        post(account, "SHORT", instrument=short, quantity="-5", price="10")
        client.submit_order(LimitOrderRequest(symbol=held.symbol, qty=4, side="sell", time_in_force="day", limit_price=14))
        done = {one.symbol: one for one in client.close_all_positions(cancel_orders=True)}
        assert {symbol: one.status for symbol, one in done.items()} == {held.symbol: 200, short.symbol: 200}
        assert (done[held.symbol].body.qty, done[held.symbol].body.side) == ("10", "sell")
        assert (done[short.symbol].body.qty, done[short.symbol].body.side) == ("5", "buy")
        refused = client.close_all_positions()
        assert {one.status for one in refused} == {403}
        assert {one.body.code for one in refused} == {40310000}

    def test_all_at_once_though_the_broker_has_orders(self, client, account):
        """Both exits of what is held are with the broker, which is asked to cancel them; closing follows by itself."""
        noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
        coin, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
        make_quotes(coin, [(noon - timedelta(seconds=5), "99", "100"), (noon + timedelta(seconds=30), "99", "100")])
        post(account, "BUY", instrument=coin, quantity="10", price="10", occurred_at=noon - timedelta(days=1))
        low = make_order(account, coin, **SELLING, type="LIMIT", quantity=6, limit_price="200")
        more = make_order(account, coin, time_in_force="GTC", type="LIMIT", limit_price="1")
        sent(account, clock)
        assert [seen(one).status for one in (low, more)] == ["ACCEPTED"] * 2
        assert [one.status for one in client.close_all_positions()] == [403]
        [told] = client.close_all_positions(cancel_orders=True)
        assert (told.status, told.body.qty, told.body.status.value) == (200, "10", "accepted")
        with acting_as(account.owner_id):
            closing = Order.objects.select_related("account").get(pk=told.order_id)
        assert kinds(closing) == ["CREATED", "PUT_OFF"]
        sent(account, clock)  # who is canceled, and what waits for it
        assert [seen(one).status for one in (low, more)] == ["CANCELED"] * 2
        clock.later()
        sent(account, clock)
        assert kinds(closing) == ["CREATED", "PUT_OFF", "SENT", "ACCEPTED"]
        clock.later(timedelta(seconds=40))
        look(account, clock, "paper")
        assert (seen(closing).status, client.get_all_positions()) == ("FILLED", [])


class TestAPart:
    def part(self, quantity, asset_class="EQUITY", **query):
        instrument = make_instrument(asset_class=asset_class)
        made = Held(instrument, Decimal(quantity), Decimal(1), Decimal(1), None, None, None)
        return part_of(made, query)

    def test_of_whole_units_is_whole(self):
        assert self.part("7", percentage="50") == 3
        assert self.part("7.5", percentage="50") == Decimal("3.75")
        assert self.part("-7", percentage="100") == 7
        assert self.part("1", asset_class="CRYPTO", percentage="33.333") == Decimal("0.33333")
