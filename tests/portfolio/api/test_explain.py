"""Every figure says why: whoever has nothing but the explanation comes to its last digit."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import draft, make_account, make_instrument, post
from tests.portfolio.explained import explains_all
from tests.portfolio.market import bars, fresh_currencies
from tests.portfolio.recompute import recomputed
from tests.portfolio.worlds import Fortnights, at, benchmark_of, far, strange

METHODS = ("FIFO", "LIFO", "HIFO", "AVERAGE")
ROUTES = (
    "positions", "lots", "closures", "snapshots", "summary", "performance", "drawdowns", "monthly-returns", "contributions",
    "trades-performance",
)  # fmt: skip
CONVERTED = ROUTES[:-1]
NOW = {"known_at": "2100-01-01T00:00:00Z"}
PAST = [{}, {"as_of": "2024-01-10"}, {"as_of": "2024-01-04"}, NOW]
PERIODS = [{"start": "2024-01-04"}, {"start": "2024-01-03", "end": "2024-01-09"}]


@pytest.fixture(scope="module")
def fortnights():
    """Return the busy accounts, which all tests here look at and none changes."""
    return Fortnights()


@pytest.fixture(scope="module")
def alice(fortnights):
    """Return Alice, who owns all accounts here."""
    return fortnights.owner


@pytest.fixture(scope="module")
def abroad(alice):
    """Return two accounts with shares in pence, options and wash sales, and what went between them."""
    return far(alice, *fresh_currencies(2))


@pytest.fixture(scope="module")
def ask(alice):
    """Return a way for Alice to ask an account why."""
    client = browser(alice)

    def get(account, route: str, status: int = 200, **query: str) -> Any:
        asked = (
            {"state": "all"} if route == "positions" else {"limit": "100"} if route in {"lots", "closures", "snapshots"} else {}
        )
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", {"explain": "1"} | asked | query)
        assert response.status_code == status, response.content
        return response.json()

    return get


@pytest.fixture(params=METHODS)
def get(request, fortnights, ask):
    """Return a way to ask a busy account why, of each method of cost basis."""
    return lambda route, **query: ask(fortnights.busy(request.param), route, **query)


def rows_of(answer: dict) -> list[dict]:
    """Return the rows of an answer, or the answer itself."""
    return [answer] if "explanation" in answer else answer["results"]


class TestEveryNumber:
    @pytest.mark.parametrize("route", ROUTES)
    @pytest.mark.parametrize("past", PAST)
    def test_of_an_account_comes_from_its_explanation(self, get, route, past):
        rows = rows_of(get(route, **past))
        assert rows
        for row in rows:
            explains_all(row)

    @pytest.mark.parametrize("period", PERIODS)
    def test_of_a_period_comes_from_its_explanation(self, get, period):
        explains_all(get("performance", risk_free="0.02", **period))
        explains_all(get("drawdowns", top="3", **period))
        explains_all(get("monthly-returns", **period))
        for row in get("contributions", **period)["results"]:
            explains_all(row)

    @pytest.mark.parametrize("route", CONVERTED)
    def test_in_another_currency_comes_from_its_explanation(self, get, fortnights, route):
        for row in rows_of(get(route, currency=fortnights.third)):
            explains_all(row)

    @pytest.mark.parametrize("route", ["positions", "lots", "closures"])
    def test_in_the_currency_of_the_account_comes_from_its_explanation(self, get, route):
        for row in rows_of(get(route, currency="account")):
            explains_all(row)

    @pytest.mark.parametrize("route", ROUTES)
    def test_comes_from_its_explanation_whatever_happened(self, ask, strange_one, route):
        for row in rows_of(ask(strange_one, route)):
            explains_all(row)

    @pytest.mark.parametrize("route", ROUTES)
    @pytest.mark.parametrize("asked", [{}, {"as_of": "2024-05-09"}, {"as_of": "2024-05-13"}, {"currency": "account"}])
    def test_comes_from_its_explanation_in_pence_and_with_options(self, ask, abroad, route, asked):
        asked = {} if route == "trades-performance" and "currency" in asked else asked
        for account in abroad:
            for row in rows_of(ask(account, route, **asked)):
                explains_all(row)


@pytest.fixture(scope="module")
def strange_one(alice):
    """Return an account to which nearly everything happened that can."""
    return strange(alice)


@pytest.fixture(scope="module")
def other(fortnights):
    """Return an instrument to compare with."""
    return benchmark_of(fortnights.base)


class TestHousehold:
    @pytest.fixture(scope="class")
    @classmethod
    def household(cls, alice, abroad):
        """Return a way to ask two accounts why together, in a currency of one of them."""
        client = browser(alice)

        def get(route: str, status: int = 200, **query: str) -> Any:
            asked = {"accounts": ",".join(str(one.pk) for one in abroad), "currency": abroad[0].base_currency, "explain": "1"}
            response = client.get(f"/api/v1/household/{route}/", asked | query)
            assert response.status_code == status, response.content
            return response.json()

        return get

    @pytest.mark.parametrize("route", ["positions", "snapshots", "summary", "performance"])
    @pytest.mark.parametrize("asked", [{}, {"as_of": "2024-05-13"}, NOW, {"as_of": "2024-05-08"}])
    def test_every_number_comes_from_those_of_the_accounts(self, household, route, asked):
        for row in rows_of(household(route, **asked)):
            explains_all(row)

    def test_figures_beside_a_benchmark_come_from_the_prices_of_both(self, household, abroad):
        market = make_instrument(currency=abroad[0].base_currency)
        bars(market, {f"2024-05-{n:02}": f"{70 + (n * 5) % 3}.{n}" for n in range(7, 16)})
        row = household("performance", benchmark=market.key, start="2024-05-08")
        assert row["beta"] is not None
        explains_all(row)

    def test_the_ways_lead_to_the_accounts_own_explanations(self, alice, household):
        client, (row, *_) = browser(alice), household("snapshots", start="2024-05-14")["results"]
        for account in row["explanation"]["tables"]["accounts"]["rows"]:
            (own,) = client.get(account["why"]).json()["results"]
            assert own["total_value"] == account["total_value"]
            assert own["explanation"]["steps"]
        (row, *_) = household("positions", as_of="2024-05-14")["results"]
        for account in row["explanation"]["tables"]["accounts"]["rows"]:
            assert any(own["quantity"] == account["quantity"] for own in client.get(account["why"]).json()["results"])

    def test_of_too_many_days_is_refused(self, household):
        assert household("snapshots", 400, limit="101")["errors"][0]["field"] == "limit"

    def test_of_nothing_there_is_none(self, household, alice):
        asked = {"accounts": str(make_account(owner=alice).pk)}
        assert household("summary", **asked)["explanation"] is None
        assert household("performance", **asked)["explanation"] is None


class TestBenchmark:
    @pytest.mark.parametrize("asked", [{}, *PERIODS, {"benchmark_return": "price"}, {"as_of": "2024-01-10"}])
    def test_figures_come_from_the_prices_of_both(self, get, other, asked):
        row = get("performance", benchmark=other.key, risk_free="0.01", **asked)
        assert row["beta"] is not None
        explains_all(row)
        last = row["explanation"]["tables"]["benchmark"]["rows"][-1]
        number = int(last["day"][-2:])
        assert last["close"] == f"{400 + (number * 11) % 7}.{number}".rstrip("0")

    def test_dividends_and_rates_are_told(self, ask, fortnights, other):
        account, abroad = fortnights.busy("FIFO"), benchmark_of(fortnights.foreign)
        row = ask(account, "performance", benchmark=abroad.key)
        explains_all(row)
        assert {one["rate"] for one in row["explanation"]["tables"]["benchmark"]["rows"]} >= {"1.0937"}

    def test_without_a_price_says_so(self, ask, fortnights):
        row = ask(fortnights.busy("FIFO"), "performance", benchmark=make_instrument(currency=fortnights.base).key)
        explains_all(row)
        assert any("no price" in note for note in row["explanation"]["notes"])


class TestWhatIsTold:
    def test_without_a_rate_says_so(self, ask, fortnights):
        account, (nowhere,) = fortnights.busy("FIFO"), fresh_currencies(1)
        row = ask(account, "snapshots", currency=nowhere)["results"][0]
        assert row["total_value"] is None
        assert any("No rate" in note for note in row["explanation"]["notes"])
        assert ask(account, "performance", currency=nowhere)["explanation"] is None
        assert ask(account, "summary", currency=nowhere)["total_value"] is None

    def test_what_put_off_a_loss_is_told(self, ask, abroad):
        washed = [row for row in ask(abroad[0], "closures")["results"] if row["wash_sale"]]
        assert washed
        for row in washed:
            table = row["explanation"]["tables"]["replaced"]
            assert sum(Decimal(one["put_off"]) for one in table["rows"]) == Decimal(row["disallowed_loss"])
            assert table["formulas"]

    def test_closes_in_pence_say_so(self, ask, abroad):
        rows = ask(abroad[0], "positions")["results"]
        told = {price["source"] for row in rows for price in row["explanation"]["prices"]}
        assert told == {"close", "close times 0.01, as it is quoted in hundredths"}

    def test_what_was_held_leads_to_the_positions_of_the_day(self, alice, ask, fortnights):
        day = ask(fortnights.busy("FIFO"), "snapshots", date="2024-01-09")["results"][0]
        table = day["explanation"]["tables"]["holdings"]
        positions = browser(alice).get(table["link"]).json()["results"]
        assert sorted(row["quantity"] for row in positions) == sorted(row["quantity"] for row in table["rows"])
        for row in positions:
            explains_all(row)

    def test_cash_comes_from_its_entries(self, ask, fortnights):
        row = ask(fortnights.busy("FIFO"), "summary", as_of="2024-01-03")
        table = row["explanation"]["tables"][f"cash_{fortnights.foreign}"]
        assert [(one["kind"], one["cash"]) for one in table["rows"]] == [("DEPOSIT", "800"), ("BUY", "-336")]


@pytest.fixture(scope="module")
def long(alice):
    """Return an account with 260 purchases and a sale."""
    account, share = make_account(owner=alice), make_instrument()
    bars(share, {"2024-01-02": "10.01", "2024-01-03": "11.07"})
    post(account, "DEPOSIT", cash="100000", occurred_at=at("2024-01-02"))
    many = [draft("BUY", instrument=share, quantity="1", price=f"10.{n:03}", occurred_at=at("2024-01-02")) for n in range(260)]
    with acting_as(alice.pk):
        LedgerEntry.objects.append(account_id=account.pk, actor_id=alice.pk, drafts=many)
    post(account, "SELL", instrument=share, quantity="-70", price="11", occurred_at=at("2024-01-03"))
    return account


class TestBounds:
    def test_of_many_entries_the_first_and_the_last_are_told_and_sums_still_come_out(self, alice, ask, long):
        (row,) = ask(long, "positions")["results"]
        explains_all(row)
        table = row["explanation"]["tables"]["entries"]
        assert (table["count"], table["left_out"], len(table["rows"])) == (261, 161, 100)
        assert table["rest"]["quantity_change"] == "161"
        assert browser(alice).get(table["link"], {"limit": "1000"}).status_code == 200
        days = ask(long, "snapshots")["results"]
        assert days[0]["explanation"]["tables"]["entries"]["count"] == 261

    def test_the_link_leads_to_the_entries(self, alice, ask, long):
        (row,) = ask(long, "positions")["results"]
        link = row["explanation"]["tables"]["entries"]["link"]
        found = browser(alice).get(f"{link}&limit=1000").json()["results"]
        assert len(found) == 261

    def test_a_page_of_closures_is_explained_from_one_reading(self, alice, ask, long):
        rows = ask(long, "closures")["results"]
        assert len(rows) == 70
        for row in rows:
            explains_all(row)

    def test_pages_are_no_longer_than_a_hundred_rows(self, alice, ask, long):
        answer = ask(long, "snapshots", 400, limit="101")
        assert answer["errors"][0]["field"] == "limit"

    @pytest.mark.parametrize(("asked", "field"), [({"explain": "perhaps"}, "explain")])
    def test_what_is_no_answer_is_refused(self, alice, ask, long, asked, field):
        assert ask(long, "summary", 400, **asked)["errors"][0]["field"] == field

    @pytest.mark.parametrize("route", ["summary", "performance", "drawdowns", "monthly-returns"])
    def test_an_account_without_days_has_nothing_to_explain(self, alice, ask, route):
        assert ask(make_account(owner=alice), route)["explanation"] is None

    @pytest.mark.parametrize("route", ["summary", "performance", "positions", "snapshots"])
    def test_is_only_there_when_asked_for(self, alice, ask, long, route):
        answer = ask(long, route, explain="false")
        assert "explanation" not in (answer["results"][0] if "results" in answer else answer)

    @pytest.mark.parametrize("route", ["summary", "performance", "positions", "snapshots", "closures"])
    def test_strangers_find_nothing(self, charlie, long, route):
        assert browser(charlie).get(f"/api/v1/accounts/{long.pk}/{route}/", {"explain": "1"}).status_code == 404


class TestWhatIsMissing:
    def test_a_position_without_a_price_says_so(self, alice):
        account, share = make_account(owner=alice), make_instrument()
        post(account, "BUY", instrument=share, quantity="2", price="10", occurred_at=at("2024-01-02"))
        client = browser(alice)
        (row,) = client.get(f"/api/v1/accounts/{account.pk}/positions/", {"explain": "1"}).json()["results"]
        assert recomputed(row["explanation"])["cost_basis"] == 20
        assert any("no price or rate" in note for note in row["explanation"]["notes"])
        day = client.get(f"/api/v1/accounts/{account.pk}/snapshots/", {"explain": "1"}).json()["results"][0]
        explains_all(day)
        assert any("is left out" in note for note in day["explanation"]["notes"])

    def test_a_stale_price_a_split_and_a_price_by_hand_are_named(self, alice):
        account, share, other = make_account(owner=alice), make_instrument(), make_instrument()
        bars(share, {"2024-01-02": 30})
        bars(other, {"2024-01-02": 5, "2024-01-05": 6})
        post(account, "BUY", instrument=share, quantity="2", price="10", occurred_at=at("2024-01-02"))
        post(account, "SPLIT", instrument=share, data={"ratio": "3:1"}, occurred_at=at("2024-01-03"))
        post(account, "BUY", instrument=other, quantity="1", price="5", occurred_at=at("2024-01-02"))
        post(account, "VALUATION", instrument=other, price="7", occurred_at=at("2024-01-03"))
        rows = browser(alice).get(f"/api/v1/accounts/{account.pk}/snapshots/", {"explain": "1"}).json()["results"]
        for row in rows:
            explains_all(row)
        told = {(one["instrument"], one["source"], one["stale"]) for row in rows for one in row["explanation"]["prices"]}
        assert (share.key, "close before a split, divided by its ratio", True) in told
        assert (other.key, "by hand", False) in told
        assert (other.key, "close", False) in told
