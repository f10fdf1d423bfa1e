"""Credentials: encrypted, readable under a former key of the site, and never in a page, a log or a repr."""

import pytest
from django.db import IntegrityError, connections

from accounts.domain.roles import Role
from accounts.models.tenancy import acting_as
from tests.factories import make_user, share
from tests.trading.factories import AT, make_break, make_connection, make_delivery, make_webhook
from trading.models import Break, BrokerConnection, Delivery
from trading.models.sealed import SecretLost, hint, seal, unseal

SECRET = "s3cret s3cret s3cret"


class TestSealed:
    def test_comes_out_as_it_went_in_and_never_the_same_twice(self):
        secrets = {"key": "PK1", "secret": "ünicode"}
        assert unseal(seal(secrets)) == secrets
        assert seal(secrets) != seal(secrets)

    def test_is_readable_under_a_former_key_until_it_is_gone(self, settings):
        settings.SECRET_KEY_FALLBACKS = []
        sealed, former = seal({"secret": "x"}), settings.SECRET_KEY
        settings.SECRET_KEY = "another key altogether"
        with pytest.raises(SecretLost, match="enter it again"):
            unseal(sealed)
        settings.SECRET_KEY_FALLBACKS = [former]
        fresh = seal(unseal(sealed))
        settings.SECRET_KEY_FALLBACKS = []
        assert unseal(fresh) == {"secret": "x"}

    def test_is_not_what_somebody_changed(self):
        sealed = seal({"secret": "x"})
        with pytest.raises(SecretLost):
            unseal(sealed[:-5] + b"AAAA=")

    @pytest.mark.parametrize(("secret", "shown"), [("PK0123456789", "…6789"), ("PK012345678", "…"), ("", "…")])
    def test_is_hinted_at_where_it_is_long_enough(self, secret, shown):
        assert hint(secret) == shown


class TestBrokerConnection:
    def test_keeps_its_credentials_where_no_table_shows_them(self, account):
        made = make_connection(account)
        assert made.credentials() == {"key": "PKTESTTESTTEST1234", "secret": SECRET}
        assert made.key_hint == "…1234"
        with connections["owner"].cursor() as cursor:
            cursor.execute("select c::text from trading_brokerconnection c where id = %s", [made.pk])
            stored = cursor.fetchone()[0]
        assert SECRET not in stored
        assert SECRET.encode().hex() not in stored
        assert "PKTEST" not in stored
        assert SECRET not in f"{made!r} {made}"

    def test_without_credentials_has_none(self, account):
        assert BrokerConnection(account=account, broker="paper").credentials() == {}

    def test_is_one_in_use(self, account):
        make_connection(account)
        with pytest.raises(IntegrityError, match="one_broker_in_use"):
            make_connection(account, broker="paper")
        assert make_connection(account, broker="paper", enabled=False)

    def test_is_its_owners_to_change(self, account):
        made, tom = make_connection(account), share(account, make_user("tom"), Role.TRADER)
        with acting_as(tom.pk):
            assert BrokerConnection.objects.filter(pk=made.pk).update(enabled=False) == 0
            assert BrokerConnection.objects.filter(pk=made.pk).delete()[0] == 0


class TestBreak:
    def test_is_open_once_and_may_come_back(self, account):
        made = make_break(account, subject="AAPL")
        with pytest.raises(IntegrityError, match="break_open_once"):
            make_break(account, subject="AAPL")
        with acting_as(account.owner_id):
            Break.objects.filter(pk=made.pk).update(resolved_at=AT, resolved_by=account.owner, resolution="A late fill.")
            assert not Break.objects.open().exists()
        assert make_break(account, subject="AAPL")


class TestWebhook:
    def test_keeps_its_secret(self, account):
        assert make_webhook(account).secret() == "whsec"

    @pytest.mark.parametrize(
        ("fields", "name"),
        [({"url": "http://example.com/"}, "webhook_is_encrypted"), ({"topics": []}, "webhook_is_told_something")],
    )
    def test_keeps_to_its_rules(self, account, fields, name):
        with pytest.raises(IntegrityError, match=name):
            make_webhook(account, **fields)

    def test_takes_its_deliveries_along(self, account):
        delivery = make_delivery(make_webhook(account))
        with pytest.raises(IntegrityError, match="told_once"):
            make_delivery(delivery.webhook, event_id=delivery.event_id)
        with acting_as(account.owner_id):
            delivery.webhook.delete()
            assert not Delivery.objects.filter(pk=delivery.pk).exists()
