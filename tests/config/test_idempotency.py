"""The same request under the same key is done once, and hears the same answer again."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections

from accounts.models import Account, ApiToken, IdempotencyKey, Watchlist
from accounts.models.tenancy import acting_as
from accounts.tasks import forget_old_answers
from tests.clients import browser, nobody, program
from tests.factories import LONG_AGO, PASSWORD, make_user

LISTS = "/api/v1/watchlists/"
LOGIN = "/api/v1/auth/token/"


def names(user) -> list[str]:
    with acting_as(user.pk):
        return sorted(Watchlist.objects.values_list("name", flat=True))


def keys(user) -> list[IdempotencyKey]:
    with acting_as(user.pk):
        return list(IdempotencyKey.objects.all())


class TestIdempotencyKey:
    def test_a_retry_hears_the_same_and_does_nothing(self, alice):
        client = browser(alice)
        first = client.post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k")
        again = client.post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k")
        assert first.status_code == again.status_code == 201
        assert first.content == again.content
        assert first.headers["Content-Type"] == again.headers["Content-Type"]
        assert names(alice) == ["Tech"]

    def test_another_body_is_refused(self, alice):
        client = browser(alice)
        client.post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k")
        refused = client.post(LISTS, {"name": "Energy"}, HTTP_IDEMPOTENCY_KEY="k")
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
        assert names(alice) == ["Tech"]

    def test_another_route_is_another_request(self, alice):
        client = browser(alice)
        client.post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k")
        assert client.post("/api/v1/accounts/", {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 409

    def test_a_refusal_is_repeated_too(self, alice):
        client = browser(alice)
        first = client.post(LISTS, {"name": ""}, HTTP_IDEMPOTENCY_KEY="k")
        again = client.post(LISTS, {"name": ""}, HTTP_IDEMPOTENCY_KEY="k")
        assert first.status_code == 400
        assert first.content == again.content

    def test_two_people_and_two_tokens_have_keys_of_their_own(self, alice, bob):
        callers = [browser(alice), program(alice), program(alice), browser(bob)]
        answers = [
            caller.post("/api/v1/accounts/", {"name": "A", "base_currency": "USD"}, HTTP_IDEMPOTENCY_KEY="k")
            for caller in callers
        ]
        assert [answer.status_code for answer in answers] == [201] * 4
        assert len({answer.json()["id"] for answer in answers}) == 4

    def test_at_the_same_time_one_is_done(self, alice):
        def ask(_: int) -> tuple[int, bytes]:
            try:
                answer = browser(alice).post(
                    "/api/v1/accounts/", {"name": "Once", "base_currency": "USD"}, HTTP_IDEMPOTENCY_KEY="k"
                )
                return answer.status_code, answer.content
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(ask, range(8)))
        assert len(answers) == 1
        assert answers.pop()[0] == 201
        with acting_as(alice.pk):
            assert Account.objects.filter(name="Once").count() == 1

    def test_a_fault_is_not_kept(self, alice, monkeypatch):
        client = browser(alice)
        client.raise_request_exception = False
        with monkeypatch.context() as broken:
            broken.setattr("accounts.api.watchlists.WatchlistSerializer.to_representation", lambda *_: 1 / 0)
            assert client.post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 500
        assert client.post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 201

    @pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é"])
    def test_a_key_nobody_can_read_is_refused(self, alice, key):
        refused = browser(alice).post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY=key)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == "Idempotency-Key"

    def test_a_file_counts_by_its_content(self, alice, account):
        def send(content: bytes):
            body = {"file": SimpleUploadedFile("log.csv", content)}
            return browser(alice).post(
                f"/api/v1/accounts/{account.pk}/imports/", body, format="multipart", HTTP_IDEMPOTENCY_KEY="k"
            )

        log = b"event_id,timestamp,event_type,cash_delta\n1,2020-01-02T12:00:00Z,DEPOSIT,5\n"
        first = send(log)
        assert first.status_code == 201, first.content
        assert send(log).content == first.content
        assert send(log.replace(b"5", b"6")).json()["code"] == "idempotency_key_reused"

    def test_it_counts_for_post_alone(self, alice):
        client = browser(alice)
        assert client.patch("/api/v1/me/", {"display_name": "A"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 200
        assert client.patch("/api/v1/me/", {"display_name": "B"}, HTTP_IDEMPOTENCY_KEY="k").json()["display_name"] == "B"


class TestLogin:
    def ask(self, user, key="k", **changes):
        body = {"email": user.email, "password": PASSWORD, "name": "laptop", "scopes": ["read"]} | changes
        return nobody().post(LOGIN, body, HTTP_IDEMPOTENCY_KEY=key)

    def test_a_retry_hears_the_same_secret(self, alice):
        first, again = self.ask(alice), self.ask(alice)
        assert first.status_code == 201
        assert first.content == again.content
        with acting_as(alice.pk):
            assert ApiToken.objects.count() == 1

    def test_another_wish_is_refused(self, alice):
        self.ask(alice)
        assert self.ask(alice, scopes=["manage"]).json()["code"] == "idempotency_key_reused"

    def test_the_key_tells_nobody_without_the_password(self, alice):
        self.ask(alice)
        assert self.ask(alice, password="wrong").status_code == 401

    def test_two_people_may_use_one_key(self, alice):
        assert self.ask(alice).json()["id"] != self.ask(make_user()).json()["id"]

    def test_what_is_kept_shows_no_secret(self, alice):
        secret = self.ask(alice).json()["token"]
        (kept,) = keys(alice)
        assert secret.encode() not in bytes(kept.answer)
        assert PASSWORD.encode() not in bytes(kept.answer)

    def test_an_answer_that_cannot_be_read_any_more_is_said_to_be_lost(self, alice, settings):
        self.ask(alice)
        former, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 10
        assert self.ask(alice).status_code == 409
        settings.SECRET_KEY_FALLBACKS = [former]


class TestForgetting:
    def test_old_answers_of_everybody_go(self, alice, bob):
        for user in (alice, bob):
            browser(user).post(LISTS, {"name": "Tech"}, HTTP_IDEMPOTENCY_KEY="k")
            with acting_as(user.pk):
                IdempotencyKey.objects.update(created_at=LONG_AGO)
        browser(alice).post(LISTS, {"name": "Energy"}, HTTP_IDEMPOTENCY_KEY="new")
        forget_old_answers()
        assert [key.key for key in keys(alice)] == ["session:new"]
        assert keys(bob) == []
