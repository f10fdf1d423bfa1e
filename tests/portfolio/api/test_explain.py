"""Every figure says why: whoever has nothing but the explanation comes to its last digit."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates
from tests.portfolio.recompute import recomputed

POSITION = ("quantity", "average_price", "cost_basis", "market_value", "unrealized_gain", "unrealized_gain_pct", "day_gain")
POSITION += ("weight", "realized_gain", "income", "fees", "taxes")
SNAPSHOT = ("total_value", "cash", "positions_value", "buying_power", "net_flow", "inflow", "outflow", "day_gain", "price_gain")
SNAPSHOT += ("currency_gain", "income", "interest", "fees", "taxes", "total_gain", "twr_index")
CLOSURE = ("cost", "proceeds", "gain", "taxable_gain", "holding_days")


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture(params=["FIFO", "LIFO", "HIFO", "AVERAGE"])
def busy(request, alice):
    """Return an account in which much happened in a fortnight, in two currencies."""
    base, foreign = fresh_currencies(2)
    account = make_account(owner=alice, base_currency=base, kind="MARGIN", cost_basis_method=request.param)
    share, other = make_instrument(currency=base), make_instrument(currency=foreign)
    bars(share, {f"2024-01-{n:02}": f"{100 + n}.37" for n in (2, 3, 4, 5, 8, 9, 10, 11, 12)})
    bars(other, {f"2024-01-{n:02}": f"{50 - n}.013" for n in (3, 4, 8, 9, 10)})
    rates(foreign, base, {f"2024-01-{n:02}": f"1.{n:02}37" for n in (2, 4, 5, 9)})
    mine, theirs = {"currency": base}, {"currency": foreign}
    post(account, "DEPOSIT", cash="9000", occurred_at=at("2024-01-02"), **mine)
    post(account, "BUY", instrument=share, quantity="20", price="100", fee="1", occurred_at=at("2024-01-02"), **mine)
    post(account, "BUY", instrument=share, quantity="3", price="101.11", fee="1", occurred_at=at("2024-01-03"), **mine)
    post(account, "DEPOSIT", cash="800", occurred_at=at("2024-01-03"), data={"fx_rate": "1.3"}, **theirs)
    post(account, "BUY", instrument=other, quantity="7", price="48", occurred_at=at("2024-01-03"), **theirs)
    post(account, "SELL", instrument=share, quantity="-7", price="104", fee="2", occurred_at=at("2024-01-04"), **mine)
    post(account, "SPLIT", instrument=share, data={"ratio": "2:1"}, occurred_at=at("2024-01-06"), **mine)
    post(account, "DIVIDEND", instrument=other, cash="3", tax="1", occurred_at=at("2024-01-08"), **theirs)
    post(account, "WITHDRAWAL", cash="-500", occurred_at=at("2024-01-09"), **mine)
    post(account, "INTEREST", cash="1.23", occurred_at=at("2024-01-09"), **mine)
    post(account, "SELL", instrument=other, quantity="-3", price="44", occurred_at=at("2024-01-10"), **theirs)
    post(account, "SELL", instrument=share, quantity="-29", price="55", fee="2", occurred_at=at("2024-01-11"), **mine)
    post(account, "SHORT", instrument=other, quantity="-9", price="41", occurred_at=at("2024-01-11"), **theirs)
    return account


@pytest.fixture
def get(alice, busy):
    client = browser(alice)

    def ask(route: str, status: int = 200, **query: str):
        response = client.get(f"/api/v1/accounts/{busy.pk}/{route}/", {"explain": "1"} | query)
        assert response.status_code == status, response.content
        return response.json()

    return ask


def agrees(row: dict, names: tuple[str, ...]) -> None:
    """Say that the explanation of a row gives its figures."""
    found = recomputed(row["explanation"])
    assert row["explanation"]["notes"] == [] or all("as the derivation" not in note for note in row["explanation"]["notes"])
    for name in names:
        if row[name] is not None:
            assert found[name] == Decimal(row[name]), name


PAST = [{}, {"as_of": "2024-01-10"}, {"as_of": "2024-01-04"}, {"known_at": "2100-01-01T00:00:00Z"}]


class TestPositions:
    @pytest.mark.parametrize("past", PAST)
    def test_come_from_their_entries_and_the_price_of_the_day(self, get, past):
        rows = get("positions", **past)["results"]
        assert len(rows) == 2
        for row in rows:
            agrees(row, POSITION)


class TestSnapshots:
    @pytest.mark.parametrize("past", PAST)
    def test_each_day_comes_from_what_was_held_and_what_moved(self, get, past):
        for row in get("snapshots", **past)["results"]:
            agrees(row, SNAPSHOT)


class TestClosures:
    @pytest.mark.parametrize("past", PAST)
    def test_come_from_the_entries_that_opened_and_closed_them(self, get, past):
        rows = get("closures", **past)["results"]
        assert rows
        for row in rows:
            agrees(row, CLOSURE)


SUMMARY = ("total_value", "positions_value", "net_deposits", "gain", "day_gain", "twr", "max_drawdown")
PERFORMANCE = ("end_value", "net_flows", "gain", "twr", "simple_return", "max_drawdown")
RISK = ("twr_annualized", "volatility", "semi_deviation", "sharpe", "sortino", "omega", "calmar", "var_95", "cvar_95")


class TestInAnotherCurrency:
    def test_lots_and_closures_are_read_at_the_rates_of_their_days(self, get, busy):
        for row in get("positions", currency="account")["results"]:
            agrees(row, ("quantity", "cost_basis", "average_price", "market_value", "unrealized_gain", "realized_gain"))
        for row in get("closures", currency="account")["results"]:
            agrees(row, CLOSURE)

    def test_days_are_read_at_their_own_rates(self, get, busy):
        (third,) = fresh_currencies(1)
        rates(busy.base_currency, third, {f"2024-01-{n:02}": f"0.9{n:02}1" for n in (1, 3, 4, 8, 11)})
        rows = get("snapshots", currency=third)["results"]
        for row in rows:
            agrees(row, SNAPSHOT)
        agrees(get("summary", currency=third), SUMMARY)
        agrees(get("performance", currency=third), PERFORMANCE)
        assert rows[0]["explanation"]["rates"]

    def test_without_a_rate_says_so(self, get, busy):
        (third,) = fresh_currencies(1)
        row = get("snapshots", currency=third)["results"][0]
        assert row["total_value"] is None
        assert any("No rate" in note for note in row["explanation"]["notes"])
        assert get("performance", currency=third)["explanation"] is None
        assert get("summary", currency=third)["total_value"] is None


class TestSummary:
    @pytest.mark.parametrize("past", PAST)
    def test_comes_from_the_last_day_and_from_all_days(self, get, past):
        row = get("summary", **past)
        agrees(row, SUMMARY)
        assert abs(recomputed(row["explanation"])["left_over"]) < Decimal("0.001")


class TestPerformance:
    @pytest.mark.parametrize("past", PAST)
    @pytest.mark.parametrize("period", [{}, {"start": "2024-01-04"}, {"start": "2024-01-03", "end": "2024-01-09"}])
    def test_comes_from_the_days(self, get, past, period):
        row = get("performance", risk_free="0.02", **past, **period)
        agrees(row, (*PERFORMANCE, *RISK))
        found = recomputed(row["explanation"])
        for name, amount in row["bridge"].items():
            assert found[name] == Decimal(amount), name


class TestBounds:
    @pytest.fixture
    def long(self, alice):
        """Return an account with 260 purchases and a sale."""
        account, share = make_account(owner=alice), make_instrument()
        bars(share, {"2024-01-02": "10.01", "2024-01-03": "11.07"})
        post(account, "DEPOSIT", cash="100000", occurred_at=at("2024-01-02"))
        for n in range(260):
            post(account, "BUY", instrument=share, quantity="1", price=f"10.{n:03}", occurred_at=at("2024-01-02"))
        post(account, "SELL", instrument=share, quantity="-70", price="11", occurred_at=at("2024-01-03"))
        return account

    def ask(self, alice, account, route: str, status: int = 200, **query: str):
        response = browser(alice).get(f"/api/v1/accounts/{account.pk}/{route}/", {"explain": "true"} | query)
        assert response.status_code == status, response.content
        return response.json()

    def test_of_many_entries_the_first_and_the_last_are_told_and_sums_still_come_out(self, alice, long):
        (row,) = self.ask(alice, long, "positions")["results"]
        agrees(row, POSITION)
        table = row["explanation"]["tables"]["entries"]
        assert (table["count"], table["left_out"], len(table["rows"])) == (261, 161, 100)
        assert table["rest"]["quantity_change"] == "161"
        assert browser(alice).get(table["link"], {"limit": "1000"}).status_code == 200
        days = self.ask(alice, long, "snapshots")["results"]
        assert days[0]["explanation"]["tables"]["entries"]["count"] == 261

    def test_the_link_leads_to_the_entries(self, alice, long):
        (row,) = self.ask(alice, long, "positions")["results"]
        link = row["explanation"]["tables"]["entries"]["link"]
        found = browser(alice).get(f"{link}&limit=1000").json()["results"]
        assert len(found) == 261

    def test_a_page_of_closures_is_explained_from_one_reading(self, alice, long):
        rows = self.ask(alice, long, "closures")["results"]
        assert len(rows) == 70
        for row in rows:
            agrees(row, CLOSURE)

    def test_pages_are_no_longer_than_a_hundred_rows(self, alice, long):
        answer = self.ask(alice, long, "snapshots", 400, limit="101")
        assert answer["errors"][0]["field"] == "limit"

    @pytest.mark.parametrize(("asked", "field"), [({"explain": "perhaps"}, "explain")])
    def test_what_is_no_answer_is_refused(self, alice, long, asked, field):
        assert self.ask(alice, long, "summary", 400, **asked)["errors"][0]["field"] == field

    @pytest.mark.parametrize("route", ["lots", "drawdowns", "income"])
    def test_is_not_taken_where_nothing_is_explained(self, alice, long, route):
        assert self.ask(alice, long, route, 400)["errors"][0]["code"] == "unknown_parameter"

    @pytest.mark.parametrize("route", ["summary", "performance"])
    def test_an_account_without_days_has_nothing_to_explain(self, alice, route):
        assert self.ask(alice, make_account(owner=alice), route)["explanation"] is None

    @pytest.mark.parametrize("route", ["summary", "performance", "positions", "snapshots"])
    def test_is_only_there_when_asked_for(self, alice, long, route):
        answer = self.ask(alice, long, route, explain="false")
        assert "explanation" not in (answer["results"][0] if "results" in answer else answer)

    @pytest.mark.parametrize("route", ["summary", "performance", "positions", "snapshots", "closures"])
    def test_strangers_find_nothing(self, charlie, long, route):
        self.ask(charlie, long, route, 404)


class TestWhatIsMissing:
    def test_a_position_without_a_price_says_so(self, alice):
        account, share = make_account(owner=alice), make_instrument()
        post(account, "BUY", instrument=share, quantity="2", price="10", occurred_at=at("2024-01-02"))
        client = browser(alice)
        (row,) = client.get(f"/api/v1/accounts/{account.pk}/positions/", {"explain": "1"}).json()["results"]
        assert recomputed(row["explanation"])["cost_basis"] == 20
        assert any("no price or rate" in note for note in row["explanation"]["notes"])
        day = client.get(f"/api/v1/accounts/{account.pk}/snapshots/", {"explain": "1"}).json()["results"][0]
        agrees(day, SNAPSHOT)
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
            agrees(row, SNAPSHOT)
        told = {(one["instrument"], one["source"], one["stale"]) for row in rows for one in row["explanation"]["prices"]}
        assert (share.key, "close before a split, divided by its ratio", True) in told
        assert (other.key, "by hand", False) in told
        assert (other.key, "close", False) in told


class TestEveryKind:
    @pytest.fixture
    def strange(self, alice):
        """Return an account to which nearly everything happened that can."""
        account = make_account(owner=alice, cost_basis_method="FIFO", wash_sales=True)
        share, child, coin, heir = (make_instrument() for _ in range(4))
        days = [f"2024-03-{n:02}" for n in range(1, 29)]
        for number, one in enumerate((share, child, coin, heir), 1):
            bars(one, {day: f"{number * 10 + n}.31" for n, day in enumerate(days)})
        mine = {"currency": "USD"}
        post(account, "DEPOSIT", cash="9000", occurred_at=at("2024-03-01"), **mine)
        data = {"cost": "77.77"}
        post(account, "TRANSFER_IN", instrument=share, quantity="7", data=data, occurred_at=at("2024-03-02"), **mine)
        post(account, "BUY", instrument=share, quantity="10", price="12", fee="1", occurred_at=at("2024-03-03"), **mine)
        post(account, "SELL", instrument=share, quantity="-8", price="6", fee="1", occurred_at=at("2024-03-04"), **mine)
        post(account, "BUY", instrument=share, quantity="3", price="7", occurred_at=at("2024-03-05"), **mine)
        post(account, "RETURN_OF_CAPITAL", instrument=share, cash="13", occurred_at=at("2024-03-06"), **mine)
        post(account, "STAKING", instrument=coin, quantity="2", occurred_at=at("2024-03-07"), **mine)
        spun = {"from": share.key, "cost_fraction": "0.2"}
        post(account, "SPIN_OFF", instrument=child, quantity="4", data=spun, occurred_at=at("2024-03-08"), **mine)
        post(account, "FEE", instrument=share, cash="-2", occurred_at=at("2024-03-09"), **mine)
        post(account, "TAX", cash="-3", occurred_at=at("2024-03-09"), **mine)
        post(account, "SELL", instrument=coin, quantity="-5", price="36", occurred_at=at("2024-03-10"), **mine)
        post(account, "TRANSFER_OUT", instrument=share, quantity="-2", occurred_at=at("2024-03-11"), **mine)
        post(account, "LIABILITY", price="500", data={"name": "loan"}, occurred_at=at("2024-03-12"), **mine)
        post(account, "SPLIT", instrument=share, data={"ratio": "3:2"}, occurred_at=at("2024-03-13"), **mine)
        post(account, "SELL", instrument=share, quantity="-20", price="9", occurred_at=at("2024-03-14"), **mine)
        return account

    @pytest.mark.parametrize(
        ("route", "names"), [("positions", POSITION), ("snapshots", SNAPSHOT), ("closures", CLOSURE), ("summary", SUMMARY)]
    )
    def test_can_be_explained(self, alice, strange, route, names):
        asked = {"explain": "1", "state": "all"} if route == "positions" else {"explain": "1"}
        response = browser(alice).get(f"/api/v1/accounts/{strange.pk}/{route}/", asked)
        assert response.status_code == 200, response.content
        answer = response.json()
        for row in answer.get("results", [answer]):
            agrees(row, names)
