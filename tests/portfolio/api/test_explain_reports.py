"""Reports say why, row by row and in their totals; and no route takes `explain` without answering it."""

from decimal import Decimal
from typing import Any

import pytest
from django.urls import URLPattern

from portfolio.api.urls import urlpatterns
from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.explained import explains_all
from tests.portfolio.market import bars, fresh_currencies
from tests.portfolio.worlds import Fortnights, at, far, strange

METHODS = ("FIFO", "AVERAGE")
ANSWERED = frozenset(
    {
        "position-list", "lot-list", "closure-list", "snapshot-list", "missing-acquisition-list", "drift", "policy-checks",
        "summary", "performance", "trades-performance", "income", "rolling", "drawdowns", "monthly-returns", "contributions",
        "household-summary", "household-positions", "household-performance", "household-snapshots", "report-realized",
        "report-holdings",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def fortnights():
    """Return the busy accounts."""
    return Fortnights()


@pytest.fixture(scope="module")
def accounts(fortnights):
    """Return accounts to which nearly everything happened that can."""
    owner = fortnights.owner
    return [*map(fortnights.busy, METHODS), strange(owner), *far(owner, *fresh_currencies(2))]


@pytest.fixture(scope="module")
def ask(fortnights):
    """Return a way to ask an account why."""
    client = browser(fortnights.owner)

    def get(account, route: str, status: int = 200, **query: str) -> Any:
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", {"explain": "1"} | query)
        assert response.status_code == status, response.content
        return response.json()

    return get


def explains_report(answer: dict) -> None:
    """Say that every number of a report comes from its explanations."""
    for row in [*answer["rows"], *answer["totals"]]:
        explains_all(row)


class TestReports:
    @pytest.mark.parametrize("asked", [{}, {"year": "2024"}, {"currency": "account"}, {"known_at": "2100-01-01T00:00:00Z"}])
    def test_realized_gains_come_from_the_entries_that_opened_and_closed(self, ask, accounts, asked):
        for account in accounts:
            answer = ask(account, "reports/realized", **asked)
            assert answer["rows"]
            explains_report(answer)

    @pytest.mark.parametrize("asked", [{}, {"currency": "account"}, {"as_of": "2024-01-10"}])
    def test_holdings_come_from_entries_prices_and_rates(self, ask, accounts, asked):
        for account in accounts:
            answer = ask(account, "reports/holdings", **asked)
            explains_report(answer)
            if answer["explanation"]:
                steps = {step["figure"]: step["value"] for step in answer["explanation"]["steps"]}
                assert steps["total_value"] == answer["total_value"]
                assert all(Decimal(steps[f"cash.{row['currency']}"]) == Decimal(row["balance"]) for row in answer["cash"])

    def test_a_tax_year_adds_up_by_term(self, ask, fortnights):
        account, share = make_account(owner=fortnights.owner), make_instrument()
        bars(share, {"2023-01-02": 10, "2024-06-03": 30})
        post(account, "BUY", instrument=share, quantity="10", price="10", fee="1", occurred_at=at("2023-01-02"))
        post(account, "BUY", instrument=share, quantity="10", price="20", occurred_at=at("2024-05-02"))
        post(account, "SELL", instrument=share, quantity="-15", price="30", fee="3", occurred_at=at("2024-06-03"))
        answer = ask(account, "reports/realized", year="2024")
        explains_report(answer)
        (total,) = answer["totals"]
        assert (total["long_term"], total["short_term"], total["taxable_gain"]) == ("197", "49", "246")
        rows = total["explanation"]["tables"]["rows"]["rows"]
        assert [(row["taxable_gain"], row["long"]) for row in rows] == [("197", "1"), ("49", "0")]
        (first, _) = answer["rows"]
        assert [row["sequence"] for row in first["explanation"]["tables"]["entries"]["rows"]] == [1, 3]

    @pytest.mark.parametrize("media_type", ["text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"])
    def test_files_have_none_and_say_so(self, fortnights, media_type):
        address = f"/api/v1/accounts/{fortnights.busy('FIFO').pk}/reports/realized/"
        answer = browser(fortnights.owner).get(address, {"explain": "1"}, headers={"accept": media_type})
        assert answer.status_code == 400
        assert b"ask for JSON" in answer.content

    def test_of_too_many_closures_is_refused(self, ask, fortnights):
        account, share = make_account(owner=fortnights.owner), make_instrument()
        bars(share, {"2024-01-02": 10})
        for _ in range(101):
            post(account, "BUY", instrument=share, quantity="1", price="10", occurred_at=at("2024-01-02"))
        post(account, "SELL", instrument=share, quantity="-101", price="11", occurred_at=at("2024-01-03"))
        assert ask(account, "reports/realized", 400)["errors"][0]["field"] == "explain"
        assert ask(account, "reports/realized", end="2024-01-03")["rows"] == []


class TestMissingAcquisitions:
    def test_come_from_the_entries_that_closed_too_much(self, ask, fortnights):
        account, share = make_account(owner=fortnights.owner), make_instrument()
        bars(share, {"2024-01-02": 10})
        post(account, "SELL", instrument=share, quantity="-5", price="10", fee="1", occurred_at=at("2024-01-02"))
        post(account, "SELL", instrument=share, quantity="-3", price="12", occurred_at=at("2024-01-03"))
        post(account, "BUY", instrument=share, quantity="2", price="9", occurred_at=at("2024-01-04"))
        (row,) = ask(account, "missing-acquisitions")["results"]
        explains_all({name: value for name, value in row.items() if name != "entries"})
        assert (row["open"], row["made_up"], row["proceeds"]) == ("6", "2", "65.4")


class TestEveryRoute:
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def allocation(cls, fortnights):
        """Let the account have targets."""
        body = {"name": "Mine", "basis": "CURRENCY", "targets": [{"category": fortnights.base, "weight": "1"}]}
        address = f"/api/v1/accounts/{fortnights.busy('FIFO').pk}/targets/"
        assert browser(fortnights.owner).post(address, body, format="json").status_code == 201

    @pytest.mark.parametrize("route", [one for one in urlpatterns if isinstance(one, URLPattern)], ids=lambda one: one.name)
    def test_answers_or_refuses_to_explain(self, fortnights, route):
        account = fortnights.busy("FIFO")
        named = {"account_id": account.pk, "pk": account.pk, "entry_id": account.pk, "group": account.pk}
        address = f"/api/v1/{route.pattern}"
        for name, value in named.items():
            address = address.replace(f"<uuid:{name}>", str(value))
        client, actions = browser(fortnights.owner), getattr(route.callback, "actions", {"get": ""})
        ask = client.get if "get" in actions else client.post
        answer = ask(f"{address}?explain=perhaps")
        assert answer.status_code == 400, answer.content
        (error,) = answer.json()["errors"]
        assert (error["field"], error["code"]) == ("explain", "invalid" if route.name in ANSWERED else "unknown_parameter")
