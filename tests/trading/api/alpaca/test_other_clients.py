"""The door as clients other than Alpaca's own knock at it: by hand, with slashes, headers and types of all kinds."""

import json

import pytest
import requests

from accounts.domain.roles import Role
from tests.clients import make_token
from tests.factories import make_account, make_instrument, make_user, post, share

RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@pytest.fixture
def knock(site, alice, account):
    """Return a way to ask by plain HTTP."""
    headers = {"apca-api-key-id": str(account.pk), "Apca-Api-Secret-Key": make_token(alice).secret}

    def of(method, path, **options):
        options["headers"] = headers | options.get("headers", {})
        return requests.request(method, f"{site}/alpaca{path}", timeout=30, **options)

    return of


class TestPaths:
    @pytest.mark.parametrize("path", ["/v2/account", "/v2/account/", "//v2/account", "/v2/account?unknown=1"])
    def test_may_have_a_slash_too_many(self, knock, account, path):
        assert knock("GET", path).json()["id"] == str(account.pk)

    def test_of_symbols_with_a_slash_may_too(self, knock):
        pair = make_instrument(symbol=f"{make_instrument().symbol[:6]}/USD", exchange="CRYPTO", asset_class="CRYPTO")
        for path in (pair.symbol, f"{pair.symbol}/", pair.symbol.replace("/", "%2F")):
            assert knock("GET", f"/v2/assets/{path}").json()["id"] == str(pair.pk)

    def test_that_lead_nowhere_say_so(self, knock):
        answer = knock("GET", "/v2/v2/account")
        assert (answer.status_code, answer.json()["code"]) == (404, 40410000)


class TestBodies:
    def order(self, apple, **fields):
        return {"symbol": apple.symbol, "qty": "2", "side": "buy", "type": "limit", "time_in_force": "day"} | fields

    @pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", None])
    def test_are_json_whatever_they_are_called(self, knock, apple, kind):
        body = json.dumps(self.order(apple, limit_price=9))
        answer = knock("POST", "/v2/orders", data=body, headers={"Content-Type": kind} if kind else {})
        assert (answer.status_code, answer.json()["limit_price"]) == (200, "9")

    def test_are_json_from_curl_too(self, knock, apple):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = json.dumps(self.order(apple, limit_price="9"))
        assert knock("POST", "/v2/orders", data=body, headers=form).json()["limit_price"] == "9"
        assert knock("POST", "/v2/orders", data="symbol=AAPL", headers=form).json()["code"] == 40010000

    def test_have_numbers_as_numbers_or_texts_and_what_nobody_knows(self, knock, apple):
        for qty, price in ((2, 9.5), ("2", "9.50"), (2.0, "9.5")):
            told = knock("POST", "/v2/orders", json=self.order(apple, qty=qty, limit_price=price, more={"a": 1})).json()
            assert (told["qty"], told["limit_price"], told["notional"]) == ("2", "9.5", None)

    def test_say_nothing_by_null(self, knock, apple):
        nothing = dict.fromkeys(
            ("notional", "stop_price", "trail_price", "order_class", "take_profit", "legs", "client_order_id")
        )
        assert knock("POST", "/v2/orders", json=self.order(apple, limit_price=9) | nothing).status_code == 200


