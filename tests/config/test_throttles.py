"""How often a caller may ask."""

from uuid import uuid4

import pytest
from django.conf import settings as configured

from tests.clients import bearer, browser, make_token, nobody
from tests.factories import PASSWORD, make_user

ME, LOGIN = "/api/v1/me/", "/api/v1/auth/token/"


@pytest.fixture
def rates(settings):
    """Return a function that sets rates."""

    def change(**rates: str) -> None:
        framework = settings.REST_FRAMEWORK
        settings.REST_FRAMEWORK = framework | {"DEFAULT_THROTTLE_RATES": framework["DEFAULT_THROTTLE_RATES"] | rates}

    return change


@pytest.fixture
def no_redis(settings):
    """Take Redis away: nothing listens on port 1."""
    settings.CACHES = {"default": configured.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}


def login(client, email, password="wrong"):  # noqa: S107
    return client.post(LOGIN, {"email": email, "password": password, "name": "x", "scopes": ["read"]})


class TestCallers:
    def test_each_token_has_a_rate_of_its_own(self, alice, rates):
        rates(caller="3/d")
        client = bearer(make_token(alice).secret)
        assert [client.get(ME).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        assert bearer(make_token(alice).secret).get(ME).status_code == 200
        assert browser(alice).get(ME).status_code == 200

    def test_a_refusal_says_how_long_to_wait(self, alice, rates):
        rates(caller="1/min")
        client = browser(alice)
        client.get(ME)
        refused = client.get(ME)
        assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60

    def test_all_may_pass_while_redis_is_away(self, alice, rates, no_redis):
        rates(caller="1/min")
        client = browser(alice)
        assert [client.get(ME).status_code for _ in range(3)] == [200, 200, 200]

    def test_a_retry_that_was_turned_away_is_looked_at_again(self, alice, rates):
        rates(caller="0/d")
        client = browser(alice)
        assert client.post("/api/v1/watchlists/", {"name": "A"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 429
        rates(caller="5/d")
        assert client.post("/api/v1/watchlists/", {"name": "A"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


class TestLogins:
    def test_an_address_may_try_so_often(self, rates):
        rates(login="2/d")
        client = nobody()
        tries = [login(client, f"{uuid4()}@example.com").status_code for n in range(4)]
        assert tries == [401, 401, 429, 429]

    def test_an_email_may_be_tried_so_often_from_anywhere(self, rates):
        rates(login="2/d")
        user = make_user()
        tries = [login(nobody(), email).status_code for email in (user.email, user.email.upper(), f" {user.email}")]
        assert tries == [401, 401, 429]
        assert login(nobody(), user.email, PASSWORD).status_code == 429

    def test_the_admins_form_counts_too(self, alice, rates):
        rates(login="2/d")
        for _ in range(2):
            login(nobody(), alice.email)
        page = nobody().post("/admin/login/", {"username": alice.email, "password": PASSWORD}, format="multipart")
        assert page.status_code == 200
        assert b"Too many tries" in page.content

    def test_nobody_may_try_while_redis_is_away(self, alice, no_redis):
        refused = login(nobody(), alice.email, PASSWORD)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "60"
        page = nobody().post("/admin/login/", {"username": alice.email, "password": PASSWORD}, format="multipart")
        assert b"Too many tries" in page.content
