"""The account, its settings, what happened to it and what it was worth, by Alpaca's own client."""

from datetime import UTC, date, datetime, timedelta

import pytest
from alpaca.trading.models import NonTradeActivity, TradeActivity
from alpaca.trading.requests import MarketOrderRequest

from accounts.domain.roles import Role
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from tests.factories import day, make_instrument, make_user, post, share
from tests.trading.factories import make_fill, make_order
from trading.models import Order


class TestAccount:
    def test_is_worth_its_cash_and_what_it_holds(self, client, account, apple):
        post(account, "BUY", instrument=apple, quantity="10", price="10")
        told = client.get_account()
        assert (told.id, told.status, told.currency) == (account.pk, "ACTIVE", "USD")
        assert (told.cash, told.long_market_value, told.short_market_value) == ("9900", "120", "0")
        assert told.equity == told.portfolio_value == "10020"
        assert (told.buying_power, told.multiplier) == ("9900", "1")
        assert (told.trading_blocked, told.trade_suspended_by_user, told.account_blocked) == (False, False, False)

    def test_has_spent_what_open_orders_will(self, client, apple):
        client.submit_order(MarketOrderRequest(symbol=apple.symbol, qty=10, side="buy", time_in_force="day"))
        assert client.get_account().buying_power == "9880"


class TestConfigurations:
    def test_suspend_and_resume_trading(self, client, apple, refused):
        settings = client.get_account_configurations()
        assert (settings.suspend_trade, settings.no_shorting) == (False, True)
        settings.suspend_trade = True
        assert client.set_account_configurations(settings).suspend_trade is True
        assert client.get_account().trade_suspended_by_user is True
        order = MarketOrderRequest(symbol=apple.symbol, qty=1, side="buy", time_in_force="day")
        assert refused(client.submit_order, order)[:2] == (403, 40310000)
        settings.suspend_trade = False
        assert client.set_account_configurations(settings).suspend_trade is False
        assert client.submit_order(order).symbol == apple.symbol

    def test_allow_short_sales(self, client):
        settings = client.get_account_configurations()
        settings.no_shorting = False
        assert client.set_account_configurations(settings).no_shorting is False
        assert client.get_account().shorting_enabled is True

    def test_are_changed_by_owners(self, client, client_of, account, refused):
        tom = client_of(share(account, make_user("tom"), Role.TRADER))
        settings = tom.get_account_configurations()
        settings.suspend_trade = True
        assert tom.set_account_configurations(settings).suspend_trade is True
        settings.suspend_trade = False
        assert refused(tom.set_account_configurations, settings)[:2] == (403, 40310000)

    def test_say_what_is_one_way_here(self, raw, refused):
        assert refused(raw.patch, "/account/configurations", {"pdt_check": "exit"})[0] == 422
        assert raw.patch("/account/configurations", {"pdt_check": "entry"})["pdt_check"] == "entry"


class TestActivities:
    @pytest.fixture
    def traded(self, account, apple):
        """Fill an order in two parts; and a dividend, and shares that came from elsewhere."""
        order = make_order(account, apple)
        at = datetime(2024, 5, 6, 15, tzinfo=UTC)
        make_fill(order, "4", "10", at=at)
        with acting_as(account.owner_id):
            order = Order.objects.select_related("account__owner", "instrument").get(pk=order.pk)
        make_fill(order, "6", "11", at=at + timedelta(minutes=1))
        post(account, "DIVIDEND", instrument=apple, cash="3", occurred_at=at + timedelta(days=1))
        post(account, "BUY", instrument=apple, quantity="1", price="9", occurred_at=at + timedelta(days=2))
        return order

    def kinds(self, found):
        return [one["activity_type"] for one in found]

    def test_are_executions_and_all_else(self, raw, traded, apple):
        found = raw.get("/account/activities")
        assert self.kinds(found) == ["JNLS", "DIV", "FILL", "FILL", "CSD"]
        last, first = (TradeActivity(**one) for one in found[2:4])
        assert (first.type, first.qty, first.cum_qty, first.leaves_qty, first.price) == ("partial_fill", 4, 4, 6, 10)
        assert (last.type, last.cum_qty, last.leaves_qty, last.order_id) == ("fill", 10, 0, traded.pk)
        dividend = NonTradeActivity(**found[1])
        assert (dividend.symbol, dividend.net_amount, dividend.date) == (apple.symbol, 3, date(2024, 5, 7))

    def test_are_asked_for_by_type_category_and_time(self, raw, traded):
        assert self.kinds(raw.get("/account/activities/FILL")) == ["FILL", "FILL"]
        assert self.kinds(raw.get("/account/activities", {"activity_types": "CSD,DIV"})) == ["DIV", "CSD"]
        assert self.kinds(raw.get("/account/activities", {"activity_types": "TRANS"})) == ["CSD"]
        assert self.kinds(raw.get("/account/activities/MISC")) == ["JNLS"]
        assert self.kinds(raw.get("/account/activities", {"category": "trade_activity"})) == ["FILL", "FILL"]
        assert self.kinds(raw.get("/account/activities", {"date": "2024-05-07"})) == ["DIV"]
        assert self.kinds(raw.get("/account/activities", {"after": "2024-05-07T15:00:00Z"})) == ["JNLS"]
        assert self.kinds(raw.get("/account/activities", {"until": "2024-05-06"})) == ["CSD"]

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    def test_come_by_pages(self, raw, traded, direction, refused):
        whole = raw.get("/account/activities", {"direction": direction})
        seen, token = [], None
        while page := raw.get("/account/activities", {"direction": direction, "page_size": 2, "page_token": token}):
            seen += page
            token = page[-1]["id"]
        assert seen == whole
        assert refused(raw.get, "/account/activities", {"page_token": "x"})[:2] == (422, 40010001)

    def test_tell_what_was_taken_back(self, raw, account, alice):
        deposit = post(account, "DEPOSIT", cash="5", occurred_at=day("2024-05-06"))
        with acting_as(alice.pk):
            reverse_entry(entry=deposit, actor=alice)
        found = raw.get("/account/activities/CSD")
        assert sorted((one["net_amount"], one["status"]) for one in found) == [
            ("-5", "correct"),
            ("10000", "executed"),
            ("5", "executed"),
        ]


class TestAnotherCurrency:
    def test_a_position_is_told_in_its_own(self, client, account):
        german = make_instrument(exchange="XETR", currency="EUR")
        post(account, "BUY", instrument=german, quantity="1", price="10", currency="EUR")
        [told] = client.get_all_positions()
        assert (told.symbol, told.exchange, told.cost_basis) == (german.key, "", "10")
