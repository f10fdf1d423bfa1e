"""Who is believed to call, and what their token reaches."""

from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient

from accounts.models import ApiToken, Notification
from accounts.models.tenancy import acting_as
from accounts.services.notifications import notify
from accounts.services.tokens import revoke_token
from tests.clients import bearer, browser, make_token, nobody, program
from tests.factories import LONG_AGO, PASSWORD, make_account

ME = "/api/v1/me/"


def stored(issued) -> ApiToken:
    with acting_as(issued.token.user_id):
        return ApiToken.objects.get(pk=issued.token.pk)


class TestBearer:
    def test_a_good_token_is_its_user(self, alice):
        assert program(alice).get(ME).json()["email"] == alice.email

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Bearer brk_aaaaaaaa_" + "x" * 43,
            "bearer brk a",
            "Bearer brk_é",
            "Bearer \0",
            "Bearer " + "a" * 5000,
        ],
    )
    def test_a_token_that_is_none_is_refused(self, header):
        response = nobody(HTTP_AUTHORIZATION=header).get(ME)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
        assert "invalid_token" in response.headers["WWW-Authenticate"]

    def test_a_bad_token_is_refused_even_beside_a_session(self, alice):
        assert browser(alice).get(ME, HTTP_AUTHORIZATION="Bearer x").status_code == 401

    def test_a_bad_token_is_refused_where_there_is_nothing(self):
        assert bearer("x").get("/api/v1/nothing/").status_code == 401

    def test_a_token_outweighs_a_session(self, alice, bob):
        client = browser(alice)
        assert client.get(ME, HTTP_AUTHORIZATION=f"Bearer {make_token(bob).secret}").json()["email"] == bob.email

    def test_an_expired_token_is_refused(self, alice):
        with acting_as(alice.pk):
            issued = make_token(alice, expires_at=datetime.now(UTC) + timedelta(seconds=60))
            assert bearer(issued.secret).get(ME).status_code == 200
            ApiToken.objects.filter(pk=issued.token.pk).update(expires_at=LONG_AGO)
            assert bearer(issued.secret).get(ME).status_code == 401

    def test_a_revoked_token_is_refused_at_once(self, alice):
        issued = make_token(alice)
        client = bearer(issued.secret)
        assert client.get(ME).status_code == 200
        with acting_as(alice.pk):
            revoke_token(token=issued.token, at=datetime.now(UTC))
        assert client.get(ME).status_code == 401

    def test_the_token_of_somebody_deactivated_is_refused(self, alice):
        client = program(alice)
        alice.is_active = False
        alice.save()
        assert client.get(ME).status_code == 401
        assert browser(alice).get(ME).status_code == 401

    def test_a_token_counts_under_the_api_alone(self, alice):
        assert program(alice).get("/admin/").status_code == 302

    def test_its_last_use_is_noted_at_most_once_a_minute(self, alice):
        issued = make_token(alice)
        client = bearer(issued.secret)
        client.get(ME)
        first = stored(issued).last_used_at
        assert first is not None
        client.get(ME)
        assert stored(issued).last_used_at == first
        with acting_as(alice.pk):
            ApiToken.objects.filter(pk=issued.token.pk).update(last_used_at=first - timedelta(minutes=2))
        client.get(ME)
        assert stored(issued).last_used_at > first

    def test_no_log_and_no_refusal_shows_a_secret(self, alice, caplog):
        issued = make_token(alice, ["read"])
        with caplog.at_level("DEBUG"):
            answers = [
                bearer(issued.secret).post("/api/v1/watchlists/", {"name": "x"}),
                bearer(issued.secret + "x").get(ME),
                nobody().post(
                    "/api/v1/auth/token/", {"email": alice.email, "password": "canary-canary", "name": "x", "scopes": [1]}
                ),
                nobody().post(
                    "/api/v1/auth/token/", {"email": alice.email, "password": "canary-canary", "name": "x", "scopes": ["read"]}
                ),
            ]
        assert [answer.status_code for answer in answers] == [403, 401, 400, 401]
        said = caplog.text + "".join(answer.content.decode() for answer in answers)
        assert not [secret for secret in (issued.secret, "canary-canary", issued.token.digest) if secret in said]

    def test_a_refused_request_is_a_use_too(self, alice):
        issued = make_token(alice)
        bearer(issued.secret).get("/api/v1/accounts/00000000-0000-7000-8000-000000000000/")
        assert stored(issued).last_used_at is not None


