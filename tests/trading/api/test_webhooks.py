"""Webhooks and broker connections by REST: secrets are shown once or never, addresses within are refused."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import make_instrument
from tests.trading.factories import make_break, make_connection, make_delivery, make_order, make_webhook
from trading.adapters import webhooks as adapter
from trading.models import Break, BrokerConnection, Webhook

NOW = datetime(2024, 5, 7, 12, tzinfo=UTC)


@pytest.fixture
def client(alice):
    return browser(alice)


@pytest.fixture
def base(account):
    return f"/api/v1/accounts/{account.pk}"


class TestWebhooks:
    def test_show_their_secret_once(self, client, base, account):
        body = {"url": f"https://example.com/{uuid4().hex}", "topics": ["FILL", "RISK"]}
        made = client.post(f"{base}/webhooks/", body, format="json")
        assert made.status_code == 201
        secret, key = made.json()["secret"], made.json()["id"]
        assert secret.startswith("whsec_")
        for address in (f"{base}/webhooks/", f"{base}/webhooks/{key}/"):
            assert secret not in client.get(address).content.decode()
        other = client.post(f"{base}/webhooks/{key}/secret/")
        assert other.json()["secret"] != secret
        with acting_as(account.owner_id):
            row = Webhook.objects.get(pk=key)
        assert row.secret() == other.json()["secret"]
        assert secret.encode() not in bytes(row.sealed)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"url": "https" + "://169.254.169.254/latest/"}, "private_address"),
            ({"url": "http://example.com/"}, "not_encrypted"),
            ({"topics": []}, "min_length"),
            ({"topics": ["WEATHER"]}, "invalid_choice"),
            ({"secret": "mine"}, "unknown_field"),
        ],
    )
    def test_are_refused_by_name(self, client, base, body, code):
        said = {"url": "https://example.com/", "topics": ["FILL"]} | body
        answer = client.post(f"{base}/webhooks/", said, format="json")
        assert answer.status_code == 400
        assert code in answer.content.decode()

    def test_are_refused_where_a_name_leads_within(self, client, base, account, monkeypatch):
        """When they are named and when they are changed, as each time something is sent."""
        monkeypatch.setattr(adapter.socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", ("10.0.0.8", port))])
        body = {"url": "https://rebound.example.com/hook", "topics": ["FILL"]}
        hook = make_webhook(account)
        for answer in (
            client.post(f"{base}/webhooks/", body, format="json"),
            client.patch(f"{base}/webhooks/{hook.pk}/", {"url": body["url"]}, format="json"),
        ):
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "private_address")

    def test_are_named_once(self, client, base):
        body = {"url": f"https://example.com/{uuid4().hex}", "topics": ["FILL"]}
        assert client.post(f"{base}/webhooks/", body, format="json").status_code == 201
        assert client.post(f"{base}/webhooks/", body, format="json").status_code == 409

    def test_begin_anew_when_they_are_switched_on_again(self, client, base, account):
        hook = make_webhook(account, enabled=False, failures=31, last_error="No answer.")
        answer = client.patch(f"{base}/webhooks/{hook.pk}/", {"enabled": True}, format="json").json()
        assert (answer["enabled"], answer["failures"], answer["last_error"]) == (True, 0, "")

    def test_have_a_log_of_what_they_were_told(self, client, base, account):
        hook = make_webhook(account)
        first, second = make_delivery(hook), make_delivery(hook, next_try_at=None, delivered_at=NOW, status_code=200)
        rows = client.get(f"{base}/deliveries/", {"webhook": hook.pk}).json()["results"]
        assert {row["id"] for row in rows} == {str(first.pk), str(second.pk)}
        heard = client.get(f"{base}/deliveries/", {"webhook": hook.pk, "delivered_at__isnull": "false"}).json()["results"]
        assert [row["status_code"] for row in heard] == [200]
        assert client.post(f"{base}/deliveries/{first.pk}/redeliver/").status_code == 409
        assert client.post(f"{base}/deliveries/{second.pk}/redeliver/").json()["delivered_at"] is None


class TestConnections:
    def test_never_show_their_credentials(self, client, base, account):
        body = {"broker": "alpaca", "key": "PKABCDEFGHIJ1234", "secret": "very secret indeed"}
        made = client.post(f"{base}/broker-connections/", body, format="json")
        assert (made.status_code, made.json()["key_hint"]) == (201, "…1234")
        told = client.get(f"{base}/broker-connections/").content.decode() + made.content.decode()
        assert "very secret" not in told
        assert "PKABC" not in told
        with acting_as(account.owner_id):
            row = BrokerConnection.objects.get(account=account)
        assert row.credentials() == {"key": "PKABCDEFGHIJ1234", "secret": "very secret indeed"}

    def test_are_left_only_when_nothing_is_open_there(self, client, base, account):
        row = make_connection(account)
        make_order(account, make_instrument(), broker="alpaca")
        answer = client.delete(f"{base}/broker-connections/{row.pk}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "orders_open")

    def test_forget_credentials_when_they_are_left(self, client, base, account):
        row = make_connection(account)
        assert client.delete(f"{base}/broker-connections/{row.pk}/").status_code == 204
        with acting_as(account.owner_id):
            left = BrokerConnection.objects.get(pk=row.pk)
        assert (left.enabled, left.credentials(), left.key_hint) == (False, {}, "")

    def test_need_key_and_secret(self, client, base):
        answer = client.post(f"{base}/broker-connections/", {"broker": "alpaca"}, format="json")
        assert answer.status_code == 400
        assert client.post(f"{base}/broker-connections/", {"broker": "nobody"}, format="json").status_code == 400


class TestBreaks:
    def test_are_resolved_once_with_a_reason(self, client, base, account, alice):
        row = make_break(account)
        address = f"{base}/breaks/{row.pk}/resolve/"
        assert client.post(address, {}, format="json").status_code == 400
        done = client.post(address, {"resolution": "Posted by hand."}, format="json")
        assert (done.status_code, done.json()["resolved_by"]) == (200, alice.email)
        again = client.post(address, {"resolution": "Again."}, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
        assert client.get(f"{base}/breaks/", {"resolved_at__isnull": "true"}).json()["results"] == []
        with acting_as(alice.pk):
            assert Break.objects.get(pk=row.pk).resolution == "Posted by hand."
