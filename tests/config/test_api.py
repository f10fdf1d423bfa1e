"""The API's manners: one shape for every refusal, whoever refuses."""

import json

import pytest
from django.core import exceptions as django
from django.db import IntegrityError, connection, connections, transaction
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions as rest
from rest_framework import serializers

from accounts.domain.ledger import EntryRefused
from accounts.models import Watchlist
from accounts.models.tenancy import acting_as
from config.api import problem_of
from tests.clients import browser, nobody, program
from tests.factories import LONG_AGO

FIELDS = {"type", "title", "status", "code", "detail", "errors", "request_id"}


class AlreadyThere(django.ValidationError):
    """A refusal with no code of its own."""


class Inner(serializers.Serializer):
    """One of many."""

    quantity = serializers.IntegerField()


class Outer(serializers.Serializer):
    """Holds many."""

    entries = Inner(many=True)
    name = serializers.CharField()


def problem(response) -> dict:
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) == FIELDS
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


class TestProblems:
    def test_nested_fields_are_named_by_their_path(self):
        serializer = Outer(data={"entries": [{"quantity": 1}, {"quantity": "x"}]})
        assert not serializer.is_valid()
        found = problem_of(rest.ValidationError(serializer.errors))
        assert (found.status, found.code) == (400, "invalid")
        assert [(error["field"], error["code"]) for error in found.errors] == [
            ("entries.1.quantity", "invalid"),
            ("name", "required"),
        ]

    def test_one_wrong_field_gives_the_whole_its_code(self):
        found = problem_of(rest.ValidationError({"instrument": [rest.ErrorDetail("Which?", code="ambiguous_instrument")]}))
        assert (found.status, found.code, found.detail) == (400, "ambiguous_instrument", "Which?")

    def test_errors_of_no_field_have_none(self):
        assert problem_of(rest.ValidationError({"non_field_errors": ["Odd."]})).errors[0]["field"] is None
        assert problem_of(django.ValidationError("Odd.")).errors[0]["field"] is None

    def test_a_refusal_is_a_conflict_by_its_name(self):
        assert (problem_of(AlreadyThere("No.")).status, problem_of(AlreadyThere("No.")).code) == (409, "already_there")
        assert problem_of(AlreadyThere("No.", code="other")).code == "other"
        found = problem_of(AlreadyThere({"name": ["No."]}))
        assert (found.status, found.code, found.errors[0]["field"]) == (409, "already_there", "name")

    def test_wrong_fields_of_a_model_are_wrong_input(self):
        found = problem_of(django.ValidationError({"name": django.ValidationError("Odd.", code="odd")}))
        assert (found.status, found.code, found.errors) == (400, "odd", [{"field": "name", "code": "odd", "detail": "Odd."}])

    def test_a_refused_draft_names_its_fields(self):
        found = problem_of(EntryRefused({"cash": "Too much.", "price": "None."}))
        assert (found.status, [error["field"] for error in found.errors]) == (400, ["cash", "price"])

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (Http404("secret"), 404, "not_found"),
            (rest.NotFound("secret"), 404, "not_found"),
            (django.PermissionDenied(), 403, "permission_denied"),
            (rest.NotAuthenticated(), 401, "not_authenticated"),
            (rest.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
            (rest.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
            (django.RequestDataTooBig(), 413, "too_large"),
            (django.TooManyFieldsSent(), 400, "bad_request"),
            (UnreadablePostError(), 400, "bad_request"),
        ],
    )
    def test_framework_errors_have_their_status(self, error, status, code):
        found = problem_of(error)
        assert (found.status, found.code) == (status, code)
        assert "secret" not in found.detail

    def test_a_fault_of_ours_is_no_refusal(self):
        assert problem_of(KeyError("x")) is None

    def test_the_database_refuses_by_name(self, alice):
        with acting_as(alice.pk):
            Watchlist.objects.create(user=alice, name="One", created_at=LONG_AGO)
            with pytest.raises(IntegrityError) as twice, transaction.atomic():
                Watchlist.objects.create(user=alice, name="One", created_at=LONG_AGO)
        found = problem_of(twice.value)
        assert (found.status, found.code) == (409, "watchlist_name_once")

    @pytest.mark.parametrize(
        ("sql", "status", "code"),
        [
            (
                "insert into accounts_watchlist (id, name, created_at, user_id) values (gen_random_uuid(), 'x', now(), null)",
                403,
                "permission_denied",
            ),
            ("select 9999999999999999999::int", 400, "invalid"),
            ("do $$ begin raise exception 'x' using errcode = 'BR001'; end $$", 409, "account_closed"),
            ("do $$ begin raise exception 'x' using errcode = 'BR003'; end $$", 409, "last_owner"),
            ("do $$ begin raise exception 'x' using errcode = 'restrict_violation'; end $$", 409, "append_only"),
            ("do $$ begin raise exception 'x' using errcode = 'deadlock_detected'; end $$", 503, "busy"),
            (
                "do $$ begin raise exception 'x' using errcode = 'check_violation', constraint = 'some_rule'; end $$",
                400,
                "some_rule",
            ),
            ("do $$ begin raise exception 'x' using errcode = 'admin_shutdown'; end $$", 503, "unavailable"),
        ],
    )
    def test_the_database_refuses_with_a_status(self, sql, status, code):
        with pytest.raises(Exception) as refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
        found = problem_of(refused.value)
        assert (found.status, found.code) == (status, code)

    def test_a_statement_of_ours_that_is_wrong_is_a_fault(self):
        with pytest.raises(Exception) as wrong, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("selec")
        assert problem_of(wrong.value) is None


