"""The start page: the chosen account's figures, what to do where there are none, and the way in."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Account, LedgerEntry, User
from accounts.models.tenancy import acting_as
from accounts.services.accounts import close_account
from accounts.services.jobs import open_jobs
from tests.admin.world import HOSTILE, looks, pages, to
from tests.clients import nobody
from tests.factories import PASSWORD, day, make_account, make_bars, make_instrument, make_user, post

PERIODS = ("1m", "6m", "ytd", "1y", "all")


@pytest.fixture
def client(alice, account):
    return looks(alice)


@pytest.fixture
def invested(account):
    """Return the account with two years of a price that grows by a dollar a day, and its instrument."""
    instrument = make_instrument(name="".join(HOSTILE))
    first = date(2021, 1, 1)
    make_bars(instrument, [(first + timedelta(days=n), str(100 + n)) for n in range(730)])
    post(account, "DEPOSIT", cash="2000", occurred_at=day("2021-01-01") + timedelta(hours=9))
    post(account, "BUY", instrument=instrument, quantity="10", price="100", occurred_at=day("2021-01-01") + timedelta(hours=10))
    post(account, "DEPOSIT", cash="500", occurred_at=day("2022-06-01"), notes="".join(HOSTILE))
    return instrument


def cards(page) -> dict[str, str]:
    return {card.label: card.text for card in page.context["cards"]}


def curves(page) -> dict[str, list[float]]:
    found = re.search(r'<script id="curves" type="application/json">(.*?)</script>', page.content.decode())
    return json.loads(found[1])


class TestStartPage:
    def test_tells_a_newcomer_to_open_an_account(self):
        page = looks(make_user("dora")).get("/admin/")
        assert to(Account, "add") in page.content.decode()

    def test_tells_what_to_do_with_an_empty_account(self, client, account):
        content = client.get("/admin/").content.decode()
        assert f"{to(LedgerEntry, 'add')}?account={account.pk}" in content
        assert f"/admin/accounts/importbatch/add/?account={account.pk}" in content

    def test_offers_no_writing_to_who_only_looks(self, account, bob):
        content = looks(bob).get("/admin/").content.decode()
        assert account.name in content
        assert to(LedgerEntry, "add") not in content

    def test_says_that_notes_alone_have_no_value(self, client, account):
        post(account, "NOTE", notes="thought about it")
        content = client.get("/admin/").content.decode()
        assert "thought about it" in content
        assert "value-chart" not in content

    def test_shows_the_figures_that_follow_from_the_ledger(self, client, invested):
        page = client.get("/admin/")
        # 10 units that went from 100 to 829, and 1,500 in cash
        assert page.context["headline"]["value"] == "9,790.00"
        assert cards(page)["Net deposits"] == "2,500.00"
        assert cards(page)["Gain"] == "+7,290.00"
        assert cards(page)["Max drawdown"] == "0.00%"
        assert [row["weight"] for row in page.context["positions"]] == ["84.68%"]
        assert page.context["as_of"] == date(2022, 12, 31)

    def test_shows_a_period_as_asked(self, client, invested):
        gains = {period: cards(client.get("/admin/", {"period": period}))["Gain"] for period in PERIODS}
        assert gains == {"1m": "+310.00", "6m": "+1,840.00", "ytd": "+3,650.00", "1y": "+3,650.00", "all": "+7,290.00"}
        assert cards(client.get("/admin/", {"period": "ytd"}))["Net deposits"] == "+500.00"
        assert cards(client.get("/admin/", {"period": "<script>"}))["Gain"] == gains["all"]

    def test_draws_value_deposits_and_drawdown_by_day(self, client, invested):
        drawn = curves(client.get("/admin/"))
        assert len(drawn["days"]) == len(drawn["value"]) == len(drawn["deposits"]) == len(drawn["drawdown"]) == 730
        assert (drawn["deposits"][0], drawn["deposits"][-1], drawn["value"][-1]) == (2000, 2500, 9790)
        assert set(drawn["drawdown"]) == {0}
        month = curves(client.get("/admin/", {"period": "1m"}))
        assert (len(month["days"]), month["deposits"][0]) == (32, 2500)  # a month, and the day before it

    def test_draws_a_fall_of_the_very_first_day(self, client, account):
        share = make_instrument()
        make_bars(share, [("2024-01-02", "100"), ("2024-01-03", "100")])
        post(account, "DEPOSIT", cash="1000", occurred_at=day("2024-01-02"))
        post(account, "BUY", instrument=share, quantity="9", price="100", fee="50", occurred_at=day("2024-01-02"))
        page = client.get("/admin/")
        assert (cards(page)["Max drawdown"], curves(page)["drawdown"]) == ("-5.00%", [-5.0, -5.0])

    def test_follows_the_ledger_at_once(self, client, account, invested):
        assert client.get("/admin/").context["headline"]["value"] == "9,790.00"
        post(account, "WITHDRAWAL", cash="-90", occurred_at=day("2022-12-30"))
        assert client.get("/admin/").context["headline"]["value"] == "9,700.00"

    def test_names_what_has_no_price(self, client, account, invested):
        dark = make_instrument()
        post(account, "BUY", instrument=dark, quantity="1", price="10", occurred_at=day("2022-12-30"))
        page = client.get("/admin/")
        assert any(dark.symbol in name for name in page.context["missing"] + page.context["stale"])

    def test_stays_with_the_account_that_was_chosen(self, client, alice, account):
        other = make_account(owner=alice, name="Other")
        assert client.get("/admin/").context["chosen"] == account
        assert client.get("/admin/", {"account": other.pk}).context["chosen"] == other
        assert client.get("/admin/").context["chosen"] == other
        assert client.get(to(LedgerEntry, "add")).context["adminform"].form["account"].value() == str(other.pk)

    @pytest.mark.parametrize("asked", ["nonsense", "018f0000-0000-7000-8000-000000000000", ""])
    def test_passes_over_accounts_that_are_none(self, client, account, asked):
        assert client.get("/admin/", {"account": asked}).context["chosen"] == account

    def test_passes_over_accounts_of_others(self, client, account, charlie):
        theirs = make_account(owner=charlie, name="Secret fund")
        page = client.get("/admin/", {"account": theirs.pk})
        assert page.context["chosen"] == account
        assert b"Secret fund" not in page.content

    def test_puts_closed_accounts_last_and_writes_nothing_there(self, client, alice, account):
        later = make_account(owner=alice, name="Later")
        with acting_as(alice.pk):
            close_account(account=account, at=datetime.now(UTC))
        assert client.get("/admin/").context["chosen"] == later
        page = client.get("/admin/", {"account": account.pk})
        assert f"{to(LedgerEntry, 'add')}?account={account.pk}" not in page.content.decode()

    def test_lists_the_last_entries_and_runs(self, client, alice, account, invested):
        with acting_as(alice.pk):
            open_jobs(account=account, at=datetime.now(UTC))
        content = client.get("/admin/").content.decode()
        with acting_as(alice.pk):
            for entry in LedgerEntry.objects.filter(account=account):
                assert to(LedgerEntry, "change", entry.pk) in content

    def test_shows_texts_as_texts(self, client, invested):
        content = client.get("/admin/").content.decode()
        assert not any(text in content for text in HOSTILE if "<" in text)

    def test_outlives_entries_beyond_all_limits(self, client, account):
        huge = {
            "instrument": make_instrument(),
            "quantity": "9" * 12,
            "price": "9" * 15,
            "cash": Decimal(0),
            "data": {"rounding": "test"},
        }
        post(account, "BUY", **huge)
        page = client.get("/admin/")
        assert page.status_code == 200


class TestTheWayIn:
    def enter(self, client, email: str, password: str = PASSWORD):
        return client.post("/admin/login/?next=/admin/", {"username": email, "password": password})

    def test_is_open_to_every_active_user(self, alice):
        client = nobody()
        client.default_format = "multipart"
        assert (
            client.post(
                "/admin/login/?next=/admin/", {"username": alice.email.upper(), "password": PASSWORD}, format="multipart"
            )["Location"]
            == "/admin/"
        )

    @pytest.mark.parametrize(("email", "password"), [("", PASSWORD), ("nobody@example.com", PASSWORD), (None, "wrong")])
    def test_is_closed_without_the_right_password(self, alice, email, password):
        form = {"username": alice.email if email is None else email, "password": password}
        assert nobody().post("/admin/login/", form, format="multipart").status_code == 200

    def test_is_closed_to_who_was_locked_out(self, alice):
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert (
            nobody().post("/admin/login/", {"username": alice.email, "password": PASSWORD}, format="multipart").status_code == 200
        )

    def test_leads_nowhere_else(self, alice):
        form = {"username": alice.email, "password": PASSWORD, "next": "https://evil.example/"}
        assert nobody().post("/admin/login/", form, format="multipart")["Location"] in {"/admin/", "/accounts/profile/"}


class TestHealth:
    def test_is_shown_to_superusers_alone(self, client):
        operator = looks(make_user("operator", is_staff=True, is_superuser=True))
        page = operator.get("/admin/health/")
        assert page.status_code == 200
        assert set(page.context["parts"]) >= {"database", "redis", "worker", "beat", "migrations"}
        assert client.get("/admin/health/").status_code == 403
        assert "/admin/health/" not in client.get("/admin/").content.decode()


QUERIES = (
    {"q": "%' OR 1=1 --"},
    {"q": "\x00"},
    {"p": "999999", "o": "1.-2.99.x", "_facets": "", "all": ""},
    {"account__id__exact": "x"},
    {"kind__exact": "\x00"},
    {"instrument__id__exact": "x"},
    {"password__startswith": "m"},
    {"account__owner__email": "x"},
    {"occurred_at_from": "9999-12-31", "occurred_at_to": "x"},
    {"_popup": "1", "_to_field": "password"},
)


class TestHostileAddresses:
    @pytest.fixture(scope="class")
    def operator(self):
        return looks(make_user("operator", is_staff=True, is_superuser=True))

    @pytest.mark.parametrize("query", QUERIES, ids="&".join)
    def test_never_break_a_list(self, operator, query):
        for model in pages():
            assert operator.get(to(model, "changelist"), query).status_code < 500, model

    @pytest.mark.parametrize("pk", ["x", "%00", "018f0000-0000-7000-8000-000000000000", "../../"])
    def test_never_break_a_page(self, operator, pk):
        for model in pages():
            for page in ("change", "history"):
                assert operator.get(to(model, "changelist") + f"{pk}/{page}/").status_code < 500, (model, page)

    @pytest.mark.parametrize(
        ("address", "status", "said"),
        [
            ("/admin/nowhere/", 404, "There is nothing here"),
            ("/admin/health/", 403, "You may not do that"),
            ("/admin/?q=%00", 400, "read"),
        ],
    )
    def test_get_a_page_that_says_so(self, alice, address, status, said):
        answer = looks(alice).get(address)
        assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert said in answer.content.decode()
