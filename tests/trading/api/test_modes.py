"""An account that trades on paper becomes live, and back, and is closed, but not under its open orders."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from threading import Thread

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from accounts.models.tenancy import acting_as
from accounts.services.accounts import change_account, close_account
from tests.admin.test_records import dialog
from tests.admin.world import looks
from tests.clients import browser
from tests.factories import make_account, make_instrument
from tests.trading.factories import make_order, move_order
from trading.domain.drafts import OrderDraft
from trading.domain.orders import Event, EventKind, Side
from trading.models import Door, Order, OrderEvent
from trading.services.connections import connect_broker
from trading.services.locks import hold_trading
from trading.services.order_rows import Origin, write_orders
from trading.services.sending import send_orders

NOW = datetime(2024, 5, 6, 15, tzinfo=UTC)


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


class TestClosing:
    def test_is_refused_while_orders_are_open_which_are_named(self, alice):
        account, instrument = make_account(owner=alice), make_instrument()
        client, path = browser(alice), f"/api/v1/accounts/{account.pk}/"
        orders = [make_order(account, instrument, client_order_id=f"mine {n}") for n in range(6)]
        refused = client.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "orders_open")
        detail = refused.json()["detail"]
        assert f"BUY 10 {instrument.key} (mine 0), " in detail
        assert "(mine 4) and 1 more. Cancel them first" in detail
        assert client.get(path).json()["closed_on"] is None
        for order in orders:
            move_order(order, Event(EventKind.CANCELED))
        assert client.delete(path).status_code == 204

    def test_is_refused_by_the_page_as_well(self, alice):
        account = make_account(owner=alice)
        make_order(account, make_instrument(), notional="250.50")
        answer = dialog(looks(alice), account, "close")
        assert "250.5 " in answer.content.decode()
        assert "Cancel them first, then close it." in answer.content.decode()
        assert browser(alice).get(f"/api/v1/accounts/{account.pk}/").json()["closed_on"] is None

    def test_waits_for_who_is_placing(self, alice):
        account, instrument = make_account(owner=alice), make_instrument()
        assert_waits(alice, account, instrument, lambda: close_account(account=account, at=NOW))

    @pytest.mark.parametrize("broker", ["paper", "alpaca"])
    def test_leaves_no_order_to_be_sent_that_was_read_before_and_stored_after(self, alice, broker):
        account = make_account(owner=alice)
        with acting_as(alice.pk):
            close_account(account=account, at=NOW)
        order = make_order(account, make_instrument(), broker=broker)
        assert_ends(order, "The account was closed on 2024-05-06, while the order was placed. It was not sent;")


class TestStoredAfterTheChange:
    """Who had read the account before it changed may store an order right after."""

    def test_waits_for_who_is_placing(self, alice):
        account, instrument = make_account(owner=alice), make_instrument()
        work = partial(change_account, account=account, changes={"execution_mode": "LIVE"}, at=NOW)
        assert_waits(alice, account, instrument, work)

    def test_connecting_a_broker_waits_for_who_is_placing(self, alice):
        account, instrument = make_account(owner=alice), make_instrument()
        work = partial(connect_broker, account=account, broker="alpaca", key="key", secret="secret", now=NOW)
        assert_waits(alice, account, instrument, work)

    def test_an_order_on_paper_does_not_trade_in_a_live_account(self, alice):
        order = make_order(make_account(owner=alice, execution_mode="LIVE"), make_instrument())
        assert_ends(order, "The account became live while the order was placed on paper. It was not sent;")


def assert_ends(order, detail):
    """Check that an order is refused when it is to be sent, which its owner is told of."""
    send_orders(clock=lambda: NOW, account_id=order.account_id, opener=nobody_home)
    with acting_as(order.account.owner_id):
        found = Order.objects.get(pk=order.pk)
        assert (found.status, found.sending) == ("REJECTED", "SETTLED")
        assert OrderEvent.objects.get(order=order, kind="REJECTED").detail.startswith(detail)


def nobody_home(*_args):
    raise AssertionError("no broker is to be asked")


def assert_waits(user, account, instrument, work):
    """Check that a change waits for the order that somebody is placing, and is then refused for it."""
    told = []

    def change():
        try:
            with acting_as(user.pk):
                work()
        except ValidationError as refusal:
            told.append(refusal.messages[0])
        finally:
            connection.close()

    with acting_as(user.pk):
        hold_trading(account)
        thread = Thread(target=change)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        origin = Origin(actor=user, door=Door.API, broker="paper")
        draft = OrderDraft(side=Side.BUY, quantity=Decimal(1), client_order_id="of a moment ago")
        write_orders(account=account, instrument=instrument, draft=draft, origin=origin, now=NOW)
    thread.join()
    [refusal] = told
    assert "open order" in refusal
