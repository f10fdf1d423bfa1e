"""Limits, breaches, pauses and sizes by REST: what a person writes, reads, may do, and is told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import Notification
from accounts.models.tenancy import acting_as
from tests.clients import browser, program
from tests.factories import make_account, make_bars, make_instrument, make_quotes, make_user, post, share
from tests.trading.factories import make_webhook
from trading.models import Delivery, RiskEvent

HOUSE = {
    "max_position_share": "0.25",
    "max_daily_loss_share": "0.03",
    "max_drawdown_share": "0.2",
    "max_consecutive_losses": 5,
    "max_order_quantity": "10000",
    "max_order_value": "100000",
    "max_open_orders": 200,
    "allow_short": False,
    "close_while_paused": True,
    "restricted": [],
}
LONG_AGO = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.fixture
def held():
    """Return an instrument that costs ten dollars."""
    made = make_instrument()
    make_bars(made, [("2024-01-02", "10")])
    return made


@pytest.fixture
def account(held):
    """Return an account with eight thousand dollars and two hundred units."""
    made = make_account(owner=make_user("alice"))
    post(made, "DEPOSIT", cash="10000", occurred_at=LONG_AGO)
    post(made, "BUY", instrument=held, quantity="200", price="10", occurred_at=LONG_AGO + timedelta(hours=1))
    return made


@pytest.fixture
def call(account):
    """Return a way to call a route of the account, as its owner unless told otherwise."""

    def ask(method, route, body=None, *, status=200, by=None, **query):
        client = by or browser(account.owner)
        path = f"/api/v1/accounts/{account.pk}/{route}/"
        answer = getattr(client, method)(path, query if method == "get" else body, format=None if method == "get" else "json")
        assert answer.status_code == status, answer.content
        return answer.json()

    return ask


def told(owner, model, **which):
    with acting_as(owner.pk):
        return list(model.objects.filter(**which).order_by("pk"))


class TestLimits:
    def test_are_those_of_the_house_until_an_owner_sets_some_of_them(self, call, held):
        said = call("get", "risk-limits")
        assert {name: said[name] for name in HOUSE} == HOUSE
        changed = {"max_position_share": "0.5", "max_open_orders": None, "allow_short": True, "restricted": [held.key]}
        said = call("patch", "risk-limits", changed)
        assert {name: said[name] for name in HOUSE} == HOUSE | changed
        assert call("patch", "risk-limits", {"max_order_value": "5"})["restricted"] == [held.key]
        said = call("put", "risk-limits", {"max_drawdown_share": "0.1"})
        assert {name: said[name] for name in HOUSE} == HOUSE | {"max_drawdown_share": "0.1"}

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            *(("max_position_share", value) for value in ("-0.1", "100.1", "x", "NaN", "1e999999999", True)),
            *(("max_daily_loss_share", value) for value in ("1.1", "-1", "0.0000001")),
            *(("max_consecutive_losses", value) for value in (-1, 1.5, "5", 40_000, True)),
            *(("max_order_quantity", value) for value in ("-1", "Infinity")),
            ("allow_short", "perhaps"),
            ("restricted", ["NOSUCHTHING"]),
            ("restricted", "AAPL"),
            ("max_leverage", "2"),
        ],
    )
    def test_that_cannot_be_are_refused_by_name(self, call, name, written):
        said = call("patch", "risk-limits", {name: written}, status=400)
        assert {one["field"].split(".")[0] for one in said["errors"]} == {name}
        assert call("get", "risk-limits")["updated_at"] is None

    def test_are_read_by_members_and_set_by_owners_who_manage(self, call, account):
        viewer, trader = (share(account, make_user(), role) for role in (Role.VIEWER, Role.TRADER))
        for one in (viewer, trader):
            call("get", "risk-limits", by=browser(one))
            call("patch", "risk-limits", {"allow_short": True}, by=browser(one), status=403)
        call("patch", "risk-limits", {"allow_short": True}, by=program(account.owner, ["trade"]), status=403)
        call("get", "risk-limits", by=browser(make_user()), status=404)


class TestBreaches:
    def test_are_told_with_the_limits_of_that_moment_to_mailbox_and_webhook(self, call, account, held):
        make_webhook(account, topics=["RISK"])
        trader = share(account, make_user(), Role.TRADER)
        order = {"instrument": held.key, "side": "BUY", "quantity": "51"}
        other = make_instrument()
        call("patch", "risk-limits", {"restricted": [other.key]})
        said = call("post", "orders", order, status=409, by=browser(trader))
        assert (said["code"], said["errors"][0]["field"]) == ("position_share", "quantity")
        call("patch", "risk-limits", {"max_position_share": "0.9"})
        (event,) = call("get", "risk-events")["results"]
        assert (event["type"], event["severity"], event["action_taken"]) == ("POSITION_SHARE", "WARNING", "REJECT")
        assert (event["value"], event["limit"], event["configuration"]["max_position_share"]) == ("0.251", "0.25", "0.25")
        assert event["configuration"]["restricted"] == [other.key]  # not that of the order alone
        assert (event["actor"], event["instrument"], event["day_gain"]) == (trader.email, held.key, "0")
        assert [one.title for one in told(account.owner, Notification, user=account.owner)] == ["Main: an order was refused"]
        assert [one.topic for one in told(account.owner, Delivery, account=account)] == ["RISK"]
        assert call("post", "orders", order, status=201, by=browser(trader))["status"] == "NEW"

    def test_of_the_account_pause_it_until_an_owner_resumes_it(self, call, account, held):
        trader, viewer = (share(account, make_user(), role) for role in (Role.TRADER, Role.VIEWER))
        make_quotes(held, [(timezone.now(), "8.49", "8.49")])  # 302 of 10,000
        order = {"instrument": held.key, "side": "BUY", "quantity": "1"}
        assert call("post", "orders", order, status=409, by=browser(trader))["code"] == "daily_loss"
        assert call("post", "orders", order, status=409, by=browser(trader))["code"] == "trading_paused"
        said = call("get", "pause", by=browser(viewer))
        (event,) = told(account.owner, RiskEvent, account=account, type="DAILY_LOSS")
        assert (said["paused"], said["event"], said["by"], said["halted"]) == (True, str(event.pk), None, False)
        assert (event.value, event.day_gain) == (Decimal("0.0302"), Decimal(-302))
        for one in (trader, viewer):
            call("post", "resume", {}, by=browser(one), status=403)
        call("post", "resume", {}, by=program(account.owner, ["trade"]), status=403)
        assert call("post", "orders", order | {"side": "SELL"}, status=201, by=browser(trader))["effect"] == "CLOSE"
        assert call("post", "resume", {"note": "Seen."})["paused"] is False
        assert call("post", "resume", {}, status=409)["code"] == "not_paused"
        assert call("post", "orders", order | {"instrument": held.key, "quantity": "2"}, status=201)["effect"] == "OPEN"
        for person in (account.owner, trader, viewer):
            with acting_as(person.pk):
                titles = {one.title for one in Notification.objects.filter(user=person)}
            assert {"Main: trading is paused", "Main: trading is resumed"} <= titles

    def test_a_trader_stops_the_account_and_a_viewer_does_not(self, call, account):
        trader, viewer = (share(account, make_user(), role) for role in (Role.TRADER, Role.VIEWER))
        call("post", "pause", {"reason": "Odd."}, by=browser(viewer), status=403)
        said = call("post", "pause", {"reason": "Odd."}, by=browser(trader))
        assert (said["paused"], said["reason"], said["by"]) == (True, "Odd.", trader.email)


class TestSize:
    """Ten thousand dollars, of which two thousand are in it already; a unit costs ten."""

    @pytest.mark.parametrize(
        ("asked", "quantity", "cap", "risk"),
        [
            ({"stop": "5"}, "20", "RISK", "100"),
            ({"stop": "5", "fees": "40"}, "12", "RISK", "100"),
            ({"stop": "5", "fees": "101"}, "0", "RISK", "0"),
            ({"stop": "5", "risk_share": "0.02"}, "40", "RISK", "200"),
            ({"stop": "9"}, "50", "POSITION", "50"),
            ({"stop": "7", "entry": "8"}, "62", "POSITION", "62"),
            ({"stop": "9.99", "entry": "10"}, "50", "POSITION", "0.5"),
        ],
    )
    def test_keeps_to_the_risk_and_to_every_limit(self, call, held, asked, quantity, cap, risk):
        said = call("get", "position-size", instrument=held.key, **asked)
        assert (said["quantity"], said["capped_by"], said["risk"]) == (quantity, cap, risk)
        assert (said["equity"], said["currency"], said["breaches"]) == ("10000", "USD", [])

    def test_says_what_is_to_be_won_for_what_is_risked(self, call, held):
        assert call("get", "position-size", instrument=held.key, stop="5", target="20")["risk_reward"] == "2"

    def test_says_why_nothing_may_be_ordered(self, call, held):
        call("patch", "risk-limits", {"restricted": [held.key]})
        said = call("get", "position-size", instrument=held.key, stop="5")
        assert [one["rule"] for one in said["breaches"]] == ["RESTRICTED_INSTRUMENT"]
        call("post", "pause", {})
        said = call("get", "position-size", instrument=held.key, stop="15", side="SELL")
        assert [one["rule"] for one in said["breaches"]] == ["TRADING_PAUSED"]

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({}, "stop"),
            ({"stop": "11"}, "stop"),
            ({"stop": "5", "target": "9"}, "target"),
            ({"stop": "5", "risk_share": "0"}, "risk_share"),
            ({"stop": "5", "entry": "1e999999999"}, "entry"),
            ({"stop": "5", "fees": "-1"}, "fees"),
            ({"stop": "5", "side": "HOLD"}, "side"),
        ],
    )
    def test_is_refused_by_name(self, call, held, asked, field):
        said = call("get", "position-size", instrument=held.key, status=400, **asked)
        assert [one["field"] for one in said["errors"]] == [field]
