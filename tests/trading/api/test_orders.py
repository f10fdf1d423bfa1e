"""Orders by REST: looked at beforehand, placed, replaced and canceled; and what a broken limit leaves behind."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import day, make_account, make_bars, make_instrument, make_user, post, share
from tests.trading.factories import make_fill, make_order, move_order
from trading.domain.orders import Event, EventKind
from trading.models import Order
from trading.services.groups import settle_group


@pytest.fixture
def instrument():
    made = make_instrument()
    make_bars(made, [("2020-01-02", "10"), ("2020-01-06", "10")])
    return made


@pytest.fixture
def account(alice):
    """Return an account with ten thousand dollars."""
    made = make_account(owner=alice)
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    return made


@pytest.fixture
def caller(account):
    """Return a way for somebody to call a route of the account."""

    def of(user):
        client = browser(user)

        def ask(method: str, route: str, body=None, *, status: int = 200, **query):
            path, _, rest = f"/api/v1/accounts/{account.pk}/{route}".partition("?")
            path = f"{path}/" + (f"?{rest}" if rest else "")
            answer = getattr(client, method)(path, query if method == "get" else body, format=None if method == "get" else "json")
            assert answer.status_code == status, answer.content
            return answer.json() if answer.content else None

        return ask

    return of


@pytest.fixture
def call(caller, alice):
    return caller(alice)


def body(instrument, **fields):
    return {"instrument": instrument.key, "side": "BUY", "quantity": "10"} | fields


class TestOrders:
    def test_are_placed_found_by_their_id_and_walked_event_by_event(self, call, instrument, alice):
        made = call("post", "orders", body(instrument, client_order_id="mine"), status=201)
        assert (made["status"], made["sending"], made["quantity"], made["reference_price"], made["legs"]) == (
            "NEW", "PENDING", "10", "10", [],
        )  # fmt: skip
        assert [one["id"] for one in call("get", "orders", client_order_id="mine")["results"]] == [made["id"]]
        events = call("get", f"orders/{made['id']}/events")["results"]
        assert [(one["kind"], one["status"], one["actor"], one["door"]) for one in events] == [
            ("CREATED", "NEW", alice.email, "API")
        ]
        assert call("post", "orders", body(instrument, client_order_id="mine"), status=409)["code"] == "client_order_id_taken"

    def test_tell_their_lives_page_by_page(self, call, account, instrument):
        order = move_order(make_order(account, instrument), Event(EventKind.SENT), Event(EventKind.ACCEPTED))
        page = call("get", f"orders/{order.pk}/events", limit=2)
        assert ([one["kind"] for one in page["results"]], page["previous"]) == (["CREATED", "SENT"], None)
        cursor = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        rest = call("get", f"orders/{order.pk}/events", limit=2, cursor=cursor)
        assert ([one["kind"] for one in rest["results"]], rest["next"]) == (["ACCEPTED"], None)
        last = call("get", f"orders/{order.pk}/events", limit=1, ordering="-sequence")["results"]
        assert [one["sequence"] for one in last] == [3]

    def test_come_with_their_legs(self, call, instrument):
        legs = {"take_profit": {"limit_price": "12"}, "stop_loss": {"stop_price": "9"}}
        made = call("post", "orders", body(instrument, order_class="BRACKET", **legs), status=201)
        assert [(leg["role"], leg["side"], leg["sending"]) for leg in made["legs"]] == [
            ("TAKE_PROFIT", "SELL", "HELD"), ("STOP_LOSS", "SELL", "HELD"),
        ]  # fmt: skip
        assert call("get", f"orders/{made['id']}")["legs"] == made["legs"]

    def test_exits_that_wait_for_their_entry_are_moved(self, call, account, instrument):
        legs = {"take_profit": {"limit_price": "12"}, "stop_loss": {"stop_price": "9"}}
        made = call("post", "orders", body(instrument, order_class="BRACKET", **legs), status=201)
        profit, loss = (f"orders/{leg['id']}" for leg in made["legs"])
        nearer = call("patch", loss, {"stop_price": "9.5"})
        assert (nearer["stop_price"], nearer["sending"], nearer["role"]) == ("9.5", "HELD", "STOP_LOSS")
        assert call("patch", profit, {"quantity": "5"}, status=409)["code"] == "waits_for_entry"
        with acting_as(account.owner_id):
            entry = Order.objects.select_related("account__owner", "instrument").get(pk=made["id"])
        make_fill(entry, quantity="10", price="10")
        with acting_as(account.owner_id):
            settle_group(order=entry, now=timezone.now())
        stand = {leg["role"]: leg for leg in call("get", f"orders/{made['id']}")["legs"] if leg["status"] == "NEW"}
        assert {role: (leg["quantity"], leg["sending"]) for role, leg in stand.items()} == {
            "TAKE_PROFIT": ("10", "PENDING"), "STOP_LOSS": ("10", "PENDING"),
        }  # fmt: skip
        assert stand["STOP_LOSS"]["stop_price"] == "9.5"

    def test_are_looked_at_beforehand_and_then_not_there(self, call, instrument):
        seen = call("post", "orders?preview=1", body(instrument, quantity="300"))
        assert (seen["accepted"], seen["price"], seen["value"], seen["buying_power"]) == (False, "10", "3000", "10000")
        assert [(one["rule"], one["action"], one["value"], one["limit"]) for one in seen["breaches"]] == [
            ("POSITION_SHARE", "REJECT", "0.3", "0.25")
        ]
        assert call("get", "orders")["results"] == call("get", "risk-events")["results"] == []

    def test_are_replaced_and_canceled(self, call, instrument):
        made = call("post", "orders", body(instrument, type="LIMIT", limit_price="9"), status=201)
        other = call("patch", f"orders/{made['id']}", {"limit_price": "8"})
        assert (other["replaces"], other["limit_price"], other["status"]) == (made["id"], "8", "NEW")
        assert call("get", f"orders/{made['id']}")["status"] == "REPLACED"
        assert call("delete", f"orders/{other['id']}")["status"] == "CANCELED"
        assert call("delete", f"orders/{other['id']}", status=409)["code"] == "order_not_open"
        assert call("patch", f"orders/{other['id']}", {"limit_price": "7"}, status=409)["code"] == "order_not_open"

    def test_name_the_field_that_is_wrong(self, call, instrument):
        for wrong, field in (
            ({"quantity": None}, "quantity"),
            ({"quantity": 10}, "quantity"),
            ({"type": "LIMIT"}, "limit_price"),
            ({"type": "MARKET", "limit_price": "9"}, "limit_price"),
            ({"side": "HOLD"}, "side"),
            ({"session": "01900000-0000-7000-8000-000000000000"}, "session"),
            ({"order_class": "OTO", "stop_loss": {"stop_price": "-1"}}, "stop_loss.stop_price"),
            ({"client_order_id": "x" * 129}, "client_order_id"),
            ({"status": "FILLED"}, "status"),
        ):
            told = call("post", "orders", body(instrument) | wrong, status=400)
            assert field in {one["field"] for one in told["errors"]}, told

    def test_of_a_viewer_are_refused(self, caller, instrument, account):
        ask = caller(share(account, make_user("bob")))
        assert ask("post", "orders", body(instrument), status=403)["code"] == "role_too_low"
        assert ask("post", "orders?preview=1", body(instrument), status=403)
        assert ask("get", "orders")["results"] == []


def test_fills_name_their_order_and_their_entry(call, account, instrument):
    fill = make_fill(make_order(account, instrument))
    (told,) = call("get", "fills", order=str(fill.order_id))["results"]
    assert (told["order"], told["side"], told["quantity"], told["instrument"]) == (
        str(fill.order_id), "BUY", "10", instrument.key,
    )  # fmt: skip
    assert call("get", f"entries/{told['entry']}")["external_id"] == told["execution_id"]


class TestRisk:
    def test_a_broken_limit_refuses_by_name_and_is_kept(self, call, instrument, alice):
        told = call("post", "orders", body(instrument, quantity="300"), status=409)
        assert told["code"] == "position_share"
        assert [(one["field"], one["code"]) for one in told["errors"]] == [("quantity", "position_share")]
        (event,) = call("get", "risk-events")["results"]
        assert (event["type"], event["action_taken"], event["configuration"]["max_position_share"]) == (
            "POSITION_SHARE", "REJECT", "0.25",
        )  # fmt: skip
        (told,) = browser(alice).get("/api/v1/notifications/").json()["results"]
        assert told["title"].endswith("an order was refused")

    def test_limits_are_those_of_the_house_until_an_owner_sets_them(self, call, caller, account, instrument):
        limits = call("get", "risk-limits")
        assert (limits["max_position_share"], limits["allow_short"], limits["restricted"], limits["updated_at"]) == (
            "0.25", False, [], None,
        )  # fmt: skip
        changed = call("patch", "risk-limits", {"max_position_share": "0.5", "restricted": [instrument.key]})
        assert (changed["max_position_share"], changed["max_daily_loss_share"], changed["restricted"]) == (
            "0.5", "0.03", [instrument.key],
        )  # fmt: skip
        assert call("post", "orders", body(instrument), status=409)["code"] == "restricted_instrument"
        whole = call("put", "risk-limits", {"max_open_orders": None})
        assert (whole["max_position_share"], whole["restricted"], whole["max_open_orders"]) == ("0.25", [], None)
        trader = caller(share(account, make_user("tom"), Role.TRADER))
        assert trader("patch", "risk-limits", {"allow_short": True}, status=403)["code"] == "role_too_low"
        for wrong in ({"max_daily_loss_share": "1.1"}, {"max_open_orders": -1}, {"max_order_value": "-1"}):
            assert next(iter(wrong)) in {one["field"] for one in call("patch", "risk-limits", wrong, status=400)["errors"]}

    def test_traders_pause_and_owners_alone_resume(self, call, caller, account, instrument):
        trader = caller(share(account, make_user("tom"), Role.TRADER))
        assert trader("post", "pause", {"reason": "Something is odd."})["paused"]
        assert call("post", "orders", body(instrument), status=409)["code"] == "trading_paused"
        assert trader("post", "resume", {}, status=403)["code"] == "role_too_low"
        assert call("get", "pause")["reason"] == "Something is odd."
        assert not call("post", "resume", {"note": "It was nothing."})["paused"]
        assert call("post", "resume", {}, status=409)["code"] == "not_paused"
        call("post", "orders", body(instrument), status=201)

    def test_the_size_of_a_position_keeps_to_the_risk_and_the_limits(self, call, instrument):
        size = call("get", "position-size", instrument=instrument.key, stop="9.5")
        assert (size["quantity"], size["value"], size["risk"], size["capped_by"], size["entry"]) == (
            "200", "2000", "100", "RISK", "10",
        )  # fmt: skip
        size = call("get", "position-size", instrument=instrument.key, stop="9.9", target="11")
        assert (size["quantity"], size["capped_by"], size["risk_reward"]) == ("250", "POSITION", "10")
        told = call("get", "position-size", status=400, instrument=instrument.key, stop="11")
        assert [one["field"] for one in told["errors"]] == ["stop"]
        told = call("get", "position-size", status=400, instrument=make_instrument().key, stop="11")
        assert [one["field"] for one in told["errors"]] == ["entry"]
