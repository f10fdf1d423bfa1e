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
