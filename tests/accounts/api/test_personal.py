"""What is a person's own, over the API: profile, tokens, watchlists, mailbox; and the jobs of their accounts."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import JobRun
from accounts.models.tenancy import acting_as
from accounts.services.accounts import open_account
from accounts.services.notifications import notify
from tests.clients import bearer, browser, make_token, nobody, program
from tests.factories import LONG_AGO, PASSWORD, make_account, make_instrument, make_user

ME, TOKENS, LOGIN = "/api/v1/me/", "/api/v1/tokens/", "/api/v1/auth/token/"
LISTS, BOX = "/api/v1/watchlists/", "/api/v1/notifications/"


def errors(answer) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.content
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


class TestMe:
    def test_the_profile_is_read_and_changed(self, alice):
        client = browser(alice)
        assert set(client.get(ME).json()) == {"id", "email", "display_name", "time_zone", "base_currency", "mail_topics"}
        changed = client.patch(ME, {"display_name": "", "time_zone": "America/New_York", "base_currency": "JPY"})
        assert changed.status_code == 200
        assert client.get(ME).json() == changed.json()
        assert changed.json()["time_zone"] == "America/New_York"

    @pytest.mark.parametrize(
        ("wrong", "field", "code"),
        [
            ({"email": "x@example.com"}, "email", "unknown_field"),
            ({"is_superuser": True}, "is_superuser", "unknown_field"),
            ({"password": "x"}, "password", "unknown_field"),
            ({"time_zone": "Mars/Olympus"}, "time_zone", "unknown_time_zone"),
            ({"base_currency": "ABC"}, "base_currency", "unknown_currency"),
            ({"display_name": "a\u200bb"}, "display_name", "invalid"),
        ],
    )
    def test_a_wrong_field_is_named(self, alice, wrong, field, code):
        assert errors(browser(alice).patch(ME, wrong)) == [(field, code)]


class TestLogin:
    def ask(self, user, **changes):
        return nobody().post(LOGIN, {"email": user.email, "password": PASSWORD, "name": "laptop", "scopes": ["read"]} | changes)

    def test_a_password_is_shown_for_a_token(self, alice, account):
        answer = self.ask(alice, accounts=[str(account.pk)], expires_in=3600, scopes=["trade"])
        assert answer.status_code == 201
        made = answer.json()
        assert {"token", "id", "prefix", "expires_at"} <= set(made)
        assert made["token"].startswith(made["prefix"])
        left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        client = bearer(made["token"])
        assert [row["id"] for row in client.get("/api/v1/accounts/").json()["results"]] == [str(account.pk)]

    def test_a_token_ends_by_itself_unless_asked_otherwise(self, alice):
        assert self.ask(alice).json()["expires_at"] is not None

    def test_the_wrong_password_and_nobody_hear_the_same(self, alice):
        wrong, unknown = self.ask(alice, password="wrong"), self.ask(alice, email="nobody@example.com")
        assert wrong.status_code == unknown.status_code == 401
        assert wrong.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
        assert wrong.json()["code"] == "wrong_credentials"
        assert "WWW-Authenticate" in wrong.headers

    def test_somebody_deactivated_hears_the_same(self, alice):
        alice.is_active = False
        alice.save()
        assert self.ask(alice).json()["code"] == "wrong_credentials"

    def test_neither_a_session_nor_a_token_of_another_is_in_the_way(self, alice, bob):
        body = {"email": bob.email, "password": PASSWORD, "name": "x", "scopes": ["read"]}
        for client in (browser(alice), program(alice), bearer("rubbish")):
            token = client.post(LOGIN, body).json()["token"]
            assert bearer(token).get(ME).json()["email"] == bob.email

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"scopes": []}, "scopes"),
            ({"scopes": ["admin"]}, "scopes.0"),
            ({"scopes": "read"}, "scopes"),
            ({"expires_in": 59}, "expires_in"),
            ({"expires_in": "3600"}, "expires_in"),
            ({"expires_in": 3600.5}, "expires_in"),
            ({"expires_in": 10**12}, "expires_in"),
            ({"expires_in": True}, "expires_in"),
            ({"accounts": []}, "accounts"),
            ({"accounts": ["x"]}, "accounts.0"),
            ({"accounts": ["01900000-0000-7000-8000-000000000000"]}, "accounts"),
            ({"name": ""}, "name"),
            ({"email": 5}, "email"),
            ({"password": ["x"]}, "password"),
            ({"otp": "1"}, "otp"),
        ],
    )
    def test_a_wrong_wish_is_named(self, alice, wrong, field):
        assert [name for name, _ in errors(self.ask(alice, **wrong))] == [field]

    def test_a_foreign_account_is_refused(self, alice, charlie):
        theirs = make_account(owner=charlie)
        assert errors(self.ask(alice, accounts=[str(theirs.pk)])) == [("accounts", "unknown_account")]


class TestTokens:
    def test_the_secret_is_shown_once(self, alice):
        client = browser(alice)
        made = client.post(TOKENS, {"name": "server", "scopes": ["read", "trade"]}).json()
        assert bearer(made["token"]).get(ME).status_code == 200
        shown = client.get(f"{TOKENS}{made['id']}/").json()
        assert "token" not in shown
        assert set(shown) == {"id", "name", "prefix", "scopes", "accounts", "expires_at", "last_used_at", "created_at"}
        assert shown["last_used_at"] is not None
        assert client.get(TOKENS).json()["results"] == [shown]

    def test_a_revoked_one_is_gone_at_once(self, alice):
        client = browser(alice)
        made = client.post(TOKENS, {"name": "server", "scopes": ["read"]}).json()
        assert client.delete(f"{TOKENS}{made['id']}/").status_code == 204
        assert bearer(made["token"]).get(ME).status_code == 401
        assert client.get(f"{TOKENS}{made['id']}/").status_code == 404
        assert client.delete(f"{TOKENS}{made['id']}/").status_code == 404

    def test_one_may_revoke_itself(self, alice):
        issued = make_token(alice)
        client = bearer(issued.secret)
        assert client.delete(f"{TOKENS}{issued.token.pk}/").status_code == 204
        assert client.get(ME).status_code == 401

    def test_one_makes_no_wider_one(self, alice, account):
        limited = program(alice, ["manage"], [account.pk])
        other = make_account(owner=alice)
        refused = limited.post(TOKENS, {"name": "x", "scopes": ["read"], "accounts": [str(account.pk), str(other.pk)]})
        assert (refused.status_code, refused.json()["code"]) == (403, "wider_than_itself")
        made = limited.post(TOKENS, {"name": "x", "scopes": ["manage"]})
        assert made.json()["accounts"] == [str(account.pk)]

    @pytest.mark.parametrize(
        "wrong", [{"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "2999-01-01"}, {"digest": "x"}, {"user": "x"}]
    )
    def test_a_wrong_wish_is_named(self, alice, wrong):
        assert [name for name, _ in errors(browser(alice).post(TOKENS, {"name": "x", "scopes": ["read"]} | wrong))] == list(wrong)


class TestWatchlists:
    def test_a_list_is_made_changed_and_thrown_away(self, alice):
        first, second = make_instrument(), make_instrument()
        client = browser(alice)
        made = client.post(LISTS, {"name": "Tech", "instruments": [first.key, second.symbol]})
        assert made.status_code == 201
        assert made.json()["instruments"] == sorted([first.key, second.key])
        path = f"{LISTS}{made.json()['id']}/"
        assert client.patch(path, {"instruments": []}).json()["instruments"] == []
        assert client.patch(path, {"name": "Other"}).json()["name"] == "Other"
        assert client.get(path).json()["name"] == "Other"
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404

    def test_a_name_is_taken_once(self, alice):
        client = browser(alice)
        client.post(LISTS, {"name": "Tech"})
        refused = client.post(LISTS, {"name": "Tech"})
        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")

    def test_an_instrument_that_is_none_is_named_by_its_place(self, alice):
        good = make_instrument()
        refused = browser(alice).post(LISTS, {"name": "Tech", "instruments": [good.key, "NONE:XTST"]})
        assert errors(refused) == [("instruments.1", "unknown_instrument")]


class TestNotifications:
    def test_a_message_is_read_made_new_and_thrown_away(self, alice):
        with acting_as(alice.pk):
            message = notify(user=alice, title="Hello", body="World", at=LONG_AGO)
        client = browser(alice)
        path = f"{BOX}{message.pk}/"
        assert client.patch(path, {"read_at": "2024-01-02T00:00:00+01:00"}).json()["read_at"] == "2024-01-01T23:00:00Z"
        assert client.get(BOX, {"read_at__isnull": "true"}).json()["results"] == []
        assert client.patch(path, {"read_at": None}).json()["read_at"] is None
        assert errors(client.patch(path, {"title": "Other", "read_at": None})) == [("title", "unknown_field")]
        assert errors(client.patch(path, {})) == [("read_at", "required")]
        assert errors(client.patch(path, {"read_at": "2999-01-01T00:00:00Z"})) == [("read_at", "future")]
        assert client.delete(path).status_code == 204
        assert client.get(BOX).json()["results"] == []


class TestJobs:
    @pytest.fixture
    def jobs(self, alice):
        """Return the address of the jobs of an account that was opened by the service."""
        with acting_as(alice.pk):
            account = open_account(owner=alice, name="A", base_currency="USD", at=LONG_AGO)
        return f"/api/v1/accounts/{account.pk}/jobs/"

    def test_an_owner_sets_the_schedule(self, alice, jobs):
        client = browser(alice)
        rows = client.get(jobs).json()["results"]
        assert [row["kind"] for row in rows] == ["ACTIONS", "REFRESH", "SNAPSHOT", "STRATEGIES"]
        assert [row["enabled"] for row in rows] == [False, True, True, False]
        path = f"{jobs}{rows[2]['id']}/"
        changed = client.patch(path, {"schedule": "0 6 * * *"}).json()
        assert changed["schedule"] == "0 6 * * *"
        assert changed["next_run_at"].endswith("T06:00:00Z")
        assert client.patch(path, {"enabled": False}).json()["next_run_at"] is None
        assert client.get(path).json()["enabled"] is False

    @pytest.mark.parametrize("schedule", ["", "* * * *", "60 * * * *", "@daily", "* * * * * *", "x", 5, "0 0 31 2 * ; rm"])
    def test_a_schedule_that_is_none_is_refused(self, alice, jobs, schedule):
        client = browser(alice)
        path = f"{jobs}{client.get(jobs).json()['results'][0]['id']}/"
        assert [name for name, _ in errors(client.patch(path, {"schedule": schedule}))] == ["schedule"]

    def test_what_a_job_does_is_not_changed(self, alice, jobs):
        client = browser(alice)
        path = f"{jobs}{client.get(jobs).json()['results'][0]['id']}/"
        assert errors(client.patch(path, {"kind": "SNAPSHOT"})) == [("kind", "unknown_field")]

    def test_it_is_made_due_at_once_and_its_runs_are_shown(self, alice, jobs):
        client = browser(alice)
        job = client.get(jobs).json()["results"][0]
        due = client.post(f"{jobs}{job['id']}/run/")
        assert due.status_code == 202
        assert datetime.fromisoformat(due.json()["next_run_at"]) <= datetime.now(UTC)
        JobRun.objects.using("system").create(
            account_id=jobs.split("/")[4],
            job_id=job["id"],
            due_at=LONG_AGO,
            leased_until=LONG_AGO,
            outcome="FAILED",
            detail="Why.",
        )
        (run,) = client.get(f"{jobs}{job['id']}/runs/", {"outcome": "FAILED"}).json()["results"]
        assert (run["outcome"], run["detail"], run["due_at"]) == ("FAILED", "Why.", "2020-01-02T15:00:00Z")

    def test_the_runs_of_a_job_elsewhere_are_not_there(self, alice, jobs):
        stranger = make_user()
        with acting_as(stranger.pk):
            account = open_account(owner=stranger, name="A", base_currency="USD", at=LONG_AGO)
        theirs = f"/api/v1/accounts/{account.pk}/jobs/"
        job = browser(stranger).get(theirs).json()["results"][0]
        assert browser(alice).get(f"{jobs}{job['id']}/runs/").status_code == 404
        assert browser(alice).post(f"{jobs}{job['id']}/run/").status_code == 404
