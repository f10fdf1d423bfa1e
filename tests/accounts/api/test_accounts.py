"""Accounts over the API."""

import pytest

from tests.clients import browser, program
from tests.factories import make_account, post

ACCOUNTS = "/api/v1/accounts/"
SHOWN = {
    "id", "name", "kind", "base_currency", "execution_mode", "cost_basis_method", "long_term_days", "wash_sales", "opened_on",
    "closed_on", "role", "ledger_head",
}  # fmt: skip


class TestAccounts:
    def test_it_is_opened_shown_changed_and_closed(self, alice):
        client = program(alice)
        made = client.post(
            ACCOUNTS, {"name": "Retirement", "base_currency": "EUR", "kind": "RETIREMENT", "opened_on": "2020-02-29"}
        )
        assert made.status_code == 201
        shown = made.json()
        assert set(shown) == SHOWN
        assert (shown["kind"], shown["base_currency"], shown["opened_on"], shown["role"]) == (
            "RETIREMENT",
            "EUR",
            "2020-02-29",
            "OWNER",
        )
        assert shown["ledger_head"] == {"sequence": 0, "hash": ""}
        path = f"{ACCOUNTS}{shown['id']}/"
        assert client.get(path).json() == shown
        changed = client.patch(path, {"name": "Old age", "cost_basis_method": "AVERAGE", "base_currency": "CHF"}).json()
        assert changed == shown | {"name": "Old age", "cost_basis_method": "AVERAGE", "base_currency": "CHF"}
        assert client.delete(path).status_code == 204
        assert client.get(path).json()["closed_on"] is not None
        assert client.delete(path).json()["code"] == "account_closed"
        assert client.patch(path, {"name": "New"}).json()["code"] == "account_closed"

    def test_everybody_sees_their_own_role_and_the_ledgers_head(self, alice, bob, account):
        entry = post(account, "DEPOSIT", cash="1")
        for user, role in ((alice, "OWNER"), (bob, "VIEWER")):
            shown = browser(user).get(f"{ACCOUNTS}{account.pk}/").json()
            assert shown["role"] == role
            assert shown["ledger_head"] == {"sequence": 1, "hash": bytes(entry.hash).hex()}

    def test_the_list_holds_what_is_shared_too_and_is_filtered(self, alice, bob, account):
        make_account(owner=bob, name="Bob's", kind="CRYPTO", base_currency="EUR")
        client = browser(bob)

        def names(**query) -> list[str]:
            return [row["name"] for row in client.get(ACCOUNTS, query).json()["results"]]

        assert sorted(names()) == ["Bob's", "Main"]
        assert names(kind="CRYPTO") == ["Bob's"]
        assert names(base_currency__in="USD,CHF") == ["Main"]
        assert names(ordering="-name") == ["Main", "Bob's"]
        assert names(closed_on__isnull="false") == []
        assert names(opened_on__lt="2019-01-01") == []

    @pytest.mark.parametrize(
        ("wrong", "field", "code"),
        [
            ({"name": ""}, "name", "blank"),
            ({"name": None}, "name", "null"),
            ({"name": 5}, "name", "not_a_string"),
            ({"name": "x" * 101}, "name", "max_length"),
            ({"name": "a\u202eb"}, "name", "invalid"),
            ({"base_currency": "usd"}, "base_currency", "unknown_currency"),
            ({"base_currency": "ZZZ"}, "base_currency", "unknown_currency"),
            ({"kind": "cash"}, "kind", "invalid_choice"),
            ({"opened_on": "2999-01-01"}, "opened_on", "out_of_range"),
            ({"opened_on": "0001-01-01"}, "opened_on", "out_of_range"),
            ({"owner": "x"}, "owner", "unknown_field"),
            ({"role": "OWNER"}, "role", "unknown_field"),
            ({"ledger_head": {}}, "ledger_head", "unknown_field"),
            ({"closed_on": None}, "closed_on", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_named(self, alice, wrong, field, code):
        refused = browser(alice).post(ACCOUNTS, {"name": "A", "base_currency": "USD"} | wrong)
        assert refused.status_code == 400
        assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [(field, code)]
        assert browser(alice).get(ACCOUNTS).json()["results"] == []

    def test_the_currency_stays_once_there_are_entries(self, alice, account):
        post(account, "DEPOSIT", cash="1")
        refused = browser(alice).patch(f"{ACCOUNTS}{account.pk}/", {"base_currency": "EUR"})
        assert (refused.status_code, refused.json()["code"]) == (409, "currency_fixed")


class TestMembers:
    def members(self, account) -> str:
        return f"{ACCOUNTS}{account.pk}/members/"

    def test_a_person_is_invited_and_joins(self, alice, charlie, account):
        invited = browser(alice).post(self.members(account), {"email": charlie.email, "role": "TRADER"})
        assert invited.status_code == 201
        assert set(invited.json()) == {"id", "email", "role", "invited_at", "accepted_at"}
        assert invited.json()["accepted_at"] is None
        client = browser(charlie)
        (waiting,) = client.get("/api/v1/invitations/").json()["results"]
        assert (waiting["account_name"], waiting["role"], waiting["invited_by"]) == ("Main", "TRADER", alice.email)
        joined = client.post(f"/api/v1/invitations/{waiting['id']}/accept/")
        assert joined.json()["accepted_at"] is not None
        assert client.get(f"{ACCOUNTS}{account.pk}/").json()["role"] == "TRADER"
        assert client.post(f"/api/v1/invitations/{waiting['id']}/accept/").status_code == 404

    def test_an_invitation_is_turned_down(self, alice, charlie, account):
        invited = browser(alice).post(self.members(account), {"email": charlie.email, "role": "VIEWER"}).json()
        assert browser(charlie).post(f"/api/v1/invitations/{invited['id']}/decline/").status_code == 204
        assert browser(charlie).get("/api/v1/invitations/").json()["results"] == []
        assert browser(alice).get(f"{self.members(account)}{invited['id']}/").status_code == 404

    def test_nobody_is_invited_twice(self, alice, bob, account):
        refused = browser(alice).post(self.members(account), {"email": bob.email.upper(), "role": "OWNER"})
        assert (refused.status_code, refused.json()["code"]) == (409, "already_member")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"email": "x", "role": "VIEWER"}, "email"),
            ({"email": "a@example.com", "role": "owner"}, "role"),
            ({"email": "a@example.com", "role": 30}, "role"),
            ({"email": "a@example.com"}, "role"),
            ({"email": "a@example.com", "role": "VIEWER", "accepted_at": "2024-01-01T00:00:00Z"}, "accepted_at"),
            ({"email": "a@example.com", "role": "VIEWER", "user": "x"}, "user"),
        ],
    )
    def test_a_wrong_invitation_is_refused(self, alice, account, body, field):
        refused = browser(alice).post(self.members(account), body)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == field

    def test_roles_change_and_the_last_owner_stays(self, alice, bob, account):
        client = browser(alice)
        rows = {row["email"]: row for row in client.get(self.members(account)).json()["results"]}
        mine, bobs = (f"{self.members(account)}{rows[user.email]['id']}/" for user in (alice, bob))
        for refused in (client.delete(mine), client.patch(mine, {"role": "TRADER"})):
            assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
        assert client.patch(bobs, {"role": "OWNER"}).json()["role"] == "OWNER"
        assert client.delete(mine).status_code == 204
        assert client.get(self.members(account)).status_code == 404
        assert browser(bob).get(self.members(account)).status_code == 200

    def test_a_viewer_leaves_and_takes_nobody_along(self, alice, bob, account):
        rows = {row["email"]: row["id"] for row in browser(bob).get(self.members(account)).json()["results"]}
        assert browser(bob).delete(f"{self.members(account)}{rows[alice.email]}/").status_code == 403
        assert browser(bob).delete(f"{self.members(account)}{rows[bob.email]}/").status_code == 204
        assert browser(bob).get(f"{ACCOUNTS}{account.pk}/").status_code == 404

    def test_who_waits_is_told_apart(self, alice, bob, account):
        client = browser(alice)
        client.post(self.members(account), {"email": "waits@example.com", "role": "VIEWER"})
        assert [row["email"] for row in client.get(self.members(account), {"accepted_at__isnull": "true"}).json()["results"]] == [
            "waits@example.com"
        ]
