"""Who is let in by Alpaca's headers, to which account, and how far."""

import pytest
import requests
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import MarketOrderRequest

from accounts.domain.roles import Role
from tests.clients import browser, make_token
from tests.factories import make_account, make_user, share

UNAUTHORIZED = (401, 40110000, "request is not authorized")


@pytest.fixture
def get(site):
    """Return a way to ask by plain headers."""

    def of(path="/v2/account", **headers):
        return requests.get(f"{site}/alpaca{path}", headers=headers, timeout=30)

    return of


def order(apple):
    return MarketOrderRequest(symbol=apple.symbol, qty=1, side="buy", time_in_force="day")


class TestTheKeyId:
    def test_may_be_the_account(self, client_of, alice, account):
        other = make_account(owner=alice)
        assert client_of(alice).get_account().id == account.pk
        assert client_of(alice, key=str(other.pk)).get_account().id == other.pk

    def test_may_be_the_token_where_that_reaches_one_account(self, site, alice, account):
        issued = make_token(alice, ["read"])
        for key in (str(issued.token.pk), issued.token.prefix):
            assert TradingClient(key, issued.secret, url_override=f"{site}/alpaca").get_account().id == account.pk

    def test_leaves_no_account_open(self, site, alice, account, refused):
        make_account(owner=alice)
        issued = make_token(alice, ["read"])
        client = TradingClient(issued.token.prefix, issued.secret, url_override=f"{site}/alpaca")
        status, number, message = refused(client.get_account)
        assert (status, number, "reaches several accounts" in message) == (403, 40310000, True)

    def test_of_an_account_that_is_not_ones_own_is_unknown(self, client_of, charlie, refused):
        assert refused(client_of(charlie).get_account) == UNAUTHORIZED

    def test_of_an_account_that_the_token_does_not_reach_is_unknown(self, client_of, alice, refused):
        other = make_account(owner=alice)
        assert refused(client_of(alice, accounts=[other.pk]).get_account) == UNAUTHORIZED


class TestTheSecret:
    def test_is_that_of_a_token(self, site, account, refused):
        client = TradingClient(str(account.pk), "nonsense", url_override=f"{site}/alpaca")
        assert refused(client.get_account) == UNAUTHORIZED

    def test_is_asked_for(self, get):
        answer = get()
        assert (answer.status_code, answer.json()) == (401, {"code": 40110000, "message": "request is not authorized"})

    def test_may_come_as_basic_or_bearer(self, site, alice, account):
        secret = make_token(alice, ["read"]).secret
        basic = TradingClient(str(account.pk), secret, url_override=f"{site}/alpaca")
        basic._use_basic_auth = True
        bearer = TradingClient(oauth_token=secret, url_override=f"{site}/alpaca")
        assert basic.get_account().id == bearer.get_account().id == account.pk

    def test_is_not_made_up_for_by_a_session(self, alice, account):
        assert browser(alice).get("/alpaca/v2/account").status_code == 401


class TestRights:
    def test_a_scope_to_read_places_nothing(self, client_of, alice, apple, refused):
        client = client_of(alice, ["read"])
        assert refused(client.submit_order, order(apple)) == (403, 40310000, "the token lacks the scope trade")

    def test_a_viewer_places_nothing(self, client_of, account, apple, refused):
        bob = share(account, make_user("bob"))
        assert client_of(bob).get_account().id == account.pk
        assert refused(client_of(bob).submit_order, order(apple))[:2] == (403, 40310000)

    def test_a_trader_places_orders(self, client_of, account, apple):
        tom = share(account, make_user("tom"), Role.TRADER)
        assert client_of(tom, ["trade"]).submit_order(order(apple)).symbol == apple.symbol


class TestRefusals:
    def test_are_told_alike_wherever_they_come_from(self, get, alice, account):
        secret = make_token(alice, ["read"]).secret
        headers = {"APCA-API-KEY-ID": str(account.pk), "APCA-API-SECRET-KEY": secret}
        nowhere = get("/v2/nowhere", **headers)
        assert (nowhere.status_code, nowhere.json()["code"]) == (404, 40410000)
        assert nowhere.headers["Content-Type"] == "application/json"
        assert get("/v2/orders?status=odd", **headers).json() == {
            "code": 40010001,
            "message": "status must be one of open, closed, all",
        }