class TestRefusals:
    def test_for_money_say_how_much_there_is(self, knock, account):
        dear = make_instrument(exchange="XNAS")
        answer = knock(
            "POST",
            "/v2/orders",
            json={"symbol": dear.symbol, "qty": 30, "side": "buy", "type": "limit", "limit_price": 1000, "time_in_force": "day"},
        )
        body = answer.json()
        assert (answer.status_code, body["code"], body["buying_power"]) == (403, 40310000, "10000")
        assert (body["cost_basis"], body["message"].startswith("insufficient buying power")) == ("30000", True)

    def test_for_what_is_held_say_how_much_is_left(self, knock, account, apple):
        post(account, "BUY", instrument=apple, quantity="10", price="10")
        sell = {"symbol": apple.symbol, "side": "sell", "type": "limit", "limit_price": 14, "time_in_force": "day"}
        first = knock("POST", "/v2/orders", json=sell | {"qty": 7}).json()
        expected = {
            "code": 40310000,
            "symbol": apple.symbol,
            "existing_qty": "10",
            "held_for_orders": "7",
            "available": "3",
            "related_orders": [first["id"]],
        }
        answer = knock("POST", "/v2/orders", json=sell | {"qty": 5})
        message = "insufficient qty available for order (requested: 5, available: 3)"
        assert (answer.status_code, answer.json()) == (403, expected | {"message": message})
        closing = knock("DELETE", f"/v2/positions/{apple.symbol}")
        message = "insufficient qty available for order (requested: 10, available: 3)"
        assert (closing.status_code, closing.json()) == (403, expected | {"message": message})
        [row] = knock("DELETE", "/v2/positions").json()
        assert (row["status"], row["body"]) == (403, expected | {"message": message})

    @pytest.mark.parametrize(
        ("fields", "number", "message"),
        [
            ({"qty": None}, 40010001, "qty or notional is required"),
            ({"symbol": None}, 40010001, "symbol is required"),
            ({"side": None}, 40010001, "side is required"),
            ({"type": None}, 40010001, "type is required"),
            ({"qty": "20000", "limit_price": "9"}, 40310000, "insufficient buying power: qty: "),
            ({"qty": "0.5", "time_in_force": "gtc"}, 42210000, "fractional orders must be DAY orders"),
            ({"extended_hours": True, "type": "market", "limit_price": None}, 42210000, "extended hours order must be DAY limit"),
            ({"client_order_id": "x" * 129}, 40010001, ""),
            ({"symbol": "NOSUCHTHING"}, 42210000, 'asset "NOSUCHTHING" not found'),
            ({"time_in_force": "forever"}, 40010001, "time_in_force must be one of"),
        ],
    )
    def test_of_what_cannot_be_ordered(self, knock, apple, fields, number, message):
        order = {"symbol": apple.symbol, "qty": "2", "side": "buy", "type": "limit", "limit_price": "9", "time_in_force": "day"}
        answer = knock("POST", "/v2/orders", json=order | fields)
        status = 403 if number == 40310000 else 422
        assert (answer.status_code, answer.json()["code"]) == (status, number)
        assert answer.json()["message"].startswith(message)

    def test_of_who_may_not(self, site, account, apple):
        bob = share(account, make_user("bob"))
        headers = {"APCA-API-KEY-ID": str(account.pk), "APCA-API-SECRET-KEY": make_token(bob).secret}
        for method, path in (("DELETE", "orders"), ("DELETE", "positions"), ("PATCH", "account/configurations")):
            answer = requests.request(method, f"{site}/alpaca/v2/{path}", headers=headers, json={}, timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (403, 40310000)


class TestKeys:
    def test_of_several_accounts_have_to_say_which(self, site, alice, account):
        other = make_account(owner=alice)
        issued = make_token(alice, ["read"])
        headers = {"Authorization": f"Bearer {issued.secret}"}
        answer = requests.get(f"{site}/alpaca/v2/account", headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (403, 40310000)
        limited = make_token(alice, ["read"], [other.pk])
        headers = {"Authorization": f"Bearer {limited.secret}"}
        assert requests.get(f"{site}/alpaca/v2/account", headers=headers, timeout=30).json()["id"] == str(other.pk)

    def test_see_nobody_elses_orders(self, knock, site, charlie, apple):
        mine = knock(
            "POST",
            "/v2/orders",
            json={"symbol": apple.symbol, "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"},
        ).json()
        theirs = make_account(owner=charlie)
        headers = {"APCA-API-KEY-ID": str(theirs.pk), "APCA-API-SECRET-KEY": make_token(charlie).secret}
        for method, path in (
            ("GET", f"orders/{mine['id']}"),
            ("PATCH", f"orders/{mine['id']}"),
            ("DELETE", f"orders/{mine['id']}"),
            ("GET", f"orders:by_client_order_id?client_order_id={mine['client_order_id']}"),
        ):
            answer = requests.request(method, f"{site}/alpaca/v2/{path}", headers=headers, json={"qty": 2}, timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (404, 40410000)
        cursor = requests.get(f"{site}/alpaca/v2/orders?after_order_id={mine['id']}", headers=headers, timeout=30)
        assert cursor.status_code == 422

    def test_tell_a_trader_of_the_account_apart_from_its_owner(self, site, account):
        tom = share(account, make_user("tom"), Role.TRADER)
        headers = {"APCA-API-KEY-ID": str(account.pk), "APCA-API-SECRET-KEY": make_token(tom).secret}
        answer = requests.patch(
            f"{site}/alpaca/v2/account/configurations", headers=headers, json={"no_shorting": False}, timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (403, 40310000)


class TestRate:
    @pytest.fixture
    def slow(self, settings):
        framework = settings.REST_FRAMEWORK
        rates = framework["DEFAULT_THROTTLE_RATES"] | {"caller": "2/d"}
        settings.REST_FRAMEWORK = framework | {"DEFAULT_THROTTLE_RATES": rates}

    def test_is_told_with_every_answer(self, slow, knock):
        answers = [knock("GET", "/v2/clock"), knock("GET", "/v2/orders/x"), knock("GET", "/v2/stocks/bars")]
        assert [answer.status_code for answer in answers] == [200, 404, 429]
        assert [[answer.headers[name] for name in RATE[:2]] for answer in answers] == [["2", "1"], ["2", "0"], ["2", "0"]]
        assert len({answer.headers["X-RateLimit-Reset"] for answer in answers}) == 1
        assert int(answers[0].headers["X-RateLimit-Reset"]) % 86400 == 0
        assert answers[2].json() == {"code": 42910000, "message": "too many requests."}

    def test_makes_alpacas_client_wait_and_try_again(self, slow, client, monkeypatch, refused):
        waits = []
        monkeypatch.setattr("alpaca.common.rest.time.sleep", waits.append)
        client.get_clock()
        client.get_clock()
        assert refused(client.get_clock)[0] == 429
        assert waits == [3, 3, 3]
