"""An account that trades on paper becomes live, and back, but not under its open orders."""

import pytest

from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import make_account, make_instrument
from tests.trading.factories import make_order, move_order
from trading.domain.orders import Event, EventKind
from trading.models import Order


@pytest.mark.parametrize(
    ("mode", "other", "broker", "word"), [("PAPER", "LIVE", "paper", "on paper"), ("LIVE", "PAPER", "alpaca", "live")]
)
def test_changes_once_no_order_is_open(alice, mode, other, broker, word):
    account = make_account(owner=alice, execution_mode=mode)
    client, path = browser(alice), f"/api/v1/accounts/{account.pk}/"
    order = move_order(make_order(account, make_instrument(), broker=broker), Event(EventKind.SENT), Event(EventKind.ACCEPTED))
    refused = client.patch(path, {"execution_mode": other}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "orders_open")
    [problem] = refused.json()["errors"]
    assert problem["field"] == "execution_mode"
    assert f"1 open order from trading {word}; cancel" in problem["detail"]
    assert client.get(path).json()["execution_mode"] == mode
    changed = client.patch(path, {"name": "Another", "execution_mode": mode}, format="json")
    assert (changed.status_code, changed.json()["name"]) == (200, "Another")
    move_order(order, Event(EventKind.CANCELED))
    assert client.patch(path, {"execution_mode": other}, format="json").json()["execution_mode"] == other


def test_orders_of_others_do_not_matter(alice, charlie):
    account, path = make_account(owner=alice), "/api/v1/accounts/{}/"
    make_order(make_account(owner=alice), make_instrument())
    with acting_as(alice.pk):
        assert Order.objects.open().exists()
    assert browser(alice).patch(path.format(account.pk), {"execution_mode": "LIVE"}, format="json").status_code == 200
    assert browser(charlie).patch(path.format(account.pk), {"execution_mode": "PAPER"}, format="json").status_code == 404