class TestAnswers:
    def test_an_unknown_route_is_a_problem(self):
        assert problem(nobody().get("/api/v1/nothing/"))["code"] == "not_found"
        assert problem(nobody().post("/api/nothing/"))["code"] == "not_found"

    def test_a_page_that_is_not_there_is_a_page(self):
        response = nobody().get("/nothing/")
        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")

    def test_the_wrong_method_is_refused(self, alice):
        response = browser(alice).put("/api/v1/me/", {})
        assert problem(response)["code"] == "method_not_allowed"
        assert "PATCH" in response.headers["Allow"]

    def test_options_names_the_methods_and_no_more(self, alice):
        response = browser(alice).options("/api/v1/me/")
        assert (response.status_code, response.content) == (200, b"{}")
        assert "PATCH" in response.headers["Allow"]

    def test_a_format_nobody_speaks_is_refused(self, alice):
        assert problem(browser(alice).get("/api/v1/me/", HTTP_ACCEPT="text/html"))["status"] == 406

    def test_a_body_in_another_format_is_refused(self, alice):
        response = browser(alice).patch("/api/v1/me/", "a=b", content_type="application/x-www-form-urlencoded")
        assert problem(response)["status"] == 415

    @pytest.mark.parametrize("body", ["{", "[]", '{"a": NaN}', '{"a": ' + "[" * 100_000, "\0", '{"display_name": "\\u0000"}'])
    def test_a_body_that_is_no_object_is_refused(self, alice, body):
        response = browser(alice).patch("/api/v1/me/", body, content_type="application/json")
        assert problem(response)["code"] == "parse_error"

    def test_a_body_beyond_the_limit_is_refused(self, alice, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        body = json.dumps({"display_name": "x" * 1000})
        assert problem(browser(alice).patch("/api/v1/me/", body, content_type="application/json"))["status"] == 413
        assert (
            problem(browser(alice).post("/api/v1/watchlists/", body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="x"))[
                "status"
            ]
            == 413
        )

    def test_a_request_id_of_the_caller_is_echoed(self, alice):
        assert browser(alice).get("/api/v1/me/", HTTP_X_REQUEST_ID="my-id.1").headers["X-Request-ID"] == "my-id.1"

    @pytest.mark.parametrize("name", ["", "a b", "x" * 65, "<b>", "a\nb"])
    def test_a_request_id_nobody_can_read_is_replaced(self, name):
        answered = nobody().get("/api/v1/me/", HTTP_X_REQUEST_ID=name).headers["X-Request-ID"]
        assert answered != name
        assert len(answered) == 32

    def test_answers_are_not_for_others_caches(self, alice):
        response = browser(alice).get("/api/v1/me/")
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "Cookie"} <= set(response.headers["Vary"].split(", "))
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    def test_a_fault_of_ours_undoes_everything_and_says_so(self, alice, monkeypatch):
        monkeypatch.setattr("accounts.api.watchlists.WatchlistSerializer.to_representation", lambda *_: 1 / 0)
        client = browser(alice)
        client.raise_request_exception = False
        response = client.post("/api/v1/watchlists/", {"name": "Lost"})
        assert problem(response)["code"] == "fault"
        with acting_as(alice.pk):
            assert not Watchlist.objects.filter(name="Lost").exists()


class TestWaiting:
    def test_who_waits_too_long_for_somebody_else_is_asked_to_come_again(self, alice, account, monkeypatch):
        monkeypatch.setattr("accounts.models.tenancy.PATIENCE", "100ms")
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            cursor.execute("select from accounts_account where id = %s for update", [account.pk])
            answer = browser(alice).patch(f"/api/v1/accounts/{account.pk}/", {"name": "Other"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert problem(answer)["code"] == "busy"
        assert browser(alice).patch(f"/api/v1/accounts/{account.pk}/", {"name": "Other"}).status_code == 200


class TestEtag:
    def test_what_did_not_change_is_not_sent_again(self, alice, account):
        client = program(alice)
        path = f"/api/v1/accounts/{account.pk}/"
        first = client.get(path)
        again = client.get(path, HTTP_IF_NONE_MATCH=first.headers["ETag"])
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        client.patch(path, {"name": "Other"})
        assert client.get(path, HTTP_IF_NONE_MATCH=first.headers["ETag"]).status_code == 200
