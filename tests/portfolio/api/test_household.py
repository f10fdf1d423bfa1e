"""Several accounts as one: in one currency, without the flows between them, and never more than the caller may see."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest

from accounts.models.tenancy import acting_as
from accounts.services.tokens import issue_token
from portfolio.services.transfers import Order, transfer
from tests.clients import browser, nobody
from tests.factories import make_account, make_instrument, make_user, post, share
from tests.portfolio.market import bars, fresh_currencies, rates

D = Decimal
ROUTES = ("summary", "positions", "performance", "snapshots")


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def family():
    """Return a person with two accounts in different currencies, one of them longer there than the other."""
    home, abroad = fresh_currencies(2)
    person = make_user("family", base_currency=home)
    first, second = (make_account(owner=person, base_currency=currency) for currency in (home, abroad))
    held = make_instrument(currency=abroad)
    bars(held, {"2024-01-02": 10, "2024-01-03": 12, "2024-01-05": 11})
    rates(abroad, home, {"2024-01-01": 2, "2024-01-04": "2.5", "2024-01-05": "2.4"})
    post(first, "DEPOSIT", cash="1000", currency=home, occurred_at=at("2024-01-01"))
    post(second, "DEPOSIT", cash="500", currency=abroad, occurred_at=at("2024-01-02"))
    trade = {"instrument": held, "price": "10", "currency": abroad, "occurred_at": at("2024-01-02")}
    post(second, "BUY", quantity="20", fee="1", **trade)
    post(first, "BUY", quantity="5", **trade)
    client = browser(person)

    def get(route, status=200, **query):
        response = client.get(f"/api/v1/household/{route}/", query)
        assert response.status_code == status, response.content
        return response.json()

    return SimpleNamespace(get=get, person=person, first=first, second=second, held=held, home=home, abroad=abroad)


def of(client, account, route, **query):
    response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
    assert response.status_code == 200, response.content
    return response.json()


class TestFigures:
    def test_add_up_to_those_of_the_accounts_in_one_currency(self, family):
        client, whole = browser(family.person), family.get("summary")
        own = [of(client, account, "summary", currency=family.home) for account in (family.first, family.second)]
        assert whole["currency"] == family.home
        for name in ("total_value", "positions_value", "gain", "net_deposits"):
            assert D(whole[name]) == sum(D(one[name]) for one in own), name
        assert whole["cash"] == {family.home: "1000", family.abroad: "249"}

    def test_of_the_days_are_the_sums_of_the_days(self, family):
        client, rows = browser(family.person), family.get("snapshots")["results"]
        found = {}
        for account in (family.first, family.second):
            for row in of(client, account, "snapshots", currency=family.home)["results"]:
                found[row["date"]] = found.get(row["date"], D(0)) + D(row["total_value"])
        assert {row["date"]: D(row["total_value"]) for row in rows} == found

    def test_close_the_bridge_for_any_period_in_any_currency(self, family):
        for query in ({}, {"start": "2024-01-03"}, {"start": "2024-01-02", "end": "2024-01-05"}, {"currency": family.abroad}):
            answer = family.get("performance", **query)
            bridge = {name: D(value) for name, value in answer["bridge"].items()}
            gain = sum(bridge.values()) - 2 * (bridge["fees"] + bridge["taxes"])
            assert D(answer["start_value"]) + D(answer["net_flows"]) + gain == D(answer["end_value"])
            assert answer["currency"] == query.get("currency", family.home)

    def test_hold_an_instrument_once(self, family):
        answer = family.get("positions")
        (row,) = answer["results"]
        assert (row["instrument"], row["quantity"], row["market_value"]) == (family.held.key, "25", "660")
        gains = {name: D(value) for name, value in row["gains"].items()}
        assert gains["total"] == gains["price"] + gains["currency"] + gains["income"] - gains["fees"]
        assert gains["total"] == 660 - 25 * 10 * 2 - 2
        assert sorted(row["accounts"]) == sorted([str(family.first.pk), str(family.second.pk)])

    def test_may_be_of_some_accounts(self, family):
        one = family.get("summary", accounts=str(family.first.pk))
        assert one["total_value"] == of(browser(family.person), family.first, "summary")["total_value"]
        both = f"{family.first.pk},{family.second.pk}"
        assert family.get("summary", accounts=both) == family.get("summary")

    def test_of_the_past_are_those_of_then(self, family):
        rows = {row["date"]: row["total_value"] for row in family.get("snapshots")["results"]}
        assert family.get("summary", as_of="2024-01-03")["total_value"] == rows["2024-01-03"]

    def test_without_a_rate_are_null_with_a_reason(self, family):
        (unknown,) = fresh_currencies(1)
        answer = family.get("summary", currency=unknown)
        assert answer["total_value"] is None
        assert answer["reasons"]["total_value"].startswith("No rate of ")
        assert sorted(answer["missing"]) == sorted(f"{one}/{unknown}" for one in (family.home, family.abroad))
        assert family.get("performance", currency=unknown)["twr"] is None
        assert family.get("snapshots", currency=unknown)["results"] == []

    def test_of_nobody_are_empty(self):
        answer = browser(make_user("empty")).get("/api/v1/household/summary/").json()
        assert (answer["as_of"], answer["total_value"], answer["reasons"]["twr"]) == (None, "0", "No day has been valued yet.")


class TestPages:
    """The daily values come in pages, from either end, of any stretch of days."""

    def walk(self, family, **query):
        rows, pages, url = [], 0, None
        client = browser(family.person)
        while url or not pages:
            answer = client.get(url) if url else client.get("/api/v1/household/snapshots/", query)
            assert answer.status_code == 200, answer.content
            rows, pages, url = [*rows, *answer.json()["results"]], pages + 1, answer.json()["next"]
        return rows, pages

    def test_add_up_to_the_whole_list(self, family):
        whole = family.get("snapshots")
        assert (whole["next"], whole["previous"], len(whole["results"])) == (None, None, 5)
        assert self.walk(family, limit=2) == (whole["results"], 3)
        assert self.walk(family, limit=2, ordering="-date") == (whole["results"][::-1], 3)

    def test_lead_back(self, family):
        client = browser(family.person)
        first = family.get("snapshots", limit=2)
        second = client.get(first["next"]).json()
        assert client.get(second["previous"]).json()["results"] == first["results"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"date": "2024-01-03"}, ["03"]),
            ({"date__gte": "2024-01-03", "date__lt": "2024-01-05"}, ["03", "04"]),
            ({"start": "2024-01-04", "date__gte": "2024-01-02"}, ["04", "05"]),
            ({"end": "2024-01-03", "date__lt": "2024-01-09"}, ["01", "02"]),
            ({"date__lt": "2020-01-01"}, []),
            ({"date__gte": "2030-01-01"}, []),
            ({"date": "9999-12-31"}, []),
        ],
    )
    def test_hold_the_days_asked_for_as_they_are_among_all(self, family, query, found):
        whole = {row["date"]: row for row in family.get("snapshots")["results"]}
        rows = family.get("snapshots", **query)["results"]
        assert rows == [whole[f"2024-01-{day}"] for day in found]

    def test_in_another_currency_are_those_of_its_rates(self, family):
        whole = family.get("snapshots", currency=family.abroad)["results"]
        assert self.walk(family, limit=1, currency=family.abroad)[0] == whole

    @pytest.mark.parametrize(
        "query", [{"limit": "0"}, {"cursor": "x"}, {"ordering": "at"}, {"date": "x"}, {"date__gt": "2024-01-01"}]
    )
    def test_refuse_what_they_do_not_know(self, family, query):
        (field,) = query
        assert family.get("snapshots", 400, **query)["errors"][0]["field"] == field


class TestTransfers:
    def test_between_the_accounts_are_no_flows(self, family):
        before = family.get("summary")
        order = Order(occurred_at=at("2024-01-03"), cash=Decimal(100), currency=family.home)
        with acting_as(family.person.pk):
            transfer(source=family.first, target=family.second, order=order, actor=family.person)
        after = family.get("summary")
        # money that came back at another account's ten places may differ in the last
        for name in ("total_value", "net_deposits", "twr", "gain"):
            assert abs(D(after[name]) - D(before[name])) < D("1e-9"), name
        # of one account alone it is a flow
        alone = family.get("performance", accounts=str(family.first.pk), start="2024-01-03", end="2024-01-04")
        assert alone["net_flows"] == "-100"

    def test_of_units_are_none_either(self, family):
        before = family.get("summary")
        order = Order(occurred_at=at("2024-01-03"), instrument=family.held, quantity=Decimal(4))
        with acting_as(family.person.pk):
            transfer(source=family.second, target=family.first, order=order, actor=family.person)
        after = family.get("summary")
        assert (after["total_value"], after["net_deposits"], after["twr"]) == tuple(
            before[name] for name in ("total_value", "net_deposits", "twr")
        )


class TestAccess:
    @pytest.mark.parametrize("route", ROUTES)
    def test_an_account_that_is_not_ones_own_is_not_there(self, family, route):
        stranger = browser(make_user("stranger"))
        url = f"/api/v1/household/{route}/"
        assert stranger.get(url, {"accounts": str(family.first.pk)}).status_code == 404
        family.get(route, 404, accounts=f"{family.first.pk},{uuid4()}")
        assert nobody().get(url).status_code == 401

    def test_shows_a_member_what_was_shared_and_nothing_else(self, family):
        viewer = make_user("viewer", base_currency=family.home)
        share(family.first, viewer)
        client = browser(viewer)
        assert client.get("/api/v1/household/summary/").json() == family.get("summary", accounts=str(family.first.pk))
        assert client.get("/api/v1/household/summary/", {"accounts": str(family.second.pk)}).status_code == 404

    @pytest.mark.parametrize("route", ROUTES)
    def test_a_token_that_is_limited_sees_its_accounts_alone(self, family, route):
        with acting_as(family.person.pk):
            issued = issue_token(
                user=family.person, name="one", scopes=["read"], accounts=[family.first.pk], at=datetime.now(UTC)
            )
        client, url = nobody(), f"/api/v1/household/{route}/"
        headers = {"Authorization": f"Bearer {issued.secret}"}
        found = client.get(url, headers=headers)
        assert found.json() == family.get(route, accounts=str(family.first.pk))
        assert client.get(url, {"accounts": str(family.second.pk)}, headers=headers).status_code == 404

    @pytest.mark.parametrize("ids", ["x", "1,2", ",", "0199aa00-0000-7000-8000-000000000000,"])
    def test_what_is_no_id_is_refused(self, family, ids):
        answer = family.get("summary", 400, accounts=ids)
        assert answer["errors"][0]["field"].startswith("accounts")
