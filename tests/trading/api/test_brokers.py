"""Credentials of brokers go in and never come out, by whichever door; which broker they are shown to, the account says."""

import io
import logging
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Account
from accounts.models.tenancy import acting_as
from tests.admin.world import looks, to
from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user
from tests.trading.adapters.alpaca_standin import KEY, SECRET, AlpacaStandIn, status
from tests.trading.adapters.test_alpaca import serving
from tests.trading.factories import make_order
from trading.models import BrokerConnection, Order
from trading.services.sending import send_orders
from trading.services.syncing import sync_account, watched

NOW = datetime(2024, 5, 6, 15, tzinfo=UTC)


@pytest.fixture
def brokers(settings):
    """Serve a paper and a live broker."""
    with serving(AlpacaStandIn()) as paper, serving(AlpacaStandIn()) as live:
        settings.PROVIDER_HOSTS = ["127.0.0.1"]
        settings.BROKERS = {"alpaca": {"paper_url": paper.url, "live_url": live.url}}
        yield paper, live


@pytest.fixture
def account():
    return make_account(owner=make_user())


@pytest.fixture
def client(account):
    return browser(account.owner)


def connected(client, account, **more):
    said = {"broker": "alpaca", "key": KEY, "secret": SECRET} | more
    return client.post(f"/api/v1/accounts/{account.pk}/broker-connections/", said, format="json")


def sent(account, minutes=0):
    send_orders(clock=lambda: NOW + timedelta(minutes=minutes), account_id=account.pk)


def now_live(account):
    with acting_as(account.owner_id):
        Account.objects.filter(pk=account.pk).update(execution_mode="LIVE")
        account.refresh_from_db()


class TestSecrets:
    def test_come_out_of_no_door(self, account, client, brokers, caplog):
        caplog.set_level(logging.DEBUG)
        base = f"/api/v1/accounts/{account.pk}"
        made = connected(client, account)
        assert made.status_code == 201
        # a broker that says them back
        brokers[0].always = status(403, {"code": 40310000, "message": f"{KEY} and {SECRET} are not welcome"})
        order = make_order(account, make_instrument(exchange="XNAS"), broker="alpaca")
        sent(account)
        for one in watched(account_id=account.pk):
            sync_account(one, clock=lambda: NOW)
        key = made.json()["id"]
        pages = [
            made,
            connected(client, account, secret=""),
            connected(client, account, extra="x"),
            *(client.get(f"{base}/{name}/") for name in ("broker-connections", "orders", "breaks", "jobs")),
            client.get(f"{base}/broker-connections/{key}/"),
            client.get(f"{base}/orders/{order.pk}/events/"),
            client.get("/api/v1/notifications/"),
            looks(account.owner).get(to(BrokerConnection, "changelist")),
            looks(account.owner).get(to(BrokerConnection, "change", key)),
        ]
        whole = client.get(f"{base}/export/", HTTP_ACCEPT="application/zip")
        content = b"".join(whole.streaming_content) if whole.streaming else whole.content
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            kept = b"".join(bundle.read(name) for name in bundle.namelist())
        with acting_as(account.owner_id):
            row = BrokerConnection.objects.get(pk=key)
        said = [page.content for page in pages] + [kept, caplog.text.encode(), repr(row).encode(), row.last_error.encode()]
        assert row.last_error
        assert [part for part in said if SECRET.encode() in part or KEY.encode() in part] == []
        assert [page.status_code for page in pages[1:3]] == [400, 400]
        assert {page.status_code for page in pages[3:]} == {200}

    def test_are_forgotten_when_the_broker_is_left(self, account, client, brokers):
        key = connected(client, account).json()["id"]
        assert client.delete(f"/api/v1/accounts/{account.pk}/broker-connections/{key}/").status_code == 204
        with acting_as(account.owner_id):
            row = BrokerConnection.objects.get(pk=key)
        assert (bytes(row.sealed), row.key_hint, row.enabled) == (b"", "", False)


class TestMode:
    @pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
    def test_says_which_broker_is_asked(self, client, brokers, mode, account):
        if mode == "LIVE":
            now_live(account)
        connected(client, account)
        make_order(account, make_instrument(exchange="XNAS"), broker="alpaca")
        sent(account)
        assert [len(server.orders) for server in brokers] == ([1, 0] if mode == "PAPER" else [0, 1])

    def test_a_paper_key_is_not_shown_to_the_live_broker(self, account, client, brokers):
        connected(client, account)
        now_live(account)
        order = make_order(account, make_instrument(exchange="XNAS"), broker="alpaca")
        sent(account)
        for one in watched(account_id=account.pk):
            sync_account(one, clock=lambda: NOW)
        assert [len(server.seen) for server in brokers] == [0, 0]
        with acting_as(account.owner_id):
            assert Order.objects.get(pk=order.pk).sending == "PENDING"
            assert "enter the key for that" in BrokerConnection.objects.get(account=account).last_error
        refused = connected(client, account)  # an order is open from before
        assert (refused.status_code, refused.json()["code"]) == (409, "orders_open")
        assert client.delete(f"/api/v1/accounts/{account.pk}/orders/{order.pk}/").json()["status"] == "CANCELED"
        assert connected(client, account).status_code == 201
        make_order(account, make_instrument(exchange="XNAS"), broker="alpaca")
        sent(account, minutes=1)
        assert [len(server.orders) for server in brokers] == [0, 1]
