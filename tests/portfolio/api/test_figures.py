"""Figures by REST: brought up to date first, exact, read-only, and for those alone who may see the account."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from portfolio.models import Snapshot
from tests.clients import browser, nobody, program
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

ROUTES = ("summary", "positions", "lots", "closures", "snapshots", "performance")


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def share(account):
    """Return an instrument that Alice traded."""
    share = make_instrument()
    bars(share, {"2024-01-02": 100, "2024-01-03": 110, "2024-01-04": "95.5", "2024-01-05": 99})
    post(account, "DEPOSIT", cash="10000", occurred_at=at("2024-01-01"))
    post(account, "BUY", instrument=share, quantity="10", price="100", fee="1", occurred_at=at("2024-01-02"))
    post(account, "SELL", instrument=share, quantity="-4", price="111", fee="1", occurred_at=at("2024-01-03"))
    return share


@pytest.fixture
def get(alice, account, share):
    """Return a way for Alice to ask for her figures."""
    client = browser(alice)

    def ask(route: str, status: int = 200, **query: str):
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
        assert response.status_code == status, response.content
        return response.json()

    return ask


class TestAccess:
    @pytest.mark.parametrize("route", ROUTES)
    def test_members_see_it_strangers_find_nothing_and_nobody_is_asked_who_they_are(
        self, account, share, alice, bob, charlie, route
    ):
        url = f"/api/v1/accounts/{account.pk}/{route}/"
        clients = [browser(alice), browser(bob), browser(charlie), nobody(), program(alice, ["read"])]
        assert [client.get(url).status_code for client in clients] == [200, 200, 404, 401, 200]

    @pytest.mark.parametrize("route", ROUTES)
    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_nothing_is_written_here(self, account, share, alice, route, method):
        response = getattr(browser(alice), method)(f"/api/v1/accounts/{account.pk}/{route}/")
        assert response.status_code == 405


class TestSummary:
    def test_shows_the_account_at_a_glance(self, get):
        assert get("summary") == {
            "as_of": "2024-01-05",
            "currency": "USD",
            "total_value": "10036",
            "cash": {"USD": "9442"},
            "positions_value": "594",
            "net_deposits": "10000",
            "gain": "36",
            "day_gain": "21",
            "twr": "0.0036",
            "xirr": "0.388064200947",
            "max_drawdown": "-0.008612156009",
            "stale": [],
            "missing": [],
            "missing_acquisitions": [],
            "reasons": {},
        }

    def test_is_up_to_date_the_moment_something_is_posted(self, get, account):
        post(account, "DEPOSIT", cash="64", occurred_at=at("2024-01-05"))
        assert get("summary")["total_value"] == "10100"

    def test_of_an_empty_account_says_why_there_is_nothing(self, alice):
        empty = make_account(owner=alice)
        answer = browser(alice).get(f"/api/v1/accounts/{empty.pk}/summary/").json()
        assert (answer["as_of"], answer["total_value"], answer["twr"]) == (None, "0", None)
        assert answer["reasons"]["twr"] == "No day has been valued yet."

    def test_of_a_past_day_is_what_that_day_was(self, get):
        answer = get("summary", as_of="2024-01-03")
        assert (answer["as_of"], answer["total_value"], answer["gain"]) == ("2024-01-03", "10102", "102")

    def test_known_before_anything_was_recorded_it_is_empty(self, get):
        assert get("summary", known_at="2020-01-01T00:00:00Z")["as_of"] is None

    def test_is_not_sent_again_to_who_has_it(self, alice, account, share):
        client, url = browser(alice), f"/api/v1/accounts/{account.pk}/summary/"
        first = client.get(url)
        assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
        post(account, "DEPOSIT", cash="1", occurred_at=at("2024-01-05"))
        assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200

    @pytest.mark.parametrize(
        "query", [{"as_of": "01.02.2024"}, {"as_of": "2024-02-30"}, {"known_at": "2024-01-01T00:00:00"}, {"colour": "red"}]
    )
    def test_refuses_a_query_it_does_not_understand(self, get, query):
        answer = get("summary", 400, **query)
        assert answer["errors"][0]["field"] in query

    def test_that_cannot_be_derived_is_refused_by_name(self, alice):
        account, share = make_account(owner=alice), make_instrument()
        post(account, "TRANSFER_IN", instrument=share, quantity="999999999999", data={"cost": "1"}, occurred_at=at("2024-01-02"))
        for n in range(9):
            post(account, "SPLIT", instrument=share, data={"ratio": "1000000:1"}, occurred_at=at(f"2024-01-1{n}"))
        response = browser(alice).get(f"/api/v1/accounts/{account.pk}/summary/")
        assert (response.status_code, response.json()["code"]) == (409, "figures_beyond_limits")


class TestPositions:
    def test_shows_what_is_held(self, get, share):
        (row,) = get("positions")["results"]
        assert row == {
            "instrument": share.key,
            "quantity": "6",
            "average_price": "100.1",
            "cost_basis": "600.6",
            "market_price": "99",
            "priced_at": "2024-01-05",
            "market_value": "594",
            "weight": "0.059186927063",
            "unrealized_gain": "-6.6",
            "unrealized_gain_pct": "-0.010989010989",
            "day_gain": "21",
            "realized_gain": "42.6",
            "income": "0",
            "fees": "2",
            "taxes": "0",
            "currency": "USD",
            "gains": {
                "price": "38",
                "income": "0",
                "currency": "0",
                "interest": "0",
                "fees": "2",
                "taxes": "0",
                "total": "36",
            },
            "gains_currency": "USD",
        }

    def test_shows_what_was_held_where_asked_to(self, get, account, share):
        post(account, "SELL", instrument=share, quantity="-6", price="99", occurred_at=at("2024-01-05"))
        assert get("positions")["results"] == []
        (closed,) = get("positions", state="closed")["results"]
        assert (closed["quantity"], closed["average_price"], closed["unrealized_gain_pct"]) == ("0", None, None)
        assert get("positions", state="all")["results"] == [closed]

    def test_can_be_asked_for_one_instrument(self, get, share):
        assert len(get("positions", instrument=share.key)["results"]) == 1
        other = make_instrument()
        assert get("positions", instrument=other.key)["results"] == []

    def test_without_a_price_has_no_value(self, get, account):
        unpriced = make_instrument()
        post(account, "BUY", instrument=unpriced, quantity="1", price="5", occurred_at=at("2024-01-04"))
        (row,) = get("positions", instrument=unpriced.key)["results"]
        assert (row["market_value"], row["weight"], row["cost_basis"]) == (None, None, "5")
        assert get("summary")["missing"] == [unpriced.key]


class TestLotsAndClosures:
    def test_show_what_is_open_and_what_was_closed(self, get, share):
        (lot,) = get("lots")["results"]
        assert (lot["instrument"], lot["quantity"], lot["remaining"], lot["cost"]) == (share.key, "10", "6", "600.6")
        (closure,) = get("closures")["results"]
        assert (closure["proceeds"], closure["cost"], closure["gain"], closure["term"]) == ("443", "400.4", "42.6", "SHORT")

    def test_can_be_asked_for_a_past_day_and_filtered_there(self, get, share):
        (lot,) = get("lots", as_of="2024-01-02")["results"]
        assert lot["remaining"] == "10"
        assert get("closures", as_of="2024-01-02")["results"] == []
        assert len(get("closures", as_of="2024-01-04", closed_at__gte="2024-01-03T00:00:00Z")["results"]) == 1
        assert get("closures", as_of="2024-01-04", closed_at__lt="2024-01-03T00:00:00Z")["results"] == []
        get("closures", 400, as_of="2024-01-04", closed_at__lt="soon")


class TestSnapshots:
    def test_are_paged_by_day(self, get):
        first = get("snapshots", limit="2")
        assert [row["date"] for row in first["results"]] == ["2024-01-01", "2024-01-02"]
        assert first["results"][1] | {"at": "", "date": ""} == {
            "at": "",
            "date": "",
            "total_value": "9999",
            "cash": "8999",
            "positions_value": "1000",
            "buying_power": "8999",
            "net_flow": "0",
            "inflow": "0",
            "outflow": "0",
            "day_gain": "-1",
            "price_gain": "0",
            "currency_gain": "0",
            "income": "0",
            "interest": "0",
            "fees": "1",
            "taxes": "0",
            "total_gain": "-1",
            "twr_index": "0.9999",
            "complete": True,
            "reasons": {},
        }
        assert first["results"][1]["at"] == "2024-01-03T00:00:00Z"
        assert first["next"] is not None

    def test_can_be_asked_for_by_day_now_and_then(self, get):
        for past in ({}, {"as_of": "2024-01-04"}):
            days = [row["date"] for row in get("snapshots", date__gte="2024-01-03", date__lt="2024-01-05", **past)["results"]]
            assert days == ["2024-01-03", "2024-01-04"]

    def test_read_no_more_columns_than_they_show(self, get, account):
        get("snapshots")
        assert Snapshot.objects.using("system").filter(account=account, moves__isnull=False).count() == 3


class TestPerformance:
    def test_shows_every_figure_or_why_not(self, get):
        answer = get("performance")
        figures = {"currency": "USD", "start": "2024-01-01", "end": "2024-01-06", "start_value": "0", "end_value": "10036"}
        figures |= {"net_flows": "10000", "gain": "36", "twr": "0.0036", "simple_return": "0.0036", "missing": []}
        assert {name: answer[name] for name in figures} == figures
        assert answer["drawdown"] == {"peak": "2024-01-03", "trough": "2024-01-04", "recovered": None, "days": 2}
        assert [month["month"] for month in answer["monthly"]] == ["2024-01"]
        nulls = {name for name, value in answer.items() if value is None}
        assert nulls == set(answer["reasons"])

    def test_of_a_period_opens_with_the_day_before(self, get):
        answer = get("performance", start="2024-01-03", end="2024-01-05")
        assert (answer["start_value"], answer["end_value"], answer["gain"]) == ("9999", "10015", "16")
        assert Decimal(answer["twr"]) == (Decimal(10015) / Decimal(9999) - 1).quantize(Decimal("1e-12"))

    def test_of_a_period_without_days_says_so(self, get):
        answer = get("performance", start="2030-01-01")
        assert (answer["twr"], answer["monthly"], answer["reasons"]["twr"]) == (None, [], "No day of the period was valued.")

    def test_takes_a_risk_free_rate(self, get):
        assert Decimal(get("performance", risk_free="0.05")["sharpe"]) < Decimal(get("performance")["sharpe"])

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"start": "2024-01-03", "end": "2024-01-03"}, "end"),
            ({"risk_free": "-1"}, "risk_free"),
            ({"risk_free": "much"}, "risk_free"),
            ({"start": "yesterday"}, "start"),
        ],
    )
    def test_refuses_a_period_or_rate_that_is_none(self, get, query, field):
        assert get("performance", 400, **query)["errors"][0]["field"] == field

    def test_speaks_of_the_edges_of_time(self, get):
        assert get("performance", start="0001-01-01", end="9999-12-31")["gain"] == "36"
        get("summary", as_of="2200-12-31")
        get("summary", as_of="1900-01-01")
        for day in ("9999-12-31", "0001-01-01"):
            assert get("summary", 400, as_of=day)["errors"][0]["code"] == "out_of_range"

    def test_is_known_as_of_a_past_day(self, get):
        answer = get("performance", as_of="2024-01-03")
        assert date.fromisoformat(answer["end"]) - timedelta(days=1) == date(2024, 1, 3)