class TestSession:
    def test_a_write_needs_the_csrf_token(self, alice):
        client = browser(alice)
        client.handler.enforce_csrf_checks = True
        refused = client.patch(ME, {"display_name": "A"})
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        client.get("/admin/")
        client.cookies["csrftoken"] = "x" * 32
        assert client.patch(ME, {"display_name": "A"}, HTTP_X_CSRFTOKEN="x" * 32).status_code == 200

    def test_a_write_by_token_needs_none(self, alice):
        client = program(alice)
        client.handler.enforce_csrf_checks = True
        assert client.patch(ME, {"display_name": "A"}).status_code == 200

    def test_logging_in_and_out_works(self, alice):
        client = nobody()
        answer = client.post("/admin/login/", {"username": alice.email.upper(), "password": PASSWORD}, format="multipart")
        assert answer.status_code == 302
        assert client.get(ME).status_code == 200
        client.post("/admin/logout/")
        assert client.get(ME).status_code == 401

    def test_another_person_may_log_in_over_a_session(self, alice, bob):
        client = browser(alice)
        client.post("/admin/login/", {"username": bob.email, "password": PASSWORD}, format="multipart")
        assert client.get(ME).json()["email"] == bob.email


class TestScopes:
    @pytest.mark.parametrize(
        ("scopes", "read", "trade", "manage"),
        [(["read"], 200, 403, 403), (["trade"], 200, 201, 403), (["manage"], 200, 201, 200), (["read", "manage"], 200, 201, 200)],
    )
    def test_a_higher_scope_includes_the_lower_ones(self, alice, scopes, read, trade, manage):
        client = program(alice, scopes)
        assert client.get(ME).status_code == read
        assert client.post("/api/v1/watchlists/", {"name": "Tech"}).status_code == trade
        answer = client.patch(ME, {"display_name": "A"})
        assert answer.status_code == manage
        if manage == 403:
            assert answer.json()["code"] == "scope_too_low"

    def test_a_token_reaches_its_accounts_alone(self, alice, account):
        other = make_account(owner=alice)
        client = program(alice, accounts=[account.pk])
        assert [row["id"] for row in client.get("/api/v1/accounts/").json()["results"]] == [str(account.pk)]
        assert client.get(f"/api/v1/accounts/{account.pk}/").status_code == 200
        assert client.get(f"/api/v1/accounts/{other.pk}/").status_code == 404
        assert client.patch(f"/api/v1/accounts/{other.pk}/", {"name": "Mine"}).status_code == 404

    def test_a_limited_token_opens_no_account_and_joins_none(self, alice, account, charlie):
        client = program(alice, accounts=[account.pk])
        refused = client.post("/api/v1/accounts/", {"name": "New", "base_currency": "USD"})
        assert (refused.status_code, refused.json()["code"]) == (403, "token_limited")
        assert client.get("/api/v1/invitations/").json()["results"] == []


class TestTransaction:
    def test_an_asynchronous_server_acts_for_the_same_person(self, alice, account):
        async def ask():
            headers = {"Authorization": f"Bearer {secret}"}
            return await AsyncClient().get("/api/v1/accounts/", headers=headers)

        secret = make_token(alice).secret
        answer = async_to_sync(ask)()
        assert [row["id"] for row in answer.json()["results"]] == [str(account.pk)]

    def test_nobody_is_left_in_the_connection_after_a_request(self, alice):
        browser(alice).get(ME)
        with connection.cursor() as cursor:
            cursor.execute(
                "select coalesce(current_setting('app.user_id', true), ''), "
                "coalesce(current_setting('app.account_ids', true), '')"
            )
            assert cursor.fetchone() == ("", "")

    def test_a_page_of_the_admin_shows_the_users_rows(self, alice):
        with acting_as(alice.pk):
            notify(user=alice, title="Seen only by Alice", at=LONG_AGO)
            assert Notification.objects.count() == 1
        assert browser(alice).get("/api/v1/notifications/").json()["results"][0]["title"] == "Seen only by Alice"
